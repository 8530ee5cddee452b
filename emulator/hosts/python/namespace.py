"""Durable Object namespaces, ids and stubs as user code sees them (durable-objects.md 1, 8; python-workers-surface.md 5)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from emulator.core.ids import InvalidId, Namespace, visible_name
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.instance import Instance, Turn, WayBack, emit, instance_of_caller
from emulator.hosts.python.objects import Bond, ObjectHandle
from emulator.hosts.python.owned_body import owned_response
from emulator.hosts.python.owner import current_owner
from emulator.hosts.python.rpc import copied_error, transferred
from emulator.hosts.python.surface.errors import JsException, js_error, python_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.values import JsProxy, js_string, option

Find = Callable[[str, "str | None"], ObjectHandle]
"""(id, name) -> the object."""

NO_JURISDICTION = "Jurisdiction restrictions are not implemented in workerd."


class DurableObjectId(JsProxy):
    """`ctx.id` and what `idFromName` returns. Compared with `equals`; `name` is there for named ids only."""

    __slots__ = ("__weakref__", "_class", "_text", "name")
    _js_name = "DurableObjectId"

    def __init__(self, text: str, name: str | None, class_name: str) -> None:
        self._text = text
        self._class = class_name
        self.name = name

    def toString(self) -> str:
        return self._text

    def __str__(self) -> str:
        return self._text

    def equals(self, other: Any) -> bool:
        return isinstance(other, DurableObjectId) and other._text == self._text

    def _js_own(self) -> dict[str, Any]:
        return {} if self.name is None else {"name": self.name}


class DurableObjectNamespace(JsProxy):
    """`env.NAME`, and a bound class in `ctx.exports`."""

    __slots__ = ("__weakref__", "_class", "_dispatcher", "_find", "_ids", "_random")
    _js_name = "DurableObjectNamespace"

    def __init__(self, class_name: str, ids: Namespace, find: Find, dispatcher: Dispatcher, random: Callable[[int], bytes]) -> None:
        self._class = class_name
        self._ids = ids
        self._find = find
        self._dispatcher = dispatcher
        self._random = random

    @property
    def name(self) -> str:
        """The class's name, as `ctx.exports` shows classes."""
        return self._class

    def idFromName(self, *args: Any) -> DurableObjectId:
        if not args:
            raise js_error("TypeError", "Failed to execute 'idFromName' on 'DurableObjectNamespace': parameter 1 is missing.")
        name = js_string(args[0])
        return DurableObjectId(self._ids.id_from_name(name), name, self._class)

    def idFromString(self, text: Any) -> DurableObjectId:
        try:
            return DurableObjectId(self._ids.check(js_string(text)), None, self._class)
        except InvalidId as error:
            raise js_error("TypeError", str(error)) from None

    def newUniqueId(self, options: Any = None, **more: Any) -> DurableObjectId:
        if option(options, "jurisdiction") or more.get("jurisdiction"):
            raise js_error("Error", NO_JURISDICTION)
        return DurableObjectId(self._ids.unique_id(self._random(16)), None, self._class)

    def jurisdiction(self, *_args: Any) -> DurableObjectNamespace:
        raise js_error("Error", NO_JURISDICTION)

    def get(self, object_id: Any, _options: Any = None, **_more: Any) -> DurableObjectStub:
        # Local workerd runs a foreign id here; production refuses it, and so do we (durable-objects.md 1.1).
        if not isinstance(object_id, DurableObjectId) or object_id._class != self._class:
            raise js_error("TypeError", "Durable Object ID is not valid for this namespace.")
        return DurableObjectStub(object_id, lambda: self._find(object_id._text, object_id.name), self._dispatcher)

    def getByName(self, name: Any, options: Any = None, **more: Any) -> DurableObjectStub:
        return self.get(self.idFromName(name), options, **more)


class DurableObjectStub(JsProxy):
    """A way to one object. Calls on one stub arrive in order; after a reset it stays broken with that error (durable-objects.md 1.6).

    `find` gives the object, or a promise of it where user code decides which one it is (facets).
    """

    __slots__ = ("__weakref__", "_bond", "_dispatcher", "_find", "id", "name")
    _js_name = "DurableObject"
    _rpc_transferable = True

    def __init__(self, object_id: DurableObjectId, find: Callable[[], ObjectHandle | JsPromise], dispatcher: Dispatcher) -> None:
        self.id = object_id
        self.name = object_id.name
        self._find = find
        self._dispatcher = dispatcher
        self._bond: Bond | None = None

    def fetch(self, resource: Any, init: Any = None, **options: Any) -> JsPromise:
        """Send a request to the object's `fetch`; a promise of its Response."""
        try:
            request = resource if isinstance(resource, JsRequest) and init is None and not options else JsRequest(resource, init, **options)
            request.announce_length()
        except Exception as error:
            return JsPromise.rejected(python_error(error))
        dispatcher = self._dispatcher

        async def work(instance: Instance) -> Any:
            return owned_response(await dispatcher.fetch(instance.user_object, request), instance)

        return self._deliver("fetch", work)

    def __getattr__(self, name: str) -> Any:
        # `then` would make stubs thenable, and Python asks for its own dunders; `__unsafe_ensureInitialized` is a real method.
        if name in ("then", "toString") or (name.startswith("__") and name.endswith("__")) or name.startswith("_js_"):
            raise AttributeError(name)
        return RpcMethod(self, name)

    def _call(self, name: str, args: list[Any]) -> JsPromise:
        here, dispatcher = current_owner.get(), self._dispatcher
        try:
            sent = [transferred(arg, here, dispatcher) for arg in args]
        except Exception as error:
            return JsPromise.rejected(python_error(error))

        async def work(instance: Instance) -> Any:
            result = await dispatcher.call_method(instance.user_object, name, sent)
            return transferred(result, instance, dispatcher)

        return self._deliver(name, work)

    def _read(self, name: str) -> JsPromise:
        dispatcher = self._dispatcher

        async def work(instance: Instance) -> Any:
            return transferred(await dispatcher.read_property(instance.user_object, name), instance, dispatcher)

        return self._deliver(name, work)

    def _deliver(self, label: str, work: Callable[[Instance], Any]) -> JsPromise:
        if self._bond is not None and self._bond.broken is not None:
            return JsPromise.rejected(copied_error(self._bond.broken))
        answer = JsPromise()
        back = WayBack("call", f"{self.id._class}.{label}", asyncio.current_task())

        def failed(error: JsException, reset: bool) -> None:
            flags = {} if reset else {"remote": True, "durableObjectId": str(self.id)}
            whose = {"class": self.id._class, "id": self.id._text, "name": self.name}
            back(answer.fail, copied_error(error, whose, **flags))

        turn = Turn(label, work, lambda result: back(answer.settle, result), failed)
        # An object's own code must not be entered from inside another object's step; a Worker invocation has nothing to interleave with,
        # and most of its calls are over before it would have waited.
        now = instance_of_caller() is None

        def arrive(handle: ObjectHandle) -> None:
            self._bond = handle.bond
            handle.deliver(turn, now=now)

        def leave() -> None:
            try:
                found = self._find()
            except Exception as error:
                back(answer.fail, python_error(error))
                return
            if isinstance(found, JsPromise):
                found._react(lambda outcome: arrive(outcome[1]) if outcome[0] else back(answer.fail, python_error(outcome[1])))
            else:
                arrive(found)

        emit(leave)
        return answer


class RpcMethod(JsProxy):
    """`stub.name`: call it, or await it to read a property."""

    __slots__ = ("__weakref__", "_method", "_stub")
    _js_name = "RpcProperty"

    def __init__(self, stub: DurableObjectStub, method: str) -> None:
        self._stub = stub
        self._method = method

    def __call__(self, *args: Any, **_kwargs: Any) -> JsPromise:
        return self._stub._call(self._method, list(args))

    def __await__(self) -> Any:
        return self._stub._read(self._method).__await__()


def own_id(handle: ObjectHandle) -> DurableObjectId:
    """`ctx.id` of an object."""
    return DurableObjectId(handle.id, visible_name(handle.name), handle.class_name)
