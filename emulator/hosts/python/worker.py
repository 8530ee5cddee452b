"""Invocations of the Worker itself: a request or a cron tick, each with a context and a life of its own (durable-objects.md 7)."""

from __future__ import annotations

import asyncio
import weakref
from typing import Any, Protocol

from emulator.clock.virtual import VirtualTimer
from emulator.hosts.python.context import ContextWorld, ExecutionContext
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.faults import error_object
from emulator.hosts.python.holds import Holding, UserLines
from emulator.hosts.python.incoming_cf import IncomingCf
from emulator.hosts.python.loader import UserCode
from emulator.hosts.python.loop import host_loop
from emulator.hosts.python.outbound import NetworkBody
from emulator.hosts.python.owned_body import OwnedBody
from emulator.hosts.python.owner import Ended, Owner
from emulator.hosts.python.points import Points
from emulator.hosts.python.surface.abort import AbortSignal
from emulator.hosts.python.surface.errors import js_error, python_error
from emulator.hosts.python.surface.headers import pairs_of
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject, is_nullish
from emulator.wire.exchange import BodyReader, Incoming

AFTER_RESPONSE_S = 30.0
"""What `waitUntil` gets after the response or the client's leaving (durable-objects.md 7)."""

AFTER_LEAVING_S = 0.01
"""What code that reacts to the abort of its request's signal gets before it is stopped; on the platform that is its microtasks."""


class WorkerWorld(ContextWorld, Protocol):
    """What an invocation needs of the host."""

    env: JsObject
    dispatcher: Dispatcher
    lines: UserLines
    points: Points

    def bind_client(self, incoming: Incoming, response: JsResponse, owner: Owner) -> None:
        """The response carries a WebSocket: connect it with the client's."""

    def write_log(self, level: str, text: str, who: Owner | None) -> None:
        """One line for the terminal."""


class Invocation(Owner):
    """One event of the Worker."""

    def __init__(self, world: WorkerWorld, code: UserCode) -> None:
        super().__init__("worker", world.lines)
        self._world = world
        self._code = code
        self._left = False
        self._cut_off_timer: asyncio.TimerHandle | VirtualTimer | None = None
        self.ctx = ExecutionContext(self, world)

    def receiver(self) -> Any:
        """What handles events: an instance of `Default`, made for this event, or None for module-level handlers."""
        return None if self._code.default is None else self._code.default(self.ctx, self._world.env)

    async def fetch(self, request: JsRequest) -> JsResponse:
        """Run the fetch handler."""
        dispatcher = self._world.dispatcher
        if self._code.default is not None:
            return await dispatcher.fetch(self.receiver(), request, self._world.env, self.ctx)
        handler = self._code.global_handlers.get("fetch")
        if handler is None:
            raise js_error("TypeError", "This Worker exports no fetch handler: define class Default(WorkerEntrypoint) with fetch().")
        return dispatcher.response(await dispatcher.call_relaxed(handler, request, self._world.env, self.ctx))

    async def scheduled(self, cron: str, scheduled_ms: int) -> None:
        """Run the scheduled handler."""
        controller = ScheduledController(cron, scheduled_ms)
        dispatcher = self._world.dispatcher
        if self._code.default is not None:
            receiver = self.receiver()
            if not hasattr(receiver, "scheduled"):
                raise js_error("TypeError", "Handler does not export a scheduled() function.")
            await dispatcher.handle(receiver, "scheduled", controller, self._world.env, self.ctx)
            return
        handler = self._code.global_handlers.get("scheduled")
        if handler is None:
            raise js_error("TypeError", "Handler does not export a scheduled() function.")
        await dispatcher.call_relaxed(handler, controller, self._world.env, self.ctx)

    def answered(self) -> None:
        """The response is out: what still runs, the turn that produced it aside, has half a minute."""
        if self.holds or len(self.tasks) > 1:
            self._cut_off_timer = host_loop().platform_later(AFTER_RESPONSE_S, self._cut_off)

    def on_quiet(self) -> None:
        if self._cut_off_timer is not None:
            # Else the timer would keep every invocation in memory for half a minute.
            self._cut_off_timer.cancel()
            self._cut_off_timer = None

    def client_left(self) -> None:
        """Nobody waits for the response any more: this code stops as soon as no `waitUntil` is pending (durable-objects.md 7)."""
        self._left = True
        self._stop_unless_held()

    def release(self, hold: Holding) -> None:
        super().release(hold)
        if self._left and hold.what == "waitUntil":
            self._stop_unless_held()

    def _stop_unless_held(self) -> None:
        if not self.held_by("waitUntil"):
            host_loop().after_reactions(AFTER_LEAVING_S, self.kill)

    def _cut_off(self) -> None:
        if self.dead or self.quiet or self.held_by("body", "socket", "outgoing socket"):
            return
        self._world.write_log("warn", "waitUntil() tasks did not complete within 30 s after the response and were cancelled.", self)
        self.kill()


class ScheduledController(JsObject):
    """What `scheduled` gets: `cron`, `scheduledTime`, `noRetry()`."""

    __slots__ = ()
    _js_name = "ScheduledController"

    def __init__(self, cron: str, scheduled_ms: int) -> None:
        super().__init__({"cron": cron, "scheduledTime": scheduled_ms, "type": "scheduled", "noRetry": lambda: None})


class RequestHandler:
    """Turns REQUEST frames into invocations and their answers into responses."""

    def __init__(self, world: WorkerWorld, code: UserCode, *, abort_signal: bool) -> None:
        self._world = world
        self._code = code
        self._abort_signal = abort_signal
        self._cf = IncomingCf()
        self._unanswered = 0
        self._bodies: weakref.WeakSet[OwnedBody] = weakref.WeakSet()

    @property
    def answering(self) -> bool:
        """A client waits for a response, or reads one."""
        return self._unanswered > 0 or any(body.is_open for body in self._bodies)

    def take(self, incoming: Incoming) -> None:
        """Start an invocation for a request."""
        head = incoming.head
        assert head is not None
        signal = AbortSignal() if self._abort_signal else None
        invocation = Invocation(self._world, self._code)
        body = NetworkBody(incoming.body, invocation, "the request's body") if isinstance(incoming.body, BodyReader) else incoming.body
        request = JsRequest.received(head.method, head.url, pairs_of(head.headers), body, cf=self._cf.of(head.headers), signal=signal)
        incoming.on_cancel = lambda _reason: self._client_left(invocation, signal)
        invocation.run(self._serve(incoming, request, invocation), "fetch")

    def _client_left(self, invocation: Invocation, signal: AbortSignal | None) -> None:
        if signal is not None:
            signal.trigger(js_error("AbortError", "The client has disconnected"))
        invocation.client_left()

    async def _serve(self, incoming: Incoming, request: JsRequest, invocation: Invocation) -> None:
        self._unanswered += 1
        try:
            self._answer(incoming, await invocation.fetch(request), invocation)
        except Ended as error:
            if invocation.dead:
                raise
            incoming.fail(error_object(python_error(error)))
        finally:
            self._unanswered -= 1
            invocation.answered()

    def _answer(self, incoming: Incoming, response: JsResponse, invocation: Invocation) -> None:
        if not is_nullish(response.webSocket):
            if incoming.wants_upgrade:
                self._world.bind_client(incoming, response, invocation)
                self._point(incoming, 101)
            else:
                # S-94.
                text = 'Worker tried to return WebSocket in a response to a request without the header "Upgrade: websocket".'
                incoming.fail(error_object(js_error("TypeError", text)))
            return
        source = response.body_source()
        body: bytes | OwnedBody | None
        if source is None or isinstance(source, bytes):
            body = source
        else:
            body = OwnedBody(source, invocation)
            self._bodies.add(body)
        headers = [(name.encode("latin-1"), value.encode("latin-1", "replace")) for name, value in response.headers.pairs()]
        reason = response.statusText.encode("latin-1", "replace")
        incoming.respond(response.status, reason, headers, body, encoded=response.encodeBody == "manual")
        self._point(incoming, response.status)

    def _point(self, incoming: Incoming, status: int) -> None:
        points = self._world.points
        if points.on and incoming.head is not None:
            points.reached("respond", None, f"{status} {incoming.head.method} {incoming.head.url.partition('?')[0]}")

    async def scheduled(self, cron: str, scheduled_ms: int) -> None:
        """Run the scheduled handler to its end, `waitUntil`s aside."""
        invocation = Invocation(self._world, self._code)
        await invocation.run(invocation.scheduled(cron, scheduled_ms), "scheduled")
