"""The score of a session, what it cost, how it ends, and the control API's verbs on top."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.cli.session_words import money, session_lines
from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.errors import EmuError, RecordingError, UsageError
from emulator.gateway.ai.ai_gateway.prices import Prices, prices_as_of
from emulator.gateway.ai.call_log import CallLog
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.faults.book import FaultBook
from emulator.gateway.ai.lease import Lease
from emulator.gateway.ai.ledger import Ledger
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.recorder.recorder import Summary
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.run_record import newest_run
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.ai.verbs import AiVerbs, ModelLayer, summary

MODEL = "@cf/test/model"


def call(**fields: Any) -> dict[str, Any]:
    tokens = {"prompt_tokens": 1000, "completion_tokens": 500}
    return {"kind": "ai", "model": MODEL, "source": "recording", "status": 200, "tokens": tokens, "request_id": "r", **fields}


def test_spent_and_saved() -> None:
    prices = Prices({MODEL: (1.0, 10.0)})
    ledger = Ledger(lambda model, tokens: prices.cost(model, tokens, None))
    ledger(call())
    ledger(call(source="cache"))
    ledger(call(source="backend"))
    ledger(call(source="live", cost_usd=0.5))
    ledger(call(source="stub"))
    ledger(call(source="backend", model="unknown"))
    ledger(call(source="backend", model="unknown", tokens=None))
    ledger({"kind": "egress", "method": "GET", "url": "https://example.com", "source": "live", "status": 200})
    ledger({"kind": "request", "model": MODEL})
    cost = ledger.cost()
    assert (cost["spent_usd"], cost["saved_usd"], cost["unpriced"]) == (pytest.approx(0.506), pytest.approx(0.012), 1)
    assert [(row["model"], row["calls"], row["replayed"], row["tokens_in"]) for row in cost["models"]] == [
        (MODEL, 5, 2, 5000),
        ("unknown", 2, 0, 1000),
    ]
    ledger.clear()
    assert ledger.cost() == {"spent_usd": 0, "saved_usd": 0, "unpriced": 0, "models": [], "prices_as_of": prices_as_of()}


def test_tokens_in_any_dialect_are_counted() -> None:
    ledger = Ledger()
    for tokens in (
        {"promptTokenCount": 7, "candidatesTokenCount": 2},
        {"input_tokens": 3, "output_tokens": 4},
        {"total_tokens": 5},
        "x",
        None,
    ):
        ledger(call(tokens=tokens))
    assert (ledger.totals()["tokens_in"], ledger.totals()["tokens_out"]) == (15, 6)


def test_misses_are_kept_and_counted() -> None:
    ledger = Ledger()
    for number in range(60):
        ledger(call(source="none", status=400, code="E502", problem=f"no recording {number}"))
    ledger({"kind": "egress", "method": "GET", "url": "https://x/", "source": "none", "status": 599, "code": "E503", "problem": "p"})
    ledger({"kind": "denied", "what": "a connection to example.com:5432", "where": None})
    totals = ledger.totals()
    assert (totals["missed"], len(totals["misses"]), totals["failures"]) == (62, 50, [])
    assert totals["misses"][0] == {"what": MODEL, "why": "missing", "request_id": "r", "problem": "no recording 0"}


def test_a_failure_is_the_last_answer_to_a_request() -> None:
    """An SDK that tries again and succeeds has no failure; three attempts at one request are one (ai-binding.md 2.4, A41)."""
    ledger = Ledger()
    for key, statuses in {"a": (429, 429, 200), "b": (429, 429, 429), "c": (200,)}.items():
        for status in statuses:
            ledger(call(key=key, status=status, error_code=3040 if status == 429 else None, recording="default/x"))
    (failure,) = ledger.totals()["failures"]
    assert failure == {
        "model": MODEL,
        "status": 429,
        "code": "3040",
        "recording": "default/x",
        "request_id": "r",
        "on_purpose": False,
        "attempts": 3,
    }


def test_a_fault_is_a_failure_on_purpose() -> None:
    ledger = Ledger()
    ledger(call(key="a", source="fault", status=500, fault="f"))
    ledger(call(key="b", source="fault", status=500, fault="f"))
    ledger(call(key="b", source="backend", status=500))
    ledger(call(key="c", status=0))  # the caller left before an answer began
    assert [failure["on_purpose"] for failure in ledger.totals()["failures"]] == [True, False]
    assert ledger.totals()["faults"] == 2


def test_calls_that_can_be_explained() -> None:
    """Also outbound ones, when they are about a model or a recording; the rest only passes."""
    passed: list[Any] = []
    log = CallLog(passed.append)
    for number, fields in enumerate([{"model": MODEL}, {"model": None}, {"recording": "default/x"}, {"code": "E502", "log_id": "01H"}]):
        log.ended(ModelRequest(Kind.HTTP, f"GET https://x/{number}"), {"request_id": str(number), **fields})
    assert len(passed) == 4
    assert [report["request_id"] for report in log.calls()] == ["0", "2", "3"]
    found = [log.call(ident) for ident in ("last", "01H", "2", "1")]
    assert [call and call[0].target[-1] for call in found] == ["3", "3", "2", None]
    assert CallLog(passed.append).call("last") is None


# -- sessions


class Recorder:
    """Remembers what it is told; `commit` writes what was staged."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.staged: list[Path] = []
        self.problems: list[EmuError] = []
        self.stored: Callable[[Path], None] = lambda file: None

    def begin(self, mode: AiMode, cassette: str | None) -> None:
        self.told.append((mode.value, cassette))

    def commit(self, *, prune: bool = False) -> Summary:
        self.told.append("commit, prune" if prune else "commit")
        staged, self.staged = self.staged, []
        for file in staged:
            self.stored(file)
        return Summary(committed=not self.problems, written=[] if self.problems else staged, problems=self.problems)

    def discard(self) -> Summary:
        self.told.append("discard")
        self.staged = []
        return Summary(committed=False)

    def close(self) -> None:
        self.told.append("close")


@dataclass
class Bench:
    playback: Playback
    ledger: Ledger
    sessions: Sessions
    recorder: Recorder
    verbs: AiVerbs
    root: Path
    told: list[Any]
    found: dict[str, Any] = field(default_factory=dict)

    def ask(self, body: Any) -> Any:
        verdict = self.playback.find(ModelRequest(Kind.RUN, MODEL, body))
        name = verdict.recording.name if verdict.recording else None
        code = verdict.refusal.code if verdict.refusal else None
        source = "recording" if name else "none" if code else "stub"
        self.ledger(call(recording=name, source=source, code=code, status=400 if code else 200, problem=code and "told"))
        return verdict

    def stored(self, file: Path) -> None:
        self.playback.used["default", file.stem, "digest"] += 1
        self.ledger({"kind": "recorded", "recording": f"default/{file.stem}"})

    def calls(self) -> list[dict[str, Any]]:
        return [{"request_id": "r", "problem": "the key is s3cret-value"}]

    def call(self, ident: str) -> Any:
        return self.found.get(ident)


@pytest.fixture
def bench(cassettes: Any, tmp_path: Path) -> Callable[..., Bench]:
    def make(mode: AiMode = AiMode.REPLAY, **more: Any) -> Bench:
        clock = iter(datetime(2026, 11, 22, 12, tzinfo=UTC) + timedelta(seconds=number) for number in range(100))
        playback = Playback(Library([cassettes.root], recheck_ms=0), mode, Pacer(Speed(None)), ci=False)
        ledger, recorder = Ledger(), Recorder()
        told: list[Any] = []
        sessions = Sessions(
            playback,
            ledger,
            recorder,  # type: ignore[arg-type]
            root=tmp_path,
            fixtures=cassettes.root,
            max_age_days=30,
            environ=more.pop("environ", {}),
            now=lambda: next(clock),
            tell=told.append,
        )
        made = Bench(playback, ledger, sessions, recorder, None, tmp_path, told)  # type: ignore[arg-type]
        redact = lambda text: text.replace("s3cret-value", "[secret KEY]")  # noqa: E731
        parts = {"gateways": None, "faults": FaultBook(1, []), "refresher": None, "drifts": None, **more}
        made.verbs = AiVerbs(
            ModelLayer(playback, sessions, Lease(sessions, playback), ledger, made, redact, routes=lambda: [{"match": "*"}], **parts)
        )
        return made

    return make


def test_a_summary_counts(bench: Any, cassettes: Any) -> None:
    for name, at in (("old", "2026-01-01T00:00:00Z"), ("new", "2026-11-01T00:00:00Z"), ("never", "2026-01-01T00:00:00Z")):
        path = cassettes.recorded(name, {"prompt": name}, {"response": name})
        path.write_text(json.dumps({**json.loads(path.read_text()), "recorded": {"at": at}}))
    one = bench()
    for name in ("old", "new", "absent"):
        one.ask({"prompt": name})
    ended = one.sessions.summary()
    assert (ended.calls, ended.hits, ended.misses, ended.unused, ended.stale) == (3, 2, 1, 1, ("default/old",))
    assert [miss["why"] for miss in ended.missed] == ["missing"]
    assert [stale.recording.name for stale in one.sessions.stale()] == ["default/never", "default/old"]
    assert (ended.strict, ended.exit_code, ended.idle) == (True, 3, False)
    assert session_lines(summary(ended)) == [
        "ai replay  3 model calls (2 replayed, 1 not answered); 4,500 tokens",
        "    1 request without a recording; stale: default/old; 1 recording not used",
    ]


def test_modes_that_let_requests_out_do_not_fail(bench: Any) -> None:
    one = bench(AiMode.STUB)
    one.ask({"prompt": "x"})
    assert one.sessions.summary().exit_code == 0
    assert bench().sessions.summary().idle


def test_a_hand_written_error_is_there_on_purpose(bench: Any, cassettes: Any) -> None:
    cassettes.manual("by-hand", [], {"e": 1})
    cassettes.recorded("real", {"prompt": "x"}, {"e": 1})
    one = bench()
    for name in ("default/by-hand", "default/real"):
        one.ledger(call(key=name, status=500, recording=name))
    assert [failure["on_purpose"] for failure in one.sessions.summary().failures] == [True, False]


@pytest.mark.parametrize(("commit", "told", "committed"), [(True, "commit", True), (False, "discard", False)])
def test_a_session_ends_and_another_begins(bench: Any, cassettes: Any, commit: bool, told: str, committed: bool) -> None:
    cassettes.recorded("one", {"prompt": "x"}, {})
    one = bench(AiMode.RECORD)
    one.ask({"prompt": "y"})
    one.recorder.staged = [cassettes.folder() / "00-two.json"]
    one.recorder.stored = one.stored  # as it tells what it writes, also at once in mode auto
    one.ledger({"kind": "recorded", "recording": "default/00-at-once"})
    ended = one.sessions.restart(mode=AiMode.REPLAY, cassette="default", speed=Speed(4.0), commit=commit)
    assert (ended.mode, ended.calls, ended.committed) == ("record", 1, committed)
    assert ended.recorded == ("default/00-at-once", *(("default/00-two",) if commit else ()))
    assert (sum(one.playback.used.values()), one.sessions.summary().recorded) == (0, ()), "nothing of it is the new session's"
    assert one.recorder.told == [("record", None), told, ("replay", "default")]
    assert (one.playback.mode, str(one.playback.pacer.speed), one.sessions.summary().calls) == (AiMode.REPLAY, "4x", 0)


def test_answers_that_could_not_be_stored_are_told(bench: Any) -> None:
    one = bench(AiMode.RECORD)
    one.recorder.problems = [RecordingError("E507", "holds a secret", where="$.body", hint="take it out")]
    ended = one.sessions.end()
    assert (ended.committed, ended.unstored) == (
        False,
        ({"code": "E507", "what": "holds a secret", "where": "$.body", "next": "take it out"},),
    )
    assert "1 answer could not be recorded" in session_lines(summary(ended))[1]


def test_a_session_leaves_a_record_for_prune(bench: Any, cassettes: Any) -> None:
    for name in ("one", "two"):
        cassettes.recorded(name, {"prompt": name}, {"response": name})
    cassettes.manual("other", [], {}, cassette="other")
    one = bench(environ={"AGENTS_EMU_AI_RUN": "run-of-tests"})
    one.sessions.restart(cassette="default")
    assert newest_run(one.root, cassettes.root) is None, "nothing happened, so it says nothing"
    assert one.told == []
    one.ask({"prompt": "one"})
    one.ask({"prompt": "absent"})
    one.sessions.restart(run="another")
    run = newest_run(one.root, cassettes.root)
    assert run is not None
    assert (run.id, run.complete, run.misses, run.modes) == ("run-of-tests", False, 1, ("replay",))
    assert {(cassette, name) for cassette, name, _ in run.used} == {("default", "one")}
    assert run.cassettes == {"default"}, "what was searched then, not what is now"
    one.ask({"prompt": "two"})
    one.sessions.end()
    last = newest_run(one.root, cassettes.root)
    assert last is not None and last.id == "another"
    assert [ended.calls for ended in one.told] == [2, 1]


def test_a_session_that_cannot_begin_changes_nothing(bench: Any) -> None:
    one = bench()
    one.ask({"prompt": "x"})
    with pytest.raises(UsageError, match="no cassette"):
        one.sessions.restart(mode=AiMode.REPLAY, cassette="absent")
    assert (one.sessions.summary().misses, one.recorder.told) == (1, [("replay", None)])


# -- verbs


def test_verbs_give_json_without_secrets(bench: Any, cassettes: Any) -> None:
    cassettes.recorded("one", {"prompt": "x"}, {})
    one = bench()
    asked = ModelRequest(Kind.RUN, MODEL, {"prompt": "s3cret-value"})
    one.found["last"] = (asked, {"request_id": "r"})
    answers = [asyncio.run(verb) for verb in (one.verbs.calls(), one.verbs.explain("last"), one.verbs.session(), one.verbs.cost())]
    text = json.dumps(answers)
    assert "s3cret" not in text
    assert "[secret KEY]" in json.dumps(answers[0]) and "[secret KEY]" in json.dumps(answers[1])
    assert answers[2]["summary"]["mode"] == "replay" and answers[2]["routes"] == [{"match": "*"}]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"mode": "dream"}, "E240"),
        ({"speed": "fast"}, "E242"),
        ({"cassette": "absent"}, "E243"),
        ({"mode": "new", "cassette": "../elsewhere"}, "E506"),
        ({"cassette": 3}, "E227"),
        ({"commit": "yes"}, "E227"),
        ({"run": 3}, "E227"),
    ],
)
def test_a_session_that_makes_no_sense(bench: Any, body: Any, code: str) -> None:
    one = bench()
    with pytest.raises(UsageError) as raised:
        asyncio.run(one.verbs.set_session(body))
    assert raised.value.code == code
    assert one.recorder.told == [("replay", None)]


def test_a_session_by_the_control_api(bench: Any, cassettes: Any) -> None:
    cassettes.recorded("one", {"prompt": "x"}, {})
    one = bench()
    one.ask({"prompt": "x"})
    answer = asyncio.run(one.verbs.set_session({"mode": "new", "cassette": "fresh", "speed": "2x"}))
    assert (answer["mode"], answer["cassette"], answer["speed"]) == ("new", "fresh", "2x")
    assert (answer["ended"]["hits"], answer["ended"]["calls"], answer["summary"]["calls"]) == (1, 1, 0)


@pytest.mark.parametrize(
    ("verb", "arguments", "code"),
    [
        ("explain", ("no-such-id",), "E228"),
        ("gateway_logs", ("*", "0"), "E227"),
        ("gateway_logs", ("*", "many"), "E227"),
        ("gateway_log", ("g", "absent"), "E228"),
        ("refresh", ({"pattern": 3},), "E227"),
        ("refresh", ({"stale": "yes"},), "E227"),
    ],
)
def test_verbs_refuse(bench: Any, verb: str, arguments: tuple[Any, ...], code: str) -> None:
    class Nothing:
        def get_log(self, gateway: str, log: str) -> None:
            return None

    one = bench(gateways=Nothing, refresher=Nothing())
    with pytest.raises(UsageError) as raised:
        asyncio.run(getattr(one.verbs, verb)(*arguments))
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("usd", "words"), [(0, "$0"), (12.5, "$12.50"), (0.0213, "$0.021"), (0.0000011, "$0.0000011"), (1234.5, "$1,234.50")]
)
def test_money(usd: float, words: str) -> None:
    assert money(usd) == words
