"""New keys after a change of rules, without a network; what nothing used (A27, A36)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.cassettes import Library
from emulator.gateway.ai.manifest import manifest_text, read_manifest
from emulator.gateway.ai.matching import Hit, select
from emulator.gateway.ai.rekey import apply_rekey, orphaned_blobs, rekey, unused

from .recording_tape import Tape, asked

RULES = ("iso-datetime",)


@pytest.fixture
async def tape(tmp_path: Path) -> Tape:
    tape = Tape(tmp_path / "fixtures")
    tape.recorder.begin(AiMode.NEW)
    for number, text in enumerate(("on 2026-11-22", "on 2026-11-23", "on 2026-11-22", "plain")):
        tape.now = tape.now.replace(minute=number)
        await tape.hear(asked(text), json.dumps({"response": number}).encode())
    tape.recorder.commit()
    return tape


def cassette(tape: Tape):
    (found,) = Library([tape.root]).shelf().cassettes
    return found


def apply(tape: Tape, rules=RULES) -> None:
    manifest = manifest_text({"normalise": list(rules), "recorded": "2026-11-22"})
    apply_rekey(tape.root / "ai", "default", rekey(cassette(tape), rules), rules, manifest=manifest)


async def test_every_request_that_matched_still_does_and_in_the_recorded_order(tape):
    apply(tape)
    shelf = Library([tape.root]).shelf()
    assert shelf.broken == () and shelf.cassettes[0].normalisers == RULES
    used: dict[tuple[str, str, str], int] = {}
    for expected in (0, 1, 2):
        found = select(shelf, asked("on 2030-01-01"), used)
        assert isinstance(found, Hit) and found.recording.response["json"] == {"response": expected}
        used[found.recording.identity] = 1
    assert select(shelf, asked("plain"), used).recording.response["json"] == {"response": 3}


async def test_files_ids_keys_and_seals_follow(tape):
    (edited,) = (file for file in (tape.root / "ai" / "default").glob("*.json") if '"response": 1' in file.read_text())
    edited.write_text(edited.read_text().replace('"response": 1', '"response": 11'))
    apply(tape)
    for recording in tape.recordings():
        assert recording.id == recording.file.stem and recording.match["key"] == recording.key(RULES)
        assert recording.match["rules"] == "default@1+iso-datetime"
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("plain"), b'{"response":"new"}')
    kept = tape.recorder.commit()
    assert [json.loads(file.read_text())["response"]["json"] for file in (tape.root / "ai" / "default").glob("0*.json")].count(
        {"response": 11}
    ) == 1
    assert len(kept.removed) == 2 and kept.kept == []  # the edited one is of another key, and stays


async def test_the_same_rules_change_nothing(tape):
    apply(tape)
    before = tape.files()
    assert rekey(cassette(tape), RULES) == []
    apply(tape)
    assert tape.files() == before


async def test_there_and_back_again(tape):
    before = tape.files()
    apply(tape)
    apply(tape, ())
    after = {name: data for name, data in tape.files().items() if name != "cassette.json"}
    assert after == {name: data for name, data in before.items() if name != "cassette.json"}


async def test_a_file_in_the_way_stops_it_before_anything_changes(tape):
    changes = rekey(cassette(tape), RULES)
    before_names = {change.before.name for change in changes}
    target = next(change.after for change in changes if change.after.name not in before_names)
    target.write_text("{")
    before = tape.files()
    with pytest.raises(FileExistsError):
        apply_rekey(tape.root / "ai", "default", changes, RULES)
    assert tape.files() == before and read_manifest(tape.root / "ai" / "default" / "cassette.json").normalise == ()


async def test_what_nothing_used_and_the_blobs_that_go_with_it(tape):
    tape.recorder.begin(AiMode.NEW)
    for text, data in (("draw", b"\xff\x01"), ("draw again", b"\xff\x01"), ("draw else", b"\xff\x02")):
        await tape.hear(asked(text), data, [("content-type", "image/png")])
    tape.recorder.commit()
    shelf = Library([tape.root]).shelf()
    used = {recording.identity for recording in shelf.recordings if recording.request.body["messages"][0]["content"] in ("draw", "plain")}
    left_over = unused(shelf, used)
    assert sorted(recording.request.body["messages"][0]["content"] for recording in left_over) == [
        "draw again", "draw else", "on 2026-11-22", "on 2026-11-22", "on 2026-11-23",
    ]  # fmt: skip
    folder = tape.root / "ai" / "default"
    assert orphaned_blobs(folder) == []
    (orphan,) = orphaned_blobs(folder, [recording.file for recording in left_over])
    assert orphan.read_bytes() == b"\xff\x02"
    (folder / "broken.json").write_text("{")
    assert orphaned_blobs(folder, [recording.file for recording in left_over]) == []
