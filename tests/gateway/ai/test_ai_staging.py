"""Recordings on their way to disk: what survives a kill, a full disk, a rival and odd files, and what is never on disk (A28, A39)."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.errors import RecordingError
from emulator.gateway.ai.cassettes.inventory import read_inventory
from emulator.gateway.ai.curation.scanning import scanned
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.recorder.staging import Staging

from .recording_tape import JSON, Tape, asked, leftovers, record, said

LOOKS_SECRET = b"sk-" + b"ant-api03-" + b"aB3d" * 8


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    return Tape(tmp_path / "fixtures")


KILLED = """
import asyncio, os, sys, time
from pathlib import Path
from emulator.config import AiMode
from emulator.gateway.ai.recorder import staging
sys.path.insert(0, sys.argv[1])
from recording_tape import Tape, asked

async def main():
    tape = Tape(Path(sys.argv[2]))
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked("new"), b'{"response":"new"}')
    await tape.hear(asked("draw"), b"\\xff\\x00", [("content-type", "image/png")])
    if sys.argv[3] == "staged":
        print("ready", flush=True)
        time.sleep(60)
    replace, done = os.replace, []
    def one_then_wait(source, target):
        replace(source, target)
        done.append(target)
        if len([path for path in done if str(path).startswith(sys.argv[2] + "/ai/default/")]) == 1:
            print("ready", flush=True)
            time.sleep(60)
    staging.os.replace = one_then_wait
    tape.recorder.commit(prune=True)

asyncio.run(main())
"""


def killed(tape: Tape, when: str) -> None:
    here = str(Path(__file__).parent)
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, here, str(tape.root), when], stdout=subprocess.PIPE, cwd=Path(here).parents[2]
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait(timeout=20)
    process.stdout.close()


async def test_killed_before_the_commit_nothing_has_changed(tape):
    await record(tape, "old")
    before = tape.files()
    killed(tape, "staged")
    assert tape.files() == before and said(tape) == {"old": ["a"]}
    assert len(leftovers(tape)) == 1
    tape.another()
    assert leftovers(tape) == [] and tape.files() == before
    (told,) = tape.problems
    assert told.code == "E510" and told.what.startswith("2 answers were not recorded")


async def test_killed_in_the_middle_of_the_commit_it_is_completed(tape):
    await record(tape, "old")
    killed(tape, "moving")
    tape.another()
    assert leftovers(tape) == []
    texts = sorted(recording.request.body["messages"][0]["content"] for recording in tape.recordings())
    assert texts == ["draw", "new"] and tape.problems == []


async def test_a_session_that_lives_is_left_alone(tape):
    tape.recorder.begin(AiMode.NEW)
    await tape.hear(asked("x"), [b'{"response":"a"}'])
    tape.another()
    assert len(leftovers(tape)) == 1
    tape.recorder.commit()
    assert said(tape) == {"x": ["a"]}


@pytest.mark.parametrize("size", [40_000, 3_000_000])
@pytest.mark.parametrize("media_type", ["text/plain", "text/event-stream", "video/mp4"])
async def test_a_secret_in_a_blob_is_in_no_file_not_even_a_staged_one(tape, monkeypatch, media_type, size):
    kept, keep_blob = [], Staging.keep_blob

    def noted(self, cassette, windows, kind):
        kept.append(kind)
        return keep_blob(self, cassette, windows, kind)

    monkeypatch.setattr(Staging, "keep_blob", noted)
    tape.recorder.begin(AiMode.NEW)
    await tape.hear(asked("harmless"), [b"\xff" * size], [("content-type", "video/mp4")])
    said = [b"data: " + b"x" * size + b" ", LOOKS_SECRET, b"\n\n"]
    await tape.hear(asked("one"), said, [("content-type", media_type)])
    tape.recorder.settle()
    assert [problem.code for problem in tape.problems] == ["E507"]
    assert LOOKS_SECRET not in tape.everything() and kept == ["video/mp4"] and len(list((tape.root / "ai").rglob("blobs/*"))) == 1


async def test_half_a_blob_is_not_left(tape):
    staging = Staging(tape.root / "ai")

    def windows():
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        staging.keep_blob("default", windows(), "video/mp4")
    assert list((tape.root / "ai").rglob("blobs/*")) == []
    staging.close()


def odd_files(folder: Path) -> None:
    (folder / "zz.json").mkdir()
    (folder / "x.json").symlink_to("nowhere.json")
    (folder / "loop.json").symlink_to("loop.json")


async def test_directories_and_links_that_lead_nowhere_are_in_nobodys_way(tape):
    await record(tape, "one", "two")
    folder = tape.root / "ai" / "default"
    odd_files(folder)
    summary = await record(tape, "one", answer="b", prune=True)
    assert (said(tape), len(summary.removed)) == ({"one": ["b"]}, 1)
    assert (folder / "zz.json").is_dir() and (folder / "x.json").is_symlink()
    inventory = read_inventory(tape.root)
    assert len(inventory.entries) == 1 and scanned(inventory, Redaction(dict)) == []


async def test_what_stands_in_the_way_of_a_commit_is_named(tape):
    (tape.root / "ai").mkdir(parents=True)
    (tape.root / "ai" / "default").write_text("no folder")
    with pytest.raises(RecordingError) as error:
        await record(tape, "one")
    assert error.value.code == "E508" and error.value.where == str(tape.root / "ai" / "default")


def fails_at(monkeypatch, tape: Tape, which: int) -> None:
    """Moving the file of this number into the cassette fails, and all after it."""
    replace, moved = os.replace, []

    def full(source, target):
        if Path(target).parent == tape.root / "ai" / "default":
            moved.append(target)
            if len(moved) >= which:
                raise PermissionError(13, "Permission denied", str(source), None, str(target))
        replace(source, target)

    monkeypatch.setattr("emulator.gateway.ai.recorder.staging.os.replace", full)


@pytest.mark.parametrize("by", ["the next start", "the next commit"])
async def test_a_commit_that_fails_half_way_is_completed_later(tape, monkeypatch, by):
    await record(tape, "one", "two")
    fails_at(monkeypatch, tape, 2)
    with pytest.raises(RecordingError) as error:
        await record(tape, "one", "two", answer="b")
    monkeypatch.undo()
    assert error.value.code == "E508" and error.value.where.endswith(".json") and "or start" in error.value.hint
    assert sorted(said(tape).values()) == [["a"], ["b"]] and len(leftovers(tape)) == 1
    if by == "the next start":
        tape.another()
        assert leftovers(tape) == []
    else:
        await record(tape, "three")
        assert said(tape).pop("three") == ["a"]
    assert [answers for text, answers in said(tape).items() if text != "three"] == [["b"], ["b"]] and tape.problems == []


async def test_what_was_cut_off_does_not_come_back_over_what_is_newer(tape, monkeypatch):
    await record(tape, "one", "two")
    fails_at(monkeypatch, tape, 1)
    with pytest.raises(RecordingError):
        await record(tape, "one", "two", answer="older")
    monkeypatch.undo()
    await record(tape, "one", "two", answer="newer")
    tape.another()
    assert said(tape) == {"one": ["newer"], "two": ["newer"]}


@pytest.fixture
def held(tape: Tape) -> Iterator[None]:
    """Another process holds the lock."""
    (tape.root / "ai").mkdir(parents=True)
    words = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_EX); print(os.getpid(), flush=True); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", words, str(tape.root / "ai")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin is not None and holder.stdout is not None
    holder.stdout.readline()
    yield holder
    holder.stdin.close()
    holder.wait(timeout=20)
    holder.stdout.close()


async def test_a_cassette_that_another_process_writes_does_not_hold_up_the_loop(tape, held):
    tape.recorder.begin(AiMode.AUTO)
    tape.tap(asked("one"), tape.reply(b'{"response":"a"}', JSON))
    await asyncio.sleep(0)  # would wait for ever, were the lock taken here
    assert tape.stored == []
    held.stdin.write("\n")
    held.stdin.flush()
    async with asyncio.timeout(20):
        while not tape.stored:
            await asyncio.sleep(0.01)
    assert said(tape) == {"one": ["a"]} and tape.problems == []


@pytest.mark.parametrize("mode", [AiMode.AUTO, AiMode.NEW])
async def test_who_holds_the_lock_for_ever_is_named(tape, held, monkeypatch, mode):
    monkeypatch.setattr("emulator.gateway.ai.recorder.recorder.PATIENCE_S", 0.1)
    tape.recorder.begin(mode)
    await tape.hear(asked("one"), b"{}")
    tape.recorder.settle()
    (problem,) = tape.problems
    assert problem.code == "E508" and f"process {held.pid} writes there" in problem.what


async def test_a_server_that_starts_leaves_a_session_alone_that_makes_its_folder_just_now(tape, monkeypatch):
    """Between making the folder and locking it."""
    lock, others = fcntl.flock, []

    def start_another_server(descriptor, how):
        if Path(os.readlink(f"/proc/self/fd/{descriptor}")).name.startswith(".staging-") and not others:
            others.append(threading.Thread(target=tape.another))
            others[0].start()
            others[0].join(0.1)
        lock(descriptor, how)

    monkeypatch.setattr("emulator.gateway.ai.recorder.staging.fcntl.flock", start_another_server)
    await record(tape, "one")
    others[0].join(20)
    assert said(tape) == {"one": ["a"]} and len(others) == 1


def test_a_session_that_ends_when_the_loop_has_gone_waits_for_the_lock(tape, held, monkeypatch):
    monkeypatch.setattr("emulator.gateway.ai.recorder.recorder.PATIENCE_S", 0.1)
    tape.recorder.begin(AiMode.NEW)

    async def ask() -> None:
        tape.tap(asked("one"), tape.reply(b"{}", JSON))

    asyncio.run(ask())
    assert [problem.code for problem in tape.recorder.commit().problems] == ["E508"]
