"""The recordings in use: finds the answer to a request, remembers what was used, and keeps the score of a session.

A session is one run of the dev server, or the time since `POST ai/session`. The binding (service.py) and outbound requests
(egress.py) share one Playback, so a mode holds for both. Finding and using up are one step without an await in between:
parallel requests cannot take each other's recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.cassettes.cassette_files import cassette_name
from emulator.gateway.ai.cassettes.library import DEFAULT, Library, Shelf
from emulator.gateway.ai.cassettes.matching import Exhausted, Hit, Missing, select
from emulator.gateway.ai.cassettes.nearest import exhausted_report, miss_report
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.classify import http_target
from emulator.gateway.ai.modes import SEARCHES, STORES, Action, Found, decide, effective
from emulator.gateway.ai.recorder.secret_patterns import masked
from emulator.gateway.ai.replay import Pacer

_KEPT_MISSES = 50
"""More are counted, not named."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer. `internal_code` and `name` are what user code sees on the binding, `code` is ours."""

    code: str
    internal_code: int
    name: str
    description: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What to do with a request: REPLAY and COMPARE have a `recording`, FAIL a `refusal`, the others a `reason` for the terminal; STORE
    says into which `cassette`."""

    action: Action
    recording: Recording | None = None
    refusal: Refusal | None = None
    reason: str | None = None
    cassette: str | None = None


class Playback:
    """Recordings, mode and consumption. `ci` makes `auto` strict. `redact` gives a request the form in which recordings hold it: without
    secrets. Raises UsageError for a cassette that does not exist in a mode that only reads."""

    def __init__(
        self, library: Library, mode: AiMode, pacer: Pacer, *, ci: bool, redact: Callable[[ModelRequest], ModelRequest] | None = None
    ) -> None:
        self.library = library
        self.pacer = pacer
        self.ci = ci
        self._redact = redact
        self.mode = mode
        self.on_restart: Callable[[], None] = lambda: None
        """Called when a session has begun: the mode may be another."""
        self.restart(mode=mode, cassette=library.cassette)

    def restart(self, *, mode: AiMode | None = None, cassette: str | None = None, speed: Speed | None = None) -> None:
        """Begin a new session: nothing is used up, the score is zero. `cassette` None searches all; `mode` and `speed` None keep theirs.
        Raises UsageError, and then nothing has changed."""
        mode = mode or self.mode
        writes = mode in STORES and not (self.ci and mode is AiMode.AUTO)
        self.library.choose(cassette, may_be_new=writes)
        self.mode = mode
        if speed is not None:
            self.pacer = replace(self.pacer, speed=speed)
        self._existed: dict[str, bool] = {}
        self.used: Counter[tuple[str, str, str]] = Counter()
        self.hits = self.misses = self.outside = 0
        self.missed: list[str] = []
        self.on_restart()

    @property
    def strict(self) -> bool:
        """Whether a request without a recording fails."""
        return decide(self._effective(None), Found.MISSING) is Action.FAIL

    def cassette_for(self, scope: str | None) -> str:
        """Where a new recording goes (ai-binding.md 7.8)."""
        return scope or self.library.cassette or DEFAULT

    def _chosen(self, scope: str | None) -> str | None:
        """The cassette that somebody named: for this call, or for the session."""
        return cassette_name(scope) if scope else self.library.cassette

    def may_hold(self, method: str, url: str) -> bool:
        """Whether some recording is for this outbound address, so that it pays to read the request's body."""
        if self.strict:
            return True
        if self.mode not in SEARCHES:
            return False
        probe = self.compared(ModelRequest(*http_target(method, url)))
        return any(
            recording.request.kind is probe.kind and (recording.request.target == probe.target or recording.fits_target(probe))
            for recording in self.library.shelf().recordings
        )

    def find(self, request: ModelRequest, *, scope: str | None = None, lenient: bool = False, storable: bool = True) -> Verdict:
        """The verdict on `request`; a recording it names is used up by this call. `scope` names the cassette that comes first. With
        `lenient`, CI does not make `auto` strict: this machine's own servers are part of what is tested. What is not `storable` is
        let out where it would be recorded."""
        mode = self._effective(scope, ci=self.ci and not lenient)
        if mode not in SEARCHES:
            return self._elsewhere(decide(mode, Found.MISSING), scope, f"mode {self.mode.value}", storable)
        asked = self.compared(request)
        shelf = self._shelf(scope)
        try:
            found = select(shelf, asked, self.used)
        except RecordingError as error:
            return self._fail(asked, Refusal(error.code, 9903, "FixtureAmbiguous", error.render()))
        if isinstance(found, Hit):
            self.used[found.recording.identity] += 1
            self.hits += 1
            return Verdict(decide(mode, Found.HIT), found.recording)
        state = Found.MISSING if isinstance(found, Missing) else Found.EXHAUSTED
        action = decide(mode, state)
        if action is not Action.FAIL:
            return self._elsewhere(action, scope, "no recording" if state is Found.MISSING else "its recordings are used up", storable)
        if isinstance(found, Exhausted):
            text = f"AI_FIXTURE_EXHAUSTED: {exhausted_report(asked, found.recordings)}"
            return self._fail(asked, Refusal("E503", 9902, "FixtureExhausted", text))
        return self._fail(asked, Refusal("E502", 9901, "FixtureMiss", miss_report(asked, shelf, cassette=self._chosen(scope))))

    def count_used(self, identity: tuple[str, str, str]) -> None:
        """This recording was written just now: the call that it came from has had its answer."""
        self.used[identity] += 1

    def compared(self, request: ModelRequest) -> ModelRequest:
        """The request in the form in which recordings hold it."""
        return self._redact(request) if self._redact is not None else request

    def denied(self, what: str) -> None:
        """A request that did not come here was stopped in a host: a miss like any other."""
        self.misses += 1
        self._note(what)

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
            "missed": self.missed,
            "outside": self.outside,
            "unused": [recording.name for recording in recordings if not self.used[recording.identity]],
        }

    def _effective(self, scope: str | None, *, ci: bool | None = None) -> AiMode:
        cassette = self.cassette_for(scope)
        if self.mode is AiMode.ONCE and cassette not in self._existed:
            self._existed[cassette] = self.library.exists(cassette)
        return effective(self.mode, ci=self.ci if ci is None else ci, cassette_exists=self._existed.get(cassette, False))

    def _shelf(self, scope: str | None) -> Shelf:
        return self.library.shelf() if scope is None else self.library.shelf_of(scope)

    def _elsewhere(self, action: Action, scope: str | None, reason: str, storable: bool) -> Verdict:
        self.outside += 1
        if action is Action.STORE and storable:
            return Verdict(action, reason=reason, cassette=self.cassette_for(scope))
        return Verdict(Action.OUTSIDE, reason=reason)

    def _note(self, what: str) -> None:
        if len(self.missed) < _KEPT_MISSES:
            self.missed.append(masked(what))

    def _fail(self, request: ModelRequest, refusal: Refusal) -> Verdict:
        """`request` in its compared form: what is noted of it is told to whoever asks."""
        self.misses += 1
        self._note(f"{request.kind} {request.target}: {refusal.name}")
        return Verdict(Action.FAIL, refusal=refusal)
