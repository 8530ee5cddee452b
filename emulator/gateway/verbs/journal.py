"""Reading the journal: the entries there are, or those and all that follow (gateway/journal.schema.json says what they look like)."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway.journal import Journal
from emulator.gateway.verbs.route import Call, Route, Streamed


class JournalVerbs:
    """`GET journal`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [Route("GET", "journal", self.read)]

    async def read(self, call: Call) -> Any:
        """Entries after `since`, about `object`, of `kinds`, at most `limit`, as NDJSON, and with `follow` those to come; as server-sent
        events, which always follow, when `Accept` asks for them. Raises UsageError E227 or E231."""
        from emulator.gateway.journal.reading import Wanted, follow
        from emulator.gateway.journal.schema import kinds_of

        query = call.query
        as_events = "text/event-stream" in call.headers.get("Accept", "")
        # A browser that reconnects says how far it came, and asks for the same address again.
        since = _number("Last-Event-ID", call.headers["Last-Event-ID"]) if as_events and call.headers.get("Last-Event-ID") else None
        if since is None:
            since = _number("since", query.get("since", "0"))
        limit = _number("limit", query["limit"]) if "limit" in query else None
        live = as_events or query.get("follow", "0") not in ("0", "false")
        kinds = kinds_of(query["kinds"]) if query.get("kinds") else None
        batches = follow(self._journal, since, Wanted(query.get("object"), kinds), live=live, limit=limit)
        if as_events:
            return Streamed("text/event-stream", _events(batches))
        return Streamed("application/x-ndjson", _lines(batches))


async def _lines(batches: AsyncGenerator[list[tuple[int, bytes]]]) -> AsyncGenerator[bytes]:
    try:
        async for batch in batches:
            yield b"".join(line + b"\n" for _, line in batch)
    finally:
        await batches.aclose()


async def _events(batches: AsyncGenerator[list[tuple[int, bytes]]]) -> AsyncGenerator[bytes]:
    try:
        async for batch in batches:
            yield b"".join(b"id: %d\ndata: %b\n\n" % row for row in batch)
    finally:
        await batches.aclose()


def _number(name: str, text: str) -> int:
    if not text.isdecimal() or not text.isascii() or len(text) > 18:
        raise UsageError("E227", f"{name} must be a number")
    return int(text)
