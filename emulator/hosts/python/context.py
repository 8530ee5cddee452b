"""`ctx`: what an object's constructor and a Worker invocation get (python-workers-surface.md 5, durable-objects.md 5 to 8)."""

from __future__ import annotations

import functools
from typing import Any, Protocol

from emulator.core import sockets as rules
from emulator.hosts.python.instance import Instance, InstanceGone
from emulator.hosts.python.namespace import DurableObjectId, DurableObjectNamespace, DurableObjectStub, own_id
from emulator.hosts.python.objects import ObjectHandle, ObjectTable
from emulator.hosts.python.owner import Owner
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.convert import is_awaitable, is_function, unwrap
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error, python_error
from emulator.hosts.python.surface.promise import JsPromise, Settled
from emulator.hosts.python.surface.values import JsObject, JsProxy, is_nullish, js_string, jsnull, option
from emulator.hosts.python.surface.websocket import WebSocket, WebSocketRequestResponsePair

FACET_NAME_LIMIT = 256
"""Characters (durable-objects.md 8)."""


class ContextWorld(Protocol):
    """What a context needs of the host."""

    objects: ObjectTable
    exports: JsObject

    def stub_of(self, handle: ObjectHandle, object_id: DurableObjectId) -> DurableObjectStub:
        """A stub to an object that is found without its namespace (a facet)."""

    def accept_socket(self, socket: WebSocket, instance: Instance, tags: list[str]) -> None:
        """Accept for hibernation."""

    def auto_response_changed(self, handle: ObjectHandle) -> None:
        """The gateway answers for sleeping objects, so it must know the pair."""

    def user_error(self, where: str, error: BaseException, handle: ObjectHandle | None) -> None:
        """Show an error nobody else hears."""


class ExecutionContext(JsProxy):
    """`ctx` of a Worker invocation."""

    __slots__ = ("__weakref__", "_owner", "_world", "exports", "props")
    _js_name = "ExecutionContext"

    def __init__(self, owner: Owner, world: ContextWorld) -> None:
        self._owner = owner
        self._world = world
        self.exports = world.exports
        self.props = JsObject()

    def waitUntil(self, work: Any = None) -> None:
        """Keep `work` (a promise or a Python awaitable) running after the response."""
        keep_alive(work, self._owner, self._world)

    def passThroughOnException(self) -> None:
        """Accepted and without effect: there is no origin behind the Worker to pass to."""


class DurableObjectState(JsProxy):
    """`ctx` of an object. The SDK wraps it and caches what it reads."""

    __slots__ = ("__weakref__", "_instance", "_world", "exports", "facets", "id", "props", "storage")
    _js_name = "DurableObjectState"

    def __init__(self, instance: Instance, world: ContextWorld) -> None:
        handle = instance.handle
        self._instance = instance
        self._world = world
        self.id = own_id(handle)
        self.storage = instance.storage.js_storage
        self.exports = world.exports
        self.facets = Facets(instance, world)
        self.props = JsObject()

    def waitUntil(self, work: Any = None) -> None:
        """Counts as activity (S-99); not needed to keep code running."""
        keep_alive(work, self._instance, self._world)

    def blockConcurrencyWhile(self, callback: Any) -> JsPromise:
        """Hold all other events back until `callback` has ended; its failure resets the object."""
        if not is_function(callback):
            raise js_error("TypeError", "Failed to execute 'blockConcurrencyWhile': parameter 1 is not of type 'Function'.")
        return self._instance.block_concurrency(callback)

    def abort(self, reason: Any = None, options: Any = None, **more: Any) -> None:
        """Reset the object now; `retryAlarm: false` also drops the alarm that is running (S-105, S-77)."""
        retry = option(options, "retryAlarm", more.get("retryAlarm", True))
        self._instance.abort(None if is_nullish(reason) else _reason(reason), retry_alarm=retry is not False)
        raise InstanceGone

    # -- WebSockets

    def acceptWebSocket(self, socket: Any, tags: Any = None) -> None:
        """Accept for hibernation (durable-objects.md 5)."""
        if not isinstance(socket, WebSocket):
            raise js_error(
                "TypeError", "Failed to execute 'acceptWebSocket' on 'DurableObjectState': parameter 1 is not of type 'WebSocket'."
            )
        given = [] if is_nullish(tags) else [js_string(tag) for tag in tags]
        problem = rules.tags_error(given)
        if problem is not None:
            raise js_error("Error", problem)
        self._world.accept_socket(socket, self._instance, rules.distinct(given))

    def getWebSockets(self, tag: Any = None) -> JsArray:
        """Accepted sockets, newest first; with a tag oldest first (5.3)."""
        records = list(self._instance.handle.sockets.values())
        if is_nullish(tag):
            return JsArray([record.object_for(self._instance) for record in reversed(records)])
        wanted = js_string(tag)
        return JsArray([record.object_for(self._instance) for record in records if wanted in record.tags])

    def getTags(self, socket: Any) -> JsArray:
        """The tags a socket was accepted with."""
        return JsArray(list(self._record(socket, "tags").tags))

    def setWebSocketAutoResponse(self, pair: Any = None) -> None:
        """Let the gateway answer an exact text; without argument, no longer."""
        handle = self._instance.handle
        given = None if is_nullish(pair) else (js_string(pair.request), js_string(pair.response))
        problem = rules.auto_response_error(*given) if given is not None else None
        if problem is not None:
            raise js_error("RangeError", problem)
        handle.auto_response = given
        self._world.auto_response_changed(handle)

    def getWebSocketAutoResponse(self) -> Any:
        """The pair set, or null."""
        pair = self._instance.handle.auto_response
        return jsnull if pair is None else WebSocketRequestResponsePair(*pair)

    def getWebSocketAutoResponseTimestamp(self, socket: Any) -> Any:
        """When the socket was last answered that way, or null."""
        answered_ms = self._record(socket, "auto-response timestamp").answered_ms
        return jsnull if answered_ms is None else JsDate(answered_ms)

    def setHibernatableWebSocketEventTimeout(self, timeout_ms: Any = None) -> None:
        """Cut handlers that still run after this long (S-93); 0 or nothing unsets it."""
        if is_nullish(timeout_ms):
            timeout_ms = 0
        if not 0 <= timeout_ms <= rules.MAX_EVENT_TIMEOUT_MS:
            raise js_error("Error", f"Event timeout should not exceed {rules.MAX_EVENT_TIMEOUT_MS} ms.")
        self._instance.handle.event_timeout_ms = int(timeout_ms) or None

    def getHibernatableWebSocketEventTimeout(self) -> Any:
        """The timeout set, or null."""
        timeout = self._instance.handle.event_timeout_ms
        return jsnull if timeout is None else timeout

    def _record(self, socket: Any, what: str) -> Any:
        for record in self._instance.handle.sockets.values():
            if record.socket is socket:
                return record
        raise js_error("Error", f"you must call 'acceptWebSocket()' before attempting to access the {what} of a WebSocket.")


class Facets(JsProxy):
    """`ctx.facets`: children with storage and an instance of their own, living with their parent (durable-objects.md 8)."""

    __slots__ = ("__weakref__", "_instance", "_starting", "_world")
    _js_name = "DurableObjectFacets"

    def __init__(self, instance: Instance, world: ContextWorld) -> None:
        self._instance = instance
        self._world = world
        self._starting: dict[str, JsPromise] = {}

    def get(self, key: Any, getter: Any) -> DurableObjectStub:
        """A stub to the facet `key`; `getter()` says its class and id when it starts."""
        name = js_string(key)
        if len(name) > FACET_NAME_LIMIT:
            raise js_error("TypeError", f"Facet name is too long (max {FACET_NAME_LIMIT} characters).")
        parent = self._instance.handle
        known = parent.facets.get(name)
        object_id = own_id(known) if known is not None else own_id(parent)
        return FacetStub(object_id, lambda: self._start(name, getter), self._world.stub_of(parent, own_id(parent))._dispatcher)

    def _start(self, key: str, getter: Any) -> ObjectHandle | JsPromise:
        """The facet, or a promise of it while its getter runs; calls that come meanwhile wait for the same one, and stay in order."""
        known = self._instance.handle.facets.get(key)
        if known is not None and known.instance is not None:
            return known
        starting = self._starting.get(key)
        if starting is None:
            starting = JsPromise.from_awaitable(self._ask(key, getter), context=self._instance.fresh_context())
            if not starting.done:
                self._starting[key] = starting
                starting._react(functools.partial(self._started, key))
        return starting

    def _started(self, key: str, _outcome: Settled) -> None:
        self._starting.pop(key, None)

    async def _ask(self, key: str, getter: Any) -> ObjectHandle:
        spec = unwrap(getter)()
        if is_awaitable(spec):
            spec = await unwrap(spec)
        parent = self._instance.handle
        exported, given_id = option(spec, "class"), option(spec, "id")
        class_name = exported.name if isinstance(exported, DurableObjectNamespace | ExportedClass) else None
        if class_name is None:
            raise js_error("TypeError", "The facet's getter must return an object whose `class` is a class from ctx.exports.")
        object_id, object_name = parent.id, parent.name
        if isinstance(given_id, DurableObjectId):
            object_id, object_name = str(given_id), given_id.name
        elif not is_nullish(given_id):
            object_id, object_name = js_string(given_id), None
        return self._world.objects.facet(parent, key, class_name, object_id, object_name)

    def abort(self, key: Any, reason: Any = None) -> None:
        """Stop a facet now; its data stays and pending calls get the reason."""
        handle = self._instance.handle.facets.get(js_string(key))
        if handle is not None:
            error = reason if isinstance(reason, JsException) else js_error("Error", _reason(reason))
            handle.reset(error)

    def delete(self, key: Any) -> None:
        """Stop a facet and wipe its data; nothing happens when there is none."""
        name = js_string(key)
        parent = self._instance.handle
        handle = parent.facets.pop(name, None)
        number = parent.facet_files.find(parent.facet_number, name)
        if handle is not None:
            handle.reset(js_error("Error", "Facet was deleted."))
        if number is not None:
            parent.facet_files.delete(number)


class FacetStub(DurableObjectStub):
    """A stub to a facet: only its parent may hold it."""

    __slots__ = ()
    _rpc_transferable = False
    _rpc_refusal = "Stubs pointing to Durable Object facets are not serializable."


class ExportedClass(JsProxy):
    """A Durable Object class in `ctx.exports` that no binding names: good for facets."""

    __slots__ = ("__weakref__", "name")
    _js_name = "DurableObjectClass"

    def __init__(self, name: str) -> None:
        self.name = name


def keep_alive(work: Any, owner: Owner, world: ContextWorld) -> None:
    """Run `work` for `owner` to its end, whoever stopped waiting; its failure is shown and harms nothing (S-16, S-104)."""
    target = unwrap(work)
    if not is_awaitable(target):
        return
    promise = JsPromise.from_awaitable(target)
    handle = owner.handle if isinstance(owner, Instance) else None
    hold = owner.hold("waitUntil", "waitUntil()")

    def ended(outcome: tuple[bool, Any]) -> None:
        fulfilled, value = outcome
        if not fulfilled and not owner.dead:
            world.user_error("waitUntil", value, handle)
        if not owner.dead:
            owner.release(hold)

    promise._react(ended)


def _reason(reason: Any) -> str:
    if isinstance(reason, JsException):
        return reason.message
    if isinstance(reason, BaseException):
        return python_error(reason).message
    return js_string(reason)
