"""The surface's port (surface/port.py) on this host: timers, console, randomness, outgoing requests."""

from __future__ import annotations

import asyncio
import contextvars
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from emulator.hosts.python.console import console_text
from emulator.hosts.python.context import ExecutionContext, keep_alive
from emulator.hosts.python.instance import Instance, InstanceGone
from emulator.hosts.python.loop import OwnedTimer, host_loop
from emulator.hosts.python.owner import Owner, current_owner, current_section
from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.events import Runner, run_in_empty_context
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.values import JsObject
from emulator.hosts.python.surface.websocket import WebSocket

SHORTEST_INTERVAL_S = 0.001
"""Of `setInterval` on a virtual clock."""


class RuntimeWorld(Protocol):
    """What the runtime needs of the host."""

    env: JsObject

    def send(self, target: bytes, request: JsRequest) -> JsPromise:
        """Send a request over the link (outbound.py)."""

    def connect(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """Open an outgoing WebSocket."""

    def write_log(self, level: str, text: str, who: Owner | None) -> None:
        """One line for the terminal."""

    def user_error(self, where: str, error: BaseException, handle: Any) -> None:
        """Show an error nobody else hears."""


class HostRuntime:
    """One per host process; `world` is the host it stands for."""

    def __init__(self, world: RuntimeWorld, flags: Mapping[str, bool], pyodide_version: str) -> None:
        self._world = world
        self.flags = flags
        self.pyodide_version = pyodide_version
        self.missing_names: set[str] = set()
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._next_timer = 1

    @property
    def env(self) -> JsObject:
        """The project's env."""
        return self._world.env

    def fetch(self, request: JsRequest) -> JsPromise:
        """`js.fetch`: out through the gateway's egress."""
        return self._world.send(b"egress", request)

    def open_socket(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """`new WebSocket(url)`: out through the gateway's egress."""
        self._world.connect(socket, url, protocols)

    def set_timer(self, delay_ms: float, callback: Callable[[], Any], repeat: bool) -> int:
        """A timer of the running code's owner; it fires in an empty context, as in production (python-workers-surface.md 4.3)."""
        ident = self._next_timer
        self._next_timer += 1
        context = bare_context()
        loop = host_loop()
        delay_s = max(delay_ms, 0) / 1000
        if repeat and loop.clock is not None:
            # A clock that stands still would never let it end.
            delay_s = max(delay_s, SHORTEST_INTERVAL_S)

        def arm() -> asyncio.TimerHandle:
            timer = loop.call_later(delay_s, fire, context=context)
            self._timers[ident] = timer
            if isinstance(timer, OwnedTimer):
                timer.kind = "setInterval" if repeat else "setTimeout"
            return timer

        def fire() -> None:
            if repeat:
                again = arm()
                if isinstance(again, OwnedTimer) and isinstance(first, OwnedTimer):
                    again.begun, again.since_s = first.begun, first.since_s
            else:
                self._timers.pop(ident, None)
            self._guarded(callback, "timer")

        first = arm()
        return ident

    def clear_timer(self, timer_id: int) -> None:
        """Forget a timer."""
        timer = self._timers.pop(timer_id, None)
        if timer is not None:
            timer.cancel()

    def queue_microtask(self, callback: Callable[[], Any]) -> None:
        """Run `callback` before later events."""
        asyncio.get_running_loop().call_soon(self._guarded, callback, "microtask", context=bare_context())

    def _guarded(self, callback: Callable[[], Any], where: str) -> None:
        owner = current_owner.get()
        if owner is not None and owner.dead:
            return
        try:
            result = callback()
        except InstanceGone:
            return
        except Exception as error:
            # A throwing timer does not reset the object (S-16).
            self._world.user_error(where, error, _handle(owner))
            return
        if isinstance(result, JsPromise) or asyncio.iscoroutine(result):
            # Asked for here, not left to the promise's end: the error's traceback may keep it alive for long.
            keep = JsPromise.from_awaitable(result)
            keep._react(lambda outcome: None if outcome[0] else self._world.user_error(where, outcome[1], _handle(owner)))

    def log(self, level: str, args: tuple[Any, ...]) -> None:
        """`console.<level>(...)`."""
        self._world.write_log(level, console_text(args), current_owner.get())

    def now_ms(self) -> float:
        """`Date.now()`."""
        return time.time() * 1000

    def random_bytes(self, count: int) -> bytes:
        """`crypto.getRandomValues`."""
        return os.urandom(count)

    def wait_until(self, promise: JsPromise) -> None:
        """`waitUntil` of `cloudflare:workers`."""
        owner = current_owner.get()
        if owner is None:
            raise js_error("Error", "waitUntil() can only be called while an event is being handled.")
        keep_alive(promise, owner, self._world)  # type: ignore[arg-type]  # it needs user_error only

    def patch_wait_until(self, ctx: Any) -> None:
        """Every context of ours takes Python awaitables already."""
        assert ctx is None or isinstance(ctx, ExecutionContext) or hasattr(ctx, "waitUntil")

    def import_module(self, name: str) -> JsPromise:
        """`doAnImport(name)`: there is no JavaScript engine here to import anything."""
        return JsPromise.rejected(js_error("Error", f"No such module {name!r}: JavaScript modules cannot be imported by the Python host."))

    def missing(self, name: str) -> None:
        """Name it once on the terminal: the ImportError itself may be caught by a library."""
        if name not in self.missing_names:
            self.missing_names.add(name)
            self._world.write_log("debug", f"js.{name} was asked for and is not emulated", current_owner.get())

    def unhandled(self, error: BaseException) -> None:
        """An unhandled rejection is logged and resets nothing (S-16)."""
        self._world.user_error("unhandled rejection", error, _handle(current_owner.get()))


def bare_context() -> contextvars.Context:
    """Empty but for whose code it is: production loses context variables in timers and microtasks."""
    owner, section = current_owner.get(), current_section.get()
    if owner is None:
        return contextvars.Context()
    context = owner.fresh_context()
    if section is not None:
        context.run(current_section.set, section)
    return context


def runner_of_caller() -> Runner:
    """Runs listeners that the running code adds: as its own code, when its input gate lets them, and never once it is dead."""
    owner, section = current_owner.get(), current_section.get()
    if owner is None:
        return run_in_empty_context

    def run(work: Callable[[], object]) -> None:
        context = owner.fresh_context()
        if section is not None:
            context.run(current_section.set, section)

        def resumed() -> None:
            context.run(work)

        owner.resume(section, resumed)

    return run


def _handle(owner: Owner | None) -> Any:
    return owner.handle if isinstance(owner, Instance) else None
