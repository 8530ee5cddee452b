"""`agents-emu clock` against a running server."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from emulator.cli.main import run

Command = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def shared(serve_all: Any) -> Any:
    return serve_all({"triggers": {"crons": ["0 9 * * *"]}}, clock="virtual@2026-12-24T08:00:00Z")


@pytest.fixture
def clock(shared: Any, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs one verb: exit code, standard output, standard error."""

    def invoke(*words: str) -> tuple[int, str, str]:
        code = run(["clock", *words[:1], "--dir", str(shared.root), *words[1:]] if words else ["-C", str(shared.root), "clock"])
        return code, *capsys.readouterr()

    return invoke


def test_time_is_shown_and_moved(clock: Command, shared: Any, capsys: pytest.CaptureFixture[str]) -> None:
    first = "2026-12-24T08:00:00.000Z  virtual\n  2026-12-24T09:00:00.000Z  in 1h  cron 0 9 * * *\n"
    assert clock() == (0, first, "")
    assert clock("show") == (0, first, "")
    assert run(["clock", "--dir", str(shared.root), "--json", "show"]) == 0, "an option of the group is one of each verb"
    assert json.loads(capsys.readouterr().out)["iso"] == "2026-12-24T08:00:00.000Z"
    moved = "0 deadlines on the way\n2026-12-24T08:30:00.000Z  virtual\n  2026-12-24T09:00:00.000Z  in 30m  cron 0 9 * * *\n"
    assert clock("advance", "30m") == (0, moved, "")
    assert clock("step", "--until", "2026-12-24T08:45Z")[1].splitlines()[1] == "2026-12-24T08:45:00.000Z  virtual"
    assert clock("step")[1].splitlines()[:2] == ["1 deadline on the way: 1 cron trigger", "2026-12-24T09:00:00.000Z  virtual"]
    assert clock("to", "2026-12-26")[1].splitlines()[:2] == ["1 deadline on the way: 1 cron trigger", "2026-12-26T00:00:00.000Z  virtual"]
    assert clock("settle")[1].splitlines()[0] == "0 deadlines on the way"
    assert clock("run-until-idle", "--limit", "2d")[1].splitlines()[:2] == [
        "2 deadlines on the way: 2 cron triggers",
        "2026-12-27T09:00:00.000Z  virtual",
    ]
    assert "  in 23h59m  cron" in clock("advance", "1m")[1]
    answer = json.loads(clock("advance", "1500", "--json")[1])
    assert (answer["v"], answer["mode"], answer["iso"], answer["steps"]) == (1, "virtual", "2026-12-27T09:01:01.500Z", 0)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("advance", "soon"), 'E251 "soon" makes no sense: a span of time such as 1h, 90s, 1h30m, 2d or 250ms is expected'),
        (("advance", "1y"), 'E251 "1y" makes no sense'),
        (("to", "2020-01-01"), "is before now: a clock goes forward"),
        (("to", "tomorrow"), "E251 'tomorrow' is no time: an instant such as"),
        (("step", "--until", "1"), "is before now"),
        (("run-until-idle", "--limit", "ever"), 'E251 "ever" makes no sense'),
        (("turn-back",), "E205"),
    ],
)
def test_what_makes_no_sense(clock: Command, words: tuple[str, ...], error: str) -> None:
    code, out, err = clock(*words)
    assert (code, out) == (2, "")
    assert error in err


def test_the_real_clock_is_not_moved(server: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["clock", "advance", "1h", "--dir", str(server.root)]) == 2
    assert "E250 the clock is the machine's: nobody moves it" in (err := capsys.readouterr().err)
    assert "agents-emu dev --clock virtual" in err
