"""A scenario from journal entries."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emulator.scenarios import document, located, yaml_text
from emulator.scenarios.recording import Recording
from emulator.scenarios.yaml_text import Comment, flow

START_MS = 1_767_225_600_000
UUID = "6f1c7cf0-19c7-4c4f-9e6a-1f1d1c2b3a4d"


def record(*entries: dict[str, Any]) -> dict[str, Any]:
    recording = Recording(START_MS)
    for number, entry in enumerate(entries):
        recording.add({"seq": number + 1, "ts_ms": START_MS, **entry})
    data = recording.data()
    # Whatever is recorded can be read again, and is a scenario.
    source = located.parse(Path("bug.yaml"), yaml_text.text(data))
    assert document.build(source).steps is not None
    steps = [row for row in data["steps"] if not isinstance(row, Comment)]
    assert source.data == {"clients": data["clients"], "steps": steps}
    return data


def opened(socket: int, url: str = "ws://127.0.0.1:8787/agents/chat/me", **more: Any) -> dict[str, Any]:
    return {"kind": "socket.open", "socket": socket, "url": url, **more}


def heard(socket: int, data: Any, **more: Any) -> dict[str, Any]:
    return {
        "kind": "frame",
        "socket": socket,
        "dir": "out",
        "type": "text",
        "text": data if isinstance(data, str) else json.dumps(data),
        **more,
    }


def said(socket: int, data: Any, **more: Any) -> dict[str, Any]:
    return {**heard(socket, data, **more), "dir": "in"}


def closed(socket: int, by: str, code: int, reason: str = "", clean: bool = True) -> dict[str, Any]:
    return {"kind": "socket.close", "socket": socket, "by": by, "code": code, "reason": reason, "clean": clean}


def test_what_clients_do_and_hear() -> None:
    data = record(
        # Frames of onConnect are sent before the handshake is answered.
        heard(1, {"type": "cf_agent_identity", "name": "me"}),
        opened(1, query="_pk=a"),
        heard(1, "hello"),
        said(1, {"type": "rpc", "id": "r1", "method": "add", "args": [1]}),
        heard(1, {"id": "r1", "result": 1}),
        said(1, "ping"),
        {**said(1, ""), "type": "binary", "base64": "aGk="},
        closed(1, "client", 1000),
        {"kind": "socket.end", "socket": 1},
    )
    assert data == {
        "clients": {"a": "/agents/chat/me?_pk=a"},
        "steps": [
            {"connect": "a"},
            {"expect": {"client": "a", "frames": [{"type": "cf_agent_identity", "name": "me"}, "hello"]}},
            {"send": {"client": "a", "json": {"type": "rpc", "id": "r1", "method": "add", "args": [1]}}},
            {"expect": {"client": "a", "frame": {"id": "r1", "result": 1}}},
            {"send": {"client": "a", "text": "ping"}},
            {"send": {"client": "a", "bytes": "aGk="}},
            {"disconnect": "a"},
        ],
    }


def test_ids_of_the_server_are_bound_and_those_of_clients_are_short() -> None:
    data = record(
        opened(1, query=f"_pk={UUID}"),
        said(1, {"id": "39d29cbe-69b6-4202-8ea2-8818b4154544", "body": '{"messages":[]}'}),
        heard(
            1,
            {
                "id": "39d29cbe-69b6-4202-8ea2-8818b4154544",
                "body": '{"messageId":"assistant_1_x","at":1767225600500}',
                "iso": "2026-01-01T00:00:00Z",
            },
        ),
        said(1, {"type": "ack", "id": "assistant_1_x", "text": "costs ${x}"}),
        heard(1, {"from": UUID}),
    )
    assert data["clients"] == {"a": "/agents/chat/me?_pk=a"}
    assert data["steps"][1:] == [
        {"send": {"client": "a", "json": {"id": "own-1", "body": {"$json": {"messages": []}}}}},
        {"expect": {"client": "a", "frame": {"id": "own-1", "body": {"$json": {"messageId": "${id1}", "at": "${any}"}}, "iso": "${any}"}}},
        {"send": {"client": "a", "json": {"type": "ack", "id": "${id1}", "text": "costs $${x}"}}},
        {"expect": {"client": "a", "frame": {"from": "a"}}},
    ]


def test_a_client_that_comes_back_is_the_same_and_others_get_letters() -> None:
    data = record(
        opened(1, query="_pk=x"),
        opened(2, query="_pk=y"),
        closed(1, "client", 1006, clean=False),
        opened(3, query="_pk=x"),
        closed(2, "server", 4001, "bye"),
        {"kind": "socket.end", "socket": 2},
        {"kind": "socket.end", "socket": 3},
    )
    assert data["steps"] == [
        {"connect": "a"},
        {"connect": "b"},
        {"disconnect": {"client": "a", "mode": "abort"}},
        {"connect": "a"},
        {"expect": {"client": "b", "close": {"code": 4001, "reason": "bye"}}},
        {"expect": {"client": "a", "close": 1006}},
    ]


def test_a_drop_is_no_client_that_leaves() -> None:
    data = record(
        opened(1),
        {"kind": "verb", "verb": "POST sockets/1/drop", "args": {"mode": "reset", "after_frames": 1}},
        heard(1, "x"),
        {"kind": "socket.drop", "socket": 1, "mode": "reset"},
        closed(1, "client", 1006, clean=False),
    )
    assert data["steps"][1:] == [
        {"drop": {"client": "a", "mode": "reset", "after_frames": 1}},
        {"expect": {"client": "a", "frame": "x"}},
        {"expect": {"client": "a", "close": 1006}},
    ]


def test_pauses_let_time_pass() -> None:
    data = record(opened(1), said(1, "one"), said(1, "two", ts_ms=START_MS + 20_400), heard(1, "x", ts_ms=START_MS + 60_000))
    assert data["steps"][2:] == [
        {"advance": "20s"},
        {"send": {"client": "a", "text": "two"}},
        {"expect": {"client": "a", "frame": "x"}},
    ]


def test_requests_of_agents_are_kept_and_those_of_pages_are_not() -> None:
    body = {"type": "application/json", "bytes": 9, "text": '{"n": 17}'}
    data = record(
        {
            "kind": "request",
            "method": "GET",
            "path": "/",
            "status": 200,
            "ms": 1,
            "response": {"type": "text/html", "bytes": 5, "text": "<p>"},
        },
        {"kind": "request", "method": "GET", "path": "/app.js", "status": 304, "ms": 1},
        {"kind": "request", "method": "POST", "path": "/hook", "query": "x=1", "status": 202, "ms": 1, "body": body, "response": body},
        {
            "kind": "request",
            "method": "PUT",
            "path": "/file",
            "status": 200,
            "ms": 1,
            "body": {"type": "x/y", "bytes": 3, "base64": "AAAA"},
        },
    )
    assert data["steps"][:1] == [{"http": {"request": "POST /hook?x=1", "json": {"n": 17}, "expect": {"status": 202, "json": {"n": 17}}}}]
    assert len(data["steps"]) == 2


def test_verbs_are_steps() -> None:
    def verb(words: str, **args: Any) -> dict[str, Any]:
        return {"kind": "verb", "verb": words, "args": args}

    data = record(
        opened(7),
        verb("POST objects/Chat/me%20too/evict"),
        verb("POST objects/Chat/me/abort", reason="no"),
        verb("POST sockets/7/drop", mode="reset", after_frames=3),
        verb("POST sockets/7/drop", mode="stall"),
        verb("POST sockets/7/resume"),
        verb("POST hosts/python/crash"),
        verb("POST deploy"),
        verb("POST clock/advance", ms=90_000),
        verb("POST alarms/Chat/me/fire"),
        verb("POST ai/faults", do={"status": 500}),
        verb("POST clock/settle"),
    )
    assert data["steps"][1:] == [
        {"evict": "Chat/me too"},
        {"abort": {"object": "Chat/me", "reason": "no"}},
        {"drop": {"client": "a", "mode": "reset", "after_frames": 3}},
        {"stall": "a"},
        {"resume": "a"},
        {"crash": None},
        {"deploy": None},
        {"advance": "90000ms"},
        {"fire": "Chat/me"},
        {"fault": {"do": {"status": 500}}},
    ]


def test_long_runs_of_deltas_lose_their_middle() -> None:
    deltas = [heard(1, {"body": json.dumps({"type": "text-delta", "delta": str(number)})}) for number in range(40)]
    data = record(opened(1), *deltas, heard(1, {"done": True}))
    frames = data["steps"][1]["expect"]["frames"]
    assert [frame["body"]["$json"]["delta"] for frame in frames[:-1]] == ["0", "1", "2", "37", "38", "39"]


def test_words_that_need_quotes_get_them() -> None:
    values = ["a", "a b", "true", "12", "on", "~", "", "x: y", "- x", "#", "Chat/me", "$json", "${x}", "é", "a\nb", "...", "1e3"]
    for value in values:
        assert located.parse(Path("x.yaml"), f"a: {flow(value)}\nb: [{flow(value)}]").data == {"a": value, "b": [value]}
