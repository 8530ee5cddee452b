"""What the terminal shows for each event, as text and as JSON."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest

from emulator.cli.colours import Paint, wants_colour
from emulator.cli.pretty import Pretty
from emulator.cli.terminal import Terminal
from emulator.config import LogFormat, LogLevel, Notice, Redactor, Secrets
from emulator.errors import UserCodeError
from emulator.gateway.console import Binding, Caution, Event, Note, Ready, Reloaded, RequestServed, Subject, Trouble, UserLog

ME = Subject("Chat", "me", 3)
EVENTS: list[Event] = [
    RequestServed("GET", "/agents/chat/me", 101, 12.3, ME),
    UserLog("one\ntwo", ME, LogLevel.WARN),
    Reloaded(4, ("src/chat.py",), 31, 2),
    Caution(Notice("unknown key", "wrangler.jsonc:3", "remove it")),
    Trouble(UserCodeError("E404", "fetch raised ValueError", where="src/chat.py:9"), "Traceback\n  x", ME),
    Note("host.restart", "the Python host was restarted"),
]


class Tty(io.StringIO):
    """Text output that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(*events: Event, log_format: LogFormat = LogFormat.PRETTY, level: LogLevel = LogLevel.INFO, **more: Any) -> tuple[str, str]:
    out, err = more.pop("out", io.StringIO()), io.StringIO()
    terminal = Terminal(
        log_format, level, environ=more.pop("environ", {}), out=out, err=err, stdin=None, now_ms=lambda: 1_790_000_000_123, **more
    )
    for event in events:
        terminal.show(event)
    return out.getvalue(), err.getvalue()


def ready(bindings: int, **more: Any) -> Ready:
    rows = tuple(Binding(f"AGENT_{number}", "durable_object", "Chat", "src/chat.py") for number in range(bindings))
    state = Path("state").resolve()
    return Ready("shop", "http://127.0.0.1:8787/", "http://127.0.0.1:8787/cdn-cgi/emu/", rows, state, "keep sockets", 740, 1, **more)


def test_lines_for_people() -> None:
    out, err = shown(*EVENTS)
    assert out.splitlines() == [
        "GET /agents/chat/me 101 12 ms  Chat/me",
        "Chat/me  warn one",
        "         two",
        "reload #4  src/chat.py  31 ms  2 sockets kept",
        "the Python host was restarted",
    ]
    assert err.splitlines() == [
        "warning  unknown key",
        "         wrangler.jsonc:3",
        "         remove it",
        "E404 fetch raised ValueError   Chat/me",
        "  where  src/chat.py:9",
        "  | Traceback",
        "  |   x",
    ]


def test_lines_for_programs() -> None:
    out, err = shown(*EVENTS, ready(1), log_format=LogFormat.JSON)
    entries = [json.loads(line) for line in out.splitlines()]
    assert err == ""
    assert all(list(entry) == ["v", "ts", "lvl", "ev", "agent", "name", "gen", "data"] for entry in entries)
    assert entries[0] == {
        "v": 1,
        "ts": "2026-09-21T14:13:20.123Z",
        "lvl": "info",
        "ev": "http.request",
        "agent": "Chat",
        "name": "me",
        "gen": 3,
        "data": {"method": "GET", "path": "/agents/chat/me", "status": 101, "ms": 12.3},
    }
    assert [entry["ev"] for entry in entries] == ["http.request", "log", "reload", "warning", "error", "host.restart", "ready"]
    assert entries[4]["data"]["error"] == {
        "code": "E404",
        "what": "fetch raised ValueError",
        "where": "src/chat.py:9",
        "hint": None,
        "culprit": "user code",
    }
    assert entries[6]["data"]["bindings"][0]["class_name"] == "Chat"


def test_reload_lines() -> None:
    paths = tuple(f"src/{name}.py" for name in "abcde")
    assert shown(Reloaded(2, paths, 9, 1, kept=False))[0] == "reload #2  src/a.py, src/b.py, src/c.py and 2 more  9 ms  1 socket closed\n"
    assert shown(Reloaded(3, (), 9, 0))[0] == "reload #3  as asked  9 ms  0 sockets kept\n"


def test_levels() -> None:
    out, err = shown(*EVENTS, level=LogLevel.WARN)
    assert out.splitlines()[0] == "Chat/me  warn one"
    assert "warning" in err
    assert shown(*EVENTS, level=LogLevel.NONE) == ("", "")
    assert shown(UserLog("x", None, LogLevel.DEBUG)) == ("", "")
    assert shown(UserLog("x", None, LogLevel.DEBUG), level=LogLevel.DEBUG) == ("worker  x\n", "")


def test_a_warning_is_shown_once() -> None:
    same = [Caution(Notice("same", "here")) for _ in range(3)]
    assert shown(*same, Caution(Notice("same", "elsewhere")))[1].count("same") == 2


def test_all_lines_of_a_hint_stand_below_each_other() -> None:
    _, err = shown(Caution(Notice("wrong", "faults.json", "did you mean 'status'?\nthe guide lists all")))
    assert "         did you mean 'status'?\n         the guide lists all\n" in err


@pytest.mark.parametrize("log_format", list(LogFormat))
def test_secrets_are_never_shown(log_format: LogFormat) -> None:
    redact = Redactor(Secrets({"KEY": 'top"secret\n1'}))
    text = 'the key is top"secret\n1'
    trouble = Trouble(UserCodeError("E404", text, hint=text), text)
    out, err = shown(
        UserLog(text), RequestServed("GET", f"/{text}", 200, 1), trouble, Note("x", text), log_format=log_format, redact=redact
    )
    assert "top" not in out + err
    assert (out + err).count("[secret KEY]") >= 5


def test_the_banner() -> None:
    out, _ = shown(ready(2, environment="staging", seed=7))
    assert out.splitlines()[0] == "agents-emu 0.1.0   shop   env: staging   seed: 7"
    assert "http://127.0.0.1:8787/cdn-cgi/emu/   inspector" in out
    assert "AGENT_0   Durable Object Chat   src/chat.py   local" in out
    assert "State  state   Reload  keep sockets" in out
    assert "Ready in 0.74 s" in out
    assert "[q]" not in out, "without a keyboard no keys are offered"


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("bindings", [0, 3, 40])
def test_the_banner_fits(columns: int, bindings: int) -> None:
    lines = Pretty(Paint(False), columns, keys=True).text(ready(bindings)).splitlines()
    assert len(lines) < 25 or columns < 60
    table = [line for line in lines if "AGENT_" in line or "Binding" in line]
    assert all(len(line) <= columns for line in table)
    keys = [line for line in lines if line.startswith("  [")]
    assert re.findall(r"\[(.)\]", " ".join(keys)) == list("hedDrtTsRplx?q")
    assert all(len(line) <= max(columns, 20) for line in keys)


def test_what_a_client_sends_cannot_steer_the_terminal() -> None:
    out, _ = shown(RequestServed("GET", "/\x1b[2J\x07", 404, 1.0, Subject("Chat", "a\nb\x9b1m")))
    assert out == "GET /\\x1b[2J\\x07 404 1.0 ms  Chat/a\\x0ab\\x9b1m\n"


@pytest.mark.parametrize(
    ("environ", "terminal", "wanted"),
    [
        ({}, True, True),
        ({}, False, False),
        ({"NO_COLOR": "1"}, True, False),
        ({"NO_COLOR": ""}, True, True),
        ({"FORCE_COLOR": "1"}, False, True),
        ({"FORCE_COLOR": "0"}, False, False),
        ({"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ({"TERM": "dumb"}, True, False),
        ({"CLICOLOR": "0"}, True, False),
    ],
)
def test_when_there_is_colour(environ: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert wants_colour(Tty() if terminal else io.StringIO(), environ) is wanted
    out, _ = shown(EVENTS[0], environ=environ, out=Tty() if terminal else io.StringIO())
    assert ("\x1b[" in out) is wanted
