"""Transcripts: stable names, times, and the golden comparison."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.errors import UsageError
from emulator.scenarios import golden
from emulator.scenarios.naming import Names, compact
from emulator.scenarios.transcript import Transcript, offset

START_MS = 1_767_225_600_000


def names(*kept: str) -> Names:
    return Names(kept, START_MS)


def test_ids_are_numbered_as_they_appear() -> None:
    found = names("mine")
    first = {"id": "k3jf-99x", "toolCallId": "call_1", "own": {"id": "mine"}, "n": 1}
    assert found.value(first) == {"id": "id-1", "toolCallId": "id-2", "own": {"id": "mine"}, "n": 1}
    assert found.value({"text": "see k3jf-99x", "id": "call_1"}) == {"text": "see id-1", "id": "id-2"}


def test_ids_in_json_inside_of_texts() -> None:
    found = names()
    frame = {"body": '{"type":"start","messageId":"assistant_17_ab"}', "id": "r-1234"}
    assert compact(found.value(frame)) == '{"body":`{"messageId":"id-1","type":"start"}`,"id":"id-2"}'


def test_uuids_and_hex_ids_anywhere() -> None:
    found = names()
    uuid, ident = "6f1c7cf0-19c7-4c4f-9e6a-1f1d1c2b3a4d", "ab" * 32
    assert found.text(f"{uuid} and {ident} and {uuid}") == "id-1 and id-2 and id-1"


def test_short_texts_and_paths_keep_their_names() -> None:
    assert names().value({"id": "txt", "model_id": "@cf/x/y", "ids": ["abcd1"]}) == {"id": "txt", "model_id": "@cf/x/y", "ids": ["id-1"]}


def test_instants_are_relative() -> None:
    value = {"at": START_MS + 410, "iso": "at 2026-01-01T00:00:01.500Z", "old": 5, "flag": True}
    assert names().value(value) == {"at": "t+410", "iso": "at t+1500", "old": 5, "flag": True}


def test_a_transcript_is_lines_of_columns() -> None:
    transcript = Transcript("it works", names())
    transcript.add(0, "a", "connect", "/agents/chat/me")
    transcript.add(412, "alice", "<-", '{"b":1,"a":[1,2]}')
    transcript.add(3_600_000, "a", "<-", b"hi")
    transcript.add(None, "a", "->", "two\nlines")
    assert transcript.text().splitlines() == [
        "agents-emu transcript 1",
        "scenario  it works",
        "",
        "      00.000  a      connect     /agents/chat/me",
        '      00.412  alice  <-          {"a":[1,2],"b":1}',
        "01:00:00.000  a      <-          binary aGk=",
        "           -  a      ->          two\\nlines",
    ]


@pytest.mark.parametrize(
    ("ms", "text"),
    [(0, "00.000"), (62_500, "1:02.500"), (3_600_000, "01:00:00.000"), (183_600_001, "2d 03:00:00.001")],
)
def test_times(ms: int, text: str) -> None:
    assert offset(ms) == text


def text_of(*lines: str) -> str:
    return "\n".join(["agents-emu transcript 1", "scenario  x", "", *lines, ""])


def test_the_same_transcript_has_no_differences() -> None:
    assert golden.differences(text_of("a", "b"), text_of("a", "b")) == []


def test_differences_stand_side_by_side() -> None:
    rows = golden.differences(text_of("one", "two", "three"), text_of("one", "2", "three", "four"))
    assert [(row.mark, row.golden, row.now) for row in rows if row.mark != " "] == [("|", "two", "2"), (">", "", "four")]
    lines = golden.columns(rows, 61)
    assert max(map(len, lines)) <= 61
    assert "two                           | 2" in lines


def test_long_lines_show_where_they_differ() -> None:
    left, right = "x" * 300 + "A" + "y" * 50, "x" * 300 + "B" + "y" * 50
    line = next(line for line in golden.columns(golden.differences(text_of(left), text_of(right)), 100) if " | " in line)
    assert len(line) <= 100 and "A" in line.split(" | ")[0] and "B" in line.split(" | ")[1]


def test_a_golden_transcript_of_another_version_is_refused(tmp_path: Path) -> None:
    path, scenario = tmp_path / "bug.transcript", tmp_path / "bug.yaml"
    assert golden.path_of(scenario) == path
    assert golden.read(path, scenario) is None
    path.write_text("agents-emu transcript 9\n")
    with pytest.raises(UsageError, match="has version 9, this agents-emu writes version 1") as caught:
        golden.read(path, scenario)
    assert caught.value.code == "E284" and "--update" in str(caught.value.hint)
    path.write_text("something else")
    with pytest.raises(UsageError, match="no transcript"):
        golden.read(path, scenario)
