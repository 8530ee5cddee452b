"""Promises: eager, awaitable any number of times, and free when already settled.

A JavaScript call starts when it is made, awaited or not (python-workers-surface.md 3.3). Awaiting a settled
promise does not yield to the event loop: storage-only read-modify-write stays atomic, and that is the input
gate of the storage API (10.1).

A rejection nobody handles is reported through the event loop's exception handler when the promise dies;
`report_rejections` leads it to the runtime port.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any

from .containers import JsArray
from .convert import is_awaitable, is_function, unwrap
from .errors import JsAggregateError, JsException, js_error
from .values import JsObject, JsProxy, iterate, js_string

type Settled = tuple[bool, Any]  # (fulfilled, value or exception)


class UnhandledRejection:
    """Held by a rejected promise until somebody handles it; its death unhandled is the report."""

    __slots__ = ("_armed", "_error")

    def __init__(self, error: BaseException) -> None:
        self._error = error
        self._armed = True

    def disarm(self) -> None:
        self._armed = False

    def __del__(self) -> None:
        if not self._armed:
            return
        context = {"message": "Unhandled promise rejection", "exception": self._error, "rejection": True}
        asyncio.get_running_loop().call_exception_handler(context)


def report_rejections(loop: asyncio.AbstractEventLoop, report: Callable[[BaseException], None]) -> None:
    """Sends unhandled rejections of `loop` to `report`; everything else to the handler that was there before."""
    previous = loop.get_exception_handler()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("rejection"):
            report(context["exception"])
        elif previous is not None:
            previous(loop, context)
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


class JsPromise(JsProxy):
    """A value that is there now or later.

    Host code makes them with `resolved`, `rejected`, `from_awaitable` or, open, with `JsPromise()` and
    `settle` / `fail`. A Python exception that rejects a promise reaches the awaiting code unchanged.
    """

    __slots__ = ("__weakref__", "_guard", "_outcome", "_reactions")
    _js_name = "Promise"
    _js_statics = ("all", "allSettled", "any", "race", "reject", "resolve", "try_", "withResolvers")

    def __init__(self) -> None:
        self._outcome: Settled | None = None
        self._reactions: list[Callable[[Settled], None]] | None = None
        self._guard: UnhandledRejection | None = None

    # -- making them

    @classmethod
    def resolved(cls, value: Any = None) -> JsPromise:
        """A promise already fulfilled with `value` (taken as it is)."""
        promise = cls()
        promise._outcome = (True, value)
        return promise

    @classmethod
    def rejected(cls, error: Any) -> JsPromise:
        """A promise already rejected; what is no exception is wrapped in an Error."""
        promise = cls()
        promise.fail(error)
        return promise

    @classmethod
    def from_awaitable(cls, awaitable: Awaitable[Any], *, context: contextvars.Context | None = None) -> JsPromise:
        """Runs `awaitable` at once up to its first suspension, then as a task; a promise passes as it is."""
        if isinstance(awaitable, JsPromise):
            return awaitable
        promise = cls()
        future: asyncio.Future[Any]
        if asyncio.isfuture(awaitable):
            future = awaitable
        else:
            coroutine = awaitable if asyncio.iscoroutine(awaitable) else _await(awaitable)
            future = eager_task(coroutine, context)
        if future.done():
            promise._follow(future)
        else:
            future.add_done_callback(promise._follow)
        return promise

    @classmethod
    def resolve(cls, value: Any = None) -> JsPromise:
        """`Promise.resolve`: follows promises and Python awaitables, wraps everything else."""
        if isinstance(value, JsPromise):
            return value
        if is_awaitable(value):
            return cls.from_awaitable(unwrap(value))
        return cls.resolved(value)

    @classmethod
    def reject(cls, error: Any = None) -> JsPromise:
        return cls.rejected(error)

    @classmethod
    def attempt(cls, function: Callable[..., Any], *args: Any) -> JsPromise:
        """The outcome of a call: what it returns (followed when awaitable) or what it raises."""
        try:
            return cls.resolve(function(*args))
        except Exception as error:
            return cls.rejected(error)

    try_ = attempt

    @classmethod
    def withResolvers(cls) -> JsObject:
        promise = cls()
        return JsObject({"promise": promise, "resolve": promise._resolve, "reject": promise.fail})

    @classmethod
    def _js_new(cls, *args: Any) -> JsPromise:
        if not args or not is_function(args[0]):
            given = js_string(args[0]) if args else "undefined"
            raise js_error("TypeError", f"Promise resolver {given} is not a function")
        promise = cls()
        try:
            args[0](promise._resolve, promise.fail)
        except Exception as error:
            promise.fail(error)
        return promise

    # -- settling

    def settle(self, value: Any = None) -> None:
        """Fulfils with `value`; nothing happens when already settled."""
        if self._outcome is None:
            self._finish((True, value))

    def fail(self, error: Any = None) -> None:
        """Rejects with an exception or a JavaScript value; nothing happens when already settled."""
        if self._outcome is None:
            self._finish((False, as_exception(error)))

    @property
    def done(self) -> bool:
        """True when settled (host code only; JavaScript cannot ask)."""
        return self._outcome is not None

    def _resolve(self, value: Any = None) -> None:
        if is_awaitable(value):
            JsPromise.resolve(value)._react(self._take)
        else:
            self.settle(value)

    def _take(self, outcome: Settled) -> None:
        if self._outcome is None:
            self._finish(outcome)

    def _follow(self, future: asyncio.Future[Any]) -> None:
        if future.cancelled():
            self.fail(js_error("AbortError", "The operation was aborted"))
            return
        error = future.exception()
        if error is None:
            self._resolve(future.result())
        else:
            self.fail(error)

    def _finish(self, outcome: Settled) -> None:
        self._outcome = outcome
        reactions, self._reactions = self._reactions, None
        if not reactions:
            if not outcome[0]:
                self._guard = UnhandledRejection(outcome[1])
            return
        for react in reactions:
            react(outcome)

    def _react(self, reaction: Callable[[Settled], None]) -> None:
        """Calls `reaction` when settled, at once when it is; the promise counts as handled."""
        if self._outcome is not None:
            self.mark_handled()
            reaction(self._outcome)
        elif self._reactions is None:
            self._reactions = [reaction]
        else:
            self._reactions.append(reaction)

    def mark_handled(self) -> None:
        """A rejection of this promise is no news to anyone: no report."""
        if self._guard is not None:
            self._guard.disarm()
            self._guard = None
        elif self._outcome is None and self._reactions is None:
            self._reactions = [_ignore]

    # -- waiting

    def __await__(self) -> Generator[Any, None, Any]:
        outcome = self._outcome
        if outcome is None:
            waiter: asyncio.Future[Settled] = asyncio.get_running_loop().create_future()
            self._react(lambda result: None if waiter.done() else waiter.set_result(result))
            outcome = yield from waiter
        elif self._guard is not None:
            self.mark_handled()
        if outcome[0]:
            return outcome[1]
        raise outcome[1]

    def then(self, onfulfilled: Any = None, onrejected: Any = None) -> JsPromise:
        """Callbacks run on a later turn of the loop, in the Context of this call (python-workers-surface.md 4.3)."""
        result = JsPromise()
        loop = asyncio.get_running_loop()
        context = contextvars.copy_context()

        def run(outcome: Settled) -> None:
            fulfilled, value = outcome
            callback = onfulfilled if fulfilled else onrejected
            if not is_function(callback):
                result._take(outcome)
                return
            try:
                result._resolve(callback(value))
            except Exception as error:
                result.fail(error)

        def react(outcome: Settled) -> None:
            loop.call_soon(run, outcome, context=context)

        self._react(react)
        return result

    def catch(self, onrejected: Any = None) -> JsPromise:
        return self.then(None, onrejected)

    def finally_(self, onfinally: Any = None) -> JsPromise:
        """Runs `onfinally()` either way; its failure wins, its value does not."""

        async def ended() -> Any:
            try:
                return await self
            finally:
                outcome = onfinally()
                if is_awaitable(outcome):
                    await unwrap(outcome)

        return JsPromise.from_awaitable(ended())

    # -- combining

    @classmethod
    def all(cls, promises: Iterable[Any]) -> JsPromise:
        members = [cls.resolve(item) for item in iterate(promises)]
        return cls._gather(members, lambda outcomes: (True, JsArray([value for _, value in outcomes])), fail_on=False)

    @classmethod
    def allSettled(cls, promises: Iterable[Any]) -> JsPromise:
        members = [cls.resolve(item) for item in iterate(promises)]
        return cls._gather(members, lambda outcomes: (True, JsArray([_settlement(o) for o in outcomes])), fail_on=None)

    @classmethod
    def any(cls, promises: Iterable[Any]) -> JsPromise:
        members = [cls.resolve(item) for item in iterate(promises)]

        def none_fulfilled(outcomes: list[Settled]) -> Settled:
            return (False, JsAggregateError([error for _, error in outcomes], "All promises were rejected"))

        return cls._gather(members, none_fulfilled, fail_on=True)

    @classmethod
    def race(cls, promises: Iterable[Any]) -> JsPromise:
        result = cls()
        for member in [cls.resolve(item) for item in iterate(promises)]:
            member._react(result._take)
        return result

    @classmethod
    def _gather(cls, members: list[JsPromise], join: Callable[[list[Settled]], Settled], *, fail_on: bool | None) -> JsPromise:
        """Joins all outcomes; the first one whose kind is `fail_on` decides alone."""
        result = cls()
        outcomes: list[Settled | None] = [None] * len(members)
        missing = len(members)

        def arrived(index: int, outcome: Settled) -> None:
            nonlocal missing
            if outcome[0] is fail_on:
                result._take(outcome)
                return
            outcomes[index] = outcome
            missing -= 1
            if missing == 0:
                result._take(join(outcomes))  # type: ignore[arg-type]  # none is missing

        for index, member in enumerate(members):
            member._react(lambda outcome, index=index: arrived(index, outcome))  # type: ignore[misc]
        if not members:
            result._take(join([]))
        return result


def eager[**P](function: Callable[P, Coroutine[Any, Any, Any]]) -> Callable[P, JsPromise]:
    """Makes an async method a JavaScript async function: it starts when called and returns a promise."""

    def call(*args: P.args, **kwargs: P.kwargs) -> JsPromise:
        return JsPromise.from_awaitable(function(*args, **kwargs))

    call.__name__ = function.__name__
    call.__doc__ = function.__doc__
    return call


def eager_task(coroutine: Coroutine[Any, Any, Any], context: contextvars.Context | None = None) -> asyncio.Task[Any]:
    """A task whose first step runs now, made by the loop's own factory: the host must know every task of user code."""
    loop = asyncio.get_running_loop()
    factory: Any = loop.get_task_factory() or (lambda loop, coroutine, **options: asyncio.Task(coroutine, loop=loop, **options))
    return factory(loop, coroutine, context=context, eager_start=True)


def as_exception(error: Any) -> BaseException:
    """A rejection value as something Python can raise."""
    if isinstance(error, BaseException):
        return error
    wrapped = JsException(js_string(error))
    wrapped.value = error
    return wrapped


def _settlement(outcome: Settled) -> JsObject:
    fulfilled, value = outcome
    return JsObject({"status": "fulfilled", "value": value} if fulfilled else {"status": "rejected", "reason": value})


def _ignore(_outcome: Settled) -> None:
    """The reaction of a promise somebody declared handled."""


async def _await(awaitable: Awaitable[Any]) -> Any:
    return await awaitable
