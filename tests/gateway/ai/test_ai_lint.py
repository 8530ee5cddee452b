"""`ai lint`: everything that can be told about recordings from their files (A29, A30)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.gateway.ai.cassettes.inventory import read_inventory
from emulator.gateway.ai.curation.lint import Problem, Severity, lint

NOW = datetime(2026, 11, 22, tzinfo=UTC)


def problems(cassettes: Any) -> list[Problem]:
    return lint(read_inventory(cassettes.root), NOW, 90)


def rules(cassettes: Any) -> list[tuple[str, str]]:
    return [(problem.rule, problem.file.name) for problem in problems(cassettes)]


def http(name: str, response: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"request": {"kind": "http", "target": f"POST https://a/{name}", "body": {"q": name}}, "response": response, **more}


def test_nothing_to_say(cassettes: Any) -> None:
    cassettes.recorded("00-a", {"prompt": "a"}, {"response": "b"})
    cassettes.manual("00-b", [{"path": "$.body.prompt", "contains": "x"}], {"response": "y"})
    assert problems(cassettes) == []


def test_unusable_files(cassettes: Any) -> None:
    folder = cassettes.folder()
    (folder / "00-cut.json").write_text('{"format": 1,')
    (folder / "01-foreign.json").write_text('{"format": 7}')
    cassettes.recorded("02-x", {}, {}, target="@cf/a/a")
    (folder / "03-copy.json").write_text((folder / "02-x.json").read_text())
    blob = {"file": "blobs/gone.png", "sha256": "0" * 64, "media_type": "image/png"}
    cassettes.write("04-blob", http("blob", {"status": 200, "blob": blob}))
    cassettes.write("05-shape", http("shape", {"status": "200"}))
    (folder / "cassette.json").write_text('{"normalise": ["odd"]}')
    found = problems(cassettes)
    assert {problem.severity for problem in found if problem.rule != "other-name"} == {Severity.ERROR}
    assert [(problem.rule, problem.file.name, problem.path) for problem in found] == [
        ("broken", "cassette.json", "$.normalise"),
        ("broken", "00-cut.json", ":1:14"),
        ("foreign-version", "01-foreign.json", "$.format"),
        ("duplicate-id", "03-copy.json", "$.id"),
        ("missing-blob", "04-blob.json", "$.response.blob.file"),
        ("broken", "05-shape.json", "$.response.status"),
    ]
    assert all(problem.hint for problem in found)


def test_an_edited_stream_is_edited_and_not_broken(cassettes: Any) -> None:
    data = b'data: {"a":1}\n\n'
    stream = {
        "framing": "sse",
        "events": [{"t": 1, "json": {"a": 1}}],
        "sha256": hashlib.sha256(data).hexdigest(),
        "chunks": [[1, len(data)]],
    }
    cassettes.write("00-whole", http("whole", {"status": 200, "stream": stream}))
    cassettes.write("01-edited", http("edited", {"status": 200, "stream": {**stream, "events": [{"t": 1, "json": {"a": 2}}]}}))
    cassettes.write("02-splits", http("splits", {"status": 200, "stream": {**stream, "chunks": [[1, 3]]}}))
    cassettes.write("03-sealed", http("sealed", {"status": 200, "json": {}}, recorded={"seal": "0123456789abcdef"}))
    found = {(problem.rule, problem.severity.value, problem.file.name, problem.path) for problem in problems(cassettes)}
    assert found == {
        ("edited", "note", "01-edited.json", "$.response.stream"),
        ("broken-splits", "warning", "02-splits.json", "$.response.stream.chunks"),
        ("edited", "note", "03-sealed.json", "$"),
    }


def test_recordings_that_never_have_their_turn(cassettes: Any) -> None:
    same, answer = {"prompt": "same"}, {"response": "x"}
    cassettes.recorded("00-a", same, answer)
    cassettes.recorded("01-a", same, answer, repeat="last")
    cassettes.recorded("02-a", same, {"response": "y"}, repeat="forever")
    cassettes.recorded("03-a", same, {"response": "z"})
    assert rules(cassettes) == [("repeat-ignored", "01-a.json"), ("unreachable", "03-a.json"), ("duplicate", "01-a.json")]


def test_stubs_that_fit_equally_well(cassettes: Any) -> None:
    where = [{"path": "$.body.prompt", "contains": "a"}]
    cassettes.manual("00-a", where, {})
    cassettes.manual("01-a", where, {})
    cassettes.manual("02-b", [{"path": "$.body.prompt", "contains": "b"}], {}, target="@cf/other")
    cassettes.manual("03-c", [{"path": "$.body.prompt", "contains": "c"}], {}, target="@cf/other")
    found = problems(cassettes)
    assert [(problem.rule, problem.severity, problem.file.name) for problem in found] == [("ambiguous", Severity.ERROR, "01-a.json")]
    assert "00-a.json" in found[0].what


def test_stubs_that_differ_and_fit_a_request_that_is_known(cassettes: Any) -> None:
    cassettes.manual("00-a", [{"path": "$.body.prompt", "contains": "a"}], {})
    cassettes.manual("01-b", [{"path": "$.body.prompt", "contains": "b"}], {})
    document = {"source": "manual", "request": {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "ab"}}}
    cassettes.write(
        "02-probe", {**document, "match": {"where": [{"path": "$.nothing", "exists": True}]}, "response": {"status": 200, "json": {}}}
    )
    [problem] = problems(cassettes)
    assert (problem.rule, problem.file.name) == ("ambiguous", "01-b.json")
    assert "the request of 02-probe" in problem.what


def test_a_shadowed_stub(cassettes: Any) -> None:
    cassettes.manual("00-wide", [{"path": "$.body.prompt", "contains": "rain"}], {}, repeat="forever", priority=1, target="@cf/*")
    cassettes.manual("01-narrow", [{"path": "$.body.prompt", "contains": "rain in Paris"}], {})
    cassettes.manual("02-other", [{"path": "$.body.prompt", "contains": "sun"}], {})
    assert rules(cassettes) == [("shadowed", "01-narrow.json")]


def test_old_recordings_and_the_command_that_renews_them(cassettes: Any) -> None:
    for name, at in (("00-old", "2026-01-01T00:00:00Z"), ("01-new", "2026-11-01T00:00:00Z")):
        cassettes.write(name, http(name, {"status": 204}, recorded={"at": at}))
    [problem] = problems(cassettes)
    assert (problem.rule, problem.file.name) == ("stale", "00-old.json")
    assert problem.what == "it is too old: 325 days old, allowed are 90"
    assert problem.hint == "agents-emu ai record --cassette default -- <your test command>"


def test_smaller_things(cassettes: Any) -> None:
    events = [{"t": 5, "json": {}}, {"t": 3, "json": {}}]
    cassettes.write("00-times", http("times", {"status": 200, "stream": {"framing": "sse", "events": events, "end": "aborted"}}))
    cassettes.write("01-rules", http("rules", {"status": 204}, match={"where": [{"path": "$.body", "exists": True}], "key": "0" * 64}))
    cassettes.manual("02-key", [{"path": "$.body", "exists": True}], {}, key="0" * 64)
    path = cassettes.recorded("03-name", {}, {})
    path.rename(path.with_name("99-other.json"))
    blobs = cassettes.folder() / "blobs"
    blobs.mkdir()
    (blobs / "left.bin").write_bytes(b"x")
    assert set(rules(cassettes)) == {
        ("time-runs-back", "00-times.json"),
        ("aborted", "00-times.json"),
        ("rules-ignored", "01-rules.json"),
        ("old-key", "01-rules.json"),
        ("key-ignored", "02-key.json"),
        ("other-name", "99-other.json"),
        ("orphan-blob", "left.bin"),
    }


def test_blobs_are_nobodys_only_when_every_recording_can_be_read(cassettes: Any, tmp_path: Path) -> None:
    blobs = cassettes.folder() / "blobs"
    blobs.mkdir()
    (blobs / "maybe.bin").write_bytes(b"x")
    (cassettes.folder() / "00-broken.json").write_text("{")
    assert rules(cassettes) == [("broken", "00-broken.json")]


def test_the_shipped_samples_are_in_order() -> None:
    root = Path(__file__).parents[3]
    for folder in (root / "fixtures", *root.glob("sample_agents/*/fixtures")):
        found = [problem for problem in lint(read_inventory(folder), NOW, 90) if problem.severity is Severity.ERROR]
        assert found == [], json.dumps([str(problem) for problem in found])


def test_faults_files(cassettes: Any) -> None:
    """Only the one beside the cassettes is read."""
    cassettes.recorded("00-a", {"prompt": "a"}, {"response": "b"})
    file = cassettes.root / "ai" / "faults.json"
    file.write_text('[{"do": {"status": 429}}]')
    assert problems(cassettes) == []
    file.write_text('[{"do": {"stauts": 429}}]')
    (cassettes.folder() / "faults.json").write_text("[]")
    broken, lost = problems(cassettes)
    assert (broken.rule, broken.severity, broken.file, broken.path) == ("broken-fault", Severity.ERROR, file, "$[0].do.stauts")
    assert broken.what.startswith("E521 ") and broken.hint and "status" in broken.hint
    assert (lost.rule, lost.severity, lost.file) == ("lost-faults", Severity.WARNING, cassettes.folder() / "faults.json")
    file.write_text("[")
    assert problems(cassettes)[0].what.startswith("E520 the faults file is not JSON")
