"""Notes answers of real servers while they pass, and writes them as recordings when a session ends well (ai-binding.md 7.4).

A chunk goes to the reader first and is noted when the reader asks for the next one, so recording cannot hold an answer up. An answer
that the reader left, or that broke off, is never stored: half an answer would replay as a whole one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from emulator.config.options import AiMode
from emulator.errors import EmuError, RecordingError
from emulator.gateway import content_coding
from emulator.gateway.ai.canonical import ModelRequest, canonical, key_of
from emulator.gateway.ai.cassettes.cassette_files import cassette_name, check_cassette_name
from emulator.gateway.ai.cassettes.manifest import MANIFEST, Manifest, manifest_text, read_manifest, read_manifest_document
from emulator.gateway.ai.modes import STORES
from emulator.gateway.ai.recorder.asked_in_vain import AskedInVain
from emulator.gateway.ai.recorder.interaction import Noted, interaction
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.recorder.spool import Spool
from emulator.gateway.ai.recorder.staging import PATIENCE_S, Busy, Changes, Snapshot, Staging, complete_cut_off, recover, snapshot
from emulator.gateway.ai.recorder.tapped_body import Outcome, TappedBody
from emulator.gateway.ai.replay import monotonic_ms
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Response

_IN_A_THREAD = 256 * 1024
"""Bytes of an answer from which on redacting it would keep others waiting."""

Price = Callable[[ModelRequest, Mapping[str, Any]], float | None]
"""US dollars for a request with this usage, None when unknown."""


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
    not_asked: list[Path] = field(default_factory=list)
    """Of the cassettes that were written to, in mode RECORD: nobody asked for them, and they stay. commit(prune=True) removes them."""
    spared: dict[Path, str] = field(default_factory=dict)
    """Old recordings that stay because they were asked for in vain, and why: the answer broke off, was left, or cannot be stored."""
    problems: list[EmuError] = field(default_factory=list)
    """Answers that were not stored, and why."""

    def add(self, changes: Changes) -> None:
        """Count in what was done to one cassette."""
        self.written += changes.written
        self.unchanged += changes.unchanged
        self.removed += changes.removed
        self.kept += changes.kept
        self.not_asked += changes.not_asked
        self.spared |= changes.spared


@dataclass(frozen=True, slots=True, eq=False)
class _Exchange:
    """What is needed to store an answer once it has passed. `session` tells whether the one that it belongs to still goes on. `alone`: it
    is stored by itself, whatever becomes of its session."""

    session: object
    alone: bool
    staging: Staging
    cassette: str
    t0_ms: float
    first_byte_ms: int
    asked: ModelRequest
    request_body: bytes | None
    reply: Reply
    spool: Spool
    test: str | None
    at: datetime


class Recorder:
    """One for a process. `folder` is the project's fixtures folder; `now` the wall clock (aware datetimes), `now_ms` the monotonic clock
    that `t0_ms` of tap comes from. `report` hears at once of every answer that cannot be stored (E507, E508, E509), and of those that a
    killed session had staged (E510); user code never does.
    `stored` hears of every recording that is written, as (cassette, id, digest): what Recording.identity will be.

    Raises RecordingError E508 when a commit that was cut off cannot be completed.
    """

    def __init__(
        self,
        folder: Path,
        redaction: Redaction,
        *,
        now: Callable[[], datetime],
        now_ms: Callable[[], float] = monotonic_ms,
        report: Callable[[EmuError], None],
        stored: Callable[[tuple[str, str, str]], None] = lambda identity: None,
        price: Price = lambda asked, usage: None,
    ) -> None:
        self._ai = folder / "ai"
        self._redaction = redaction
        self._now = now
        self._now_ms = now_ms
        self._report = report
        self._stored = stored
        self._price = price
        self._mode = AiMode.LIVE
        self._keep_failed = False
        self._staging = Staging(self._ai)
        self._session = object()
        self._before: Snapshot = {}
        self._existed: frozenset[str] = frozenset()
        self._problems: list[EmuError] = []
        self._manifests: dict[str, Manifest] = {}
        self._in_vain = AskedInVain(self._key)
        self._waiting: list[_Exchange] = []
        self._working: dict[_Exchange, Future[Changes | EmuError | None]] = {}
        self._thread = ThreadPoolExecutor(1, "recorder")
        self._blocked = False
        self._closed = False
        try:
            recovered = recover(self._ai)
        except OSError as error:
            raise _unwritable(self._ai, error) from None
        if recovered.dropped:
            report(_dropped(self._ai, recovered.dropped))

    def begin(self, mode: AiMode, cassette: str | None = None, *, keep_failed: bool = False) -> None:
        """Start a session; what an open one has staged is dropped. With `keep_failed`, discard() stores all the same.

        Raises UsageError E506 when `cassette`, the session's own, cannot be the name of one.
        """
        if cassette is not None:
            check_cassette_name(cassette)
        self._end()
        self._mode, self._keep_failed = mode, keep_failed
        with suppress(OSError):  # then the next commit tries again, and tells
            complete_cut_off(self._ai)
        self._before = snapshot(self._ai) if mode is AiMode.RECORD else {}
        names = (entry.name for entry in self._ai.iterdir() if entry.is_dir()) if self._ai.is_dir() else ()
        self._existed = frozenset(names)

    def stores(self, cassette: str) -> bool:
        """Whether an answer from outside would be stored in `cassette` now: the mode stores, and ONCE found no such cassette."""
        return self._mode in STORES and not (self._mode is AiMode.ONCE and cassette_name(cassette) in self._existed)

    def clock_ms(self) -> float:
        """Now, on the clock that `t0_ms` of tap is on."""
        return self._now_ms()

    def tap(
        self, asked: ModelRequest, reply: Reply, *, cassette: str, t0_ms: float, body: bytes | None = None, test: str | None = None
    ) -> Reply:
        """`reply` with a body that is noted as it passes; `reply` itself when there is nothing to store (see `stores`, Source.outside).

        `asked` is the request as it came; it is redacted here. `cassette` may be any scope (cassette_name). `t0_ms` is when the request
        came, in `now_ms`'s time. `body` are its raw bytes, kept as a blob when it is neither JSON nor text. RECORD stores every status but
        401 and 403: a refused key is a mistake of this machine. The other modes store only what is below 400: an outage would else be
        replayed for ever. AUTO stores at once, each on its own, and says nothing of what it does not; the others stage until commit().
        """
        response = reply.response
        if not self.stores(cassette):
            return reply
        if not reply.source.outside:
            self.spare(asked, cassette, f"no server answered: {reply.source}")
            return reply
        why = _unwanted(self._mode, response)
        if why is not None:
            self.spare(asked, cassette, why.what)
            if self._mode is not AiMode.AUTO:
                self._problem(_unstorable(asked, why.what, why.next))
            return reply
        first_byte_ms = max(0, round(self._now_ms() - t0_ms))
        spool = Spool()
        alone = self._mode is AiMode.AUTO
        staging = Staging(self._ai) if alone else self._staging
        exchange = _Exchange(
            self._session, alone, staging, cassette_name(cassette), t0_ms, first_byte_ms, asked, body, reply, spool, test, self._now()
        )
        if self._mode is AiMode.RECORD:
            self._in_vain.asked(exchange, exchange.cassette, asked)
        if isinstance(response.body, bytes):
            spool.add(first_byte_ms, response.body)
            self._later(exchange)
            return reply

        def ended(outcome: Outcome, failure: Exception | None) -> None:
            if outcome is Outcome.COMPLETE:
                self._later(exchange)
                return
            spool.close()
            self._in_vain.failed(exchange, "its reader left" if outcome is Outcome.LEFT else "the answer broke off")
            if outcome is Outcome.BROKEN:
                self._problem(_unstorable(asked, f"the answer broke off: {failure}"), exchange)

        response.body = TappedBody(response.body, spool, lambda: max(0, round(self._now_ms() - t0_ms)), ended)
        return reply

    @contextmanager
    def asking(self, asked: ModelRequest, cassette: str) -> Iterator[None]:
        """Around a call of what answers `asked`, before tap(): should no answer come, or not in time, its old recordings stay."""
        token = object()
        if self._mode is AiMode.RECORD:
            self._in_vain.asked(token, cassette_name(cassette), asked)
        try:
            yield
        except BaseException as error:
            self._in_vain.failed(token, f"no answer came: {str(error) or type(error).__name__}")
            raise
        self._in_vain.answered(token)

    def spare(self, asked: ModelRequest, cassette: str, why: str) -> None:
        """`asked` has an answer that is none to record, as a fault's: its old recordings stay."""
        if self._mode is AiMode.RECORD:
            token = object()
            self._in_vain.asked(token, cassette_name(cassette), asked)
            self._in_vain.failed(token, why)

    def settle(self) -> None:
        """Stage all that was heard to its end, now: `report` has heard of what cannot be stored. commit() begins with it."""
        self._catch_up(PATIENCE_S)
        for exchange in list(self._working):
            self._worked(exchange)

    def commit(self, *, only: Collection[Path] | None = None, prune: bool = False) -> Summary:
        """Write what was staged, and begin anew in the same mode. RECORD replaces what was asked again, and adds the rest; with `prune`, it
        removes what the cassettes that it wrote to held when the session began and nobody asked for. `only` these files are replaced,
        or removed. When an answer held a secret, RECORD writes nothing, so that no cassette is left with a gap.

        Raises RecordingError E508 when the disk does not take it, or another process writes and does not end. What was staged is dropped,
        the cassettes are as they were; but what a commit had begun to move is completed by the next one, or by the next start.
        """
        self.settle()
        summary = Summary(problems=self._problems)
        try:
            if self._mode is AiMode.RECORD and self._blocked and not self._keep_failed:
                summary.committed = False
            else:
                for cassette in self._staging.cassettes:
                    summary.add(self._commit(cassette, only, prune=prune or only is not None))
        finally:
            self.begin(self._mode, keep_failed=self._keep_failed)
        return summary

    def discard(self) -> Summary:
        """The session failed: drop what was staged (with `keep_failed`: commit it), and begin anew in the same mode."""
        if self._keep_failed:
            return self.commit()
        self.settle()
        summary = Summary(committed=False, problems=self._problems)
        self.begin(self._mode)
        return summary

    def close(self) -> None:
        """The process ends: drop what is staged."""
        self._end()
        self._closed = True
        self._thread.shutdown()

    # -- inside

    def _store(self, exchange: _Exchange, wait_s: float) -> Changes | EmuError | None:
        """Redact and stage; one that stands alone is also written. What was written, or what stood against it. May run in a thread. Raises
        Busy when another process writes for longer than `wait_s`."""
        staging, cassette = exchange.staging, exchange.cassette
        try:
            staging.prepare(wait_s)
            if not (exchange.alone and staging.cassettes):  # else the lock was missing at its commit
                self._stage(exchange)
            if exchange.alone:
                normalise = self._manifest(cassette).normalise
                return staging.commit(cassette, normalise, manifest=lambda _: self._new_manifest(cassette, whole=False), wait_s=wait_s)
        except RecordingError as error:
            return error
        except OSError as error:
            if isinstance(error, Busy) and not wait_s:
                raise
            return _unwritable(self._ai / cassette, error, cut_off=staging.cut_off)
        return None

    def _stage(self, exchange: _Exchange) -> None:
        reply, spool = exchange.reply, exchange.spool
        if spool.failure is not None:
            raise spool.failure
        noted = Noted(
            asked=self._redaction.stored(exchange.asked),
            request_body=exchange.request_body,
            status=reply.response.status,
            headers=reply.response.headers,
            body=spool,
            live=reply.response.header("content-length") is None,
            first_byte_ms=exchange.first_byte_ms,
            backend=reply.backend,
            backend_model=reply.backend_model,
            usage=reply.usage,
            cost_usd=self._price(exchange.asked, reply.usage) if reply.usage else None,
            test=exchange.test,
        )
        keep_blob = partial(exchange.staging.keep_blob, exchange.cassette)
        kept = interaction(noted, self._redaction, self._manifest(exchange.cassette).normalise, exchange.at, keep_blob)
        exchange.staging.add(exchange.cassette, exchange.t0_ms, kept)

    def _settle(self, exchange: _Exchange, outcome: Changes | EmuError | None) -> None:
        """Tell what was written, or stood against it. Nothing that goes wrong here reaches whoever reads the answer."""
        if exchange.alone:
            exchange.staging.close()
        in_time = exchange.session is self._session
        if isinstance(outcome, EmuError):
            self._in_vain.failed(exchange, outcome.what)
            self._blocked = self._blocked or (outcome.code == "E507" and in_time)
            self._problem(outcome, exchange)
            return
        self._in_vain.answered(exchange)
        if outcome is not None and in_time:
            self._tell(exchange.cassette, outcome)

    def _tell(self, cassette: str, changes: Changes) -> None:
        for file, digest in changes.digests.items():
            self._stored((cassette, file.stem, digest))

    def _commit(self, cassette: str, only: Collection[Path] | None, *, prune: bool) -> Changes:
        recording = self._mode is AiMode.RECORD
        before = self._before if only is None else {name: stamp for name, stamp in self._before.items() if self._ai / name in only}

        def manifest(changes: Changes) -> bytes | None:
            return self._new_manifest(cassette, whole=recording and only is None and not (changes.not_asked or changes.spared))

        try:
            changes = self._staging.commit(
                cassette,
                self._manifest(cassette).normalise,
                replacing=before if recording else None,
                in_vain=self._in_vain.of(cassette),
                prune=prune,
                manifest=manifest,
            )
        except OSError as error:
            raise _unwritable(self._ai / cassette, error, cut_off=self._staging.cut_off) from None
        self._tell(cassette, changes)
        return changes

    def _key(self, cassette: str, asked: ModelRequest) -> str:
        return key_of(canonical(self._redaction.stored(asked), self._manifest(cassette).normalise))

    def _manifest(self, cassette: str) -> Manifest:
        """A manifest that cannot be read counts as none, as it does when recordings are searched."""
        if cassette not in self._manifests:
            try:
                self._manifests[cassette] = read_manifest(self._ai / cassette / MANIFEST)
            except RecordingError:
                self._manifests[cassette] = Manifest()
        return self._manifests[cassette]

    def _new_manifest(self, cassette: str, *, whole: bool) -> bytes | None:
        """What `cassette.json` is to say; None when it says it, or cannot be read and so is its owner's to mend."""
        file = self._ai / cassette / MANIFEST
        try:
            there = read_manifest_document(file)
        except RecordingError:
            return None
        day = self._now().astimezone(UTC).date().isoformat()
        if there and (not whole or there.get("recorded") == day):
            return None
        return manifest_text({**there, "recorded": day})

    def _later(self, exchange: _Exchange) -> None:
        """Store it once its reader has its last byte, or at the latest when the session ends; in a thread what takes long."""
        loop = asyncio.get_running_loop()
        if self._closed or (exchange.session is not self._session and not exchange.alone):
            exchange.spool.close()
            self._problem(_unstorable(exchange.asked, "its session ended first"), exchange)
            return
        if exchange.spool.size <= _IN_A_THREAD:
            self._waiting.append(exchange)
            loop.call_soon(self._catch_up)
        else:
            self._in_thread(exchange, loop)

    def _in_thread(self, exchange: _Exchange, loop: asyncio.AbstractEventLoop) -> None:
        working = self._thread.submit(self._store, exchange, PATIENCE_S)
        self._working[exchange] = working

        def worked(_: Future[Changes | EmuError | None]) -> None:
            with suppress(RuntimeError):  # the loop has gone, after a session end that waited for this
                loop.call_soon_threadsafe(self._worked, exchange)

        working.add_done_callback(worked)

    def _catch_up(self, wait_s: float = 0) -> None:
        waiting, self._waiting = self._waiting, []
        for exchange in waiting:
            try:
                outcome = self._store(exchange, wait_s)
            except Busy:  # the loop waits for nobody
                self._in_thread(exchange, asyncio.get_running_loop())
                continue
            exchange.spool.close()
            self._settle(exchange, outcome)

    def _worked(self, exchange: _Exchange) -> None:
        working = self._working.pop(exchange, None)
        if working is not None:
            outcome = working.result()
            exchange.spool.close()
            self._settle(exchange, outcome)

    def _problem(self, error: EmuError, exchange: _Exchange | None = None) -> None:
        """Of a session that is over, only `report` hears: the one that goes on has nothing to do with it."""
        if exchange is None or exchange.session is self._session:
            self._problems.append(error)
        self._report(error)

    def _end(self) -> None:
        self.settle()
        self._staging.close()
        self._staging, self._session = Staging(self._ai), object()
        self._problems, self._manifests, self._blocked = [], {}, False
        self._in_vain.clear()


@dataclass(frozen=True, slots=True)
class _Unwanted:
    """Why an answer is not to be stored, and the next step."""

    what: str
    next: str


def _unwanted(mode: AiMode, response: Response) -> _Unwanted | None:
    status = response.status
    if status in (401, 403):
        return _Unwanted(f"it was answered {status}", "give a key that is accepted and ask again, or write the recording by hand")
    if status >= 400 and mode is not AiMode.RECORD:
        return _Unwanted(f"it was answered {status}", "ask again; an error that belongs into a test: agents-emu ai record, without --add")
    if status < 200 and status != 101:
        return _Unwanted(f"it was answered {status}", "ask again")
    coding = (response.header("content-encoding") or "identity").strip().lower()
    if coding != "identity" and content_coding.decoder(coding) is None:
        return _Unwanted(f"its content-encoding is {coding}, which is not understood", "ask again")
    return None


def _unstorable(asked: ModelRequest, why: str, hint: str = "ask again") -> RecordingError:
    return RecordingError("E509", f"not recorded, {why}", where=f"{asked.kind} {asked.target}", hint=hint)


def _unwritable(place: Path, error: OSError, *, cut_off: bool = False) -> RecordingError:
    """`place` when the error names no file."""
    where = error.filename2 or error.filename or place
    hint = "make room or correct the permissions; what was recorded before is as it was"
    if cut_off:
        hint = "make room or correct the permissions; the next commit, or start, writes what is missing"
    return RecordingError("E508", f"recordings cannot be written: {error.strerror or error}", where=str(where), hint=hint)


def _dropped(ai: Path, count: int) -> RecordingError:
    answers = "1 answer was" if count == 1 else f"{count} answers were"
    what = f"{answers} not recorded: the server that had heard them was killed before its session ended"
    return RecordingError("E510", what, where=str(ai), hint="record again; mode auto writes each answer at once")
