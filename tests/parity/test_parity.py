"""The scenarios of the Agents protocol on our Node host, held against what the real runtime did (README.md)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import scenarios as _registers_them  # noqa: F401
from playing.play import Outcome
from playing.servers import versions
from playing.stage import Scenario, scenarios
from playing.transcript import Line, difference, written

RECORDED = Path(__file__).parent / "transcripts"
RECORDED_WITH = RECORDED / "versions.json"


def lines_of(outcome: Outcome) -> list[Line]:
    if isinstance(outcome, Exception):
        raise outcome
    return json.loads(json.dumps(outcome))


def other_versions() -> str:
    """A hint for who reads a difference: the packages are not those of the recordings."""
    recorded, installed = json.loads(RECORDED_WITH.read_text("utf-8")), versions()
    return "" if recorded == installed else f"\nrecorded with {recorded}, played with {installed}"


@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", [pytest.param(one, id=one.key) for one in scenarios()])
async def test_parity(scenario: Scenario, mode: str, ours: dict[str, Outcome], theirs: dict[str, Outcome]) -> None:
    file = RECORDED / f"{scenario.key}.json"
    if mode == "record":
        file.write_text(written(scenario.number, scenario.title, lines_of(theirs[scenario.key])), "utf-8")
        RECORDED_WITH.write_text(json.dumps(versions(), indent=2) + "\n", "utf-8")
        return
    expected = lines_of(theirs[scenario.key]) if mode == "workerd" else json.loads(file.read_text("utf-8"))["lines"]
    found = difference(expected, lines_of(ours[scenario.key]), ("wrangler dev", "agents-emu dev"))
    if found:
        pytest.fail(f"{scenario.number}: {scenario.title}\n{found}{'' if mode else other_versions()}", pytrace=False)


def test_every_number_has_its_scenario() -> None:
    assert {one.number for one in scenarios()} >= set(range(1, 71))


def test_every_transcript_belongs_to_a_scenario(mode: str) -> None:
    recorded = {file.stem for file in RECORDED.glob("*.json")} - {RECORDED_WITH.stem}
    assert mode == "record" or recorded == {one.key for one in scenarios()}
