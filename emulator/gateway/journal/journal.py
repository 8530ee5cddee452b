"""The journal: entries in, numbered in order; to the ring, the file and those who read along (design 1.5).

Entries name things and measure them; what passes between clients and the Worker they show, bounded. Secret values are taken out of every
text at the one door (hiding.py), whoever adds it. What is told of a call that went wrong may quote what was asked: there also what only
looks like a secret is masked.

What happens often is kept as it was given until somebody reads, or until the next batch for the file. A batch takes a bounded share of
the time. When more is added than that, for longer than the backlog allows, what is not made yet becomes a `gap` entry: the journal says
what it does not have, and never slows the server down.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import time as really_s
from typing import TYPE_CHECKING, Any

from emulator.config import Redactor
from emulator.gateway.ai.recorder.secret_patterns import masked_value
from emulator.gateway.clocks import Clock, SystemClock
from emulator.gateway.journal import entries
from emulator.gateway.journal.entries import ShownBody
from emulator.gateway.journal.file import JournalFile
from emulator.gateway.journal.hiding import Hiding
from emulator.gateway.journal.readers import Entry, FrameWatcher, Reader, Readers
from emulator.gateway.journal.ring import ENTRIES, Block, Ring

if TYPE_CHECKING:
    from emulator.gateway.sockets import ObjectRef

BATCH_S = 0.2
"""How long an entry may be missing from the file, while the server is not too busy."""
PAUSE_S = 0.01
"""Between two parts of a batch, so that nobody has to wait for a whole one."""
PART_S = 0.003
"""How long a part takes while there is time to spare."""
SHARE = 0.02
"""Of all time so much is for entries that nobody waits for, while there is none to spare."""
BUSY = 0.25
"""Of one core; above it there is no time to spare."""
LATE_S = 0.002
"""When the loop comes so late, it has other things to do, or the machine has."""
SLICE = 64
BACKLOG = 40_000
"""Entries that may wait to be made."""
BACKLOG_BYTES = 32 * 1024 * 1024
FEW = 64
"""So many are made rather than lost."""
_SMALL = 4096
"""Payloads below it are not counted."""
_CALLS = frozenset({"ai", "egress"})
_WORDS = ("problem", "notice", "warnings")

AboutPath = Callable[[str], Entry | None]

Record = tuple[Any, ...]
"""When it was (really, in seconds; on a virtual clock, in milliseconds, else None), who makes the entry, and of what."""


class Journal:
    """Append with `add`, `frame` and the others; `subscribe` hears of what comes; `lines_behind` has what was."""

    def __init__(self, clock: Clock, path: Path | None = None, redact: Redactor | None = None) -> None:
        """`path` is the NDJSON file; the one before is kept as `<name>.1`. None keeps entries in memory only. `redact` takes secret
        values out of a text."""
        self._virtual_ms = None if isinstance(clock, SystemClock) else clock.now_ms
        self._hiding = Hiding(redact) if redact is not None else None
        self._ring = Ring()
        self._pending: list[Record] = []
        self._heavy = 0
        self._made = 0
        self._readers = Readers()
        self.frame_watchers: list[FrameWatcher] = []
        """Who is told of every frame (`watch_frames`)."""
        self._wakers: list[Callable[[], None]] = []
        self._file = JournalFile(path) if path is not None else None
        # Without a file nothing has to be made before somebody reads.
        self._armed = self._calm = path is None
        self._timer: asyncio.TimerHandle | None = None
        self._used = (time.monotonic(), time.process_time())
        self._due_s = 0.0

    # -- what happens

    def add(self, kind: str, **fields: Any) -> None:
        """Append one entry of any kind."""
        for name, value in fields.items():
            if isinstance(value, dict | list | tuple):
                fields[name] = _copied(value)
        if kind in _CALLS and any(fields.get(name) for name in _WORDS):
            # What is known keeps its name, also when it has the look of a token.
            known = self._hiding.cleaned(fields) if self._hiding is not None else fields
            fields = masked_value(known)
        self._append(kind, (really_s(), self._virtual_ms and self._virtual_ms(), entries.plain, kind, fields))

    def frame(self, ident: int, about: ObjectRef | None, outgoing: bool, binary: bool, payload: bytes) -> None:
        """A WebSocket message of the socket `ident` passes, from its object to the client if `outgoing`."""
        # Twice for each message of each client: no call that is not needed.
        self._pending.append((really_s(), self._virtual_ms and self._virtual_ms(), entries.frame, ident, about, outgoing, binary, payload))
        if len(payload) > _SMALL:
            self._heavy += len(payload)
        if self.frame_watchers:
            for watcher in self.frame_watchers:
                watcher(ident, outgoing, binary, payload)
        if not self._calm or len(self._pending) >= BACKLOG or self._heavy > BACKLOG_BYTES:
            self._appended("frame")

    def request(
        self, method: bytes, target: str, status: int, seconds: float, about: AboutPath, asked: ShownBody | None, answered: ShownBody | None
    ) -> None:
        """A client's HTTP request to `target` (path and query) has ended; `status` 0: the client went away before there was one. `about`
        says whom a path names."""
        now = self._virtual_ms and self._virtual_ms()
        for body in (asked, answered):
            if body is not None and body.size > _SMALL:
                self._heavy += min(body.size, entries.MAX_TEXT)
        self._append("request", (really_s(), now, _request, method, target, status, seconds, about, asked, answered))

    def chunk(self, call: str, number: int, size: int) -> None:
        """The chunk `number`, from 1, of a model's answer has gone to the host; `call` is the call's id."""
        self._append("chunk", (really_s(), self._virtual_ms and self._virtual_ms(), _chunk, call, number, size))

    def turn(self, payload: bytes) -> None:
        """A turn has ended; `payload` as in TURN (wire/README.md)."""
        self._append("turn", (really_s(), self._virtual_ms and self._virtual_ms(), entries.turn, payload))

    def point(self, payload: bytes) -> None:
        """A host has passed a point; `payload` as in POINT (wire/README.md)."""
        self._append("point", (really_s(), self._virtual_ms and self._virtual_ms(), entries.point, payload))

    def verb(self, method: str, path: str, body: dict[str, Any]) -> None:
        """Somebody does something to the server through the control API."""
        self.add("verb", verb=f"{method} {path}", args=body)

    # -- who reads

    def subscribe(
        self, reader: Reader, kinds: Iterable[str] | None = None, *, when: Callable[[], bool] | None = None
    ) -> Callable[[], None]:
        """Call `reader` at once for each entry of these kinds from now on, of all kinds without, while `when()` holds; gives the function
        that ends it. Kinds that nobody asks for cost nothing."""
        leave = self._readers.join(reader, kinds, when)
        self._look()

        def left() -> None:
            leave()
            self._look()

        return left

    def watch_frames(self, watcher: FrameWatcher) -> Callable[[], None]:
        """Call `watcher` for each frame of a client's socket with what the frame is; no entry is made for it. Gives the function that ends
        it. It is for parts of the gateway: what it is told has secrets in it."""
        self.frame_watchers.append(watcher)
        return lambda: self.frame_watchers.remove(watcher)

    def on_more(self, wake: Callable[[], None]) -> Callable[[], None]:
        """Call `wake` whenever there is more to read; gives the function that ends it."""
        self._wakers.append(wake)
        self._look()

        def leave() -> None:
            self._wakers.remove(wake)
            self._look()

        return leave

    def blocks_behind(self, seq: int) -> Iterator[Block]:
        """What there is after `seq`, as lines. A first block after `seq + 1` means that those between are not in memory any more."""
        self._settle()
        return self._ring.behind(seq)

    def since(self, seq: int, limit: int = ENTRIES) -> list[Entry]:
        """Entries after `seq` that are still in memory, oldest first, `limit` of them."""
        from emulator.gateway.journal import lines

        found = [line for block in self.blocks_behind(seq) for line in lines.split(block.lines)[max(seq + 1 - block.first, 0) :]]
        return [lines.decode(line) for line in found[-ENTRIES:][:limit]]

    @property
    def last_seq(self) -> int:
        """Number of the newest entry, 0 when there is none."""
        return self._made + len(self._pending)

    # -- its life

    def flush(self) -> None:
        """Write what is not in the file yet."""
        self._settle()
        self._write()

    def restart(self) -> None:
        """Everything begins anew, with entry 1: for a server that is set back to its start."""
        self.flush()
        self._made, self._heavy = 0, 0
        self._ring.clear()
        if self._hiding is not None:
            self._hiding.forget()
        if self._file is not None:
            with self._or_without_a_file():
                self._file.begin()

    def close(self) -> None:
        """Write the rest and close the file."""
        if self._timer is not None:
            self._timer.cancel()
        self._armed = True
        self._look()
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None

    # -- how entries are made

    def _append(self, kind: str, record: Record) -> None:
        self._pending.append(record)
        if not self._calm or len(self._pending) >= BACKLOG or self._heavy > BACKLOG_BYTES or kind in self._readers.kinds:
            self._appended(kind)

    def _appended(self, kind: str) -> None:
        """There is one more, and something to do about it."""
        if len(self._pending) >= BACKLOG or self._heavy > BACKLOG_BYTES:
            self._shed()
        if not self._armed:
            self._arm(BATCH_S)
        for wake in self._wakers:
            wake()
        if self._readers.of(kind):
            self._tell(kind)

    def _look(self) -> None:
        """Whether one more entry takes no more than keeping it, of a kind that nobody reads."""
        self._calm = self._armed and not self._wakers and not self._readers.of("frame") and not self._readers.everything

    def _tell(self, kind: str) -> None:
        """The newest entry, for those who want its kind now."""
        readers = [joined.reader for joined in self._readers.of(kind) if joined.when is None or joined.when()]
        if not readers:
            return
        if kind == "frame":
            # What it may show depends on those before it.
            (entry,) = self.since(self.last_seq - 1)
        else:
            record = self._pending[-1]
            entry = _entry(self.last_seq, record)
            if self._hiding is not None and self._hiding.active:
                if kind == "request":
                    self._hiding.mend([entry], [None])
                entry = self._hiding.cleaned(entry)
        for reader in readers:
            reader(entry)

    def _batch(self) -> None:
        now_s, used_s = time.monotonic(), time.process_time()
        busy = now_s - self._due_s > LATE_S or used_s - self._used[1] > BUSY * (now_s - self._used[0])
        until = now_s + (SHARE * (now_s - self._used[0]) if busy else PART_S)
        while self._pending:
            self._settle(SLICE)
            if time.monotonic() >= until:
                break
        self._used = time.monotonic(), time.process_time()
        self._write()
        self._armed = self._file is None
        self._look()
        if self._pending and self._file is not None:
            self._arm(PAUSE_S)

    def _arm(self, pause_s: float) -> None:
        self._armed = True
        self._look()
        self._due_s = time.monotonic() + pause_s
        self._timer = asyncio.get_running_loop().call_later(pause_s, self._batch)

    def _settle(self, most: int = BACKLOG) -> None:
        """Make the oldest entries that are not made, `most` of them."""
        if not self._pending:
            return
        from emulator.gateway.journal import lines  # late: a start does not wait for its library

        records = self._pending[:most]
        del self._pending[:most]
        if not self._pending:
            self._heavy = 0
        first = self._made + 1
        made = [_entry(number, record) for number, record in enumerate(records, first)]
        self._made += len(records)
        hiding = self._hiding
        if hiding is None or not hiding.active:
            text = lines.encode(made)
        else:
            hiding.mend(made, [record[-1] for record in records])
            text = lines.encode(made)
            if hiding.found_in(text):
                text = lines.encode([hiding.cleaned(entry) for entry in made])
        self._keep(Block(first, self._made, text))

    def _shed(self) -> None:
        """Too much waits: of what is not made only the newest that the ring can have are kept."""
        from emulator.gateway.journal import lines

        if len(self._pending) < FEW:
            self._settle()  # few and large: what an entry shows of them is bounded
            return
        lose = len(self._pending) - min(ENTRIES, len(self._pending) // 4)
        lost = self._pending[:lose]
        del self._pending[:lose]
        self._heavy = 0
        first, last = self._made + 1, self._made + len(lost)
        really_ms = int(lost[-1][0] * 1000)
        virtual_ms = lost[-1][1]
        self._made = last
        entry = entries.gap((last, really_ms if virtual_ms is None else virtual_ms, really_ms), first)
        self._keep(Block(first, last, lines.encode([entry])))

    def _keep(self, block: Block) -> None:
        self._ring.append(block)
        if self._file is not None:
            self._file.take(block)

    def _write(self) -> None:
        if self._file is not None:
            with self._or_without_a_file():
                self._file.write()

    @contextmanager
    def _or_without_a_file(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._file = None
            self.add("internal", text=f"the journal's file cannot be written any more: {error}")


def _entry(number: int, record: Record) -> Entry:
    really_ms = int(record[0] * 1000)
    virtual_ms = record[1]
    entry: Entry = record[2]((number, really_ms if virtual_ms is None else virtual_ms, really_ms), *record[3:])
    return entry


def _request(
    head: entries.Head, method: bytes, target: str, status: int, seconds: float, about: AboutPath, *bodies: ShownBody | None
) -> Entry:
    asked, answered = bodies
    return entries.request(head, method, target, status, seconds, about(target), asked, answered)


def _chunk(head: entries.Head, call: str, number: int, size: int) -> Entry:
    return entries.plain(head, "chunk", {"call": call, "n": number, "bytes": size})


def _copied(value: Any) -> Any:
    """What the caller gave stays his."""
    if isinstance(value, dict):
        return {str(name): _copied(member) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_copied(member) for member in value]
    return value
