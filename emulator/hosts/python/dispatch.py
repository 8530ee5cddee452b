"""How the runtime calls Python user code (python-workers-surface.md 3.1, 3.2).

Handlers (`fetch`, `alarm`, `webSocketMessage`, ...) are called *relaxed*: surplus arguments are dropped. RPC methods are not. Arguments and
results pass through the SDK's own `python_from_rpc` and `python_to_rpc`, because those conversions are what users meet in production.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsProxy

RESERVED_METHODS = frozenset(
    {"alarm", "webSocketMessage", "webSocketClose", "webSocketError", "dup", "constructor", "fetch", "connect", "then"}
)
"""Names that are never RPC methods (durable-objects.md 8)."""


class Dispatcher:
    """Calls into the user's classes, with the conversions of the `workers` package they import."""

    def __init__(self, sdk: Any) -> None:
        """`sdk` is the real `workers` module."""
        self._request = sdk.Request
        self._from_rpc: Callable[[Any], Any] = sdk.python_from_rpc
        self._to_rpc: Callable[[Any], Any] = sdk.python_to_rpc
        self._arity: dict[Any, int | None] = {}

    async def handle(self, receiver: Any, name: str, *args: Any) -> Any:
        """Call a handler with as many of `args` as it takes; None when there is no such handler."""
        handler = getattr(receiver, name, None)
        if handler is None:
            return None
        return await self.call_relaxed(handler, *args)

    async def call_relaxed(self, handler: Any, *args: Any) -> Any:
        """Call a handler with as many of `args` as it takes."""
        key = getattr(handler, "__func__", handler)
        if key in self._arity:
            arity = self._arity[key]
        else:
            arity = self._arity[key] = _positional(handler)
        result = handler(*(args if arity is None else args[:arity]))
        return await result if isinstance(result, Awaitable) else result

    async def fetch(self, receiver: Any, request: JsRequest, *more: Any) -> JsResponse:
        """Call a `fetch` handler; its answer as the JavaScript Response it stands for."""
        handler = getattr(receiver, "fetch", None)
        if handler is None:
            raise js_error("TypeError", "Handler does not export a fetch() function.")
        return self.response(await self.call_relaxed(handler, self._request(request), *more))

    def response(self, answer: Any) -> JsResponse:
        """The JavaScript Response behind `workers.Response`, Pyodide's FetchResponse or a raw one."""
        if isinstance(answer, JsResponse):
            return answer
        raw = getattr(answer, "js_object", None) or getattr(answer, "js_response", None)
        if isinstance(raw, JsResponse):
            return raw
        raise js_error(
            "TypeError",
            f"Incorrect type for Promise: the Promise did not resolve to 'Response' (the fetch handler returned {type(answer).__name__}).",
        )

    async def call_method(self, receiver: Any, name: str, args: list[Any]) -> Any:
        """An RPC call: `name` of `receiver` with JavaScript arguments; the JavaScript result."""
        if name in RESERVED_METHODS:
            raise js_error("TypeError", f"'{name}' is a reserved method and cannot be called over RPC.")
        method = getattr(receiver, name, None)
        if method is None:
            raise js_error("TypeError", f'The RPC receiver does not implement the method "{name}".')
        if not callable(method):
            raise js_error("TypeError", f'"{name}" is not a function.')
        return await self._call(method, args)

    async def read_property(self, receiver: Any, name: str) -> Any:
        """The JavaScript value of a property read over RPC."""
        try:
            return self._to_rpc(getattr(receiver, name))
        except AttributeError:
            raise js_error("TypeError", f'The RPC receiver does not implement the method "{name}".') from None

    async def call_function(self, function: Any, args: list[Any]) -> Any:
        """A function that travelled over RPC, called with JavaScript arguments."""
        result = function(*args)
        if isinstance(result, Awaitable):
            result = await result
        return result if isinstance(result, JsProxy) else self._to_rpc(result)

    async def _call(self, method: Any, args: list[Any]) -> Any:
        result = method(*[self._from_rpc(arg) for arg in args])
        if isinstance(result, Awaitable):
            result = await result
        return self._to_rpc(result)


def _positional(handler: Any) -> int | None:
    """How many positional arguments a handler takes; None = any number."""
    try:
        parameters = inspect.signature(handler).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(parameter.kind is parameter.VAR_POSITIONAL for parameter in parameters):
        return None
    return sum(parameter.kind in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD) for parameter in parameters)
