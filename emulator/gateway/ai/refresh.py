"""Records anew what is recorded already, by sending the stored requests again: `agents-emu ai refresh` (ai-binding.md 7.7).

A stored request is complete but for what was redacted, and but for the keys of user code: so calls of the binding can be sent again, by the
backend that answers for their model now; a request that user code made itself, with its own key, is recorded by running that code. What
fails leaves its recording as it is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol

from emulator.config import AiMode
from emulator.errors import EmuError, RecordingError, UsageError
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.cassettes.cassette_files import read_sealed, recording_text, sealed, write_atomically
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.cassettes.staleness import stale_recordings
from emulator.gateway.ai.recorder.recorder import Recorder, Summary
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Response

Ask = Callable[[ModelRequest], Awaitable[Reply]]
"""Asks the backend of a model, whatever the mode. Raises NetworkFailure."""

_SENDABLE = frozenset({Kind.RUN})
_PLACEHOLDERS = ("{{secret:", "{{redacted:", "{{account}}")


class MakeRecorder(Protocol):
    """Gives a recorder of one's own: what it hears of answers that cannot be stored, and where it writes, the fixtures if not said."""

    def __call__(self, report: Callable[[EmuError], None], folder: Path | None = None) -> Recorder: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one recording: `recorded` (it was replaced), `unchanged` (the answer is the same, its date is new), `skipped` (it
    cannot be sent again) or `failed`."""

    recording: str
    outcome: str
    why: str = ""


class Refresher:
    """`recorder` gives one of its own, apart from that of user code's session, which reports to the function given. Recordings older than
    `max_age_days` are stale."""

    def __init__(
        self,
        library: Library,
        ask: Ask,
        recorder: MakeRecorder,
        max_age_days: int,
        now_ms: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._library = library
        self._ask = ask
        self._recorder = recorder
        self._max_age_days = max_age_days
        self._now_ms = now_ms
        self._now = now
        self._busy = asyncio.Lock()

    async def refresh(self, pattern: str, *, stale: bool) -> list[dict[str, Any]]:
        """Ask again for all recordings whose `cassette/id` fits `pattern`, or whose id does; with `stale`, of those the old ones. One
        after the other, in file order. The rows are outcomes: `{recording, outcome, why}`. Raises RecordingError E508."""
        async with self._busy:
            shelf = self._library.shelf()
            among = [one.recording for one in stale_recordings(shelf, self._now(), self._max_age_days)] if stale else shelf.recordings
            wanted = [one for one in among if _named(one, pattern)]
            outcomes: dict[str, Outcome] = {}
            problems: list[EmuError] = []
            recorder = self._recorder(problems.append)
            try:
                recorder.begin(AiMode.RECORD, keep_failed=True)  # what cannot be stored keeps nothing else from it
                asked = [one for one in wanted if await self._asked(one, recorder, problems, outcomes)]
                summary = recorder.commit(only={one.file for one in asked})
            finally:
                recorder.close()
            for one in asked:
                outcomes[one.name] = self._written(one, summary)
        return [{"recording": one.recording, "outcome": one.outcome, "why": one.why} for one in map(outcomes.get, _names(wanted)) if one]

    async def preview(self, name: str) -> dict[str, Any]:
        """What the model answers now to the request of the recording `cassette/id`, as the document it would become; nothing is kept.
        Raises UsageError E228 when there is none of that name, RecordingError E547 when it cannot be asked again."""
        recording = next((one for one in self._library.shelf().recordings if one.name == name), None)
        if recording is None:
            raise UsageError("E228", f"there is no recording {name}", hint="agents-emu ai ls")
        outcomes: dict[str, Outcome] = {}
        problems: list[EmuError] = []
        with TemporaryDirectory(prefix="agents-emu-") as folder:
            recorder = self._recorder(problems.append, Path(folder))
            try:
                recorder.begin(AiMode.RECORD)
                if await self._asked(recording, recorder, problems, outcomes, replaces=False):
                    (file,) = recorder.commit().written
                    document: dict[str, Any] = json.loads(file.read_bytes())
                    return document
            finally:
                recorder.close()
        raise RecordingError("E547", f"{name} cannot be compared with its model: {outcomes[name].why}", where=str(recording.file))

    async def _asked(
        self, recording: Recording, recorder: Recorder, problems: list[EmuError], outcomes: dict[str, Outcome], *, replaces: bool = True
    ) -> bool:
        """Whether its answer was noted anew; if not, why stands in `outcomes`."""
        why = _unsendable(recording) or (_edited(recording) if replaces else None)
        if why is not None:
            outcomes[recording.name] = Outcome(recording.name, "skipped", why)
            return False
        started_ms = self._now_ms()
        try:
            reply = await self._ask(recording.request)
            if reply.response.status >= 400 and reply.response.status != recording.response["status"]:
                outcomes[recording.name] = Outcome(recording.name, "failed", await _words(reply.response))
                return False
            if not reply.source.outside:
                outcomes[recording.name] = Outcome(recording.name, "failed", f"no backend answers for {recording.request.target}")
                await reply.response.aclose()
                return False
            known = len(problems)
            noted = recorder.tap(recording.request, reply, cassette=recording.cassette, t0_ms=started_ms)
            await _drain(noted.response)
            recorder.settle()
            if len(problems) > known:
                raise problems[-1]
        except EmuError as error:
            outcomes[recording.name] = Outcome(recording.name, "failed", error.what)
            return False
        return True

    def _written(self, recording: Recording, summary: Summary) -> Outcome:
        if recording.file in summary.written:
            return Outcome(recording.name, "recorded")
        if recording.file in summary.unchanged:
            self._date_anew(recording.file)
            return Outcome(recording.name, "unchanged")
        return Outcome(recording.name, "recorded", f"as another file: its request has another key by now, and {recording.id} is removed")

    def _date_anew(self, file: Path) -> None:
        """The answer is as it was, and that is news: the recording is not stale any more."""
        found = read_sealed(file.read_bytes())
        if found is not None and found.untouched:
            at = self._now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            document = {**found.document, "recorded": {**found.document["recorded"], "at": at}}
            write_atomically(file, recording_text(sealed(document)))


def _names(recordings: list[Recording]) -> list[str]:
    return [recording.name for recording in recordings]


def _named(recording: Recording, pattern: str) -> bool:
    return fnmatchcase(recording.name, pattern) or fnmatchcase(recording.id, pattern)


def _edited(recording: Recording) -> str | None:
    """Why the file may not be replaced; None when it may."""
    found = read_sealed(recording.file.read_bytes())
    return "it was edited by hand: delete it, and record it by a test" if found is None or not found.untouched else None


def _unsendable(recording: Recording) -> str | None:
    """Why the stored request cannot be sent again; None when it can."""
    request = recording.request
    if recording.manual:
        return "it was written by hand"
    if request.kind is Kind.STREAM_INPUT:
        return "its request is a stream: record it by a test"
    if request.kind not in _SENDABLE:
        return "the request's own key is never stored: record it by a test"
    text = compact([request.target, request.body, request.options, dict(request.headers)])
    if any(placeholder in text for placeholder in _PLACEHOLDERS):
        return "its request was redacted: record it by a test"
    return None


async def _drain(response: Response) -> None:
    if isinstance(response.body, bytes):
        await asyncio.sleep(0)  # the recorder notes whole bodies when they have been handed on
        return
    async for _ in response.body:
        pass


async def _words(response: Response) -> str:
    body = response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in _first(response.body)])
    await response.aclose()
    try:
        value = json.loads(body)
        first = (value.get("errors") or value.get("error"))[0]
        message = str(first["message"])
    except (ValueError, KeyError, TypeError, IndexError, AttributeError):
        message = body[:200].decode("utf-8", "replace")
    return f"answered {response.status}: {message}"


async def _first(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """An error says what it has to say at its beginning."""
    size = 0
    async for chunk in body:
        yield chunk
        size += len(chunk)
        if size > 64 * 1024:
            return
