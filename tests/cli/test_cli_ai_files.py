"""`agents-emu ai`: the verbs that work on files, as people and programs call them (ai-binding.md 7.7; A27, A29, A30, A36)."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click
import pytest
from click.shell_completion import ShellComplete

from emulator.cli.ai import VERBS
from emulator.cli.main import commands, run
from emulator.gateway.ai import run_record
from emulator.gateway.ai.cassettes.cassette_files import recording_text, sealed
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.recording import parse_recording
from emulator.gateway.ai.run_record import RunRecord

FILE_VERBS = ("ls", "show", "diff", "edit", "lint", "scan", "prune", "rekey", "import", "export")
NOW = datetime.now(UTC)


class Project:
    """A folder with recordings."""

    def __init__(self, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root = root
        self.folder = root / "fixtures" / "ai" / "default"
        self.folder.mkdir(parents=True)
        self._capsys = capsys

    def record(self, name: str, text: str = "hi", answer: Any = None, *, folder: Path | None = None, **more: Any) -> Path:
        request = {"kind": "http", "target": "POST https://api.openai.com/v1/chat/completions", "body": asked(text)}
        document = {
            "format": 1,
            "id": name,
            "source": "recorded",
            "recorded": {"at": NOW.strftime("%Y-%m-%dT%H:%M:%SZ"), "tool": "0"},
            "request": request,
            "response": {"status": 200, "json": answer or told(text.upper())},
            **more,
        }
        path = (folder or self.folder) / f"{name}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(recording_text(sealed(document)))
        return path

    def stub(self, name: str, *rules: Any, **match: Any) -> Path:
        path = self.folder / f"{name}.json"
        request = {"kind": "binding.run", "target": "@cf/*"}
        document = {"format": 1, "id": name, "source": "manual", "request": request, "match": {"where": list(rules), **match}}
        path.write_text(json.dumps({**document, "response": {"status": 200, "json": {"response": "x"}}}))
        return path

    def __call__(self, *words: str, code: int = 0) -> tuple[str, str]:
        found = run(["ai", *words])
        out, err = self._capsys.readouterr()
        assert found == code, f"{out}\n{err}"
        assert "Traceback" not in err
        return out, err

    def data(self, *words: str, code: int = 0) -> Any:
        """The one JSON object that the verb prints."""
        return json.loads(self(*words, "--json", code=code)[0])

    def ran(self, *paths: Path, run: str = "r1", complete: bool = True, mode: str = "replay", later_s: int = 5) -> None:
        """A run used these recordings, and no others."""
        used = tuple(parse_recording(path.parent.name, path, path.read_bytes()).identity for path in paths)
        at = (datetime.now(UTC) + timedelta(seconds=later_s)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        cassettes = tuple(sorted(path.name for path in self.folder.parent.iterdir()))
        RunRecord(run, at, at, mode, cassettes, used, str(self.root / "fixtures")).write(self.root)
        if complete:
            assert run_record.complete(self.root, run)


def asked(text: str) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}


def told(text: str) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return {"object": "chat.completion", "choices": [choice], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Project:
    (tmp_path / "entry.py").touch()
    (tmp_path / "wrangler.jsonc").write_text('{"name": "shop", "main": "entry.py", "compatibility_date": "2026-06-11"}')
    monkeypatch.chdir(tmp_path)
    return Project(tmp_path, capsys)


# -- the group


@pytest.mark.parametrize("verb", FILE_VERBS)
def test_every_verb_has_examples_and_json(project: Project, verb: str) -> None:
    out, _ = project(verb, "--help")
    assert "Examples:" in out
    assert "--json" in out
    assert verb in VERBS


def test_a_mistyped_verb_is_answered_with_the_right_one(project: Project) -> None:
    _, err = project("lnit", code=2)
    assert err.splitlines() == ['E204 there is no command "ai lnit"', "  next   did you mean lint?", "exit 2 (usage)"]


def test_the_folder_may_be_named_anywhere(project: Project, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    project.record("00-a")
    monkeypatch.chdir("/")
    assert run(["-C", str(project.root), "ai", "ls", "--json"]) == 0
    assert [row["id"] for row in json.loads(capsys.readouterr().out)] == ["00-a"]
    assert project.data("ls", "-C", str(project.root))[0]["id"] == "00-a"
    assert project.data("ls", "--fixtures", str(project.root / "fixtures"))[0]["id"] == "00-a"


def test_completion_offers_verbs_recordings_and_cassettes(project: Project) -> None:
    project.record("00-a")
    project.record("00-b", folder=project.folder.parent / "other")

    def offers(words: list[str], incomplete: str) -> list[str]:
        return [item.value for item in ShellComplete(commands, {}, "agents-emu", "_X").get_completions(words, incomplete)]

    assert offers(["ai"], "sc") == ["scan"]
    assert offers(["ai", "show"], "00") == ["00-a", "00-b"]
    assert offers(["ai", "show"], "other/") == ["other/00-b"]
    assert offers(["ai", "ls", "--cassette"], "o") == ["other"]


def test_no_folder_no_cassette_no_recording(project: Project) -> None:
    _, err = project("ls", "--fixtures", "nowhere", code=3)
    assert err.splitlines()[0] == "E535 there are no recordings"
    project.record("00-abc")
    _, err = project("ls", "--cassette", "defautl", code=2)
    assert "E243" in err
    _, err = project("show", "00-abd", code=3)
    assert err.splitlines()[0] == "E530 there is no recording '00-abd'"
    assert "did you mean 00-abc?" in err


# -- looking


def test_ls_marks_what_is_not_as_it_should_be(project: Project) -> None:
    project.record("00-fine")
    edited = project.record("01-edited", "e")
    edited.write_text(edited.read_text().replace('"E"', '"another"'))
    project.record("02-stale", "s", recorded={"at": "2020-01-01T00:00:00Z"})
    (project.folder / "03-broken.json").write_text("{")
    marks = {row["id"]: row["marks"] for row in project.data("ls")}
    assert marks == {"00-fine": [], "01-edited": ["edited"], "02-stale": ["stale"], "03-broken": ["broken"]}
    out, _ = project("ls")
    row = next(line for line in out.splitlines() if "01-edited" in line)
    assert row.split()[:5] == ["default/01-edited", "http", "gpt-4o", "POST", "https://api.openai.com/v1/chat/completions"]
    assert row.split()[-1] == "edited"
    assert "not JSON" in next(line for line in out.splitlines() if "03-broken" in line)


def test_show_renders_the_conversation(project: Project) -> None:
    function = {"name": "weather", "arguments": '{"city":"Paris"}'}
    call = {"id": "call_1", "type": "function", "function": function}
    body = {"messages": [{"role": "user", "content": "Rain?"}, {"role": "assistant", "tool_calls": [call]}]}
    body["messages"].append({"role": "tool", "tool_call_id": "call_1", "content": "12 degrees"})
    events = [
        {"t": 400, "json": {"choices": [{"delta": {"content": "It is"}}]}},
        {"t": 900, "json": {"choices": [{"delta": {"content": " dry."}}]}},
    ]
    stream = {"framing": "sse", "events": events, "end": "reset"}
    request = {"kind": "http", "target": "POST https://a/chat/completions", "body": {**body, "temperature": 1}}
    project.record("00-talk", request=request, response={"status": 200, "stream": stream}, cost_usd=0.00012)
    out, _ = project("show", "talk")
    for line in (
        "  user      Rain?",
        '  assistant -> weather({"city": "Paris"})  call_1',
        "  tool      <- call_1  12 degrees",
        '  settings  "temperature": 1',
        "  answer    It is dry.",
        "  ends      without a reason, then the connection breaks",
        "  timing    first words after 400 ms, all 2 events in 900 ms",
    ):
        assert line in out.splitlines()
    shown = project.data("show", "talk")
    assert shown["answer"]["said"]["text"] == "It is dry."
    assert (shown["answer"]["beats"], shown["cost_usd"]) == ([[400, 5], [900, 5]], 0.00012)
    (project.folder / "01-broken.json").write_text("{")
    assert "E501" in project("show", "01-broken", code=3)[1]


def test_show_counts_the_cost_at_the_project_s_price(project: Project) -> None:
    project.record("00-a")
    (project.root / "agents-emu.toml").write_text('[ai.prices]\n"gpt-4o" = [1000.0, 2000.0]\n')
    assert project.data("show", "00-a")["cost_usd"] == pytest.approx((3 * 1000 + 2 * 2000) / 1_000_000)
    assert "  tokens    3 in, 2 out, $0.007" in project("show", "00-a")[0]


def test_show_without_colours_or_unicode(project: Project) -> None:
    from emulator.cli.ai.show import timing_bar

    assert timing_bar([(0, 1), (100, 4), (100, 0)], 10, ".:") == ".        :|"
    assert timing_bar([], 10, ".:") == " " * 10 + "|"


def test_parts_of_ids(project: Project) -> None:
    project.record("00-http-a-11111111", "a")
    path = project.record("00-http-b-22222222", "b")
    assert project.data("show", "2222")["id"] == "00-http-b-22222222"
    assert project.data("show", str(path))["id"] == "00-http-b-22222222"
    _, err = project("show", "00-http", code=3)
    assert err.splitlines()[0] == "E537 '00-http' names 2 recordings"


def test_diff_by_path_and_by_meaning(project: Project) -> None:
    project.record("00-a", "one")
    project.record("01-b", "two")
    project.record("02-c", "two")
    found = {row["path"]: (row["left"], row["right"]) for row in project.data("diff", "00-a", "01-b")["differences"]}
    assert found == {"$.request.body.messages[0].content": ("one", "two"), "$.answer.text": ("ONE", "TWO")}
    assert project("diff", "01-b", "02-c")[0] == "they ask and answer the same\n"
    project("diff", "01-b", "02-c", "--exit-code")
    out, err = project("diff", "00-a", "01-b", "--exit-code", code=4)
    assert out.splitlines()[:3] == ["$.request.body.messages[0].content", '  - "one"', '  + "two"']
    assert err == "exit 4 (difference)\n"


# -- changing


def test_edit_writes_the_text_and_lint_calls_it_edited(project: Project) -> None:
    path = project.record("00-a")
    project("edit", "00-a", "--text", "another answer")
    assert json.loads(path.read_text())["response"]["json"]["choices"][0]["message"]["content"] == "another answer"
    assert [row["rule"] for row in project.data("lint")["problems"]] == ["edited"]
    vector = project.record("01-b", answer={"data": [[1]]})
    before = vector.read_bytes()
    _, err = project("edit", "01-b", "--text", "x", code=3)
    assert err.splitlines()[0].startswith("E536 its text cannot be replaced")
    assert vector.read_bytes() == before


def test_an_edited_stream_is_played_with_its_new_text(project: Project) -> None:
    """A30."""
    data = b'data: {"response":"old"}\n\ndata: [DONE]\n\n'
    events = [{"t": 5, "json": {"response": "old"}}, {"t": 9, "text": "[DONE]"}]
    stream = {"framing": "sse", "events": events, "end": "complete", "chunks": [[9, len(data)]]}
    stream["sha256"] = hashlib.sha256(data).hexdigest()
    path = project.record("00-a", response={"status": 200, "stream": stream})
    for change in (
        lambda: path.write_text(path.read_text().replace("old", "by hand")),
        lambda: project("edit", "00-a", "--text", "by verb"),
    ):
        change()
        answer = parse_recording("default", path, path.read_bytes()).answer()
        text = "by hand" if "by hand" in path.read_text() else "by verb"
        assert [(chunk.t_ms, chunk.data) for chunk in answer.chunks or ()] == [
            (5, f'data: {{"response":"{text}"}}\n\n'.encode()),
            (9, b"data: [DONE]\n\n"),
        ]
        assert [row["rule"] for row in project.data("lint")["problems"]] == ["edited"]


def test_lint_fails_for_errors_only_unless_told(project: Project) -> None:
    project.record("00-a", recorded={"at": "2020-01-01T00:00:00Z"})
    out, _ = project("lint")
    assert "warning stale  fixtures/ai/default/00-a.json $.recorded.at" in out
    _, err = project("lint", "--fail-stale", code=3)
    assert "agents-emu ai record --cassette default -- <your test command>" in err
    project("lint", "--strict", code=3)
    (project.folder / "01-b.json").write_text("{")
    out, err = project("lint", code=3)
    assert out.splitlines()[0] == "error broken  fixtures/ai/default/01-b.json:1:2"
    assert err.splitlines()[0] == "E532 1 file is not in order: 1 broken"


KEY = "sk-" + "ant-" + "api03-" + "Zx9" * 20


def test_scan_finds_secrets_everywhere_and_shows_none(project: Project) -> None:
    project("scan")
    (project.root / ".dev.vars").write_text("SHOP_TOKEN=correct-horse-battery\n")
    project.record("00-known", "my token is correct-horse-battery")
    project.record("01-unknown", "x", told(KEY))
    (project.folder / "02-cut.json").write_text(f'{{"key": "{KEY}"')
    (project.folder / "blobs").mkdir()
    (project.folder / "blobs" / "a.txt").write_text(KEY)
    (project.folder / "cassette.json").write_text(json.dumps({"notes": KEY}))
    out, err = project("scan", code=3)
    assert KEY not in out + err
    assert "correct-horse" not in out + err
    rows = project.data("scan", code=3)["secrets"]
    assert {Path(row["file"]).name for row in rows} == {"00-known.json", "01-unknown.json", "02-cut.json", "a.txt", "cassette.json"}
    places = {row["path"] for row in rows}
    assert {"$.request.body.messages[0].content", "$.response.json.choices[0].message.content"} <= places
    assert err.splitlines()[-1] == "exit 3 (secrets in recordings)"
    assert project.data("scan", code=3)["error"]["code"] == "E533"


def test_rekey_needs_no_network_and_loses_no_match(project: Project) -> None:
    """A36: a normaliser is added afterwards."""
    texts = ["it is 2026-11-22", "it is 2026-11-23", "no date"]
    for index, text in enumerate(texts):
        project.record(f"0{index}-plain-name", text)
    first = project("rekey")
    assert "3 recordings were brought in line" in first[0]
    names = sorted(path.name for path in project.folder.glob("*.json"))
    assert all(name.startswith("00-http-gpt-4o-") for name in names)
    before = [project.data("show", name)["answer"]["said"]["text"] for name in names]
    dry = project.data("rekey", "--cassette", "default", "--normalise", "iso-datetime", "--dry-run")
    assert (len(dry["renewed"]), dry["written"]) == (3, False)
    assert sorted(path.name for path in project.folder.glob("0*.json")) == names
    done = project.data("rekey")
    assert len(done["renewed"]) == 3
    [merged] = done["merged"]
    assert len(merged) == 2
    after = sorted(path.name for path in project.folder.glob("0*.json"))
    assert sorted(project.data("show", name)["answer"]["said"]["text"] for name in after) == sorted(before)
    [cassette] = Library([project.root / "fixtures"], recheck_ms=0).shelf().cassettes
    for text in texts:
        asked_now = parse_recording("x", Path("x.json"), recording_of(text)).request
        assert cassette.by_key[cassette.key(asked_now)], text
    assert project("lint")[0] == "3 recordings, all in order\n", "old keys are gone, and nothing counts as edited"
    assert project.data("rekey")["renewed"] == []


def recording_of(text: str) -> bytes:
    request = {"kind": "http", "target": "POST https://api.openai.com/v1/chat/completions", "body": asked(text)}
    return json.dumps({"format": 1, "id": "x", "source": "recorded", "request": request, "response": {"status": 204}}).encode()


def test_rekey_with_a_rule_that_does_not_exist(project: Project) -> None:
    project.record("00-a")
    _, err = project("rekey", "--cassette", "default", "--normalise", "iso-datetmie", code=3)
    assert "known: iso-datetime, epoch" in err
    assert not (project.folder / "cassette.json").exists()
    (project.folder / "cassette.json").write_text('{"normalise": ["odd"]}')
    assert "cassette.json $.normalise" in project("rekey", code=3)[1], "with rules that are not known nothing is renamed"
    assert "E205" in project("rekey", "--normalise", "epoch", code=2)[1]


# -- pruning


def blob(path: Path, name: str) -> dict[str, Any]:
    import hashlib

    file = path / "blobs" / name
    file.parent.mkdir(exist_ok=True)
    file.write_bytes(name.encode())
    return {
        "status": 200,
        "blob": {"file": f"blobs/{name}", "sha256": hashlib.sha256(name.encode()).hexdigest(), "media_type": "image/png"},
    }


def test_prune_lists_what_a_full_run_did_not_use(project: Project) -> None:
    used = project.record("00-used", "a", response=blob(project.folder, "kept.png"))
    gone = project.record("01-gone", "b", response=blob(project.folder, "gone.png"))
    stub = project.stub("02-stub", {"path": "$.body.prompt", "exists": True})
    project.ran(used)
    found = project.data("prune")
    assert [Path(row["file"]) for row in found["unused"]] == [gone]
    assert found["blobs"] == [str(project.folder / "blobs" / "gone.png")]
    assert [row["recording"] for row in found["kept"]] == ["default/02-stub"]
    assert gone.exists(), "nothing goes before --apply"
    out, _ = project("prune", "--apply")
    assert out.splitlines()[-1] == "removed 1 recording and 1 blob"
    left = sorted(path.relative_to(project.folder).as_posix() for path in project.folder.rglob("*") if path.is_file())
    assert left == ["00-used.json", "02-stub.json", "blobs/kept.png"]
    assert project("prune")[0].startswith("the full run of ")
    project("prune", "--manual", "--apply")
    assert not stub.exists()


def test_prune_refuses_without_a_full_run_and_after_a_partial_one(project: Project) -> None:
    one, two = project.record("00-a", "a"), project.record("01-b", "b")
    _, err = project("prune", code=3)
    assert err.splitlines()[0] == "E531 no full run is known, so nobody can tell what is unused"
    assert "agents-emu ai replay --full --" in err
    project.ran(one, complete=False)
    project("prune", code=3)
    project.ran(one, run="full", later_s=10)
    assert len(project.data("prune")["unused"]) == 1
    project.ran(one, run="filtered", complete=False, later_s=20)
    _, err = project("prune", "--apply", code=3)
    assert err.splitlines()[0].startswith("E531 the last run (replay, ")
    assert two.exists()


def test_a_session_of_development_does_not_make_a_full_run_doubtful(project: Project) -> None:
    one = project.record("00-a", "a")
    project.ran(one)
    project.ran(run="dev", complete=False, mode="auto", later_s=20)
    project("prune")


def test_prune_trusts_all_workers_of_a_run_together_and_not_one_that_failed(project: Project) -> None:
    one, two = project.record("00-a", "a"), project.record("01-b", "b")
    project.ran(one, complete=False)
    project.ran(two)
    assert project.data("prune")["unused"] == []
    records = sorted((project.root / ".agents-emu" / "ai-runs").glob("*.json"))
    document = json.loads(records[0].read_text())
    records[0].write_text(json.dumps({**document, "complete": False}))
    project("prune", code=3)
    records[0].write_text("{")
    records[1].write_text(json.dumps({**json.loads(records[1].read_text()), "v": 9}))
    project("prune", code=3)


def test_prune_keeps_what_changed_since_or_lies_elsewhere(project: Project) -> None:
    one, two = project.record("00-a", "a"), project.record("01-b", "b")
    (project.folder / "02-broken.json").write_text("{")
    project.ran(one, later_s=-5)
    project.record("00-other", "c", folder=project.folder.parent / "later")
    os.utime(one, (0, 0))
    found = project.data("prune")
    assert found["unused"] == []
    assert {row["recording"]: row["why"].partition(",")[0].partition(":")[0] for row in found["kept"]} == {
        "default/01-b": "it is newer than the run",
        "default/02-broken": "it is broken",
    }
    assert two.exists()


def test_prune_of_one_cassette_leaves_the_others_alone(project: Project) -> None:
    other = project.folder.parent / "other"
    other.mkdir()
    kept = project.record("00-kept", "a", response=blob(other, "kept.png"), folder=other)
    gone = project.record("00-gone", "b", response=blob(project.folder, "gone.png"))
    project.ran(kept)
    found = project.data("prune", "--cassette", "default", "--apply")
    assert [Path(row["file"]) for row in found["unused"]] == [gone]
    assert (other / "blobs" / "kept.png").exists()
    assert not project.folder.exists(), "an empty cassette goes with its last recording"


def test_records_are_kept_within_bounds(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_record, "KEPT", 3)
    one = project.record("00-a")
    for number in range(5):
        project.ran(one, run=f"r{number}", later_s=number)
    assert len(list(run_record.folder_of(project.root).iterdir())) == 3


# -- other tools


def test_an_export_comes_back_byte_for_byte(project: Project) -> None:
    project.record("00-a", "ä")
    project.record("01-blob", "b", response=blob(project.folder, "x.png"), folder=project.folder)
    project.stub("02-stub", {"path": "$.turn.user", "contains": "x"})
    project("export", "--jsonl", "-o", "all.jsonl")
    before = {path.relative_to(project.folder): path.read_bytes() for path in project.folder.rglob("*") if path.is_file()}
    target = project.root / "copy"
    done = project.data("import", "jsonl", "all.jsonl", "--fixtures", str(target))
    assert len(done["written"]) == 3
    folder = target / "ai" / "default"
    after = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert {name: json.loads(data) if name.suffix == ".json" else data for name, data in after.items()} == {
        name: json.loads(data) if name.suffix == ".json" else data for name, data in before.items()
    }
    assert all(after[name] == before[name] for name in before if name.name != "02-stub.json"), "a hand-written one gets our layout"
    again = project.data("import", "jsonl", "all.jsonl", "--fixtures", str(target))
    assert (again["written"], again["same"]) == ([], 3)


def test_a_har_export_is_imported_with_its_times(project: Project) -> None:
    events = [{"t": 5, "json": {"response": "a"}}, {"t": 9, "json": {"response": "b"}}, {"t": 9, "text": "[DONE]"}]
    request = {"kind": "binding.run", "target": "@cf/meta/m", "body": {"prompt": "hi"}, "gateway": {"id": "g"}}
    response = {
        "status": 200,
        "headers": {"content-type": "text/event-stream"},
        "stream": {"framing": "sse", "events": events, "end": "complete"},
    }
    project.record("00-run", request=request, response=response)
    project.stub("01-stub", {"path": "$.body", "exists": True})
    _, err = project("export", "--har", "-o", "all.har")
    assert "01-stub.json: left out, a pattern stands for many requests" in err
    project("import", "har", "all.har", "--cassette", "back")
    [row] = project.data("ls", "--cassette", "back")
    assert (row["kind"], row["target"], row["source"]) == ("binding.run", "@cf/meta/m", "imported")
    document = json.loads(Path(row["file"]).read_text())
    assert document["response"]["stream"]["events"] == events
    assert document["request"]["gateway"] == {"id": "g"}


def test_export_needs_one_format(project: Project) -> None:
    project.record("00-a")
    for words in (["export"], ["export", "--har", "--jsonl"], ["export", "--har", "--json"]):
        assert "E205" in project(*words, code=2)[1]
    assert json.loads(project("export", "--jsonl", "00-a")[0])["cassette"] == "default"


def test_import_says_what_it_did_and_what_not(project: Project) -> None:
    fixtures = {
        "fixtures": [{"match": {"userMessage": "hi"}, "response": {"content": "ho"}}, {"match": {"endpoint": "video"}, "response": {}}]
    }
    folder = project.root / "mocks"
    folder.mkdir()
    (folder / "a.json").write_text(json.dumps(fixtures))
    (folder / "config.json").write_text('{"port": 1}')
    assert project.data("import", "aimock", "mocks", "--dry-run")["would_import"] == 4
    out, err = project("import", "aimock", "mocks", "--dialect", "chat")
    assert out.splitlines()[-1] == "2 recordings imported"
    assert "a.json $.fixtures[1]: left out, the endpoint 'video' cannot be imported" in err
    assert "config.json $.fixtures: left out, it is no fixture file of aimock" in err
    assert "E534" in project("import", "aimock", "mocks/config.json", code=3)[1]
    assert "E205 the file mocks/none.json does not exist" in project("import", "aimock", "mocks/none.json", code=2)[1]
    assert "E538 nothing was imported" in project("import", "har", str(empty_har(folder)), code=3)[1]
    assert "E506" in project("import", "aimock", "mocks/a.json", "--cassette", "../up", code=2)[1]


def empty_har(folder: Path) -> Path:
    path = folder / "empty.har"
    path.write_text('{"log": {"entries": []}}')
    return path


def test_import_stops_an_entry_with_a_secret(project: Project) -> None:
    interaction = {
        "request": {"method": "POST", "uri": "https://a.b/c", "body": KEY},
        "response": {"status": {"code": 200}, "body": {"string": "ok"}},
    }
    path = project.root / "c.json"
    path.write_text(json.dumps({"interactions": [interaction]}))
    out, err = project("import", "vcr", "c.json", code=3)
    assert err.splitlines()[0].startswith("E507 not imported, it holds what looks like a secret")
    assert "c.json $.interactions[0]" in err
    assert KEY not in out + err
    assert not list(project.root.rglob("*.part"))
    assert not (project.folder.parent / "imported").exists()


def test_yaml_needs_a_library(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "yaml", None)
    (project.root / "c.yaml").write_text("interactions: []")
    _, err = project("import", "vcr", "c.yaml", code=3)
    assert err.splitlines()[0] == "E539 reading a YAML cassette needs PyYAML"
    assert "pip install 'agents-emu[import]'" in err


def test_the_first_words_of_help_are_those_of_the_table() -> None:
    """The list in `agents-emu ai --help` is written apart from the commands: both name the same verbs."""
    group = commands.get_command(click.Context(commands), "ai")
    assert isinstance(group, click.Group)
    named: list[Callable[..., Any] | None] = [group.get_command(click.Context(group), verb) for verb in VERBS]
    assert None not in named
