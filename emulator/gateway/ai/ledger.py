"""What a session's model calls came to: a reader of the journal that counts calls, tokens and money, and keeps who failed.

It hears the reports of the binding (`ai`) and of outbound requests (`egress`), and what is `recorded`; one of those with a `model` is
a model call too. Money is counted at list prices, US dollars: *spent* by calls that a real server answered, *saved* by those that a
recording or AI Gateway's cache answered instead. A report may carry `cost_usd`, which is then what it cost.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai.ai_gateway.prices import prices_as_of
from emulator.gateway.ai.ai_gateway.usage import Tokens, tokens_of
from emulator.gateway.ai.reply import Source

MISSES = {"E502": "missing", "E503": "used up", "E504": "ambiguous"}
"""Codes of a request that no recording could answer, and the word for it."""

_KEPT = 50
_PAID = frozenset({Source.BACKEND, Source.LIVE})
_FREE = frozenset({Source.RECORDING, Source.CACHE})

Price = Callable[[str, Tokens], float | None]
"""US dollars for so many tokens of a model; None when nobody knows."""


def no_price(model: str, tokens: Tokens) -> None:
    """Nothing is known of any price."""


@dataclass(slots=True)
class _Row:
    """One model's share."""

    calls: int = 0
    replayed: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    spent_usd: float = 0.0
    saved_usd: float = 0.0
    unpriced: int = 0


@dataclass(slots=True)
class _Failure:
    """Answers with an error to one request, in a row: an SDK that tries again is one failure with several attempts."""

    model: str
    status: int
    code: str
    recording: str | None
    request_id: str | None
    on_purpose: bool
    attempts: int = 1


@dataclass(slots=True)
class _Session:
    rows: dict[str, _Row] = field(default_factory=dict)
    sources: Counter[str] = field(default_factory=Counter)
    failures: dict[str, _Failure] = field(default_factory=dict)
    misses: list[dict[str, Any]] = field(default_factory=list)
    missed: int = 0
    recorded: list[str] = field(default_factory=list)
    faults: int = 0


KINDS = frozenset({"ai", "egress", "denied", "recorded"})
"""Kinds of entries that it takes something of."""


class Ledger:
    """Subscribe it to the journal for these kinds; `clear` begins a new session."""

    def __init__(self, price: Price = no_price) -> None:
        self._price = price
        self._session = _Session()

    def __call__(self, entry: Mapping[str, Any]) -> None:
        """One entry of the journal."""
        if entry.get("kind") == "recorded":
            self._session.recorded.append(str(entry["recording"]))
        session = self._session
        if entry.get("code") in MISSES or entry.get("kind") == "denied":
            session.missed += 1
            if len(session.misses) < _KEPT:
                session.misses.append(_miss(entry))
        if entry.get("kind") not in ("ai", "egress"):
            return
        if entry.get("fault"):
            session.faults += 1
        if entry.get("model"):
            self._count(entry)
            self._judge(entry)

    def clear(self) -> None:
        """Begin anew."""
        self._session = _Session()

    def cost(self) -> dict[str, Any]:
        """`{"spent_usd", "saved_usd", "unpriced", "models": [{"model", "calls", "replayed", "tokens_in", "tokens_out", "spent_usd",
        "saved_usd", "unpriced"}], "prices_as_of"}`, the dearest model first; `unpriced` counts calls with tokens whose price nobody knows,
        `prices_as_of` is the day of the list prices."""
        rows = [{"model": model, **{name: getattr(row, name) for name in row.__slots__}} for model, row in self._session.rows.items()]
        rows.sort(key=lambda row: (-(row["spent_usd"] + row["saved_usd"]), -row["calls"], row["model"]))
        totals = {name: sum(row[name] for row in rows) for name in ("spent_usd", "saved_usd", "unpriced")}
        return {**totals, "models": rows, "prices_as_of": prices_as_of()}

    def totals(self) -> dict[str, Any]:
        """`{"calls", "sources": {"recording": 3}, "tokens_in", "tokens_out", "spent_usd", "saved_usd", "faults", "recorded": [names],
        "missed", "misses": [{"what", "why", "request_id", "problem"}],
        "failures": [{"model", "status", "code", "attempts", "recording", "request_id", "on_purpose"}]}`. A failure is an error that agent
        code got as the last answer to a request."""
        session = self._session
        rows = session.rows.values()
        return {
            "calls": sum(row.calls for row in rows),
            "sources": dict(session.sources),
            "tokens_in": sum(row.tokens_in for row in rows),
            "tokens_out": sum(row.tokens_out for row in rows),
            "spent_usd": sum(row.spent_usd for row in rows),
            "saved_usd": sum(row.saved_usd for row in rows),
            "faults": session.faults,
            "recorded": list(session.recorded),
            "missed": session.missed,
            "misses": list(session.misses),
            "failures": [{name: getattr(failure, name) for name in failure.__slots__} for failure in session.failures.values()],
        }

    def _count(self, entry: Mapping[str, Any]) -> None:
        source = str(entry.get("source"))
        self._session.sources[source] += 1
        row = self._session.rows.setdefault(str(entry["model"]), _Row())
        row.calls += 1
        row.replayed += source in _FREE
        tokens = tokens_of(entry.get("tokens"))
        if tokens is not None:
            row.tokens_in += tokens.tokens_in
            row.tokens_out += tokens.tokens_out
        if source not in _PAID | _FREE:
            return  # the stub and faults cost nothing and save nothing
        usd = entry.get("cost_usd")
        if not isinstance(usd, int | float):
            if tokens is None:
                return
            usd = self._price(str(entry["model"]), tokens)
            if usd is None:
                row.unpriced += 1
                return
        if source in _PAID:
            row.spent_usd += usd
        else:
            row.saved_usd += usd

    def _judge(self, entry: Mapping[str, Any]) -> None:
        failures, about = self._session.failures, str(entry.get("key") or entry["model"])
        status = int(entry.get("status") or 0)
        failed = entry.get("code") not in MISSES and (status >= 400 or bool(entry.get("problem")))
        if not failed:
            if status:  # 0: the caller left before an answer began, which says nothing about the ones before
                failures.pop(about, None)
            return
        known = failures.get(about)
        if known is not None:
            known.attempts += 1
            known.on_purpose = known.on_purpose and bool(entry.get("fault"))
        elif len(failures) < _KEPT:
            code = str(entry.get("error_code") or entry.get("code") or "")
            recording, request_id = entry.get("recording"), entry.get("request_id")
            failures[about] = _Failure(str(entry["model"]), status, code, recording, request_id, bool(entry.get("fault")))


def _miss(entry: Mapping[str, Any]) -> dict[str, Any]:
    what = entry.get("model") or entry.get("what") or f"{entry.get('method')} {entry.get('url')}"
    return {
        "what": str(what),
        "why": MISSES.get(str(entry.get("code")), "not recorded at all: it is no HTTP"),
        "request_id": entry.get("request_id"),
        "problem": str(entry.get("problem") or ""),
    }
