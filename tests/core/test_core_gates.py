"""The input gate's algebra: sections, siblings, nesting, what waits and when it runs (durable-objects.md 2.3)."""

from collections.abc import Callable

import pytest

from emulator.core.gates import MAX_DEPTH, InputGate, Section, TooDeep


def nothing() -> None: ...


def note(log: list[str], word: str) -> Callable[[], None]:
    return lambda: log.append(word)


def run(callbacks: list[Callable[[], None]]) -> None:
    for callback in callbacks:
        callback()


def test_an_open_gate_lets_everything_pass() -> None:
    gate = InputGate()
    assert gate.is_open
    assert gate.pass_or_wait(gate.root, nothing)


def test_events_wait_for_a_section_and_run_in_order_after_it() -> None:
    gate, log = InputGate(), list[str]()
    section, active = gate.enter(gate.root, nothing)
    assert active
    assert not gate.is_open
    assert not gate.pass_or_wait(gate.root, note(log, "first"))
    assert not gate.pass_or_wait(gate.root, note(log, "second"))
    assert gate.pass_or_wait(section, nothing), "what the section started itself runs"
    run(gate.leave(section))
    assert log == ["first", "second"]
    assert gate.is_open


def test_siblings_run_one_after_the_other_before_what_waits() -> None:
    gate, log = InputGate(), list[str]()
    first, _ = gate.enter(gate.root, nothing)
    second, active = gate.enter(gate.root, note(log, "second begins"))
    assert not active
    assert not gate.pass_or_wait(second, note(log, "code of second"))
    assert not gate.pass_or_wait(gate.root, note(log, "event"))
    run(gate.leave(first))
    assert log == ["second begins"]
    assert gate.pass_or_wait(second, nothing)
    run(gate.leave(second))
    assert log == ["second begins", "code of second", "event"]


def test_a_nested_section_stops_the_outer_one_until_it_ends() -> None:
    gate, log = InputGate(), list[str]()
    outer, _ = gate.enter(gate.root, nothing)
    inner, active = gate.enter(outer, nothing)
    assert active
    assert not gate.pass_or_wait(outer, note(log, "outer goes on"))
    run(gate.leave(inner))
    assert log == ["outer goes on"]
    assert not gate.is_open
    run(gate.leave(outer))
    assert gate.is_open


def test_an_outer_section_that_ends_first_stays_closed_for_its_inner_one() -> None:
    gate, log = InputGate(), list[str]()
    outer, _ = gate.enter(gate.root, nothing)
    inner, _ = gate.enter(outer, nothing)
    assert not gate.pass_or_wait(gate.root, note(log, "event"))
    assert gate.leave(outer) == []
    assert not gate.is_open
    run(gate.leave(inner))
    assert log == ["event"]
    assert gate.is_open


def test_code_of_an_ended_section_counts_as_its_parents() -> None:
    gate, log = InputGate(), list[str]()
    ended, _ = gate.enter(gate.root, nothing)
    run(gate.leave(ended))
    assert gate.pass_or_wait(ended, nothing)
    again, _ = gate.enter(ended, nothing)
    assert again.parent is gate.root
    assert not gate.pass_or_wait(ended, note(log, "late timer"))
    run(gate.leave(again))
    assert log == ["late timer"]


def test_sixty_four_levels_work_and_the_next_does_not() -> None:
    gate = InputGate()
    sections: list[Section] = [gate.root]
    for _ in range(MAX_DEPTH):
        sections.append(gate.enter(sections[-1], nothing)[0])
    with pytest.raises(TooDeep, match="nested too deeply"):
        gate.enter(sections[-1], nothing)
    for section in reversed(sections[1:]):
        run(gate.leave(section))
    assert gate.is_open
