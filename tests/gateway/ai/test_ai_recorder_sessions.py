"""When recordings are written, what they replace, and what survives a failure, a kill and a rival (A21, A28, A39)."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.errors import UsageError
from emulator.gateway.ai.cassettes.cassette_files import cassette_name
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

from .recording_tape import SSE, Tape, asked, events, leftovers, record, said

LOOKS_SECRET = b"sk-" + b"ant-api03-" + b"aB3d" * 8


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "fixtures")


async def test_record_replaces_what_was_asked_again_and_adds_the_rest(tape):
    first = await record(tape, "one", "two")
    assert len(first.written) == 2 and first.committed
    second = await record(tape, "two", "three", answer="b")
    assert said(tape) == {"one": ["a"], "two": ["b"], "three": ["b"]}
    (one,) = (recording.file for recording in tape.recordings() if recording.request.body["messages"][0]["content"] == "one")
    assert (second.removed, second.not_asked, leftovers(tape)) == ([], [one], [])


async def test_record_removes_what_was_not_asked_when_told_so(tape):
    await record(tape, "one", "two", "two")
    summary = await record(tape, "two", "three", answer="b", prune=True)
    assert said(tape) == {"two": ["b"], "three": ["b"]}
    assert len(summary.removed) == 2 and summary.not_asked == [] and leftovers(tape) == []


async def test_a_request_that_was_asked_less_often_keeps_its_later_answers(tape):
    await record(tape, "one", "one")
    summary = await record(tape, "one", answer="b")
    assert said(tape) == {"one": ["b", "a"]} and len(summary.not_asked) == 1


async def test_the_day_of_the_whole_cassette_is_told_only_by_a_session_that_asked_for_all(tape):
    await record(tape, "one", "two")
    tape.now = tape.now.replace(day=23)
    await record(tape, "one")
    assert b"2026-11-22" in tape.files()["cassette.json"]
    await record(tape, "one", "two")
    assert b"2026-11-23" in tape.files()["cassette.json"]


async def test_what_changed_its_key_by_other_rules_is_replaced_all_the_same(tape):
    await record(tape, "at 2026-11-22T11:02:03Z")
    (tape.root / "ai" / "default" / "cassette.json").write_text('{"format": 1, "normalise": ["iso-datetime"]}')
    summary = await record(tape, "at 2026-11-23T11:02:03Z", answer="b")
    assert list(said(tape).values()) == [["b"]] and len(summary.removed) == 1


async def test_a_failed_session_leaves_everything_as_it_was(tape):
    await record(tape, "one")
    before = tape.files()
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("two"), b"{}")
    summary = tape.recorder.discard()
    assert not summary.committed and tape.files() == before and leftovers(tape) == []


async def test_keep_failed_stores_all_the_same(tape):
    tape.recorder.begin(AiMode.RECORD, keep_failed=True)
    await tape.hear(asked("one"), b'{"response":"a"}')
    assert tape.recorder.discard().committed
    assert said(tape) == {"one": ["a"]}


@pytest.mark.parametrize("size", [1, 600_000])
async def test_a_new_session_drops_what_another_one_staged_and_tells_what_came_too_late(tape, size):
    tape.recorder.begin(AiMode.NEW)
    await tape.hear(asked("one"), b"{}")
    late = tape.tap(asked("late"), tape.reply([b"x" * size], SSE)).response.body
    tape.recorder.begin(AiMode.NEW)
    assert [len(chunk) async for chunk in late] == [size]
    await asyncio.sleep(0)
    assert [(problem.code, problem.what) for problem in tape.problems] == [("E509", "not recorded, its session ended first")]
    summary = tape.recorder.commit()
    assert (summary.written, summary.problems, leftovers(tape)) == ([], [], [])


@pytest.mark.parametrize("size", [1, 600_000])
@pytest.mark.parametrize("then", [AiMode.AUTO, AiMode.REPLAY, AiMode.RECORD])
async def test_an_answer_in_auto_outlives_its_session(tape, then, size):
    await record(tape, "late")
    tape.stored.clear()
    tape.recorder.begin(AiMode.AUTO)
    late = tape.tap(asked("late"), tape.reply([b"x" * size], [("content-type", "text/plain")])).response.body
    tape.recorder.begin(then)
    assert [len(chunk) async for chunk in late] == [size]
    await asyncio.sleep(0)
    tape.recorder.settle()
    assert len(tape.recordings()) == 2 and (tape.stored, tape.problems, leftovers(tape)) == ([], [], [])


async def test_an_answer_that_ends_when_the_recorder_is_closed_is_told(tape):
    tape.recorder.begin(AiMode.AUTO)
    late = tape.tap(asked("late"), tape.reply([b"x" * 600_000], SSE)).response.body
    tape.recorder.close()
    assert [len(chunk) async for chunk in late] == [600_000]
    assert [problem.code for problem in tape.problems] == ["E509"]


async def test_new_adds_behind_what_is_there(tape):
    await record(tape, "one", "one")
    before = tape.files()
    tape.recorder.begin(AiMode.NEW)
    await tape.hear(asked("one"), b'{"response":"third"}')
    await tape.hear(asked("two"), b'{"response":"b"}')
    (third, _) = sorted(tape.recorder.commit().written, reverse=True)
    assert said(tape) == {"one": ["a", "a", "third"], "two": ["b"]}
    assert third.name.startswith("02-") and before.items() <= tape.files().items()


async def test_once_records_only_a_cassette_that_did_not_exist(tape):
    await record(tape, "one")
    tape.recorder.begin(AiMode.ONCE)
    assert not tape.recorder.stores("default") and tape.recorder.stores("fresh")
    await tape.hear(asked("two"), b'{"response":"b"}')
    await tape.hear(asked("two"), b'{"response":"b"}', cassette="fresh")
    tape.recorder.commit()
    assert said(tape) == {"one": ["a"]} and said(tape, "fresh") == {"two": ["b"]}


async def test_auto_stores_each_answer_at_once_but_no_failure(tape):
    tape.recorder.begin(AiMode.AUTO)
    await tape.hear(asked("one"), [b'{"response":"a"}'])
    assert said(tape) == {"one": ["a"]} and leftovers(tape) == []
    await tape.hear(asked("two"), [b'{"errors":[]}'], status=429)
    assert said(tape) == {"one": ["a"]}
    (recording,) = tape.recordings()
    assert tape.stored == [recording.identity]
    tape.recorder.discard()
    assert said(tape) == {"one": ["a"]} and leftovers(tape) == []


@pytest.mark.parametrize("mode", [AiMode.LIVE, AiMode.REPLAY, AiMode.STUB, AiMode.CHECK])
async def test_other_modes_store_nothing(tape, mode):
    tape.recorder.begin(mode)
    assert not tape.recorder.stores("default")
    await tape.hear(asked("one"), b"{}")
    tape.recorder.commit()
    assert not tape.root.exists()


async def test_a_sequence_of_failures_is_recorded_in_order(tape):
    tape.recorder.begin(AiMode.RECORD)
    for status in (500, 500, 200):
        await tape.hear(asked("flaky"), b'{"response":"x"}', status=status)
    tape.recorder.commit()
    assert [recording.response["status"] for recording in tape.recordings()] == [500, 500, 200]


@pytest.mark.parametrize("mode", [AiMode.RECORD, AiMode.NEW, AiMode.ONCE])
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_never_recorded(tape, mode, status):
    tape.recorder.begin(mode)
    await tape.hear(asked("one"), b"{}", status=status)
    assert [(problem.code, problem.what) for problem in tape.problems] == [("E509", f"not recorded, it was answered {status}")]
    assert tape.recorder.commit().written == []


@pytest.mark.parametrize("mode", [AiMode.NEW, AiMode.ONCE])
async def test_modes_that_add_store_no_failure_and_say_so(tape, mode):
    tape.recorder.begin(mode)
    for status in (404, 429, 500):
        await tape.hear(asked("one"), b"{}", status=status)
    summary = tape.recorder.commit()
    assert (summary.written, [problem.code for problem in summary.problems]) == ([], ["E509"] * 3)


@pytest.mark.parametrize("mode", [AiMode.RECORD, AiMode.NEW, AiMode.ONCE, AiMode.AUTO])
async def test_what_we_said_ourselves_is_never_recorded(tape, mode):
    tape.recorder.begin(mode)
    tape.tap(asked("one"), Reply(Response(403, [], b"{}"), Source.NONE))
    await asyncio.sleep(0)
    assert tape.recorder.commit().written == [] and not tape.root.exists()


async def test_the_order_is_that_of_the_requests_whichever_answer_ends_first(tape):
    tape.recorder.begin(AiMode.NEW)
    first = tape.tap(asked("x"), tape.reply(events('{"response":"first"}'), SSE)).response.body
    tape.ms += 5
    await tape.hear(asked("x"), events('{"response":"second"}'), SSE)
    [chunk async for chunk in first]
    tape.recorder.commit()
    firsts = [recording.answer().chunks[0].data for recording in tape.recordings()]
    assert [b"first" in data for data in firsts] == [True, False]


async def test_more_than_a_hundred_of_one_key_keep_their_order(tape):
    tape.recorder.begin(AiMode.NEW)
    for number in range(120):
        await tape.hear(asked("x"), json.dumps({"response": number}).encode())
    tape.recorder.commit()
    assert said(tape) == {"x": list(range(120))}


async def test_recording_the_same_again_changes_no_file(tape):
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("a", stream=True), events('{"response":"x"}'), SSE)
    await tape.hear(asked("b"), b"{}")
    tape.recorder.commit()
    before = tape.files()
    tape.now = tape.now.replace(hour=15)
    tape.ms += 7
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("b"), b"{}")
    tape.ms += 3
    await tape.hear(asked("a", stream=True), [b"".join(events('{"response":"x"}'))], SSE)
    summary = tape.recorder.commit()
    assert (len(summary.unchanged), summary.written, summary.removed) == (2, [], [])
    assert tape.files() == before


async def test_two_recordings_of_one_suite_are_byte_identical(tmp_path):
    made = []
    for name in ("left", "right"):
        tape = Tape(tmp_path / name)
        tape.recorder.begin(AiMode.RECORD)
        for text in ("one", "two", "one") if name == "left" else ("two", "one", "one"):
            tape.ms = 1000
            await tape.hear(asked(text, stream=True), events(f'{{"response":"{text}"}}'), SSE)
        tape.recorder.commit()
        made.append(tape.files())
    assert made[0] == made[1]


async def test_what_was_edited_by_hand_or_written_by_hand_is_never_replaced(tape):
    (file,) = (await record(tape, "one")).written
    file.write_text(file.read_text().replace('"a"', '"edited"'))
    manual = {
        "format": 1,
        "id": "m",
        "source": "manual",
        "request": {"kind": "binding.run", "target": "@cf/*"},
        "response": {"status": 204},
    }
    (file.parent / "m.json").write_text(json.dumps(manual))
    before = tape.files()
    summary = await record(tape, "one", "one", answer="new")
    assert summary.kept == [file]
    after = tape.files()
    assert before.items() <= after.items()
    assert [recording.response["json"]["response"] for recording in tape.recordings() if not recording.manual] == ["edited", "new"]


async def test_another_layout_is_no_edit(tape):
    (file,) = (await record(tape, "one")).written
    file.write_text(json.dumps(json.loads(file.read_text()), indent=8))
    assert (await record(tape, "two", prune=True)).removed == [file]


async def test_a_note_or_a_repeat_is_an_edit(tape):
    (file,) = (await record(tape, "one")).written
    document = json.loads(file.read_text())
    file.write_text(json.dumps({**document, "match": {**document["match"], "repeat": "forever"}}))
    await record(tape, "two", prune=True)
    assert file.exists()


async def test_a_broken_file_and_a_broken_manifest_are_left_alone(tape):
    await record(tape, "one")
    folder = tape.root / "ai" / "default"
    (folder / "00-x.json").write_text("{")
    (folder / "cassette.json").write_text("{")
    (folder / "faults.json").write_text("[]")
    await record(tape, "two", prune=True)
    assert (folder / "00-x.json").read_text() == "{" and (folder / "cassette.json").read_text() == "{" and (folder / "faults.json").exists()


async def test_a_secret_in_one_answer_keeps_the_whole_cassette_as_it_was(tape):
    await record(tape, "one")
    before = tape.files()
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("two"), b'{"response":"b"}')
    await tape.hear(asked("three"), b'{"response":"' + LOOKS_SECRET + b'"}')
    summary = tape.recorder.commit()
    assert not summary.committed and [problem.code for problem in summary.problems] == ["E507"]
    assert tape.files() == before


async def test_blobs_go_with_the_last_recording_that_needs_them(tape):
    tape.recorder.begin(AiMode.RECORD)
    for text in ("one", "two"):
        await tape.hear(asked(text), b"\xff\x00\xff", [("content-type", "image/png")])
    tape.recorder.commit(prune=True)
    assert len([name for name in tape.files() if name.startswith("blobs/")]) == 1
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("one"), b"\xff\x00\xff", [("content-type", "image/png")])
    tape.recorder.commit(prune=True)
    assert len([name for name in tape.files() if name.startswith("blobs/")]) == 1
    await record(tape, "three", prune=True)
    assert not (tape.root / "ai" / "default" / "blobs").exists()


async def test_one_session_writes_to_several_cassettes(tape):
    tape.recorder.begin(AiMode.NEW)
    for cassette in ("left", "right"):
        await tape.hear(asked("same"), json.dumps({"response": cassette}).encode(), cassette=cassette)
        await tape.hear(asked("draw"), b"\xff\x00", [("content-type", "image/png")], cassette=cassette)
    tape.recorder.commit()
    for cassette in ("left", "right"):
        answers = [tape.bytes_of(recording) for recording in tape.recordings(cassette)]
        assert sorted(answers) == sorted([json.dumps({"response": cassette}).encode(), b"\xff\x00"])


@pytest.mark.parametrize("name", ["../x", "a/b", "", ".hidden", "..", "/abs", "a\x00b", "x" * 97])
def test_no_name_leads_out_of_the_fixtures_folder(tape, name):
    with pytest.raises(UsageError, match="cannot be the name"):
        tape.recorder.begin(AiMode.NEW, name)
    made = cassette_name(name)
    assert made == Path(made).name and not made.startswith(".") and cassette_name(made) == made


def test_scopes_that_read_alike_have_cassettes_of_their_own():
    names = {cassette_name(scope) for scope in ("a b", "a/b", "a-b", "tests/a.py::test_b[x]", "tests/a.py::test_b[y]")}
    assert len(names) == 5 and cassette_name("plain-1.x") == "plain-1.x"


async def test_two_recorders_that_replace_one_cassette_keep_what_the_other_made(tape):
    await record(tape, "a", "b", "gone")
    left, right = tape.another(), tape.another()
    for recorder in (left, right):
        recorder.begin(AiMode.RECORD)
    await tape.hear(asked("a"), b'{"response": "a"}', recorder=left)  # as it was
    await tape.hear(asked("b"), b'{"response": "new"}', recorder=right)
    await tape.hear(asked("c"), b'{"response": "c"}', recorder=right)
    left.commit(prune=True)
    right.commit(prune=True)
    assert said(tape) == {"a": ["a"], "b": ["new"], "c": ["c"]}
    assert leftovers(tape) == []


async def test_two_recorders_that_add_the_same_request_number_it_on(tape):
    left, right = tape.another(), tape.another()
    for recorder, answer in ((left, "l"), (right, "r")):
        recorder.begin(AiMode.NEW)
        await tape.hear(asked("x"), json.dumps({"response": answer}).encode(), recorder=recorder)
    right.commit()
    left.commit()
    assert said(tape) == {"x": ["r", "l"]}


@pytest.mark.parametrize("mode", [AiMode.NEW, AiMode.AUTO])
async def test_a_long_answer_is_stored_in_a_thread_and_the_end_of_the_session_waits_for_it(tape, mode):
    tape.recorder.begin(mode)
    loop_thread, on_loop = threading.get_ident(), {}
    store = tape.recorder._store

    def noted(exchange, wait_s):
        on_loop.setdefault(exchange.asked.body["messages"][0]["content"], threading.get_ident() == loop_thread)
        return store(exchange, wait_s)

    tape.recorder._store = noted
    await tape.hear(asked("long"), [b"x" * 200_000] * 2, [("content-type", "text/plain")])
    await tape.hear(asked("short"), [b"x"], [("content-type", "text/plain")])
    tape.recorder.commit()
    assert len(tape.recordings()) == 2 and len(tape.stored) == 2
    assert on_loop == {"long": False, "short": True}, "where each was tried first: one that finds the lock taken goes on in the thread"
    tape.recorder.close()
    assert leftovers(tape) == []


async def test_a_long_answer_of_a_session_that_is_dropped_leaves_nothing(tape):
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("long"), [b"x" * 200_000] * 2, [("content-type", "text/plain")])
    tape.recorder.discard()
    tape.recorder.close()
    assert tape.problems == [] and tape.files() == {} and leftovers(tape) == []


async def test_settling_tells_at_once_what_cannot_be_stored(tape):
    tape.recorder.begin(AiMode.RECORD)
    tape.tap(asked("now"), tape.reply(LOOKS_SECRET, [("content-type", "text/plain")]))
    assert tape.problems == []
    tape.recorder.settle()
    assert [problem.code for problem in tape.problems] == ["E507"]
