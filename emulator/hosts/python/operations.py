"""What the gateway asks of a host: the operations of a CALL (wire/README.md)."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from emulator.core.alarms import MAX_RETRIES
from emulator.hosts.python.awake import as_text
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.instance import Instance, Turn
from emulator.hosts.python.loop import host_loop
from emulator.hosts.python.objects import ObjectHandle, ObjectTable
from emulator.hosts.python.owner import Ended
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.json import from_json
from emulator.hosts.python.surface.values import JsObject, js_string
from emulator.hosts.python.worker import RequestHandler

EVICT_S = 30
"""How long an eviction waits for the object to become quiet (durable-objects.md 6.3)."""


class OperatedHost(Protocol):
    """What the operations need of the host."""

    objects: ObjectTable
    dispatcher: Dispatcher
    requests: RequestHandler

    def drop_alarm(self, handle: ObjectHandle) -> None:
        """The object's alarm is given up."""

    def user_error(self, where: str, error: BaseException, handle: ObjectHandle | None) -> None:
        """Show an error nobody else hears."""


class Operations:
    """Answers calls about the objects of one host."""

    def __init__(self, host: OperatedHost) -> None:
        self._host = host

    async def operate(self, call: dict[str, Any]) -> Any:
        """A CALL of the gateway; its result, or an exception that becomes its error."""
        match call["op"]:
            case "alarm":
                return await self._alarm(call)
            case "scheduled":
                await self._host.requests.scheduled(call["cron"], call["scheduled_ms"])
                return {}
            case "rpc":
                return {"result": await self._rpc(call)}
            case "evict":
                return await self._evict(call)
            case "abort":
                handle = self._host.objects.find(call["class"], self._id(call))
                if handle is None:
                    return {"aborted": False, "why": "the object is not in memory"}
                handle.reset(js_error("Error", call.get("reason") or "reset by agents-emu", durableObjectReset=True))
                return {"aborted": True}
            case "objects":
                return [handle.describe() for handle in self._host.objects]
            case "awake":
                handle = self._host.objects.find(call["class"], self._id(call))
                return [] if handle is None else handle.awake()
            case "skip_alarm":
                self._host.drop_alarm(self._known(call))
                return None
            case "clock":
                return {"next_ms": await host_loop().move_clock(call["to_ms"])}
        raise js_error("Error", f"unknown operation {call['op']!r}")

    def _known(self, call: dict[str, Any]) -> ObjectHandle:
        return self._host.objects.get(call["class"], self._id(call), call.get("name"))

    def _id(self, call: dict[str, Any]) -> str:
        namespace = self._host.objects.namespace(call["class"])
        return namespace.check(call["id"]) if call.get("id") else namespace.id_from_name(call["name"])

    async def _alarm(self, call: dict[str, Any]) -> dict[str, Any]:
        handle = self._known(call)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        state = {"dropped": False}

        async def work(instance: Instance) -> None:
            storage = instance.storage
            if not storage.alarm_started(call["scheduled_ms"]):
                state["dropped"] = True
                return
            info = JsObject({"retryCount": call["retry"], "isRetry": call["retry"] > 0, "scheduledTime": call["scheduled_ms"]})
            try:
                await self._host.dispatcher.handle(instance.user_object, "alarm", info)
            except Ended:
                storage.alarm_finished(retry=call["retry"] < MAX_RETRIES)
                raise
            storage.alarm_finished(retry=False)

        def settle(outcome: str, instance: Instance | None) -> None:
            rearmed = instance is not None and not instance.dead and instance.storage.alarm.get() is not None
            if not answer.done():
                answer.set_result({"outcome": outcome, "rearmed": rearmed})

        def failed(error: JsException, reset: bool) -> None:
            self._host.user_error("alarm", error, handle)
            if not reset:
                settle("failed", handle.instance)
                return
            last = not turn.retry_alarm or call["retry"] >= MAX_RETRIES
            if last:
                # The run's instance is gone, and nobody will try again: the object must not go on seeing an alarm (4.3).
                self._host.drop_alarm(handle)
            settle("dropped" if last else "aborted", None)

        turn = Turn("alarm", work, lambda _: settle("dropped" if state["dropped"] else "done", handle.instance), failed)
        handle.deliver(turn, now=True)
        return await answer

    async def _rpc(self, call: dict[str, Any]) -> Any:
        handle = self._known(call)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def work(instance: Instance) -> Any:
            args = [from_json(arg) for arg in call["args"]]
            return await self._host.dispatcher.call_method(instance.user_object, call["method"], args)

        turn = Turn(call["method"], work, answer.set_result, lambda error, _reset: answer.set_exception(error))
        handle.deliver(turn)
        return _plain(await answer)

    async def _evict(self, call: dict[str, Any]) -> dict[str, Any]:
        """Drop an instance as soon as it is quiet, within 30 s (durable-objects.md 6.3)."""
        handle = self._host.objects.find(call["class"], self._id(call))
        if handle is None:
            return {"evicted": False, "why": "the object is not in memory"}
        if not await handle.until_quiet(EVICT_S):
            return {"evicted": False, "why": ", ".join(map(as_text, handle.awake()))}
        if call.get("sockets") == "close":
            handle.cut_sockets()
        handle.retire()
        return {"evicted": True}


def _plain(value: Any) -> Any:
    """A JavaScript result as JSON data for people; what has no JSON form as its text."""
    converted = value.to_py() if hasattr(value, "to_py") else value
    return _json(converted)


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {js_string(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return None if not value and type(value).__name__ == "JsNull" else js_string(value)
