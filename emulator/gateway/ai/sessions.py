"""Sessions of model calls: how one ends and the next begins (ai-binding.md 7.4 and 7.8).

A session has a mode, a speed and a cassette, a score, and perhaps recordings that are written only when it ends well. It ends when the
server stops, or when `POST ai/session` begins another: then what it recorded is kept or thrown away, a record of what it used is left for
`ai prune` (run_record.py), and its summary is told.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.cassettes.cassette_files import check_cassette_name
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.cassettes.staleness import Stale, stale_recordings
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.modes import SEARCHES
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.recorder import Recorder
from emulator.gateway.ai.run_record import RunRecord, run_id
from emulator.gateway.console import SessionEnded


@dataclass(frozen=True, slots=True)
class _Traces:
    """What a session used, of what it searched."""

    used: tuple[tuple[str, str, str], ...]
    cassettes: tuple[str, ...]


class Sessions:
    """The current session. `root` is the project's folder, `fixtures` holds recordings; those older than `max_age_days` are stale. `tell`
    hears of each session that ends and in which something happened, `begun` is called when another has begun."""

    def __init__(
        self,
        playback: Playback,
        ledger: Ledger,
        recorder: Recorder | None = None,
        *,
        root: Path | None = None,
        fixtures: Path | None = None,
        max_age_days: int = 90,
        tell: Callable[[SessionEnded], None] = lambda ended: None,
        begun: Callable[[], None] = lambda: None,
        environ: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._playback = playback
        self._ledger = ledger
        self._recorder = recorder
        self._root = root
        self._fixtures = fixtures
        self._max_age_days = max_age_days
        self._tell = tell
        self._begun = begun
        self._environ = environ
        self._now = now
        self.provisional = False
        """What this session recorded is for its holder to keep (lease.py): a server that stops meanwhile throws it away."""
        self._open(None)

    def restart(
        self,
        *,
        mode: AiMode | None = None,
        cassette: str | None = None,
        speed: Speed | None = None,
        commit: bool = True,
        prune: bool = False,
        run: str | None = None,
    ) -> SessionEnded:
        """End this session and begin one; `run` is the id of the run of tests that it belongs to. With `prune`, recordings that a session
        in mode `record` was not asked for are removed. Raises UsageError, and then nothing has changed; RecordingError or OSError when what
        was recorded cannot be written, and then the new session has begun all the same."""
        if cassette is not None:
            check_cassette_name(cassette)
        ended, traces = self._summary(), self._traces()
        self._playback.restart(mode=mode, cassette=cassette, speed=speed)
        try:
            return self._close(ended, traces, commit, prune)
        finally:
            self._playback.used.clear()  # what is written now was used by the session that is over
            self._ledger.clear()
            self._begun()
            self._open(run)

    def end(self, *, commit: bool = True) -> SessionEnded:
        """End the last session: the server stops. Raises RecordingError or OSError."""
        try:
            return self._close(self._summary(), self._traces(), commit and not self.provisional)
        finally:
            if self._recorder is not None:
                self._recorder.close()

    def summary(self) -> SessionEnded:
        """The session so far."""
        return self._summary()

    def stale(self) -> list[Stale]:
        """Recordings that are too old now, whether they answered or not."""
        return stale_recordings(self._playback.library.shelf(), self._now(), self._max_age_days)

    def _open(self, run: str | None) -> None:
        self._started = self._now()
        self._run = run or run_id(self._environ, uuid4().hex)
        if self._recorder is not None:
            self._recorder.begin(self._playback.mode, self._playback.library.cassette)

    def _close(self, ended: SessionEnded, traces: _Traces, commit: bool, prune: bool = False) -> SessionEnded:
        self._leave_record(ended, traces)
        if self._recorder is not None:
            done = self._recorder.commit(prune=prune) if commit else self._recorder.discard()
            ended = replace(
                ended,
                recorded=tuple(dict.fromkeys((*ended.recorded, *_named(done.written)))),
                unchanged=len(done.unchanged),
                removed=tuple(_named(done.removed)),
                kept=tuple(_named(done.kept)),
                not_asked=tuple(_named(done.not_asked)),
                spared=tuple(_named(done.spared)),
                committed=done.committed,
                unstored=tuple({"code": one.code, "what": one.what, "where": one.where, "next": one.hint} for one in done.problems),
            )
        if not ended.idle:
            self._tell(ended)
        return ended

    def _leave_record(self, ended: SessionEnded, traces: _Traces) -> None:
        """Only of sessions in which something happened: a server that was started and stopped says nothing about recordings."""
        if self._root is None or not (ended.calls or ended.hits or ended.misses):
            return
        RunRecord(
            run=self._run,
            started=_iso(self._started),
            ended=_iso(self._now()),
            mode=ended.mode,
            cassettes=traces.cassettes,
            used=traces.used,
            fixtures=str(self._fixtures or ""),
            calls=ended.calls,
            misses=ended.misses,
            spent_usd=ended.spent_usd,
            saved_usd=ended.saved_usd,
        ).write(self._root)

    def _traces(self) -> _Traces:
        used = tuple(sorted(identity for identity, count in self._playback.used.items() if count))
        return _Traces(used, tuple(cassette.name for cassette in self._playback.library.shelf().cassettes))

    def _summary(self) -> SessionEnded:
        playback, totals = self._playback, self._ledger.totals()
        recordings = list(playback.library.shelf().recordings)
        by_name = {recording.name: recording for recording in recordings}
        used = [recording for recording in recordings if playback.used[recording.identity]]
        failures = [
            # A hand-written error is there on purpose, as a fault is.
            {**failure, "on_purpose": failure["on_purpose"] or _manual(by_name.get(failure["recording"]))}
            for failure in totals["failures"]
        ]
        return SessionEnded(
            mode=playback.mode.value,
            strict=playback.strict,
            cassette=playback.library.cassette,
            calls=totals["calls"],
            sources=totals["sources"],
            hits=playback.hits,
            misses=playback.misses,
            missed=tuple(totals["misses"]),
            recorded=tuple(totals["recorded"]),
            tokens_in=totals["tokens_in"],
            tokens_out=totals["tokens_out"],
            spent_usd=totals["spent_usd"],
            saved_usd=totals["saved_usd"],
            stale=tuple(one.recording.name for one in self.stale() if playback.used[one.recording.identity]),
            unused=len(recordings) - len(used) if playback.mode in SEARCHES else 0,
            broken=len(playback.library.shelf().broken),
            faults=totals["faults"],
            failures=tuple(failures),
        )


def _named(files: Iterable[Path]) -> Iterator[str]:
    """`cassette/id` of recordings by their files."""
    return (f"{file.parent.name}/{file.stem}" for file in files)


def _manual(recording: Recording | None) -> bool:
    return recording is not None and recording.manual


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
