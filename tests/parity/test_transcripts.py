"""What transcripts make equal, and what they keep apart."""

from __future__ import annotations

from playing.transcript import Transcript, difference

ID = "3j2JkuuNlEf7iYbfkYkfA"


def told(*events: tuple[str, ...]) -> list:
    transcript = Transcript()
    for what, *content in events:
        (transcript.say if what == "sends" else transcript.add)("A", what, *content)
    return transcript.lines()


def test_an_id_of_the_server_is_numbered_wherever_it_stands() -> None:
    lines = told(("gets", {"id": ID}), ("sends", {"id": ID}), ("gets", f"for {ID}"))
    assert [line[2] for line in lines] == [{"id": "<id 1>"}, {"id": "<id 1>"}, "for <id 1>"]


def test_two_ids_stay_two() -> None:
    one, two = (
        told(("gets", {"id": "aaaaaaaaa"}), ("gets", {"id": "bbbbbbbbb"})),
        told(("gets", {"id": "ccccccccc"}), ("gets", {"id": "ccccccccc"})),
    )
    assert difference(one, two, ("one", "two"))


def test_an_id_of_the_scenario_stays() -> None:
    assert told(("sends", {"id": "my-own-id"}), ("gets", {"id": "my-own-id"}))[1][2] == {"id": "my-own-id"}


def test_times_of_today_are_replaced_and_numbers_are_not() -> None:
    epoch = "1970-01-01T00:00:00.000Z"
    (line,) = told(("gets", {"ms": 1_795_000_000_000, "s": 1_795_000_000, "n": 5, "then": "2026-11-17T00:00:00.000Z", "old": epoch}))
    assert line[2] == {"ms": "<ms>", "s": "<s>", "n": 5, "then": "<time>", "old": epoch}


def test_a_stack_is_its_first_line() -> None:
    assert told(("gets", {"error": "Error: no\n    at here (x.ts:1:2)\n    at there"}))[0][2] == {"error": "Error: no"}


def test_the_order_of_keys_is_nothing_and_the_order_of_frames_is() -> None:
    one = told(("gets", '{"a":1,"b":2}'), ("gets", "x"))
    assert not difference(one, told(("gets", '{"b":2,"a":1}'), ("gets", "x")), ("one", "two"))
    assert difference(one, told(("gets", "x"), ("gets", '{"a":1,"b":2}')), ("one", "two")).count("\n") > 3
