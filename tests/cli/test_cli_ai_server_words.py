"""A session of model calls as the terminal shows it: in words, as JSON, without secrets."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest

from emulator.cli import json_lines
from emulator.cli.ai.wrapped import failure_words
from emulator.cli.colours import Paint
from emulator.cli.pretty import Pretty
from emulator.cli.redaction import redacted
from emulator.cli.session_words import count, names
from emulator.gateway.console import SessionEnded

NOTHING = SessionEnded(
    mode="auto",
    strict=False,
    cassette=None,
    calls=0,
    sources={},
    hits=0,
    misses=0,
    missed=(),
    recorded=(),
    tokens_in=0,
    tokens_out=0,
    spent_usd=0.0,
    saved_usd=0.0,
    stale=(),
    unused=0,
    broken=0,
    faults=0,
    failures=(),
)


@pytest.mark.parametrize(
    ("fields", "lines"),
    [
        ({}, ["ai auto  0 model calls"]),
        (
            {"calls": 3, "sources": {"backend": 2, "stub": 1}, "recorded": ("a/1", "a/2", "a/3", "a/4"), "spent_usd": 0.5, "mode": "new"},
            [
                "ai new  3 model calls (2 by a backend, 1 by the stub); 4 recorded: a/1, a/2, a/3 and 1 more; spent $0.50",
                "    1 answer of the stub not recorded: no route of agents-emu.toml leads to a backend",
            ],
        ),
        (
            {"calls": 1, "sources": {"recording": 1}, "hits": 3, "mode": "replay"},
            ["ai replay  1 model call (1 replayed); 2 other requests replayed"],
        ),
        (
            {"mode": "record", "unchanged": 2, "removed": ("a/9",), "kept": ("a/8",), "unused": 1},
            [
                "ai record  0 model calls; 2 recorded as they were",
                "    not asked for any more, and removed: a/9; edited by hand, and kept: a/8; 1 recording not used",
            ],
        ),
        (
            {"mode": "record", "not_asked": ("a/1", "a/2"), "spared": ("a/3",)},
            [
                "ai record  0 model calls",
                "    2 recordings were not asked for; --prune removes them; asked for in vain, and kept as they were: a/3",
            ],
        ),
        ({"not_asked": ("a/1",)}, ["ai auto  0 model calls", "    1 recording was not asked for; --prune removes it"]),
        (
            {"mode": "record", "committed": False, "unstored": ({"code": "E507"},), "faults": 1, "broken": 2},
            ["ai record  0 model calls; nothing new was kept", "    1 answer could not be recorded; 1 fault injected; 2 unreadable files"],
        ),
    ],
)
def test_one_line_or_two(fields: dict[str, Any], lines: list[str]) -> None:
    event = dataclasses.replace(NOTHING, **fields)
    assert Pretty(Paint(False), None, False).text(event).splitlines() == lines


def test_no_secret_is_shown() -> None:
    missed = ({"what": "m", "why": "missing", "request_id": None, "problem": 'asked "s3cret-value"'},)
    event = redacted(dataclasses.replace(NOTHING, missed=missed), lambda text: text.replace("s3cret-value", "[secret KEY]"))
    line = json.loads(json_lines.line(event, 0))
    assert (line["ev"], line["data"]["missed"][0]["problem"]) == ("ai.session", 'asked "[secret KEY]"')


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        ({"status": 429, "code": "3040", "attempts": 3, "recording": "a/1"}, "@cf/m answered 429 (3040), 3 attempts, recording a/1"),
        ({"status": 500, "code": "", "attempts": 1, "recording": None}, "@cf/m answered 500, 1 attempt"),
        ({"status": 0, "code": "E601", "attempts": 1, "recording": None}, "@cf/m broke off (E601), 1 attempt"),
    ],
)
def test_failures(failure: dict[str, Any], words: str) -> None:
    assert failure_words({"model": "@cf/m", **failure}) == words


def test_small_words() -> None:
    assert (count(1, "call"), count(1200, "call"), count(2, "entry", "entries")) == ("1 call", "1,200 calls", "2 entries")
    assert (names(["a"]), names(["a", "b", "c", "d", "e"], 2)) == ("a", "a, b and 3 more")
