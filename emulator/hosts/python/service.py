"""`Fetcher`: a binding that takes requests (assets, another entrypoint of this Worker)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.hosts.python.surface.errors import python_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.values import JsProxy


class Fetcher(JsProxy):
    """`binding.fetch(request)` or `binding.fetch(url, init)`."""

    __slots__ = ("__weakref__", "_send")
    _js_name = "Fetcher"

    def __init__(self, send: Callable[[JsRequest], JsPromise]) -> None:
        self._send = send

    def fetch(self, resource: Any, init: Any = None, **_more: Any) -> JsPromise:
        """A promise of the response."""
        try:
            request = resource if isinstance(resource, JsRequest) and init is None else JsRequest(resource, init)
        except Exception as error:
            return JsPromise.rejected(python_error(error))
        return self._send(request)
