"""`run_sync`: waiting in synchronous Python while the event loop goes on.

Production switches WebAssembly stacks. Here every entry coroutine may be driven inside a greenlet
(`suspendable`), which `run_sync` leaves to wait; the loop never notices. Without the optional package
`greenlet`, or outside a driven coroutine, there is "No suspender", an answer the SDK knows.
"""

from __future__ import annotations

import asyncio
import types
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any

from .convert import unwrap
from .promise import JsPromise

type Resume = tuple[bool, Any]  # (False, value to send) or (True, exception to throw)


class _Stacks:
    """The stacks that suspendable coroutines run on, where greenlet is there to make them."""

    def __init__(self) -> None:
        self.greenlet: Any = None
        self.kind: Any = None

    def look(self) -> None:
        """Take greenlet if it can be imported."""
        if self.greenlet is not None:
            return
        try:
            import greenlet
        except ImportError:
            return
        self.greenlet = greenlet
        self.kind = type("Stack", (greenlet.greenlet,), {})


_stacks = _Stacks()
_stacks.look()


def available() -> bool:
    """Whether `run_sync` can work at all in this interpreter."""
    return _stacks.greenlet is not None


def look_again() -> None:
    """There is more on the path now: greenlet may be."""
    _stacks.look()


def run_sync(awaitable: Awaitable[Any], /) -> Any:
    """The result of `awaitable`, waited for here; RuntimeError("No suspender") where that is impossible."""
    if _driver() is None:
        _discard(unwrap(awaitable))
        raise RuntimeError("No suspender")
    return _exhaust(unwrap(awaitable).__await__())


def can_run_sync() -> bool:
    """Whether `run_sync` would work here."""
    return _driver() is not None


async def suspendable[T](coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs `coroutine` so that `run_sync` works in it; plainly awaits it without greenlet."""
    if _stacks.greenlet is None:
        return await coroutine
    result: T = await _drive(coroutine)
    return result


def task_factory(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any) -> asyncio.Task[Any]:
    """For `loop.set_task_factory`: the tasks user code makes can `run_sync` too."""
    return asyncio.Task(suspendable(coroutine), loop=loop, **options)


def _discard(awaitable: Any) -> None:
    """Nobody will wait for it: neither a never-awaited warning nor an unhandled rejection is news then."""
    if isinstance(awaitable, JsPromise):
        awaitable.mark_handled()
    elif asyncio.iscoroutine(awaitable):
        awaitable.close()


def _driver() -> Any:
    if _stacks.greenlet is None:
        return None
    current = _stacks.greenlet.getcurrent()
    return current.parent if isinstance(current, _stacks.kind) else None


def _exhaust(steps: Generator[Any, Any, Any] | Coroutine[Any, Any, Any]) -> Any:
    """Runs a coroutine to its end, handing everything it yields to the driver's side."""
    resume: Resume = (False, None)
    while True:
        failed, value = resume
        try:
            request = steps.throw(value) if failed else steps.send(value)
        except StopIteration as stop:
            return stop.value
        resume = _driver().switch(request)


@types.coroutine
def _drive(coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
    greenlet = _stacks.greenlet
    current = greenlet.getcurrent()
    stack = _stacks.kind(lambda: _exhaust(coroutine), current)
    stack.gr_context = current.gr_context
    request = stack.switch()
    while not stack.dead:
        try:
            resume: Resume = (False, (yield request))
        except BaseException as error:
            resume = (True, error)
        stack.parent = greenlet.getcurrent()
        request = stack.switch(resume)
    return request
