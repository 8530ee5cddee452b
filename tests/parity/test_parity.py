"""The scenarios of the Agents protocol on our Node host, held against what the real runtime did (README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scenarios as _registers_them  # noqa: F401
from playing.play import Outcome
from playing.stage import Scenario, scenarios
from playing.transcript import Line, difference, written

RECORDED = Path(__file__).parent / "transcripts"


def lines_of(outcome: Outcome) -> list[Line]:
    if isinstance(outcome, Exception):
        raise outcome
    return json.loads(json.dumps(outcome))


@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.key) for one in scenarios()])
@pytest.mark.timeout(300)
async def test_parity(scenario: Scenario, mode: str, ours: dict[str, Outcome], theirs: dict[str, Outcome]) -> None:
    file = RECORDED / f"{scenario.key}.json"
    if mode == "record":
        file.write_text(written(scenario.number, scenario.title, lines_of(theirs[scenario.key])), "utf-8")
        return
    expected = lines_of(theirs[scenario.key]) if mode == "workerd" else json.loads(file.read_text("utf-8"))["lines"]
    found = difference(expected, lines_of(ours[scenario.key]), ("wrangler dev", "agents-emu dev"))
    assert not found, f"{scenario.number}: {scenario.title}\n{found}"
