"""The input gate's algebra: sections, siblings, nesting, what waits and when it runs (durable-objects.md 2.3).

The cases are `tests/vectors/core/gates.json`, which the Node host plays too (tests/hosts/node/core_rules.test.mjs).
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from emulator.core.gates import MAX_DEPTH, InputGate, Section, TooDeep

CASES = json.loads((Path(__file__).parent.parent / "vectors" / "core" / "gates.json").read_text("utf-8"))["cases"]


def nothing() -> None: ...


def note(log: list[str], word: str) -> Callable[[], None]:
    return lambda: log.append(word)


@pytest.mark.parametrize("steps", [case["steps"] for case in CASES], ids=[case["name"] for case in CASES])
def test_gate(steps: list[dict[str, Any]]) -> None:
    gate, log = InputGate(), list[str]()
    sections = {"root": gate.root}
    for step in steps:
        match step:
            case {"open": expected}:
                assert gate.is_open is expected
            case {"enter": [name, parent], "active": expected}:
                sections[name], active = gate.enter(sections[parent], note(log, f"{name} begins"))
                assert active is expected, step
            case {"pass": [name, word], "now": expected}:
                assert gate.pass_or_wait(sections[name], note(log, word)) is expected, step
            case {"leave": name, "runs": expected}:
                for callback in gate.leave(sections[name]):
                    callback()
                assert log == expected, step
                log.clear()
            case _:
                raise AssertionError(step)


def test_code_of_an_ended_section_opens_its_own_inside_the_parent() -> None:
    gate = InputGate()
    ended, _ = gate.enter(gate.root, nothing)
    gate.leave(ended)
    again, _ = gate.enter(ended, nothing)
    assert again.parent is gate.root


def test_sixty_four_levels_work_and_the_next_does_not() -> None:
    gate = InputGate()
    sections: list[Section] = [gate.root]
    for _ in range(MAX_DEPTH):
        sections.append(gate.enter(sections[-1], nothing)[0])
    with pytest.raises(TooDeep, match="nested too deeply"):
        gate.enter(sections[-1], nothing)
    for section in reversed(sections[1:]):
        gate.leave(section)
    assert gate.is_open
