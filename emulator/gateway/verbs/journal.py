"""Reading the journal: the entries there are, or those and all that follow."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway import journal as journals
from emulator.gateway.journal import Entry, Journal
from emulator.gateway.verbs.route import Call, Route, Streamed


class JournalVerbs:
    """`GET journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [Route("GET", "journal", self.read)]

    async def read(self, call: Call) -> Any:
        """Entries after `since` as NDJSON; as server-sent events, and then all that follow, when asked for."""
        try:
            since = int(call.query.get("since", 0))
        except ValueError:
            raise UsageError("E227", "since must be a number") from None
        wanted = call.query.get("object")
        if "text/event-stream" in call.headers.get("Accept", ""):
            return Streamed("text/event-stream", self._events(since, wanted))
        return Streamed("application/x-ndjson", self._lines(since, wanted))

    async def _lines(self, since: int, wanted: str | None) -> AsyncGenerator[bytes]:
        yield "".join(journals.encode(entry) for entry in self._journal.since(since) if _is_about(entry, wanted)).encode()

    async def _events(self, since: int, wanted: str | None) -> AsyncGenerator[bytes]:
        queue: asyncio.Queue[Entry] = asyncio.Queue(maxsize=journals.RING)
        # A reader that falls this far behind loses entries; their numbers show it the gap.
        end = self._journal.subscribe(lambda entry: None if queue.full() else queue.put_nowait(entry))
        try:
            for entry in self._journal.since(since):
                if _is_about(entry, wanted):
                    yield _event(entry)
            while True:
                entry = await queue.get()
                if _is_about(entry, wanted):
                    yield _event(entry)
        finally:
            end()


def _is_about(entry: Entry, wanted: str | None) -> bool:
    if wanted is None:
        return True
    about = entry.get("object") or entry
    return bool(isinstance(about, dict) and f"{about.get('class')}/{about.get('name')}" == wanted)


def _event(entry: Entry) -> bytes:
    return f"id: {entry['seq']}\ndata: {journals.encode(entry)}\n".encode()
