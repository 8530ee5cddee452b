"""The watch over chat streams: whose frames it tells apart, what it writes down, and what it forgets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Journal
from emulator.gateway.sockets import ObjectRef
from emulator.gateway.stream_checker import KINDS, MAX_OBJECTS, StreamWatch

RESPONSE = "cf_agent_use_chat_response"


class Stage:
    """A journal with a watch over sockets that are only names."""

    def __init__(self) -> None:
        self.sockets: dict[int, Any] = {}
        self.journal = Journal(SystemClock())
        self.watch = StreamWatch(self.journal, self.sockets, lambda text: text.replace("hunter2", "***"))
        self.journal.subscribe(self.watch, KINDS)
        self.entries: list[dict[str, Any]] = []
        self.journal.subscribe(self.entries.append, ["violation"])

    def open(self, ident: int, name: str = "me", *, below: str = "", client: str = "a") -> None:
        owner = ObjectRef("Chat", f"id-{name}", name)
        self.sockets[ident] = SimpleNamespace(url=f"http://x/agents/chat/{name}{below}?_pk={client}", object=owner)

    def says(self, ident: int, number: int, request: str = "r", text: str = "x") -> None:
        frame = {"type": RESPONSE, "id": request, "done": False, "seq": number, "body": text}
        self.watch.frame(ident, True, False, json.dumps(frame).encode())


@pytest.fixture
def stage() -> Iterator[Stage]:
    stage = Stage()
    yield stage
    stage.journal.close()


def test_a_violation_is_an_entry_and_a_row(stage: Stage) -> None:
    stage.open(7, client="tab")
    stage.says(7, 0)
    stage.says(7, 0, text="the key is hunter2")
    (row,) = stage.watch.violations
    assert (row["code"], row["socket"], row["client"], row["request"]) == ("E463", 7, "tab", "r")
    assert row["object"] == {"class": "Chat", "id": "id-me", "name": "me"}
    assert [frame["dir"] for frame in row["frames"]] == ["out", "out"]
    assert "hunter2" not in json.dumps(row)
    assert [entry["code"] for entry in stage.entries] == ["E463"]


def test_objects_are_judged_apart_and_sub_agents_too(stage: Stage) -> None:
    for ident, (name, below) in enumerate([("one", ""), ("two", ""), ("one", "/sub/child/c"), ("one", "/sub/child/d")]):
        stage.open(ident, name, below=below)
        stage.says(ident, 0, text=f"said to {ident}")  # one number, another chunk
    assert not stage.watch.violations


def test_two_tabs_of_one_object_are_judged_together(stage: Stage) -> None:
    stage.open(1, client="a")
    stage.open(2, client="b")
    stage.says(1, 0, text="one")
    stage.says(2, 0, text="another")
    assert [row["code"] for row in stage.watch.violations] == ["E469"]


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("host.crashed", {}),
        ("host.serving", {}),
        ("object", {"class": "Chat", "id": "id-me", "state": "starting"}),
        ("object", {"class": "Chat", "id": "id-me", "state": "hibernated"}),
    ],
)
def test_an_object_that_lost_its_memory_may_say_it_again(stage: Stage, kind: str, fields: dict[str, Any]) -> None:
    stage.open(1)
    stage.says(1, 0)
    stage.journal.add(kind, **fields)
    stage.says(1, 0, text="anew")
    assert not stage.watch.violations


def test_another_object_that_lost_its_memory_is_no_excuse(stage: Stage) -> None:
    stage.open(1)
    stage.says(1, 0)
    stage.journal.add("object", **{"class": "Chat", "id": "id-other", "state": "starting"})
    stage.journal.add("object", **{"class": "Chat", "id": "id-me", "state": "idle"})
    stage.says(1, 0)
    assert [row["code"] for row in stage.watch.violations] == ["E463"]


def test_what_is_unfinished_is_owed_only_while_somebody_waits(stage: Stage) -> None:
    stage.open(1)
    stage.says(1, 0)
    assert [row["code"] for row in stage.watch.unfinished()] == ["E460"]
    stage.journal.add("socket.end", socket=1)
    assert stage.watch.unfinished() == []


def test_other_frames_cost_no_look(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    stage.open(1)
    monkeypatch.setattr("emulator.core.resumable_streams.json.loads", lambda text: pytest.fail("it was parsed"))
    stage.watch.frame(1, True, False, b'{"type":"rpc","id":"1"}')
    stage.watch.frame(1, False, True, b"cf_agent_ in a binary frame")
    assert not stage.watch.violations


def test_what_is_no_text_is_nothing(stage: Stage) -> None:
    stage.open(1)
    for payload in (b"\xff\xfe cf_agent_", b'{"type":"cf_agent_use_chat_response"', b'{"type":"cf_agent_use_chat_response","id":7}', b""):
        stage.watch.frame(1, True, False, payload)
    stage.watch.frame(99, True, False, b'{"type":"cf_agent_use_chat_response","id":"r","done":true}')  # a socket that is gone
    assert not stage.watch.violations


def test_it_remembers_no_more_than_so_many_objects(stage: Stage) -> None:
    for ident in range(MAX_OBJECTS + 50):
        stage.open(ident, f"n{ident}")
        stage.says(ident, 0)
        stage.journal.add("socket.end", socket=ident)
    assert len(stage.watch._watched) <= MAX_OBJECTS
    stage.watch.restart()
    assert not stage.watch._watched
    assert not stage.watch._of
