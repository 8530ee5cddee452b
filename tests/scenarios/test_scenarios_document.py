"""Scenario files: what they may say, and errors that teach."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.errors import UsageError
from emulator.scenarios import document, located, problems, steps


def read(text: str) -> document.Document:
    return document.build(located.parse(Path("bug.yaml"), text))


def errors(text: str) -> list[str]:
    source = located.parse(Path("bug.yaml"), text)
    return [problem.error(source).render() for problem in document.examine(source)[1]]


def test_a_whole_file() -> None:
    found = read(
        """
name: it works
clock: virtual@2026-12-24T09:00:00Z
seed: 7
timeout: 1m30s
clients:
  a: {connect: Chat/me, kind: chat, on_drop: nothing}
  b: /agents/chat/me?x=1
steps:
  - connect: a
  - send: {client: b, json: {id: 1}}
  - expect: {client: b, frames: [{id: "${x}"}, pong], order: any}
    timeout: 5s
  - parallel:
      - [{connect: b}]
      - [{advance: 1h}, {crash: }]
  - repeat: {times: 2, as: n, steps: [{note: "round ${n}"}]}
outcome:
  - requests: {"POST https://x/*": 1}
"""
    )
    assert (found.name, found.settings.clock, found.settings.seed, found.timeout_ms) == (
        "it works",
        "virtual@2026-12-24T09:00:00Z",
        7,
        90_000,
    )
    assert found.clients["a"].kind == "chat" and not found.clients["a"].reconnects
    assert found.clients["b"].connect == "/agents/chat/me?x=1"
    assert [steps.verb(step) for step in steps.every(found.steps)] == [
        *("connect", "send", "expect", "parallel", "connect", "advance", "crash", "repeat", "note")
    ]
    assert found.steps[2] == steps.Expect(client="b", frames=({"id": "${x}"}, "pong"), any_order=True, line=12, timeout_ms=5000)
    assert found.place(found.steps[1]) == "bug.yaml:11"
    assert found.outcome == (steps.Requests(counts={"POST https://x/*": 1}, line=19),)


def test_the_only_client_need_not_be_named() -> None:
    assert read("clients: {a: Chat/me}\nsteps: [{connect: }, {send: {text: hi}}, {expect: {frame: hi}}]").steps[1] == steps.Send(
        client="a", data="hi", is_json=False, line=2
    )


def test_words_are_text_as_everybody_expects() -> None:
    found = located.parse(Path("x.yaml"), "a: on\nb: yes\nc: 12:30\nd: 0x10\ne: 1e3\nf: ~\ng: 'true'\nh: true\n")
    assert found.data == {"a": "on", "b": "yes", "c": "12:30", "d": 16, "e": 1000.0, "f": None, "g": "true", "h": True}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "clients: {a: Chat/me}\nsteps:\n  - conect: a\n",
            ['E281 there is no "conect" in steps[0]\n  where  bug.yaml:3\n  next   did you mean "connect"?'],
        ),
        (
            "clients: {a: Chat/me}\nsteps:\n  - advance: 30\n",
            ['E281 "steps[0].advance" is 30: a span of time such as 500ms, 30s, 1h30m is expected\n  where  bug.yaml:3'],
        ),
        (
            "clients: {alice: Chat/me, bob: Chat/me}\nsteps:\n  - connect: alic\n",
            ['E281 there is no client "alic"\n  where  bug.yaml:3\n  next   did you mean "alice"?'],
        ),
        (
            "clients: {a: Chat/me, b: Chat/me}\nsteps:\n  - send: {text: hi}\n",
            ["E281 which client? it may be left out when there is one only\n  where  bug.yaml:3\n  next   there is a, b"],
        ),
        (
            "clients: {a: Chat/me}\nsteps:\n  - connect: a\n    send: {text: hi}\n",
            ["E281 a step has one verb, this one has 2: connect, send\n  where  bug.yaml:3\n  next   each step begins with its own -"],
        ),
        (
            "clients: {a: Chat/me}\nsteps:\n  - expect: {frame: {a: {$regx: b}}}\n",
            ["E281 there is no operator $regx\n  where  bug.yaml:3\n  next   did you mean $regex?"],
        ),
        (
            'clients: {a: Chat/me}\nsteps:\n  - expect: {frame: {id: "${ident}"}}\n  - send:\n      json: {id: "${idend}"}\n',
            ["E281 ${idend} is never bound\n  where  bug.yaml:4\n  next   did you mean ${ident}?"],
        ),
        (
            "clients: {a: Chat/me}\nsteps:\n  - chat: {text: hi}\n",
            ['E281 the client "a" does not speak the chat protocol\n  where  bug.yaml:3\n  next   clients: a: {kind: chat}'],
        ),
        (
            "clients: {a: nowhere}\nsteps: []\n",
            [
                'E281 the client "a" connects to "nowhere", which is no address\n  where  bug.yaml:1\n'
                "  next   /agents/chat/me, or the object as CLASS/NAME: Chat/me"
            ],
        ),
        (
            "clock: virtual@soon\nsteps: []\n",
            ['E281 "soon" is no instant\n  where  bug.yaml:1\n  next   for example virtual@2026-12-24T09:00:00Z'],
        ),
        (
            "steps:\n  - call: {object: Chat/me}\n",
            ['E281 "steps[0].call.method" is missing: the name of a method is expected\n  where  bug.yaml:2'],
        ),
        (
            "ai: replya\nsteps: []\n",
            [
                'E281 "ai" is "replya": a mode of the model layer: replay, stub, ... is expected\n  where  bug.yaml:1\n'
                '  next   did you mean "replay"?',
            ],
        ),
        ("- connect: a\n", [f"E281 a scenario is a table with steps, found a list of 1\n  where  bug.yaml:1\n  next   {problems.MANUAL}"]),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, expected: list[str]) -> None:
    assert errors(text) == expected


def test_several_problems_are_counted() -> None:
    with pytest.raises(UsageError) as caught:
        read("clients: {a: Chat/me}\nsteps:\n  - conect: a\n  - evikt: Chat/me\n")
    assert caught.value.hint == 'did you mean "connect"?\nand 1 more: agents-emu scenario check bug.yaml'


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("a: [1\nb: 2\n", "bug.yaml is no valid YAML"),
        ("a: 1\na: 2\n", '"a" stands here twice'),
        ("a: !x 1\n", "the tag !x means nothing here"),
    ],
)
def test_no_yaml(text: str, what: str) -> None:
    with pytest.raises(UsageError, match=what) as caught:
        located.parse(Path("bug.yaml"), text)
    assert caught.value.code == "E280" and "bug.yaml" in str(caught.value.where)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        document.read(tmp_path / "none.yaml")


def test_every_step_has_a_reader_and_a_schema() -> None:
    from emulator.scenarios import reading

    defined = problems.schema()["$defs"]
    assert set(defined["step"]["properties"]) - {"timeout"} == set(reading._STEPS)
    assert set(defined["check"]["properties"]) == set(reading._CHECKS)
    assert set(steps.VERBS.values()) == set(reading._STEPS) | set(reading._CHECKS)
