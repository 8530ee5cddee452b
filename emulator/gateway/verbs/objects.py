"""Verbs on objects: who is there, who holds them, and how their instances end."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway import object_sql
from emulator.gateway.alarms import Alarms
from emulator.gateway.object_files import ObjectFiles
from emulator.gateway.objects import ObjectBook
from emulator.gateway.sockets import SocketBook
from emulator.gateway.verbs.asking import HostAsker, ObjectNames
from emulator.gateway.verbs.route import Route


class ObjectVerbs:
    """Each gives a JSON-able answer or raises UsageError. An object is named by its class and by its name or id."""

    def __init__(
        self, ask: HostAsker, names: ObjectNames, *, book: SocketBook, objects: ObjectBook, files: ObjectFiles, alarms: Alarms
    ) -> None:
        self._ask = ask
        self._names = names
        self._book = book
        self._objects = objects
        self._files = files
        self._alarms = alarms

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("GET", "objects", lambda call: self.objects()),
            Route("POST", "objects/{class}/{name}/evict", lambda call: self.evict(*call.object, call.body.get("sockets", "hibernate"))),
            Route("POST", "objects/{class}/{name}/hibernate", lambda call: self.evict(*call.object, "hibernate")),
            Route("POST", "objects/{class}/{name}/abort", lambda call: self.abort(*call.object, call.body.get("reason"))),
            Route("POST", "objects/{class}/{name}/call", lambda call: self.call(*call.object, call.body)),
            Route("POST", "objects/{class}/{name}/sql", lambda call: self.sql(*call.object, call.body)),
        ]

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
        if self._ask.served:
            for row in await self._ask("objects"):
                rows[row["class"], row["id"]] = {**rows.get((row["class"], row["id"]), {}), **row}
        return rows

    async def evict(self, class_name: str, name: str, sockets: Any) -> Any:
        """Drop the instance when it is quiet, within 30 s; `sockets` is `hibernate` (they stay) or `close`. `evicted` False has a `why`."""
        if sockets not in ("hibernate", "close"):
            raise UsageError("E227", 'sockets must be "hibernate" or "close"')
        fields = {"class": class_name, "id": self._names.id(class_name, name), "sockets": sockets}
        return {"object": f"{class_name}/{name}", **await self._ask("evict", **fields)}

    async def evict_all(self) -> int:
        """Drop every instance that becomes quiet within 30 s, sockets stay; gives how many."""
        awake = [row for row in (await self._in_memory()).values() if row["state"] not in ("inactive", "hibernated")]
        # All at once: each waits for its own turns to end.
        calls = [self._ask("evict", **{"class": row["class"], "id": row["id"], "sockets": "hibernate"}) for row in awake]
        return sum(outcome["evicted"] for outcome in await asyncio.gather(*calls))

    async def abort(self, class_name: str, name: str, reason: Any) -> Any:
        """Reset the object as `ctx.abort(reason)` would. One that is not in memory is not there to be reset."""
        fields = {"class": class_name, "id": self._names.id(class_name, name), "reason": None if reason is None else str(reason)}
        result = await self._ask("abort", **fields)
        if not result["aborted"]:
            raise UsageError("E228", f"{class_name}/{name} is not in memory", hint="agents-emu objects lists what is")
        return {"aborted": f"{class_name}/{name}"}

    async def call(self, class_name: str, name: str, body: Mapping[str, Any]) -> Any:
        """A method of the object over RPC: `{"method", "args"}`."""
        method, arguments = body.get("method"), body.get("args", [])
        if not isinstance(method, str) or not isinstance(arguments, list):
            raise UsageError("E227", 'a call is {"method": text, "args": list}')
        fields = {"class": class_name, "id": self._names.id(class_name, name), "name": name, "method": method, "args": arguments}
        return await self._ask("rpc", **fields)

    async def sql(self, class_name: str, name: str, body: Mapping[str, Any]) -> Any:
        """Read the object's database: `{"query"}`. An object that has stored nothing is not there to be read."""
        query = body.get("query")
        if not isinstance(query, str):
            raise UsageError("E227", 'a look into an object is {"query": text}')
        path = self._files.path(class_name, self._names.id(class_name, name))
        if not path.exists():
            raise UsageError("E228", f"{class_name}/{name} has stored nothing", hint="agents-emu objects lists those that exist")
        return await object_sql.read(path, query)
