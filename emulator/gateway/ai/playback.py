"""The recordings in use: finds the answer to a request, remembers what was used, and keeps the score of a session.

A session is one run of the dev server, or the time since `POST ai/session`. The binding (service.py) and outbound requests
(egress.py) share one Playback, so a mode holds for both. Finding and using up are one step without an await in between:
parallel requests cannot take each other's recording.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from emulator.config import AiMode
from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.cassettes import Library
from emulator.gateway.ai.classify import http_target
from emulator.gateway.ai.matching import Exhausted, Hit, Missing, select
from emulator.gateway.ai.modes import Action, Found, check_supported, decide
from emulator.gateway.ai.nearest import exhausted_report, miss_report
from emulator.gateway.ai.recording import Recording
from emulator.gateway.ai.replay import Pacer


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer. `internal_code` and `name` are what user code sees on the binding, `code` is ours."""

    code: str
    internal_code: int
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a request: REPLAY has a `recording`, FAIL a `refusal`, OUTSIDE a `reason` for the terminal."""

    action: Action
    recording: Recording | None = None
    refusal: Refusal | None = None
    reason: str | None = None


class Playback:
    """Recordings, mode and consumption. `ci` makes `auto` strict. Raises UsageError for a mode that needs recording and for a cassette
    that does not exist."""

    def __init__(self, library: Library, mode: AiMode, pacer: Pacer, *, ci: bool) -> None:
        check_supported(mode)
        library.choose(library.cassette)
        self.library = library
        self.mode = mode
        self.pacer = pacer
        self.ci = ci
        self.used: Counter[tuple[str, str, str]] = Counter()
        self.hits = 0
        self.misses = 0
        self.outside = 0

    @property
    def strict(self) -> bool:
        """Whether a request without a recording fails."""
        return decide(self.mode, Found.MISSING, ci=self.ci) is Action.FAIL

    def restart(self, *, mode: AiMode | None = None, cassette: str | None = None) -> None:
        """Begin a new session: nothing is used up, the score is zero. `mode` None keeps it; `cassette` None searches all.
        Raises UsageError, and then nothing has changed."""
        if mode is not None:
            check_supported(mode)
        self.library.choose(cassette)
        self.mode = mode or self.mode
        self.used.clear()
        self.hits = self.misses = self.outside = 0

    def may_hold(self, method: str, url: str) -> bool:
        """Whether some recording is for this outbound address, so that it pays to read the request's body."""
        if self.strict:
            return True
        if self.mode in (AiMode.LIVE, AiMode.STUB):
            return False
        kind, target = http_target(method, url)
        probe = ModelRequest(kind, target)
        return any(
            recording.request.kind is kind and (recording.request.target == target or recording.fits_target(probe))
            for recording in self.library.shelf().recordings
        )

    def find(self, request: ModelRequest, *, lenient: bool = False) -> Verdict:
        """The verdict on `request`; a recording it names is used up by this call. With `lenient`, CI does not make `auto` strict:
        this machine's own servers are part of what is tested."""
        if self.mode in (AiMode.LIVE, AiMode.STUB):
            self.outside += 1
            return Verdict(Action.OUTSIDE, reason=f"mode {self.mode.value}")
        shelf = self.library.shelf()
        try:
            found = select(shelf, request, self.used)
        except RecordingError as error:
            return self._fail(Refusal(error.code, 9903, "FixtureAmbiguous", error.render()))
        if isinstance(found, Hit):
            self.used[found.recording.identity] += 1
            self.hits += 1
            return Verdict(Action.REPLAY, found.recording)
        state = Found.MISSING if isinstance(found, Missing) else Found.EXHAUSTED
        if decide(self.mode, state, ci=self.ci and not lenient) is Action.OUTSIDE:
            self.outside += 1
            return Verdict(Action.OUTSIDE, reason="no recording" if state is Found.MISSING else "its recordings are used up")
        if isinstance(found, Exhausted):
            text = f"AI_FIXTURE_EXHAUSTED: {exhausted_report(request, found.recordings)}"
            return self._fail(Refusal("E503", 9902, "FixtureExhausted", text))
        return self._fail(Refusal("E502", 9901, "FixtureMiss", miss_report(request, shelf)))

    def status(self) -> dict[str, Any]:
        """For the control API: mode, speed, cassettes, broken files and the session's score. `misses` above 0 means exit code 3."""
        shelf = self.library.shelf()
        recordings = list(shelf.recordings)
        return {
            "mode": self.mode.value,
            "strict": self.strict,
            "speed": str(self.pacer.speed),
            "cassette": self.library.cassette,
            "cassettes": [cassette.name for cassette in shelf.cassettes],
            "recordings": len(recordings),
            "broken": [{"code": e.code, "where": e.where, "what": e.what, "next": e.hint} for e in shelf.broken],
            "hits": self.hits,
            "misses": self.misses,
            "outside": self.outside,
            "unused": [recording.name for recording in recordings if not self.used[recording.identity]],
        }

    def _fail(self, refusal: Refusal) -> Verdict:
        self.misses += 1
        return Verdict(Action.FAIL, refusal=refusal)
