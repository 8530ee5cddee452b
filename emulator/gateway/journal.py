"""Everything that happens, one entry each, in order; the terminal, the control API and the file are readers of it (design 1.5).

An entry is a dict `{seq, ts_ms, kind, ...}`. Entries name things and measure them; they never hold headers or bodies, and secret values
are taken out of every text here, at the one door, whoever adds it. What is told of a call that went wrong may quote what was asked: there
also what only looks like a secret is masked.
The newest entries stay in memory, all of them go to `journal.ndjson`, written in batches.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from emulator.config import Redactor
from emulator.gateway.ai.recorder.secret_patterns import masked_value
from emulator.gateway.clocks import Clock

Entry = dict[str, Any]
Reader = Callable[[Entry], None]

RING = 10_000
BATCH_S = 0.2
_CALLS = frozenset({"ai", "egress"})
_WORDS = ("problem", "notice", "warnings")
MAX_FILE = 32 * 1024 * 1024
"""Bytes of the file; then it becomes `<name>.1` in place of the one before, and a new one is begun."""


class Journal:
    """Append with `add`; read the newest with `since`, all that come with `subscribe`."""

    def __init__(self, clock: Clock, path: Path | None = None, redact: Redactor | None = None) -> None:
        """`path` is the NDJSON file; the one before is kept as `<name>.1`. None keeps entries in memory only. `redact` takes secret
        values out of a text."""
        self._clock = clock
        self._redact = redact
        self._ring: deque[Entry] = deque(maxlen=RING)
        self._unwritten: list[Entry] = []
        self._readers: list[Reader] = []
        self._seq = 0
        self._timer: asyncio.TimerHandle | None = None
        self._path = path
        self._written = 0
        self._file: TextIO | None = _open_anew(path) if path is not None else None

    def add(self, kind: str, **fields: Any) -> Entry:
        """Append one entry."""
        self._seq += 1
        if self._redact is not None and not self._redact.idle:
            fields = _clean(fields, self._redact)
        if kind in _CALLS and any(fields.get(name) for name in _WORDS):
            fields = masked_value(fields)
        entry: Entry = {"seq": self._seq, "ts_ms": self._clock.now_ms(), "kind": kind, **fields}
        self._ring.append(entry)
        for reader in self._readers:
            reader(entry)
        if self._file is not None:
            self._unwritten.append(entry)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(BATCH_S, self.flush)
        return entry

    def subscribe(self, reader: Reader) -> Callable[[], None]:
        """Call `reader` for each entry from now on; gives the function that ends it."""
        self._readers.append(reader)
        return lambda: self._readers.remove(reader)

    def since(self, seq: int, limit: int = RING) -> list[Entry]:
        """Entries after `seq` that are still in memory, oldest first."""
        behind = self._seq - seq
        if behind <= 0:
            return []
        newest = list(self._ring)[-behind:]
        return newest[:limit]

    @property
    def last_seq(self) -> int:
        """Number of the newest entry, 0 when there is none."""
        return self._seq

    def flush(self) -> None:
        """Write what is not in the file yet."""
        self._timer = None
        entries, self._unwritten = self._unwritten, []
        if self._file is not None and self._path is not None and entries:
            text = "".join(encode(entry) for entry in entries)
            if self._written and self._written + len(text) > MAX_FILE:
                self._file.close()
                self._file, self._written = _open_anew(self._path), 0
            self._file.write(text)
            self._file.flush()
            self._written += len(text)

    def close(self) -> None:
        """Write the rest and close the file."""
        if self._timer is not None:
            self._timer.cancel()
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None


def _clean(value: Any, redact: Redactor) -> Any:
    """A copy of `value` with every text in it redacted; keys are names of ours."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {name: _clean(member, redact) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(member, redact) for member in value]
    return value


_ENCODER = json.JSONEncoder(separators=(",", ":"), default=str)
"""Made once: `json.dumps` with arguments makes one for each entry."""


def encode(entry: Entry) -> str:
    """One NDJSON line, in ASCII: a client's path and a user's log line may hold anything."""
    return _ENCODER.encode(entry) + "\n"


def _open_anew(path: Path) -> TextIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path.open("w", encoding="ascii")
