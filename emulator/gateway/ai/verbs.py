"""What can be done to the model layer of a running server: the verbs below `ai/` of the control API (design 4.5), without HTTP."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

from emulator.config.speed import Speed
from emulator.errors import RecordingError, UsageError
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.cassettes.explain import explain
from emulator.gateway.ai.lease import Lease
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.modes import parse_mode
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.console import SessionEnded

SETTLED_WITHIN_S = 60.0
"""A comparison takes as long as its model."""


class Calls(Protocol):
    """The calls of user code (call_log.py)."""

    def calls(self) -> list[dict[str, Any]]:
        """The reports of the last calls, oldest first."""

    def call(self, request_id: str) -> tuple[ModelRequest, dict[str, Any]] | None:
        """What was asked, and the report; of the latest call for `last`."""


class Gateways(Protocol):
    """The AI gateways (ai_gateway/gateway.py)."""

    def status(self) -> list[dict[str, Any]]: ...
    def list_logs(self, gateway_id: str | None = None, *, limit: int = 50) -> list[dict[str, Any]]: ...
    def get_log(self, gateway_id: str, log_id: str) -> dict[str, Any] | None: ...
    def reset(self, gateway_id: str | None = None) -> None: ...


class Faults(Protocol):
    """The faults in force (faults.py)."""

    @property
    def seed(self) -> int: ...
    def add(self, value: Any) -> str: ...
    def clear(self, name: str | None = None) -> int: ...
    def firings(self) -> Sequence[dict[str, Any]]: ...
    def errors(self) -> Sequence[RecordingError]: ...
    def list(self) -> Sequence[dict[str, Any]]: ...


class Refresher(Protocol):
    """Who records anew what is recorded already (refresh.py)."""

    async def refresh(self, pattern: str, *, stale: bool) -> list[dict[str, Any]]: ...
    async def preview(self, name: str) -> dict[str, Any]: ...


class Drifts(Protocol):
    """What mode `check` has found (checks.py)."""

    @property
    def compared(self) -> int: ...
    async def settled(self, within_s: float) -> int: ...
    def report(self) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True)
class ModelLayer:
    """The parts that the verbs ask. `redact` takes secret values out of a text."""

    playback: Playback
    sessions: Sessions
    lease: Lease
    ledger: Ledger
    calls: Calls
    redact: Callable[[str], str]
    routes: Callable[[], list[dict[str, Any]]]
    gateways: Callable[[], Gateways]
    faults: Faults
    refresher: Refresher
    drifts: Drifts


class AiVerbs:
    """Each verb gives a JSON-able answer, without secret values, or raises UsageError or RecordingError."""

    def __init__(self, layer: ModelLayer) -> None:
        self._layer = layer

    # -- the session

    async def session(self) -> Any:
        """Mode, speed, recordings, routes and score."""
        layer = self._layer
        return self._clean(
            {
                **layer.playback.status(),
                "stale": [{"recording": one.recording.name, "why": one.why} for one in layer.sessions.stale()],
                "routes": layer.routes(),
                "held": layer.lease.status(),
                "summary": summary(layer.sessions.summary()),
            }
        )

    async def set_session(self, body: dict[str, Any]) -> Any:
        """End this session and begin another. The answer has the old one's summary as `ended`, and with `hold` the `token` that ends the
        new one; with that `token` what was before the hold is back. Raises UsageError E244 while another holds the session."""
        layer, token, who = self._layer, _text(body, "token"), _text(body, "hold")
        commit, prune, force = _flag(body, "commit", True), _flag(body, "prune", False), _flag(body, "force", False)
        mode = parse_mode(str(body["mode"])) if body.get("mode") is not None else None
        cassette, run, speed = _text(body, "cassette"), _text(body, "run"), _speed(body.get("speed"))
        taken = layer.lease.take_away() if force else None

        def begin() -> SessionEnded:
            return layer.sessions.restart(mode=mode, cassette=cassette, speed=speed, commit=commit, prune=prune, run=run)

        more = {}
        if token is not None:
            ended = layer.lease.give_back(token, commit=commit, prune=prune)
        elif who is not None:
            more["token"], ended = layer.lease.hold(who, begin)
        else:
            layer.lease.require_free()
            ended = begin()
        return self._clean({**await self.session(), **more, "ended": summary(taken or ended)})

    async def keep_session(self, token: str) -> Any:
        """Answers when the hold of `token` has ended; whoever hangs up before ends it."""
        return {"over": await self._layer.lease.keep(token)}

    async def cost(self) -> Any:
        """What the session spent, and what replay saved, for each model."""
        return {"mode": self._layer.playback.mode.value, **self._layer.ledger.cost()}

    # -- calls

    async def calls(self) -> Any:
        """The last model calls, oldest first."""
        return self._clean({"calls": self._layer.calls.calls()})

    async def explain(self, ident: str) -> Any:
        """One call, and why it matched or not: by its request id or log id; `last` for the latest."""
        found = self._layer.calls.call(ident)
        if found is None:
            if not self._layer.calls.calls():
                hint = "call the agent, as with agents-emu call or chat; then: agents-emu ai explain last"
                raise UsageError("E228", "no model call to explain: there was none since the server started", hint=hint)
            raise UsageError("E228", f"there is no model call {ident!r} among the last ones", hint="agents-emu ai explain lists them")
        asked, report = found
        playback = self._layer.playback
        scope = report.get("scope")
        shelf = playback.library.shelf_of(scope) if scope else playback.library.shelf()
        return self._clean({"call": report, **explain(playback.compared(asked), shelf, playback.used)})

    # -- routes, gateways

    async def routes(self) -> Any:
        """Which backend answers for which models."""
        return {"routes": self._layer.routes()}

    async def gateways(self) -> Any:
        """Every AI gateway that is configured or was used."""
        return {"gateways": self._layer.gateways().status()}

    async def gateway_logs(self, gateway: str, limit: str) -> Any:
        """The last log entries of a gateway, newest first; of all for `*`."""
        if not limit.isdecimal() or not 0 < int(limit) <= 1000:
            raise UsageError("E227", "limit must be a number from 1 to 1000")
        return self._clean({"logs": self._layer.gateways().list_logs(None if gateway == "*" else gateway, limit=int(limit))})

    async def gateway_log(self, gateway: str, log: str) -> Any:
        """One log entry."""
        entry = self._layer.gateways().get_log(gateway, log)
        if entry is None:
            raise UsageError("E228", f"gateway {gateway} has no log {log}", hint=f"agents-emu ai gateway logs {gateway}")
        return self._clean(entry)

    async def reset_gateway(self, gateway: str) -> Any:
        """Forget a gateway's cache, counters and logs; of all for `*`."""
        gateways = self._layer.gateways()
        known = [row["gateway"] for row in gateways.status()]
        if gateway not in ("*", *known):
            hint = f"there is {', '.join(known)}" if known else "none is configured, and none was used since the server started"
            raise UsageError("E228", f"there is no gateway {gateway!r}", hint=hint)
        gateways.reset(None if gateway == "*" else gateway)
        return {"reset": gateway}

    # -- faults

    async def faults(self) -> Any:
        """The faults in force, those that have acted, and what is wrong with their files."""
        faults = self._layer.faults
        errors = [{"code": error.code, "what": error.what, "where": error.where, "next": error.hint} for error in faults.errors()]
        return {"seed": faults.seed, "faults": faults.list(), "firings": faults.firings(), "errors": errors}

    async def add_fault(self, body: dict[str, Any]) -> Any:
        """Add a fault until the server stops."""
        with _asked_wrongly():
            return {"added": self._layer.faults.add(body), "seed": self._layer.faults.seed}

    async def clear_faults(self, name: str | None = None) -> Any:
        """Take away one added fault, or all."""
        with _asked_wrongly():
            return {"cleared": self._layer.faults.clear(name)}

    # -- recordings

    async def refresh(self, body: dict[str, Any]) -> Any:
        """Record anew what `pattern` names (`cassette/id`, with wildcards; all by default), or only what is `stale`."""
        pattern, stale = body.get("pattern", "*"), body.get("stale", False)
        if not isinstance(pattern, str) or not isinstance(stale, bool):
            raise UsageError("E227", 'a refresh is {"pattern": text, "stale": true or false}')
        self._layer.lease.require_free()
        return self._clean({"recordings": await self._layer.refresher.refresh(pattern, stale=stale)})

    async def preview(self, body: dict[str, Any]) -> Any:
        """What the model of the recording `recording` (`cassette/id`) answers now, as a recording; nothing is kept."""
        name = body.get("recording")
        if not isinstance(name, str):
            raise UsageError("E227", 'a preview is {"recording": "cassette/id"}')
        return self._clean({"recording": name, "document": await self._layer.refresher.preview(name)})

    async def check(self) -> Any:
        """What mode `check` has found: recordings whose model answers in another shape by now. Waits for models that are still asked."""
        drifts = self._layer.drifts
        pending = await drifts.settled(SETTLED_WITHIN_S)
        mode = self._layer.playback.mode.value
        return self._clean({"mode": mode, "compared": drifts.compared, "pending": pending, "drifts": drifts.report()})

    def _clean(self, value: Any) -> Any:
        """A copy of `value` with every text in it redacted."""
        if isinstance(value, str):
            return self._layer.redact(value)
        if isinstance(value, dict):
            return {name: self._clean(member) for name, member in value.items()}
        if isinstance(value, list | tuple):
            return [self._clean(member) for member in value]
        return value


@contextmanager
def _asked_wrongly() -> Iterator[None]:
    """What a file of the project says wrongly is its recordings' trouble; what a request says wrongly is the request's."""
    try:
        yield
    except RecordingError as error:
        raise UsageError(error.code, error.what, where=error.where, hint=error.hint) from None


def summary(ended: SessionEnded) -> dict[str, Any]:
    """A session's score as JSON."""
    fields = dataclasses.asdict(ended)
    fields.pop("level")
    return fields


def _text(body: dict[str, Any], name: str) -> str | None:
    value = body.get(name)
    if value is not None and not isinstance(value, str):
        raise UsageError("E227", f"{name} must be a text")
    return value


def _flag(body: dict[str, Any], name: str, otherwise: bool) -> bool:
    value = body.get(name, otherwise)
    if not isinstance(value, bool):
        raise UsageError("E227", f"{name} must be true or false")
    return value


def _speed(value: Any) -> Speed | None:
    if value is None:
        return None
    try:
        return Speed.parse(value)
    except ValueError as error:
        raise UsageError("E242", f"{value!r} is not a replay speed", hint=str(error)) from None
