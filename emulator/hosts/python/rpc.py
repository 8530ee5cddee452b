"""What crosses between two objects: copies of values, references to functions, errors with their flags (durable-objects.md 1.5, 8).

Both ends live in this process, so a call is no message; but everything that user code could tell from a message is kept: values are
copied, refused or passed by reference as on the platform, and effects pass the output gate of the code that caused them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from emulator.hosts.python.instance import Instance, Turn, WayBack, emit
from emulator.hosts.python.owner import Ended, Owner, current_owner
from emulator.hosts.python.surface.convert import is_function, unwrap
from emulator.hosts.python.surface.errors import JsException, Origin, js_error, python_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.readable import ReadableStream
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.structured_clone import clone
from emulator.hosts.python.surface.values import JsProxy
from emulator.hosts.python.surface.writable import WritableStream

_BY_REFERENCE = (JsRequest, JsResponse, ReadableStream, WritableStream)


MAX_MESSAGE = 32 * 1024 * 1024
"""Bytes of one argument or result (durable-objects.md 8)."""


class FunctionCaller(Protocol):
    """Calls a function that user code exposed (dispatch.py)."""

    async def call_function(self, function: Any, args: list[Any]) -> Any: ...


class RpcStub(JsProxy):
    """A function of another owner. Calling it runs there; holding it keeps its owner from hibernating (S-99)."""

    __slots__ = ("__weakref__", "_alive", "_caller", "_function", "_hold", "_home")
    _js_name = "RpcStub"

    def __init__(self, function: Any, home: Owner | None, caller: FunctionCaller) -> None:
        self._function = function
        self._home = home
        self._caller = caller
        self._alive = True
        self._hold = None if home is None else home.hold("stub", f"a stub of {getattr(function, '__qualname__', 'a function')}")

    def __call__(self, *args: Any, **_kwargs: Any) -> JsPromise:
        if not self._alive:
            return JsPromise.rejected(js_error("Error", "RPC stub used after being disposed."))
        return call_across(
            self._home,
            "callback",
            lambda sent: self._caller.call_function(self._function, sent),
            list(args),
            self._caller,
        )

    def dup(self) -> RpcStub:
        """Another stub of the same function, with a life of its own."""
        return RpcStub(self._function, self._home, self._caller)

    def dispose(self) -> None:
        """Let go of the function."""
        if self._alive:
            self._alive = False
            if self._home is not None and self._hold is not None and not self._home.dead:
                self._home.release(self._hold)

    def __del__(self) -> None:
        self.dispose()


def transferred(value: Any, home: Owner | None, caller: FunctionCaller) -> Any:
    """What the other side gets for a value of `home`: a copy, or a reference where the platform passes one. DataCloneError otherwise."""

    def by_reference(item: Any) -> Any:
        if isinstance(item, (*_BY_REFERENCE, RpcStub)) or getattr(item, "_rpc_transferable", False):
            return item
        if is_function(item):
            return RpcStub(unwrap(item), home, caller)
        refusal = getattr(item, "_rpc_refusal", None)
        if refusal is not None:
            raise js_error("DataCloneError", refusal)
        return NotImplemented

    return clone(value, by_reference, MAX_MESSAGE)


def copied_error(error: JsException, whose: dict[str, Any] | None = None, **flags: Any) -> JsException:
    """The error as another caller sees it: same name, message and own properties, its own stack (durable-objects.md 1.5). `whose` names
    the object that failed."""
    copy = js_error(error.name, error.message, **error._js_own())
    copy._origin = error._origin or (Origin(error.__cause__ or error, whose) if whose else None)
    for flag, value in flags.items():
        setattr(copy, flag, value)
    return copy


def call_across(
    home: Owner | None,
    label: str,
    work: Callable[[list[Any]], Any],
    args: list[Any],
    caller: FunctionCaller,
) -> JsPromise:
    """Run `work(args)` in `home` for the running code: arguments and result are copied, errors flagged `remote`."""
    here, answer = current_owner.get(), JsPromise()
    try:
        sent = [transferred(arg, here, caller) for arg in args]
    except Exception as error:
        answer.fail(python_error(error))
        return answer
    back = WayBack("call", f"a call of {label}", asyncio.current_task())

    async def turn() -> Any:
        return transferred(await work(sent), home, caller)

    def failed(error: JsException, reset: bool) -> None:
        back(answer.fail, copied_error(error) if reset else copied_error(error, remote=True))

    if isinstance(home, Instance):
        instance = home
        emit(lambda: instance.deliver(Turn(label, lambda _: turn(), lambda result: back(answer.settle, result), failed), now=False))
    else:
        emit(lambda: _run_outside(home, turn, lambda result: back(answer.settle, result), failed))
    return answer


def _run_outside(
    home: Owner | None, turn: Callable[[], Any], done: Callable[[Any], None], failed: Callable[[JsException, bool], None]
) -> None:
    """Run a call whose home is a Worker invocation."""

    async def drive() -> None:
        try:
            result = await turn()
        except Ended as error:
            failed(python_error(error), False)
        else:
            done(result)

    if home is None:
        asyncio.get_running_loop().create_task(drive())
    elif home.dead:
        failed(js_error("Error", "The execution context which hosted this callback is no longer running."), True)
    else:
        home.run(drive(), "callback")
