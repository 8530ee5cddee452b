"""Reading the journal from outside: from any entry on, of one object or of some kinds, once or for as long as one likes.

A reader has no queue of its own: it goes through the ring at its own pace. What the ring has lost meanwhile it gets as a `gap` entry.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from emulator.gateway.journal import entries, lines
from emulator.gateway.journal.journal import Journal
from emulator.gateway.journal.readers import Entry
from emulator.gateway.journal.ring import Block

ALWAYS = frozenset({"gap"})
"""Kinds that a filter lets through: whoever reads a part must know what he may have missed of it."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which entries: those about `object` (`Class/name`, or `Class/id`) and of `kinds`; None wants all."""

    object: str | None = None
    kinds: frozenset[str] | None = None

    def takes(self, line: bytes, since: int = 0) -> bool:
        """Whether an encoded entry is wanted, if its number is above `since`."""
        kind = lines.kind_of(line)
        if since and lines.decode(line)["seq"] <= since:
            return False
        if kind in ALWAYS:
            return True
        if self.kinds is not None and kind not in self.kinds:
            return False
        return self.object is None or is_about(lines.decode(line), self.object)


def is_about(entry: Entry, wanted: str) -> bool:
    """Whether an entry is about the object `wanted`, as `Class/name` or as `Class/id`."""
    about = entry.get("object") or entry
    if not isinstance(about, dict):
        return False
    return wanted in (f"{about.get('class')}/{about.get('name')}", f"{about.get('class')}/{about.get('id')}")


async def follow(
    journal: Journal, since: int, wanted: Wanted, *, live: bool = False, limit: int | None = None
) -> AsyncGenerator[list[tuple[int, bytes]]]:
    """Batches of entries after `since`, as numbers and lines; at most `limit` entries. With `live` it goes on with those that come."""
    more = asyncio.Event()
    end = journal.on_more(more.set) if live else _nothing
    try:
        while True:
            more.clear()
            for block in journal.blocks_behind(since):
                found = _wanted_of(block, since, wanted)
                since = block.last
                if limit is not None:
                    found, limit = found[:limit], limit - len(found[:limit])
                if found:
                    yield found
                if limit == 0:
                    return
            if not live:
                return
            if journal.last_seq < since:
                since = 0  # it began anew
            if journal.last_seq == since:
                await more.wait()
    finally:
        end()


def _wanted_of(block: Block, since: int, wanted: Wanted) -> list[tuple[int, bytes]]:
    found = []
    if block.first > since + 1:
        found.append((block.first - 1, lost(since + 1, block.first - 1, block)))
    if block.last > block.first and lines.kind_of(block.lines) == "gap":
        return [*found, (block.last, block.lines[:-1])]
    rows = enumerate(lines.split(block.lines), block.first)
    return found + [(seq, line) for seq, line in rows if seq > since and wanted.takes(line)]


def lost(first: int, last: int, before: Block) -> bytes:
    """A gap in the place of entries that are not in memory any more, at the time of those that follow."""
    next_one = lines.decode(before.lines[: before.lines.index(b"\n")])
    return lines.encode([entries.gap((last, next_one["ts_ms"], next_one["real_ms"]), first)])[:-1]


def _nothing() -> None:
    """Nobody is to be told that a reader has gone who never waited."""
