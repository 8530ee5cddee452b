"""Notes answers of real servers while they pass, and writes them as recordings when a session ends well (ai-binding.md 7.4).

A chunk goes to the reader first and is noted when the reader asks for the next one, so recording cannot hold an answer up. An answer
that the reader left, or that broke off, is never stored: half an answer would replay as a whole one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from emulator.config.options import AiMode
from emulator.errors import EmuError
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.redaction import Redaction
from emulator.gateway.ai.replay import monotonic_ms
from emulator.gateway.ai.reply import Reply

STORING = (AiMode.RECORD, AiMode.NEW, AiMode.ONCE, AiMode.AUTO)
"""The modes in which an answer from outside may be written."""


@dataclass(slots=True)
class Summary:
    """What a session wrote. `committed` is False when the cassettes are as they were: discarded, or an answer held a secret."""

    committed: bool = True
    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    """Recorded again with the same answer: the file stays as it was, so that a diff shows what changed."""
    removed: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    """Edited by hand since they were recorded: never replaced. Delete one to record it anew."""
    problems: list[EmuError] = field(default_factory=list)
    """Answers that were not stored, and why."""


class Recorder:
    """One for a process. `folder` is the project's fixtures folder; `now` the wall clock (aware datetimes), `now_ms` the monotonic clock
    that `t0_ms` of tap comes from. `report` hears at once of every answer that cannot be stored (E507, E508, E509); user code never does.
    """

    def __init__(
        self,
        folder: Path,
        redaction: Redaction,
        *,
        now: Callable[[], datetime],
        now_ms: Callable[[], float] = monotonic_ms,
        report: Callable[[EmuError], None],
    ) -> None:
        self._folder, self._redaction, self._now, self._now_ms, self._report = folder, redaction, now, now_ms, report

    def begin(self, mode: AiMode, cassette: str | None = None, *, keep_failed: bool = False) -> None:
        """Start a session; one that is open is discarded. `cassette` is the session's own (ONCE asks whether it existed).

        With `keep_failed`, discard() stores what was staged all the same.
        Raises UsageError E506 for a name that is no cassette's.
        """
        raise NotImplementedError

    def stores(self, cassette: str) -> bool:
        """Whether an answer from outside would be stored in `cassette` now: the mode stores, and ONCE found no such cassette."""
        raise NotImplementedError

    def tap(self, asked: ModelRequest, reply: Reply, *, cassette: str, t0_ms: float, body: bytes | None = None) -> Reply:
        """`reply` with a body that is noted as it passes; `reply` itself when there is nothing to store (see `stores`, Source.outside).

        `asked` is the request as it came; it is redacted here. `t0_ms` is when it came, in `now_ms`'s time. `body` are its raw bytes,
        kept as a blob when the request is neither JSON nor text. AUTO stores answers of status < 400 at once, each on its own: an
        outage would else be replayed for ever. The other modes stage them until commit(). Never raises.
        """
        raise NotImplementedError

    def commit(self) -> Summary:
        """Write what was staged, and begin anew in the same mode. RECORD replaces what each cassette held when the session began."""
        raise NotImplementedError

    def discard(self) -> Summary:
        """The session failed: drop what was staged (with `keep_failed`: commit it)."""
        raise NotImplementedError
