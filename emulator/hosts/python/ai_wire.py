"""Requests to the AI binding's fake origin https://workers-binding.ai, and the errors that its management paths answer with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from emulator.hosts.python.surface import json as js_json
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject, JsProxy, js_string, jsnull, option

type Fetcher = Callable[[JsRequest], JsPromise]
"""Sends one request to the gateway's AI service; a promise of its `JsResponse`."""

ORIGIN = "https://workers-binding.ai"
JSON_TYPE = [("content-type", "application/json")]


def request_to(method: str, path: str, body: Any = None, headers: list[tuple[str, str]] | None = None, signal: Any = None) -> JsRequest:
    """A request to `path` of the origin; of headers with one name the last holds."""
    pairs = JsArray([JsArray(list(pair)) for pair in _last_of_each(headers or [])])
    init = {"method": method, "headers": pairs, "body": body, "signal": signal}
    return JsRequest(ORIGIN + path, JsObject({name: value for name, value in init.items() if value is not None}))


def _last_of_each(headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Later headers replace earlier ones of the same name, as spread objects do."""
    return list({name.lower(): (name, value) for name, value in headers}.values())


async def listed_error(response: JsResponse, name: str, default: str = "Internal Error", *, unreadable: str | None = None) -> JsException:
    """The error of a management path: `errors[0].message`, else `default`; the raw text when it is no JSON."""
    content = await response.text()
    try:
        errors = option(js_json.parse(content), "errors")
    except JsException:
        return js_error(unreadable or name, content)
    message = option(first(errors), "message", default)
    return js_error(name, js_string(message) or default)


def members(value: Any) -> list[tuple[str, Any]]:
    """Names and values of an object, nothing of what is none."""
    return list(value._js_own().items()) if isinstance(value, JsObject) else []


def first(errors: Any) -> Any:
    """The first of an array, None when there is none."""
    return errors[0] if isinstance(errors, JsArray) and len(errors) else None


def truthy(value: Any) -> bool:
    """JavaScript's: every object is true."""
    return value is not None and value is not jsnull and (isinstance(value, JsProxy) or bool(value))
