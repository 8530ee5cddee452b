"""A miss that teaches: which recording is nearest, what differs, and the rule that would make it match (A23)."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest

from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes import nearest as nearest_module
from emulator.gateway.ai.cassettes.explain import explain
from emulator.gateway.ai.cassettes.helping_rules import helping_rules, setting
from emulator.gateway.ai.cassettes.library import Library, Shelf
from emulator.gateway.ai.cassettes.matching import Hit, select
from emulator.gateway.ai.cassettes.nearest import exhausted_report, miss_report, nearest

MODEL = "@cf/test/model"
TOOL = {"type": "function", "function": {"name": "weather", "description": "d", "parameters": {"type": "object"}}}


def chat(*contents: str, tools: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    roles = ("system", "user", "assistant")
    body = {"messages": [{"role": roles[min(index, 1)], "content": text} for index, text in enumerate(contents)], **more}
    return {**body, "tools": tools} if tools else body


def asked(body: Any, *, target: str = MODEL, kind: Kind = Kind.RUN) -> ModelRequest:
    return ModelRequest(kind, target, body)


def shelf_of(cassettes: Any) -> Shelf:
    return Library([cassettes.root], recheck_ms=0).shelf()


def test_the_report_names_file_path_values_and_command(cassettes: Any) -> None:
    cassettes.recorded("other", chat("s", "completely different words"), {"response": "1"})
    path = cassettes.recorded("near", chat("s", "what is the tide in Dover today"), {"response": "2"})
    report = miss_report(asked(chat("s", "what is the tide in Calais today")), shelf_of(cassettes))
    assert str(path) in report
    assert "$.body.messages[1].content" in report
    assert '"what is the tide in Dover today"' in report
    assert '"what is the tide in Calais today"' in report
    assert "agents-emu ai record --add --cassette default -- " in report
    assert "agents-emu ai mode new" in report
    assert "normalise" not in report


@pytest.mark.parametrize(
    ("near", "far"),
    [
        ({"target": MODEL}, {"target": "@cf/test/another"}),
        ({"tools": [TOOL]}, {"tools": None}),
        ({"user": "the last word"}, {"user": "another last word"}),
        ({"system": "you know all about ships and the sea"}, {"system": "you sell cars"}),
    ],
)
def test_what_makes_near(cassettes: Any, near: dict[str, Any], far: dict[str, Any]) -> None:
    def body(system: str = "s", user: str = "the last word", tools: Any = None, target: str = "") -> Any:
        return chat(system, user, tools=tools, seed=1)

    cassettes.recorded("a-far", body(**far), {}, target=far.get("target", MODEL))
    cassettes.recorded("b-near", body(**near), {}, target=near.get("target", MODEL))
    cassettes.recorded("c-far", body(**far), {}, target=far.get("target", MODEL))
    request = asked({**body(**{**near, "tools": near.get("tools")}), "seed": 2})
    found = nearest(request, shelf_of(cassettes))
    assert found is not None and found.id == "b-near"


def test_the_number_of_messages_counts(cassettes: Any) -> None:
    cassettes.recorded("a", chat("s", "u", "a", "u"), {})
    cassettes.recorded("b", chat("s", "u"), {})
    found = nearest(asked(chat("s", "u", temperature=1)), shelf_of(cassettes))
    assert found is not None and found.id == "b"


@pytest.mark.parametrize(
    ("recorded", "now", "rules"),
    [
        ("it is 2026-11-22T10:00:00Z", "it is 2026-11-23T08:30:01Z", ("iso-datetime",)),
        ("at 1732270000 sharp", "at 1732279999 sharp", ("epoch",)),
        ("2026-11-22 and 1732270000", "2026-11-23 and 1732279999", ("iso-datetime", "epoch")),
        ("it is 2026-11-22, hello", "it is 2026-11-23, goodbye", None),
        ("three ships", "four ships", None),
        ("about 12 ships", "about 7.5 ships", (r"regex:id=\b\d+(?:\.\d+)?\b",)),
        ("order ORD-17/a of 12.", "order ORD-204/a of 9.", (r"regex:id=\bORD-\d+/a\b|\b\d+(?:\.\d+)?\b",)),
        ("commit 90fa3c1d2", "commit ab12cd34e", (r"regex:id=\b[0-9a-fA-F][0-9a-fA-F-]{7,}\b",)),
        ("order ORD-17", "order INV-17", None),
        ("12 ships", "12 ships and more", None),
    ],
)
def test_the_rule_that_would_make_it_match(cassettes: Any, recorded: str, now: str, rules: tuple[str, ...] | None) -> None:
    cassettes.recorded("one", chat("s", recorded), {"response": "x"})
    request, shelf = asked(chat("s", now)), shelf_of(cassettes)
    (recording,) = shelf.recordings
    assert helping_rules(request, recording.request, ()) == rules
    report = miss_report(request, shelf)
    if rules is None:
        assert "normalise" not in report
        return
    line = next(line for line in report.splitlines() if "normalise" in line)
    (cassettes.folder() / "cassette.json").write_text("{" + line + "}")
    assert isinstance(select(shelf_of(cassettes), request, {}), Hit), "the line does what it promises"


def test_rules_that_the_cassette_has_stay(cassettes: Any) -> None:
    (cassettes.folder() / "cassette.json").write_text('{"normalise": ["epoch"]}')
    cassettes.recorded("one", chat("s", "2026-11-22 and 1732270000"), {"response": "x"})
    shelf = shelf_of(cassettes)
    (recording,) = shelf.recordings
    request = asked(chat("s", "2026-11-23 and 1732279999"))
    assert helping_rules(request, recording.request, ("epoch",)) == ("epoch", "iso-datetime")
    assert setting(("epoch", "regex:order=O-[0-9]")) == '"normalise": ["epoch","regex:order"], "patterns": {"order":"O-[0-9]"}'


def test_long_texts_are_shown_as_they_were_sent(cassettes: Any) -> None:
    """Without punctuation they look like base64, of which only the hash is compared."""
    cassettes.recorded("one", chat("s", "word " * 150 + "here"), {})
    report = miss_report(asked(chat("s", "word " * 150 + "there")), shelf_of(cassettes))
    assert "sha256" not in report
    assert 'word here"' in report and 'word there"' in report


@pytest.mark.parametrize("size", [1, 60])
def test_the_report_is_short(cassettes: Any, size: int) -> None:
    words = "\n".join(f"line {number} " + "x" * 300 for number in range(200))
    cassettes.recorded("one", {"messages": [{"role": "user", "content": f"a{n}{words}"} for n in range(size)], "zeta" * 90: "q"}, {})
    request = asked({"messages": [{"role": "user", "content": f"b{n}{words}"} for n in range(size)], "other" * 90: "q"})
    report = miss_report(request, shelf_of(cassettes), cassette="a name; with 'quotes'")
    lines = report.splitlines()
    assert len(lines) < 40
    assert max(map(len, lines)) < 260
    command = next(line for line in lines if "ai record" in line).partition("record it: ")[2]
    words_of = shlex.split(command)
    assert words_of[words_of.index("--cassette") + 1] == "a name; with 'quotes'"


def test_manual_recordings_show_the_rule_that_failed(cassettes: Any) -> None:
    where = [{"path": "$.body.messages[-1].content", "contains": "ships"}]
    cassettes.manual("by-hand", where, {"response": "x"}, target="@cf/test/*")
    report = miss_report(asked(chat("s", "cars")), shelf_of(cassettes))
    assert 'contains "ships"' in report and '"cars"' in report
    report = miss_report(asked(chat("s", "ships"), target="@cf/other/model"), shelf_of(cassettes))
    assert "@cf/test/* does not fit @cf/other/model" in report


@pytest.mark.parametrize(
    ("kind", "target", "body"),
    [
        (Kind.RUN, MODEL, {"prompt": "hello there"}),
        (Kind.HTTP, "POST https://api.openai.com/v1/responses", {"model": "gpt", "input": "hello there"}),
        (
            Kind.HTTP,
            "POST https://api.openai.com/v1/responses",
            {"input": [{"role": "user", "content": [{"type": "input_text", "text": "hello there"}]}]},
        ),
        (
            Kind.UNIVERSAL,
            "universal/g",
            [{"provider": "openai", "endpoint": "chat", "query": chat("s", "hello there")}],
        ),
        (Kind.RUN, MODEL, {"messages": "no list", "tools": [1, {"function": "f"}]}),
    ],
)
def test_every_kind_has_a_nearest(cassettes: Any, kind: Kind, target: str, body: Any) -> None:
    cassettes.write("one", {"request": {"kind": str(kind), "target": target, "body": {"x": 1}}, "response": {"status": 200, "json": {}}})
    same = {"kind": str(kind), "target": target, "body": body}
    cassettes.write("two", {"request": same, "response": {"status": 200, "json": {}}, "match": {"repeat": "once"}})
    changed = [*body, {}] if isinstance(body, list) else {**(body or {}), "temperature": 1}
    found = nearest(asked(changed, target=target, kind=kind), shelf_of(cassettes))
    assert found is not None and found.id == "two"


def test_requests_without_a_body(cassettes: Any) -> None:
    for name in ("x", "y"):
        request = {"kind": "http", "target": f"GET https://example.com/{name}"}
        cassettes.write(name, {"request": request, "response": {"status": 200, "json": {}}})
    found = nearest(asked({"a": 1}, target="GET https://example.com/y", kind=Kind.HTTP), shelf_of(cassettes))
    assert found is not None and found.id == "y"


def test_nothing_of_the_kind(cassettes: Any) -> None:
    cassettes.recorded("one", chat("s", "u"), {})
    request = asked({"x": 1}, target="GET https://example.com/", kind=Kind.HTTP)
    assert nearest(request, shelf_of(cassettes)) is None
    assert "the one recording is not of kind http" in miss_report(request, shelf_of(cassettes))
    cassettes.recorded("two", chat("s", "v"), {})
    assert "none of 2 recordings is of kind http" in miss_report(request, shelf_of(cassettes))
    assert "nothing is recorded yet" in miss_report(request, Shelf())


def test_used_up_is_another_report(cassettes: Any) -> None:
    cassettes.recorded("one", chat("s", "u"), {})
    report = exhausted_report(asked(chat("s", "u")), tuple(shelf_of(cassettes).recordings))
    assert "recorded 1 time, requested once more" in report and '"repeat"' in report and "ai record" in report


def test_whole_texts_are_compared_of_a_few_only(cassettes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a thousand long prompts it would take seconds, and a miss would hold every other call up."""
    compared: list[ModelRequest] = []
    words = nearest_module._words
    monkeypatch.setattr(nearest_module, "_words", lambda request: compared.append(request) or words(request))
    for number in range(50):
        cassettes.recorded(f"r{number:04}", chat("s", f"{number} of many"), {})
    found = nearest(asked(chat("s", "7 of many", temperature=1)), shelf_of(cassettes))
    assert found is not None and found.id == "r0007"
    assert len(compared) < 20


def test_explain_tells_what_the_matcher_sees(cassettes: Any) -> None:
    body = {**chat("s", "u"), "user": "me", "messages": [{"role": "tool", "tool_call_id": "call_abc123", "content": "x"}]}
    cassettes.recorded("one", body, {"response": "1"})
    cassettes.manual("by-hand", [{"path": "$.body.user", "equals": "you"}], {})
    shelf = shelf_of(cassettes)
    (recording, _) = sorted(shelf.recordings, key=lambda one: one.manual)
    found = explain(ModelRequest(Kind.RUN, MODEL, body, {"authorization": "Bearer sk-1"}), shelf, {recording.identity: 2})
    assert "sk-1" not in json.dumps(found)
    assert {change["path"]: (change["sent"], change["compared"]) for change in found["changed"]} == {
        "$.body.messages[0].tool_call_id": ("call_abc123", "#1"),
        "$.body.user": ("me", None),
        "$.headers.authorization": (None, None),
    }
    (cassette,) = found["cassettes"]
    assert [(row["recording"], row["used"]) for row in cassette["recordings"]] == [("default/one", 2)]
    assert found["nearest"] is None
    assert found["manual"][0]["rules"] == [{"rule": '$.body.user equals "you"', "holds": False, "found": ["me"]}]


def test_explain_of_a_miss_has_the_nearest(cassettes: Any) -> None:
    path = cassettes.recorded("one", chat("s", "u"), {})
    found = explain(asked(chat("s", "v")), shelf_of(cassettes), {})
    assert found["nearest"] == {
        "recording": "default/one",
        "file": str(path),
        "differences": [{"path": "$.body.messages[1].content", "recorded": "u", "asked": "v"}],
        "more": 0,
    }


def test_paths_are_relative_to_where_we_stand(cassettes: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cassettes.recorded("one", chat("s", "u"), {})
    monkeypatch.chdir(cassettes.root.parent)
    report = miss_report(asked(chat("s", "v")), Library([Path("fixtures")], recheck_ms=0).shelf())
    assert "  nearest   fixtures/ai/default/one.json" in report


TOKEN = "sk-" + "proj-" + "aB3dE_6gH-" * 5


@pytest.mark.parametrize(
    ("body", "target"),
    [
        (chat("s", f"use {TOKEN} please"), MODEL),
        (chat("s", f"first line\n{TOKEN}"), MODEL),
        (chat("s", "the key is well hidden behind these many words, which fill a line nearly: " + TOKEN), MODEL),
        (chat("s", "u", **{TOKEN: 1}), MODEL),
        (chat("s", "u", tools=[{**TOOL, "key": TOKEN}]), MODEL),
        (chat("s", "v"), f"@cf/{TOKEN}"),
    ],
)
def test_nothing_that_looks_like_a_secret_is_told(cassettes: Any, body: Any, target: str) -> None:
    """Whoever is told of a miss may keep it: the terminal, the journal, `ai explain`."""
    cassettes.recorded("one", chat("s", "u"), {})
    request = asked(body, target=target)
    shelf = shelf_of(cassettes)
    told = miss_report(request, shelf) + json.dumps(explain(request, shelf, {}))
    assert "[looks like an OpenAI key]" in told
    assert TOKEN[:12] not in told and TOKEN[-12:] not in told


def test_a_rule_of_the_recording_and_a_proposed_pattern_hold_no_secret(cassettes: Any) -> None:
    cassettes.manual("by-hand", [{"path": "$.body.messages[0].content", "equals": TOKEN}], {})
    request = asked(chat(TOKEN.replace("3", "4"), "u"))
    told = miss_report(request, shelf_of(cassettes)) + json.dumps(explain(request, shelf_of(cassettes), {}))
    assert TOKEN[:12] not in told and "rule" in told
    one, other = (asked(chat(f"a {TOKEN.replace('3', digit)} b")) for digit in "57")
    assert helping_rules(one, other, ()) is None


def test_before_anything_is_recorded(cassettes: Any) -> None:
    report = miss_report(ModelRequest(Kind.RUN, "@cf/m", {"prompt": "x"}), shelf_of(cassettes), cassette="checkout")
    assert "nearest   nothing is recorded yet" in report
    assert "agents-emu ai record --add --cassette checkout -- " in report
