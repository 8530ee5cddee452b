"""What can be done to a running server from outside: the verbs of the control API (design 4.5), without HTTP."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from typing import Any

from emulator.core.alarms import AlarmKey
from emulator.core.ids import InvalidId, Namespace
from emulator.core.sockets import close_code_error, close_reason_error
from emulator.errors import UsageError, UserCodeError
from emulator.gateway.ai.verbs import AiVerbs
from emulator.gateway.alarms import Alarms
from emulator.gateway.clocks import Clock
from emulator.gateway.dispatcher import Dispatcher
from emulator.gateway.hosts import Hosts, Reloaded
from emulator.gateway.object_files import ObjectFiles
from emulator.gateway.objects import ObjectBook
from emulator.gateway.reload import Reloader
from emulator.gateway.sockets import SocketBook

_DIGITS = re.compile(r"[0-9]{1,18}")
ANSWER_WITHIN_S = 1.0
"""A verb that has waited for so long looks whether the host is there at all."""
BLOCKED_AFTER_S = 4.0
"""A host that does not answer a ping for so long is blocked by user code, or held by a debugger."""


class Verbs:
    """Each verb gives a JSON-able answer or raises UsageError. An object is named by its class and by its name or id; `ai` has the verbs of
    the model layer."""

    def __init__(
        self,
        worker: str,
        *,
        dispatcher: Dispatcher,
        book: SocketBook,
        objects: ObjectBook,
        files: ObjectFiles,
        hosts: Hosts,
        alarms: Alarms,
        reloader: Reloader,
        ai: AiVerbs,
        clock: Clock,
    ) -> None:
        self._worker = worker
        self._dispatcher = dispatcher
        self._book = book
        self._objects = objects
        self._files = files
        self._hosts = hosts
        self._alarms = alarms
        self._reloader = reloader
        self.ai = ai
        self._clock = clock

    # -- objects

    async def objects(self) -> dict[str, Any]:
        """Every object that exists: those in memory as the host lists them, all others from their files and alarms. Wakes none."""
        rows = await self._in_memory()
        for key, name, time_ms, _, _ in self._alarms.book.pending():
            row = rows.setdefault((key.class_name, key.id), {"class": key.class_name, "id": key.id, "name": name, "state": "inactive"})
            row["alarm_ms"] = time_ms
        for (class_name, ident), name in (await self._files.all(frozenset(rows))).items():
            rows.setdefault((class_name, ident), {"class": class_name, "id": ident, "name": name, "state": "inactive"})
        sockets = Counter(
            (socket.object.class_name, socket.object.id) for socket in self._book.sockets.values() if socket.object is not None
        )
        for place, row in rows.items():
            row["sockets"] = sockets[place]
            row.setdefault("alarm_ms", None)
            row.setdefault("generation", 0)
        return {"objects": sorted(rows.values(), key=lambda row: (row["class"], row.get("name") or "", row["id"]))}

    async def _in_memory(self) -> dict[tuple[str, str], dict[str, Any]]:
        """Rows by class and id, of what the host has; of what was heard of them while there is no host."""
        rows = {(row["class"], row["id"]): row for row in self._objects.all()}
        if self._dispatcher.link is not None:
            for row in await self._ask("objects"):
                rows[row["class"], row["id"]] = {**rows.get((row["class"], row["id"]), {}), **row}
        return rows

    async def evict(self, class_name: str, name: str, sockets: str) -> Any:
        """Drop the instance when it is quiet, within 30 s; `sockets` is `hibernate` (they stay) or `close`. `evicted` False has a `why`."""
        if sockets not in ("hibernate", "close"):
            raise UsageError("E227", 'sockets must be "hibernate" or "close"')
        fields = {"class": class_name, "id": self._id(class_name, name), "sockets": sockets}
        return {"object": f"{class_name}/{name}", **await self._ask("evict", **fields)}

    async def evict_all(self) -> int:
        """Drop every instance that becomes quiet within 30 s, sockets stay; gives how many."""
        awake = [row for row in (await self._in_memory()).values() if row["state"] not in ("inactive", "hibernated")]
        # All at once: each waits for its own turns to end.
        calls = [self._ask("evict", **{"class": row["class"], "id": row["id"], "sockets": "hibernate"}) for row in awake]
        return sum(outcome["evicted"] for outcome in await asyncio.gather(*calls))

    async def abort(self, class_name: str, name: str, reason: Any) -> Any:
        """Reset the object as `ctx.abort(reason)` would. One that is not in memory is not there to be reset."""
        fields = {"class": class_name, "id": self._id(class_name, name), "reason": None if reason is None else str(reason)}
        result = await self._ask("abort", **fields)
        if not result["aborted"]:
            raise UsageError("E228", f"{class_name}/{name} is not in memory", hint="GET objects lists what is")
        return {"aborted": f"{class_name}/{name}"}

    async def awake(self, class_name: str, name: str) -> Any:
        """What holds the object in memory, in words; empty when nothing does, or when it is not there."""
        return await self._ask("awake", **{"class": class_name, "id": self._id(class_name, name)})

    async def call(self, class_name: str, name: str, body: dict[str, Any]) -> Any:
        """A method of the object over RPC: `{"method", "args"}`."""
        method, arguments = body.get("method"), body.get("args", [])
        if not isinstance(method, str) or not isinstance(arguments, list):
            raise UsageError("E227", 'a call is {"method": text, "args": list}')
        fields = {"class": class_name, "id": self._id(class_name, name), "name": name, "method": method, "args": arguments}
        return await self._ask("rpc", **fields)

    # -- sockets

    async def sockets(self) -> Any:
        """Every open client socket."""
        return {"sockets": list(self._book.describe())}

    async def drop(self, ident: str, body: dict[str, Any]) -> Any:
        """End one: `{"mode": "close"|"reset", "code", "reason"}`; a close sends a Close frame, a reset sends nothing."""
        socket = self._book.sockets.get(int(ident)) if _DIGITS.fullmatch(ident) else None
        if socket is None or socket.transport is None:
            raise UsageError("E228", f"there is no open socket {ident}", hint="GET sockets lists them")
        mode, code, reason = body.get("mode", "close"), body.get("code", 1001), body.get("reason", "")
        if mode not in ("close", "reset") or not isinstance(code, int) or not isinstance(reason, str):
            raise UsageError("E227", 'a drop is {"mode": "close" or "reset", "code": number, "reason": text}')
        problem = close_code_error(code) or close_reason_error(code, reason)
        if problem:
            raise UsageError("E227", problem)
        self._book.drop(socket, mode, code, reason)
        return {"dropped": socket.id}

    # -- hosts

    async def crash(self, kind: str) -> Any:
        """Kill the host process, as a crash would."""
        self._check_kind(kind)
        pid = self._hosts.crash()
        if pid is None:
            raise UsageError("E228", f"no {kind} host is running")
        return {"killed": pid}

    async def restart(self, kind: str) -> Any:
        """A new process with the code as it is."""
        self._check_kind(kind)
        return _outcome(await self._hosts.restart())

    async def deploy(self) -> Any:
        """What a deploy does: new code, objects reset."""
        return _outcome(await self._reloader.reload())

    async def scheduled(self, cron: str, time: str | None) -> None:
        """Run the Worker's `scheduled` handler. `time` is milliseconds since 1970, None for now. Raises RemoteError."""
        scheduled_ms = int(time) if time and _DIGITS.fullmatch(time) else self._clock.now_ms()
        await self._ask("scheduled", cron=cron, scheduled_ms=scheduled_ms)

    # -- alarms

    async def alarms(self) -> Any:
        """Every pending alarm."""
        rows = [
            {"class": key.class_name, "id": key.id, "name": name, "time_ms": time_ms, "retry": retry, "running": running}
            for key, name, time_ms, retry, running in self._alarms.book.pending()
        ]
        return {"alarms": sorted(rows, key=lambda row: (row["time_ms"], row["class"], row["id"]))}

    async def fire(self, class_name: str, name: str) -> Any:
        """Run an alarm now."""
        if not self._alarms.fire(AlarmKey(class_name, self._id(class_name, name))):
            raise UsageError("E228", f"{class_name}/{name} has no alarm waiting", hint="GET alarms lists them")
        return {"fired": f"{class_name}/{name}"}

    # --

    async def _ask(self, op: str, **fields: Any) -> Any:
        """A CALL to the host. It may take its time, but only while the host lives: raises UserCodeError E405 when user code blocks it."""
        asking = asyncio.ensure_future(self._dispatcher.call(op, **fields))
        try:
            while not (await asyncio.wait({asking}, timeout=ANSWER_WITHIN_S))[0]:
                host = self._hosts.active
                if host is None or host.link is None or await host.link.ping(BLOCKED_AFTER_S) or host is not self._hosts.active:
                    continue
                by = "a debugger holds it" if host.debugged else "user code blocks its event loop"
                hint = f"POST hosts/{host.kind}/restart of the control API starts it anew; sockets stay open"
                raise UserCodeError("E405", f"the {host.kind} host does not answer: {by}", where=host.blocked_at, hint=hint)
            return await asking
        finally:
            asking.cancel()

    def _id(self, class_name: str, name: str) -> str:
        namespace = Namespace.of(self._worker, class_name)
        try:
            return namespace.check(name)
        except InvalidId:
            return namespace.id_from_name(name)

    def _check_kind(self, kind: str) -> None:
        if kind != self._hosts.command.kind:
            raise UsageError("E228", f"there is no {kind} host", hint=f"this project runs on the {self._hosts.command.kind} host")


def _outcome(outcome: Reloaded) -> dict[str, Any]:
    return {"ms": outcome.ms, "sockets": outcome.sockets, "reset": outcome.reset, "error": outcome.error, "kept": outcome.kept}
