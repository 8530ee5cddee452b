"""What a server that does not come to rest is busy with, in words."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from emulator.errors import EmuError
from emulator.gateway.alarms import Alarms
from emulator.gateway.dispatcher import NoHost, Overloaded
from emulator.gateway.hosts import Hosts
from emulator.wire.exchange import LinkLost, RemoteError

ANSWER_WITHIN_S = 1.0
MOST = 20
"""How many objects are named."""


class Asks(Protocol):
    """A CALL to the host."""

    async def __call__(self, op: str, **fields: Any) -> Any:
        """Its result."""


class Waiting:
    """Asks whoever may know. A host that says nothing is what is told of it."""

    def __init__(self, alarms: Alarms, hosts: Hosts, ask: Asks) -> None:
        self._alarms = alarms
        self._hosts = hosts
        self._ask = ask

    async def words(self) -> list[str]:
        """At most MOST entries, each a sentence without its end."""
        running = [
            f"the alarm of {key.class_name}/{name or key.id} runs" for key, name, _, _, running in self._alarms.book.pending() if running
        ]
        return (running + await self._of_host())[:MOST]

    async def _of_host(self) -> list[str]:
        host = self._hosts.active
        if host is None:
            return ["there is no host process"]
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                rows = await self._ask("objects")
                awake = [row for row in rows if row["state"] not in ("inactive", "hibernated")][:MOST]
                return [f"{row['class']}/{row.get('name') or row['id']}: {text}" for row in awake for text in await self._awake(row)]
        except (TimeoutError, EmuError, RemoteError, NoHost, LinkLost, Overloaded):
            at = f" at {host.blocked_at}" if host.blocked_at else ""
            return [f"user code keeps the {host.kind} host busy{at}"]

    async def _awake(self, row: dict[str, Any]) -> list[str]:
        found = await self._ask("awake", **{"class": row["class"], "id": row["id"]})
        return [f"{reason['text']} ({reason['where']})" if reason["where"] else str(reason["text"]) for reason in found]
