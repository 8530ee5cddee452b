"""A small real runtime on asyncio for the surface's tests: loops back fetches, keeps a log."""

from __future__ import annotations

import asyncio
import contextvars
import itertools
import os
import time
from collections.abc import Callable
from typing import Any

from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject


class LoopRuntime:
    """Implements `port.Runtime`. `answer` turns a request into a response (or a coroutine of one)."""

    def __init__(self, answer: Callable[[JsRequest], Any] | None = None) -> None:
        self.env = JsObject({"NAME": "test"})
        self.flags: dict[str, bool] = {}
        self.pyodide_version = "0.28.2"
        self.logged: list[tuple[str, tuple[Any, ...]]] = []
        self.asked: list[str] = []
        self.errors: list[BaseException] = []
        self.waiting: list[JsPromise] = []
        self.opened: list[tuple[Any, str, list[str]]] = []
        self._answer = answer or echo
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._ids = itertools.count(1)

    def fetch(self, request: JsRequest) -> JsPromise:
        return JsPromise.attempt(self._answer, request)

    def open_socket(self, socket: Any, url: str, protocols: list[str]) -> None:
        self.opened.append((socket, url, protocols))

    def set_timer(self, delay_ms: float, callback: Callable[[], Any], repeat: bool) -> int:
        number = next(self._ids)
        loop = asyncio.get_running_loop()

        def fire() -> None:
            if repeat:
                self._timers[number] = loop.call_later(delay_ms / 1000, fire, context=contextvars.Context())
            else:
                del self._timers[number]
            callback()

        self._timers[number] = loop.call_later(delay_ms / 1000, fire, context=contextvars.Context())
        return number

    def clear_timer(self, timer_id: int) -> None:
        timer = self._timers.pop(timer_id, None)
        if timer is not None:
            timer.cancel()

    def queue_microtask(self, callback: Callable[[], Any]) -> None:
        asyncio.get_running_loop().call_soon(callback, context=contextvars.Context())

    def log(self, level: str, args: tuple[Any, ...]) -> None:
        self.logged.append((level, args))

    def now_ms(self) -> float:
        return time.time() * 1000

    def random_bytes(self, count: int) -> bytes:
        return os.urandom(count)

    def wait_until(self, promise: JsPromise) -> None:
        self.waiting.append(promise)

    def patch_wait_until(self, ctx: Any) -> None:
        self.patched = ctx

    def import_module(self, name: str) -> JsPromise:
        return JsPromise.rejected(js_error("Error", f'No such module "{name}".'))

    def missing(self, name: str) -> None:
        self.asked.append(name)

    def unhandled(self, error: BaseException) -> None:
        self.errors.append(error)


async def echo(request: JsRequest) -> JsResponse:
    """The request's body and content type back; its method and URL as headers."""
    source = request.body_source()
    body = source if source is None or isinstance(source, bytes) else b"".join([chunk async for chunk in source])
    pairs = [("x-method", request.method), ("x-url", request.url), *request.headers.pairs()]
    return JsResponse.received(200, pairs, body, url=request.url)
