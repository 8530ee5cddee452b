"""What a sweep compares, and how it says where a fault struck and what it changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from emulator.errors import UsageError
from emulator.scenarios import document, sweep
from emulator.scenarios.document import Document
from emulator.scenarios.failures import ScenarioFailed
from emulator.scenarios.located import parse
from emulator.scenarios.point_words import place_words
from emulator.scenarios.runner import Run
from emulator.scenarios.sweep import KINDS, Point, differences, kinds_of

OUTCOME = """
outcome:
  - state: { object: Pay/me }
  - requests: { "POST https://pay.example/charges": 1 }
"""


def scenario(outcome: str = "") -> Document:
    return document.build(parse(Path("pay.yaml"), f"steps:\n  - run_until_idle: 1m\n{outcome}"))


def went(**fields: Any) -> Run:
    given = {"name": "pay", "transcript": "", "failure": None, "outcome": {}, "virtual": True, "seconds": 0.1, "virtual_ms": 0}
    return Run(**(given | fields))


def point(n: int, what: str, label: str = "", about: str = "Pay/me") -> Point:
    return Point(n, what, label, about)


def test_the_same_is_no_difference() -> None:
    outcome = {"checks": [{"paid": 1}, {}], "chats": {}, "requests": {"GET https://x/": 1}}
    assert differences(scenario(OUTCOME), went(outcome=outcome), went(outcome=outcome)) == []


def test_a_check_without_an_expectation_is_compared() -> None:
    right, now = {"checks": [{"paid": 1}, {}]}, {"checks": [{"paid": 2}, {}]}
    assert differences(scenario(OUTCOME), went(outcome=right), went(outcome=now)) == ['state {"paid": 2} instead of {"paid": 1}']


def test_a_check_with_an_expectation_judges_itself() -> None:
    right, now = ({"checks": [{}, {"POST https://pay.example/charges": count}]} for count in (1, 2))
    assert differences(scenario(OUTCOME), went(outcome=right), went(outcome=now)) == []


def test_a_count_that_is_wrong_is_told_once_and_with_both_numbers() -> None:
    url = "POST https://pay.example/charges"
    failure = ScenarioFailed("E481", f"not as expected: the count of {url}", hint="$: expected 1, found 2")
    found = differences(
        scenario(OUTCOME),
        went(outcome={"checks": [1, 2], "requests": {url: 1}}),
        went(outcome={"requests": {url: 2}}, failure=failure),
    )
    assert found == [f"outside requests {url} 2 instead of 1"]


def test_a_step_that_fails_is_told_with_its_place() -> None:
    failure = ScenarioFailed("E480", "the answer to a did not come within 30 s", where="pay.yaml:7", hint="nothing came\nmore")
    (found,) = differences(scenario(OUTCOME), went(), went(failure=failure))
    assert found == "E480 the answer to a did not come within 30 s: nothing came (pay.yaml:7)"


def test_without_checks_answers_and_requests_are_compared() -> None:
    right = {"checks": [], "chats": {"a": ["paid"]}, "requests": {"GET https://x/": 1}}
    now = {"checks": [], "chats": {"a": ["paid", "paid"]}, "requests": {"GET https://x/": 2, "GET https://y/": 1}}
    assert differences(scenario(), went(outcome=right), went(outcome=now)) == [
        "outside requests GET https://x/ 2 instead of 1",
        "outside requests GET https://y/ 1 instead of 0",
        'what a was answered ["paid", "paid"] instead of ["paid"]',
    ]


def test_a_broken_promise_counts_unless_the_first_run_broke_it_too() -> None:
    row = {"code": "E463", "what": "chunk 3 of r came twice to one client", "socket": 7, "client": "a"}
    outcome = {"checks": [], "chats": {}, "requests": {}}
    one, two = went(outcome=outcome, violations=(row,)), went(outcome=outcome, violations=(row, row))
    assert differences(scenario(), one, one) == []
    assert differences(scenario(), one, two) == ["E463 chunk 3 of r came twice to one client (client a)"]


@pytest.mark.parametrize(
    ("trap", "why"),
    [
        (None, "the server did not tell"),
        ({"fired": None}, "the run did not come to it"),
        ({"fired": {"n": 4, "what": "commit"}, "problem": "the host did not stop"}, "the host did not stop"),
        ({"fired": {"n": 4, "what": "frame", "label": "{}"}}, "point 4 was another one this time: frame {}"),
        ({"fired": {"n": 4, "what": "commit"}, "effect": {"nothing": "no object"}}, "nothing was done: no object"),
        ({"fired": {"n": 4, "what": "commit"}, "effect": {"killed": 1}}, None),
    ],
)
def test_a_point_that_was_not_reached_is_never_the_same(trap: dict[str, Any] | None, why: str | None) -> None:
    assert sweep._unreached(point(4, "commit", about=""), trap) == why


def test_kinds_of_points() -> None:
    assert kinds_of("every-event") == set(KINDS)
    assert kinds_of("turn, commit") == {"turn", "commit"}
    for wrong in ("", "tuns", "turn,,x"):
        with pytest.raises(UsageError, match="is no kind of point") as raised:
            kinds_of(wrong)
        assert raised.value.code == "E203"


def test_where_a_fault_struck_in_words() -> None:
    charge = "POST https://pay.example/charges"
    passed = [
        point(1, "turn", "webSocketMessage"),
        point(2, "request", charge),
        point(3, "answer", charge),
        point(4, "commit"),
        point(5, "frame", '{"done": false, "type": "cf_agent_use_chat_response", "body": "{'),
        point(6, "end", "webSocketMessage"),
        point(7, "respond", "200 GET https://x/", about=""),
    ]
    assert [place_words(one, passed) for one in passed] == [
        f"as webSocketMessage of Pay/me began, before the request {charge}",
        f"as {charge} left, before the answer of {charge}",
        f"after the answer of {charge}, which the agent had not read yet, before a commit of Pay/me",
        "after a commit of Pay/me, before the frame cf_agent_use_chat_response to a client",
        "after the frame cf_agent_use_chat_response to a client, before the end of webSocketMessage of Pay/me",
        "after the end of webSocketMessage of Pay/me, before the response 200 GET https://x/",
        "after the response 200 GET https://x/",
    ]
