"""The journal's door: entries in order, bounded, and none with a secret value, however deep or in however many pieces."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from emulator.clock.virtual import VirtualClock
from emulator.config import Redactor, Secrets
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Entry, Journal
from emulator.gateway.journal import journal as journals
from emulator.gateway.journal.entries import MAX_TEXT, ShownBody
from emulator.gateway.journal.file import lines_of
from emulator.gateway.journal.reading import Wanted, follow
from emulator.gateway.journal.ring import Ring
from emulator.gateway.sockets import ObjectRef

KEY = "sk-0123456789abcdef"
ECHO = ObjectRef("Echo", "e" * 64, "me")


def made(key: str = KEY, path: Path | None = None) -> Journal:
    return Journal(SystemClock(), path, Redactor(Secrets({"KEY": key})))


def say(journal: Journal, *texts: str | bytes, socket: int = 1, outgoing: bool = True) -> None:
    for text in texts:
        journal.frame(socket, ECHO, outgoing, isinstance(text, bytes), text.encode() if isinstance(text, str) else text)


def texts(journal: Journal, socket: int = 1) -> list[str]:
    return [entry["text"] for entry in journal.since(0) if entry.get("socket") == socket]


async def test_every_text_of_an_entry_is_redacted(tmp_path: Path) -> None:
    journal = made(path=tmp_path / "journal.ndjson")
    heard: list[Entry] = []
    journal.subscribe(heard.append)
    lines = [f"a {KEY}"]
    journal.add("x", text=KEY, error={"message": f"m {KEY}", "props": {"deep": [KEY, 1, None]}}, lines=lines, pair=(KEY, True))
    (entry,) = heard
    expected = {
        "text": "[secret KEY]",
        "error": {"message": "m [secret KEY]", "props": {"deep": ["[secret KEY]", 1, None]}},
        "lines": ["a [secret KEY]"],
        "pair": ["[secret KEY]", True],
    }
    assert {name: entry[name] for name in expected} == expected
    assert journal.since(0) == [entry]
    assert lines == [f"a {KEY}"], "what the caller gave stays his"
    journal.close()
    assert json.loads((tmp_path / "journal.ndjson").read_text()) == entry


def test_what_is_added_later_does_not_change_an_entry() -> None:
    journal = made()
    tags = ["a"]
    journal.add("x", tags=tags)
    tags.append("b")
    assert journal.since(0)[0]["tags"] == ["a"]


@pytest.mark.parametrize("at", range(1, len(KEY)))
@pytest.mark.parametrize("read_between", [False, True])
def test_a_secret_in_two_frames_is_in_none(at: int, read_between: bool) -> None:
    journal = made()
    say(journal, f"it is {KEY[:at]}")
    if read_between:
        journal.since(0)
    say(journal, f"{KEY[at:]}, keep it")
    first, second = texts(journal)
    assert KEY[:8] not in first + second and KEY[at:] not in second
    assert first.startswith("it is ") and second.endswith(", keep it")
    assert "[secret KEY]" in first + second


@pytest.mark.parametrize("read_between", [False, True])
def test_a_secret_said_letter_by_letter(read_between: bool) -> None:
    journal = made()
    for letter in f"<{KEY}>":
        say(journal, letter)
        if read_between:
            journal.since(0)
    said = "".join(texts(journal))
    assert said.startswith("<") and said.endswith(">")
    assert KEY[:8] not in said and KEY[-8:] not in said


def delta(text: str, depth: int) -> str:
    body = json.dumps({"type": "text-delta", "id": "0", "delta": text})
    return body if depth == 0 else json.dumps({"type": "cf_agent_use_chat_response", "id": "r", "body": body, "done": False})


@pytest.mark.parametrize("depth", [0, 1])
def test_a_secret_that_a_chat_streams(depth: int) -> None:
    journal = made()
    for piece in ("My key is ", KEY[:3], KEY[3:9], KEY[9:], "."):
        say(journal, delta(piece, depth))
    said = texts(journal)
    assert [said[0], said[4]] == [delta("My key is ", depth), delta(".", depth)]
    assert said[1] == delta("[secret KEY]", depth)
    assert said[2] == said[3] == delta("", depth)


def test_other_sockets_and_directions_are_other_texts() -> None:
    journal = made()
    say(journal, f"a {KEY[:6]}")
    say(journal, KEY[6:], socket=2)
    say(journal, KEY[6:], outgoing=False)
    assert texts(journal, 2) == [KEY[6:]]
    assert texts(journal) == [f"a {KEY[:6]}", KEY[6:]]


def test_a_secret_in_bytes_and_in_what_is_cut() -> None:
    journal = made()
    say(journal, b"\xff" + KEY.encode() + b"\x00")
    say(journal, "x" * (MAX_TEXT - 10) + KEY + "y" * 10 + KEY[:12])
    say(journal, KEY[12:] + " after")
    binary, long, after = journal.since(0)
    assert base64.b64decode(binary["base64"]) == b"\xff[secret KEY]\x00" and "text" not in binary
    assert long["cut"] and long["bytes"] == MAX_TEXT + len(KEY) + 12
    assert long["text"].endswith("x[secret KEY]")
    assert after["text"] == "[secret KEY] after"


def test_bodies_are_shown_without_secrets() -> None:
    journal = made()
    whole = ShownBody([(b"Content-Type", b"application/json")], [b'{"key": "', KEY.encode(), b'"}'], 30)
    long = ShownBody([(b"content-type", b"text/plain")])
    for chunk in ("z" * (MAX_TEXT - 10), KEY, "more"):
        long.passed(chunk.encode())
    raw = ShownBody([], [b"\xff" + KEY.encode()], 20)
    journal.request(b"POST", f"/a?key={KEY}&b=1", 200, 0.0125, lambda path: {"class": "Echo", "name": "me"}, whole, long)
    journal.request(b"PUT", "/b", 200, 0.001, lambda path: None, raw, None)
    first, second = journal.since(0)
    assert first["body"]["text"] == '{"key": "[secret KEY]"}' and first["query"] == "key=[secret KEY]&b=1"
    assert first["response"]["bytes"] == MAX_TEXT - 10 + len(KEY) + 4
    assert first["response"]["cut"] and first["response"]["text"].endswith("z[secret KEY]")
    assert (first["method"], first["path"], first["status"], first["ms"]) == ("POST", "/a", 200, 12.5)
    assert base64.b64decode(second["body"]["base64"]) == b"\xff[secret KEY]" and "response" not in second


def test_a_secret_learned_later_is_hidden_from_then_on() -> None:
    redact = Redactor(Secrets({}))
    journal = Journal(SystemClock(), None, redact)
    say(journal, "nothing to hide")
    redact.learn(Secrets({"KEY": KEY}))
    say(journal, f"now {KEY}")
    assert texts(journal) == ["nothing to hide", "now [secret KEY]"]


def test_a_reader_gets_the_kinds_it_wants_and_a_watcher_what_passed() -> None:
    journal = made()
    some: list[Entry] = []
    everything: list[Entry] = []
    frames: list[Any] = []
    leave = journal.subscribe(some.append, kinds=["log", "frame"])
    stop = journal.watch_frames(lambda *frame: frames.append(frame))
    end = journal.subscribe(everything.append)
    journal.add("log", text="a")
    journal.add("note", op="b")
    say(journal, KEY)
    assert [entry["kind"] for entry in some] == ["log", "frame"] and some[1]["text"] == "[secret KEY]"
    assert [entry["kind"] for entry in everything] == ["log", "note", "frame"]
    assert frames == [(1, True, False, KEY.encode())]
    for ended in (leave, stop, end):
        ended()
    say(journal, "more")
    journal.add("log", text="c")
    assert (len(some), len(everything), len(frames)) == (2, 3, 1)


def test_turns_points_and_chunks_have_their_fields() -> None:
    journal = made()
    journal.turn(b"Echo\n" + b"e" * 64 + b"\nme\n3\nwebSocketMessage\n1.25\n1\n4\n2\n6")
    journal.point("7\nrequest\n\n\n\n\nPOST https://host/ü".encode())
    journal.chunk("c-1", 2, 64)
    journal.verb("POST", "sockets/3/drop", {"mode": "reset", "reason": KEY})
    turn, point, chunk, verb = journal.since(0)
    about = {"class": "Echo", "id": "e" * 64, "name": "me", "generation": 3}
    counts = {"commits": 1, "rows_read": 4, "rows_written": 2, "statements": 6}
    head = ("seq", "ts_ms", "real_ms")
    assert {k: v for k, v in turn.items() if k not in head} == {
        "kind": "turn",
        "object": about,
        "label": "webSocketMessage",
        "ms": 1.25,
        **counts,
    }
    assert {k: v for k, v in point.items() if k not in head} == {"kind": "point", "n": 7, "what": "request", "label": "POST https://host/ü"}
    assert (chunk["call"], chunk["n"], chunk["bytes"]) == ("c-1", 2, 64)
    assert verb["verb"] == "POST sockets/3/drop" and verb["args"] == {"mode": "reset", "reason": "[secret KEY]"}


def test_anything_can_be_an_entry() -> None:
    journal = made()
    journal.add("x", huge=1 << 80, keys={1: "a"}, path=Path("/a"), text="\udcff", nothing=float("nan"))
    (entry,) = journal.since(0)
    assert entry["huge"] == 1 << 80 and entry["keys"] == {"1": "a"} and entry["path"] == "/a" and entry["text"] == "\udcff"
    say(journal, b"\xff\xfe".decode("latin-1"))
    journal.frame(1, None, False, False, b"\xff\xfe")
    assert texts(journal) == ["ÿþ", "\ufffd\ufffd"]


def test_times_are_the_clocks_and_the_machines() -> None:
    journal = Journal(VirtualClock(1_000))
    journal.add("x")
    say(journal, "a")
    for entry in journal.since(0):
        assert entry["ts_ms"] == 1_000 and abs(entry["real_ms"] - SystemClock().now_ms()) < 60_000
    real = made()
    real.add("x")
    assert real.since(0)[0]["ts_ms"] == real.since(0)[0]["real_ms"]


async def read(journal: Journal, since: int = 0, wanted: Wanted = Wanted(), **options: Any) -> list[Entry]:  # noqa: B008
    return [json.loads(line) async for batch in follow(journal, since, wanted, **options) for _, line in batch]


async def test_what_is_not_in_memory_any_more_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.gateway.journal.ring.ENTRIES", 10)
    journal = made()
    for number in range(25):
        journal.add("x", number=number)
        journal.flush()
    found = await read(journal, 3)
    assert (found[0]["kind"], found[0]["seq"], found[0]["from"], found[0]["to"]) == ("gap", 15, 4, 15)
    assert [entry["seq"] for entry in found[1:]] == list(range(16, 26))
    assert [entry["kind"] for entry in await read(journal, 3, Wanted(kinds=frozenset({"y"})))] == ["gap"]
    assert [entry["seq"] for entry in await read(journal, 20, limit=2)] == [21, 22]
    assert await read(journal, 25) == await read(journal, 99) == []


def test_memory_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.gateway.journal.ring.BYTES", 10_000)
    journal = made()
    for _ in range(20):
        journal.add("x", text="y" * 1000)
        journal.flush()
    kept = journal.since(0)
    assert 8 <= len(kept) < 10 and kept[-1]["seq"] == 20


async def test_too_much_at_once_is_a_gap_and_nothing_waits_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(journals, "BACKLOG", 100)
    path = tmp_path / "journal.ndjson"
    journal = made(path=path)
    for number in range(250):
        say(journal, str(number))
    journal.close()
    entries = [json.loads(line) for line in lines_of(path)]
    assert entries == journal.since(0)
    at = 1
    for entry in entries:
        assert (entry["from"] if entry["kind"] == "gap" else entry["seq"]) == at
        at = entry["seq"] + 1
    assert at == 251 and sum(entry["kind"] == "gap" for entry in entries) == 3
    assert entries[-1]["text"] == "249"


@pytest.mark.parametrize(("size", "gaps"), [(100_000, 0), (10_000, 2)])
async def test_frames_that_wait_are_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch, size: int, gaps: int) -> None:
    """Few large ones are made at once, of many the oldest are a gap."""
    monkeypatch.setattr(journals, "BACKLOG_BYTES", 1_000_000)
    journal = made()
    for _ in range(230):
        say(journal, "x" * size)
    found = journal.since(0)
    assert [entry["kind"] for entry in found].count("gap") == gaps
    assert found[-1]["seq"] == 230 and found[-1]["bytes"] == size


def test_one_frame_may_be_larger_than_all_that_may_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "BACKLOG_BYTES", 1_000_000)
    journal = made()
    say(journal, "x" * 2_000_000)
    (entry,) = journal.since(0)
    assert entry["cut"] and entry["bytes"] == 2_000_000


async def test_the_numbers_go_on_over_files_and_the_end_of_one_may_be_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emulator.gateway.journal.file.MAX_FILE", 2_000)
    path = tmp_path / "journal.ndjson"
    journal = made(path=path)
    for number in range(12):
        journal.add("x", number=number, text="y" * 200)
        journal.flush()
    journal.close()
    seqs = [json.loads(line)["seq"] for line in lines_of(path)]
    assert seqs == list(range(seqs[0], 13)) and path.with_name("journal.ndjson.1").exists()
    with path.open("ab") as file:
        file.write(b'{"kind":"x","se')
    assert len(list(lines_of(path))) == len(seqs)


async def test_beginning_anew(tmp_path: Path) -> None:
    path = tmp_path / "journal.ndjson"
    journal = made(path=path)
    say(journal, KEY[:10], "a")
    journal.restart()
    assert journal.last_seq == 0 and journal.since(0) == []
    say(journal, KEY[10:])
    assert [(entry["seq"], entry["text"]) for entry in journal.since(0)] == [(1, KEY[10:])]
    journal.close()
    assert len(path.read_text().splitlines()) == 1 and len(path.with_name("journal.ndjson.1").read_text().splitlines()) == 2


async def test_beginning_anew_without_a_place_for_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = made(path=tmp_path / "journal.ndjson")

    def refused(path: Path) -> Any:
        raise OSError(13, "Permission denied")

    monkeypatch.setattr("emulator.gateway.journal.file._open_anew", refused)
    journal.restart()
    journal.add("x")
    journal.close()
    assert [entry["kind"] for entry in journal.since(0)] == ["internal", "x"]


async def test_a_file_that_cannot_be_written_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = made(path=tmp_path / "journal.ndjson")

    def full(self: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.gateway.journal.file.JournalFile.write", full)
    journal.add("x")
    journal.flush()
    kinds = [(entry["kind"], entry.get("text")) for entry in journal.since(0)]
    assert kinds[0] == ("x", None) and kinds[1][0] == "internal" and "No space left" in str(kinds[1][1])
    journal.add("y")
    journal.close()
    assert journal.last_seq == 3


def test_the_ring_finds_what_is_behind_a_number() -> None:
    assert list(Ring().behind(0)) == []
