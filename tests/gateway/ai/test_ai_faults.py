"""The language of faults, and the book that counts, draws and logs (ai-binding.md 7.6)."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

import pytest

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.faults.book import FaultBook, labels_of
from emulator.gateway.ai.faults.error_bodies import NAMES
from emulator.gateway.ai.faults.error_codes import CODES
from emulator.gateway.ai.faults.rules import ACTIONS, CONDITIONS, parse_rule, parse_rules

GLM = ModelRequest(Kind.RUN, "@cf/zai-org/glm-4.7-flash", {"prompt": "hi"})
OPENAI = ModelRequest(Kind.HTTP, "POST https://api.openai.com/v1/chat/completions", {"model": "gpt-4o"})
LEG = ModelRequest(
    Kind.UNIVERSAL, "universal/mine", [{"provider": "workers-ai", "endpoint": "@cf/meta/llama-3.1-8b-instruct", "query": {"prompt": "hi"}}]
)
BUSY = {"status": 429}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "faults.json"


@pytest.fixture
def book(file: Path):
    """`book(*rules)`: a book of one file with these rules; `book.log` is what it said."""

    def make(*rules, seed: int | None = 7) -> FaultBook:
        if rules:
            write(file, list(rules))
        log: list[dict] = []
        made = FaultBook(seed, [file], log.append, entropy=lambda: 12345)
        made.log = log  # type: ignore[attr-defined]
        return made

    return make


def write(file: Path, value) -> None:
    """Another version of the file, which its time says."""
    known = file.stat().st_mtime_ns if file.exists() else 0
    file.write_text(value if isinstance(value, str) else json.dumps(value))
    os.utime(file, ns=(known + 1_000_000, known + 1_000_000))


def firing(book: FaultBook, calls: int, asked: ModelRequest = GLM, labels: tuple[str, ...] = ()) -> list[int]:
    """Which of the next calls met a fault, counted from 1."""
    return [n for n in range(1, calls + 1) if book.take(asked, labels) is not None]


# -- the language


def test_the_example_of_the_reference():
    rule = parse_rule({"when": {"target": "@cf/*", "nth": 2}, "do": {"status": 429, "code": 3040, "retry_after_ms": 50}}, "f", "$", "one")
    assert (rule.name, rule.when.target, rule.when.nth) == ("one", "@cf/*", (2,))
    assert (rule.do.status, rule.do.code, rule.do.retry_after_ms, rule.do.refuse) == (429, 3040, 50, False)


ALONE = {
    **dict.fromkeys(("first_token_ms", "gap_ms", "reset_after_events", "reset_after_bytes", "eof_after_events", "stall_after_events"), 1),
    **dict.fromkeys(("malform_event", "error_event", "duplicate_event", "drop_event"), 1),
    **dict.fromkeys(("refuse", "empty_body", "wrong_content_type", "split_utf8", "resume_expired"), True),
    "status": 500,
    "code": "out_of_capacity",
    "body": None,
    "finish_reason": "length",
}


@pytest.mark.parametrize("action", sorted(set(ACTIONS) - {"retry_after_ms"}))
def test_every_action_can_stand_alone(action):
    assert set(ALONE) == set(ACTIONS) - {"retry_after_ms"}
    assert getattr(parse_rule({"do": {action: ALONE[action]}}, "f", "$", "x").do, action) == ALONE[action]


BAD = [
    ([], "E522", "$", 'an object {"when": {...}, "do": {...}}'),
    ({"do": BUSY, "wen": {}}, "E521", "$.wen", "did you mean 'when'?"),
    ({"do": BUSY, "when": {"targt": "*"}}, "E521", "$.when.targt", "did you mean 'target'?"),
    ({"do": {"reset_after_event": 1}}, "E521", "$.do.reset_after_event", "did you mean 'reset_after_events'?"),
    ({"do": {"zzz": 1}}, "E521", "$.do.zzz", "known: status, code"),
    ({"do": BUSY, "when": []}, "E522", "$.when", "an object"),
    ({"do": BUSY, "when": {"nth": 0}}, "E522", "$.when.nth", "from 1"),
    ({"do": BUSY, "when": {"nth": []}}, "E522", "$.when.nth", "from 1"),
    ({"do": BUSY, "when": {"every": True}}, "E522", "$.when.every", "a whole number from 1"),
    ({"do": BUSY, "when": {"probability": 10}}, "E522", "$.when.probability", "a number from 0 to 1"),
    ({"do": BUSY, "when": {"kind": "run"}}, "E522", "$.when.kind", "binding.run"),
    ({"do": BUSY, "name": ""}, "E522", "$.name", "a text"),
    ({"when": {}}, "E522", "$.do", "one of: status"),
    ({"do": {"status": 42}}, "E522", "$.do.status", "from 200 to 599"),
    ({"do": {"status": "429"}}, "E522", "$.do.status", "a whole number"),
    ({"do": {"gap_ms": -1}}, "E522", "$.do.gap_ms", "milliseconds"),
    ({"do": {"malform_event": "last"}}, "E522", "$.do.malform_event", '"done"'),
    ({"do": {"refuse": False}}, "E522", "$.do.refuse", "true"),
    ({"do": {"wrong_content_type": "html"}}, "E522", "$.do.wrong_content_type", "a media type"),
    ({"do": {"reset_after_events": 1, "eof_after_events": 2}}, "E523", "$.do.eof_after_events", "two faults"),
    ({"do": {"status": 500, "gap_ms": 1}}, "E523", "$.do.gap_ms", "two faults"),
    ({"do": {"refuse": True, "status": 500}}, "E523", "$.do.status", "two faults"),
    ({"do": {"empty_body": True, "body": ""}}, "E523", "$.do.body", "two faults"),
    ({"do": {"error_event": 1, "status": 500}}, "E523", "$.do.error_event", "two faults"),
    ({"do": {"retry_after_ms": 5}}, "E523", "$.do.retry_after_ms", "add a status"),
    ({"do": {"status": 200}}, "E523", "$.do.status", "add a body"),
    ({"do": {"code": "out_of_capasity"}}, "E524", "$.do.code", "did you mean 'out_of_capacity'?"),
    ({"do": {"code": "overloaded"}}, "E524", "$.do.code", "did you mean 'overloaded_error'?"),
    ({"do": {"code": 3041234}}, "E524", "$.do.code", "`status`"),
]


@pytest.mark.parametrize(("value", "code", "path", "hint"), BAD, ids=[f"{bad[1]} {bad[2]} {index}" for index, bad in enumerate(BAD)])
def test_what_is_wrong_is_named_with_its_place_and_what_belongs_there(value, code, path, hint):
    with pytest.raises(RecordingError) as caught:
        parse_rule(value, "fixtures/ai/faults.json", "$", "x")
    error = caught.value
    assert (error.code, error.where) == (code, f"fixtures/ai/faults.json {path}")
    assert hint in (error.hint or "")


@pytest.mark.parametrize(
    "do",
    [
        {"error_event": 2, "code": "overloaded_error"},
        {"first_token_ms": 5, "status": 500},
        {"code": 9999, "status": 418},
        {"status": 200, "body": "<html>", "wrong_content_type": "text/html"},
        {"gap_ms": 1, "split_utf8": True, "duplicate_event": "done", "reset_after_bytes": 9},
        {"reset_after_events": 5, "resume_expired": True},
    ],
    ids=str,
)
def test_what_goes_together(do):
    assert parse_rule({"do": do}, "f", "$", "x").source == {"do": do}


def test_the_three_forms_of_a_file():
    rule = {"do": BUSY}
    for value in (rule, [rule], {"faults": [rule]}, {"seed": 3, "faults": [rule]}):
        rules, errors, seed = parse_rules(value, "f")
        assert ([rule.name for rule in rules], errors) == (["fault-1"], [])
        assert seed == (3 if "seed" in value else None)


def test_one_wrong_rule_leaves_the_others():
    rules, errors, _ = parse_rules([{"do": BUSY}, {"do": {}}, {"do": BUSY, "name": "mine"}, {"do": BUSY, "name": "mine"}], "f")
    assert [rule.name for rule in rules] == ["fault-1", "mine"]
    assert [(error.code, error.where) for error in errors] == [("E522", "f $[1].do"), ("E522", "f $[3].name")]


@pytest.mark.parametrize(
    ("value", "where"),
    [("x", "f $"), ({"faults": 1}, "f $.faults"), ({"faults": [], "sead": 1}, "f $.sead"), ({"faults": [], "seed": "a"}, "f $.seed")],
)
def test_a_file_of_another_form(value, where):
    rules, (error,), _ = parse_rules(value, "f")
    assert (rules, error.where) == ([], where)


# -- which calls


@pytest.mark.parametrize(
    ("when", "hits"),
    [
        ({}, [1, 2, 3, 4, 5, 6, 7, 8]),
        ({"nth": 2}, [2]),
        ({"nth": [1, 4]}, [1, 4]),
        ({"every": 3}, [3, 6]),
        ({"times": 2}, [1, 2]),
        ({"after_calls": 5}, [6, 7, 8]),
        ({"after_calls": 2, "every": 2, "times": 2}, [4, 6]),
        ({"probability": 0}, []),
        ({"probability": 1}, [1, 2, 3, 4, 5, 6, 7, 8]),
    ],
    ids=str,
)
def test_selection_by_count(book, when, hits):
    assert firing(book({"when": when, "do": BUSY}), 8) == hits


@pytest.mark.parametrize(
    ("when", "glm", "openai", "leg"),
    [
        ({}, True, True, True),
        ({"target": "@cf/*"}, True, False, True),
        ({"target": "@cf/zai-org/glm-4.7-flash"}, True, False, False),
        ({"target": "POST https://api.openai.com/*"}, False, True, False),
        ({"target": "https://api.openai.com/*"}, False, True, False),
        ({"target": "universal/mine"}, False, False, True),
        ({"model": "gpt-*"}, False, True, False),
        ({"model": "@cf/meta/*"}, False, False, True),
        ({"kind": "http"}, False, True, False),
        ({"kind": "gateway.universal", "model": "*llama*"}, False, False, True),
    ],
    ids=str,
)
def test_selection_by_what_is_asked(book, when, glm, openai, leg):
    faults = book({"when": when, "do": BUSY})
    assert [faults.take(asked) is not None for asked in (GLM, OPENAI, LEG)] == [glm, openai, leg]


def test_ordinary_requests_are_only_meant_by_a_fault_that_says_so(book):
    ordinary = ModelRequest(Kind.HTTP, "GET https://example.com/", headers={"x-emulator-label": "mine"})
    for when, fits in (({}, False), ({"nth": 1}, False), ({"target": "*"}, True), ({"kind": "http"}, True), ({"label": "mine"}, True)):
        assert (book({"when": when, "do": BUSY}).take(ordinary) is not None) is fits, when


def test_only_calls_that_fit_are_counted(book):
    faults = book({"when": {"target": "@cf/*", "nth": 2}, "do": BUSY})
    assert [faults.take(asked) is not None for asked in (GLM, OPENAI, OPENAI, GLM)] == [False, False, False, True]


def test_labels():
    tagged = ModelRequest(
        Kind.RUN, "m", {}, gateway={"metadata": {"test": "checkout", "label": "first", "user": "x"}}, options={"tags": ["a", "b"]}
    )
    assert labels_of(tagged) == {"a", "b", "checkout", "first"}
    assert labels_of(ModelRequest(Kind.STREAM_INPUT, "m", {}, options={"tags": "a,b"})) == {"a", "b"}
    assert labels_of(ModelRequest(Kind.HTTP, "GET x", headers={"x-emulator-label": "mine"})) == {"mine"}
    for metadata, labels in (('{"label": "l", "test": 3}', {"l", "3"}), ("{", set()), ("[1]", set())):
        assert labels_of(ModelRequest(Kind.UNIVERSAL, "universal/g", [], headers={"cf-aig-metadata": metadata})) == labels


def test_selection_by_label(book):
    faults = book({"when": {"label": "check*"}, "do": BUSY})
    assert firing(faults, 2) == []
    assert firing(faults, 2, labels=("checkout",)) == [1, 2]


def test_the_first_that_is_due_acts_and_all_of_them_count(book):
    faults = book(
        {"name": "once", "when": {"times": 1}, "do": BUSY},
        {"name": "second", "when": {"nth": 2}, "do": BUSY},
        {"name": "rest", "when": {"after_calls": 1}, "do": BUSY},
    )
    assert [fault.name for _ in range(3) if (fault := faults.take(GLM))] == ["once", "second", "rest"]
    assert [(row["name"], row["calls"], row["fired"]) for row in faults.list()] == [("once", 3, 1), ("second", 3, 1), ("rest", 3, 1)]


# -- chance


def test_the_same_seed_gives_the_same_run_whatever_else_is_called(book):
    rule = {"name": "chaos", "when": {"target": "@cf/*", "probability": 0.3}, "do": BUSY}
    first = firing(book(rule), 200)
    mixed = book(rule, {"name": "other", "when": {"kind": "http", "probability": 0.5}, "do": BUSY})
    again = []
    for n in range(1, 201):
        mixed.take(OPENAI)
        if mixed.take(GLM):
            again.append(n)
    assert again == first
    assert 30 < len(first) < 90
    assert firing(book(rule, seed=8), 200) != first


def test_each_firing_is_logged_so_that_the_run_can_be_repeated(book):
    faults = book({"name": "chaos", "when": {"probability": 0.4}, "do": BUSY}, seed=99)
    hits = firing(faults, 20)
    logged = [{"fault": "chaos", "n": n, "seed": 99, "target": GLM.target, "model": GLM.target} for n in hits]
    assert faults.firings() == logged
    assert faults.log == [{"type": "fault", **entry} for entry in logged]
    repeated = book({"name": "chaos", "when": {"nth": [entry["n"] for entry in faults.firings()]}, "do": BUSY})
    assert firing(repeated, 20) == hits


def test_whose_seed(book, file):
    write(file, {"seed": 5, "faults": [{"do": BUSY}]})
    assert book(seed=1).seed == 1
    assert book(seed=None).seed == 5
    write(file, {"faults": [{"do": BUSY}]})
    assert book(seed=None).seed == 12345


def test_a_firing_repeated_has_the_same_id(book):
    one, other = (book({"do": BUSY}).take(GLM) for _ in range(2))
    assert one.unique == other.unique


# -- files


def test_a_change_of_the_file_is_seen_at_once_and_leaves_the_counts_of_what_stayed(book, file):
    faults = book({"name": "a", "when": {"nth": 2}, "do": BUSY})
    assert firing(faults, 1) == []
    write(file, [{"name": "a", "when": {"nth": 2}, "do": BUSY}, {"name": "b", "when": {"nth": 2}, "do": BUSY}])
    assert [faults.take(GLM).name for _ in range(2)] == ["a", "b"]
    write(file, [{"name": "b", "when": {"nth": 1}, "do": BUSY}])
    assert firing(faults, 1) == [1], "another rule of that name counts anew"
    file.unlink()
    assert firing(faults, 3) == []


def test_no_file_is_no_fault(book):
    faults = book()
    assert (firing(faults, 3), faults.errors(), faults.log) == ([], [], [])


def test_a_broken_file_is_told_once_and_its_correction_heals(book, file):
    write(file, "[{]")
    faults = book()
    assert firing(faults, 3) == []
    (error,) = faults.errors()
    assert (error.code, error.where) == ("E520", str(file))
    assert [entry["code"] for entry in faults.log] == ["E520"]
    write(file, [{"do": BUSY}])
    assert (firing(faults, 1), faults.errors()) == ([1], [])


def test_a_file_that_cannot_be_read(book, file):
    file.mkdir()
    (error,) = book().errors()
    assert (error.code, error.where) == ("E520", str(file))


# -- the control API's side


def test_added_faults_come_first_and_go_again(book):
    faults = book({"name": "filed", "do": BUSY})
    assert faults.add({"do": {"status": 500}}) == "added-1"
    assert faults.add({"name": "mine", "when": {"nth": 1}, "do": {"status": 503}}) == "mine"
    assert [row["name"] for row in faults.list()] == ["added-1", "mine", "filed"]
    assert faults.take(GLM).do.status == 500
    assert faults.clear("added-1") == 1
    assert faults.take(GLM).name == "filed", "the first call was also the first of `mine`"
    assert (faults.clear(), faults.clear()) == (1, 0)
    assert [row["name"] for row in faults.list()] == ["filed"]


def test_what_cannot_be_added_or_cleared(book, file):
    faults = book({"name": "filed", "do": BUSY})
    for value, code in (({"name": "filed", "do": BUSY}, "E525"), ({"do": {"statu": 1}}, "E521")):
        with pytest.raises(RecordingError) as caught:
            faults.add(value)
        assert caught.value.code == code
    with pytest.raises(RecordingError) as caught:
        faults.clear("filed")
    assert (caught.value.code, str(file) in caught.value.hint) == ("E526", True)
    with pytest.raises(RecordingError) as caught:
        faults.clear("nobody")
    assert caught.value.hint == "known: none"


def test_a_name_that_is_free_again_is_not_given_twice(book):
    faults = book()
    assert [faults.add({"do": BUSY}), faults.clear(), faults.add({"do": BUSY})] == ["added-1", 1, "added-2"]


def test_a_new_session_counts_from_the_beginning(book):
    faults = book({"when": {"nth": 1}, "do": BUSY})
    assert firing(faults, 2) == [1]
    faults.restart()
    assert faults.firings() == []
    assert firing(faults, 2) == [1]


# -- the document


GUIDE = (Path(__file__).parents[3] / "docs" / "ai-faults.md").read_text("utf-8")


def first_column(heading: str) -> list[str]:
    """The words of the first table after a heading."""
    table = GUIDE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)


def test_the_document_lists_the_language():
    assert sorted(first_column("Which calls: `when`")) == sorted(CONDITIONS)
    assert sorted(first_column("What happens: `do`")) == sorted(ACTIONS)


def test_the_document_lists_every_error():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \| (\d+) \|", GUIDE, re.MULTILINE)
    assert rows == [(str(code.number), code.name, str(code.status)) for code in CODES]
    assert [name for name in NAMES if f"`{name}`" not in GUIDE] == []


def test_the_examples_of_the_document_can_be_used():
    examples = re.findall(r"```json\n(.*?)```", GUIDE, re.DOTALL)
    assert examples
    for example in examples:
        rules, errors, _ = parse_rules(json.loads(example), "docs/ai-faults.md")
        assert (len(rules), errors) == (3, [])


async def test_a_watched_file_is_told_when_it_is_saved(book, file, monkeypatch):
    """Not only at the next call, which may be somebody's puzzling test."""
    monkeypatch.setattr("emulator.gateway.ai.faults.book.LOOK_EVERY_S", 0.005)
    faults = book({"do": BUSY})
    told = asyncio.Event()
    faults._log = lambda event: (faults.log.append(event), told.set())
    watching = asyncio.create_task(faults.watch())
    try:
        write(file, "[{")
        async with asyncio.timeout(10):
            await told.wait()
    finally:
        watching.cancel()
    assert [(event["code"], event["where"]) for event in faults.log] == [("E520", str(file))]
