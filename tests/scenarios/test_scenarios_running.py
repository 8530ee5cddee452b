"""Scenarios on a real server: what they see, how they fail, and that every run is the same."""

from __future__ import annotations

import pytest

RUNS = 20
CATCHES_UP = """
name: the client catches up
clients:
  a: {connect: Chat/me, kind: chat}
  b: Chat/me
steps:
  - connect: a
  - connect: b
  - chat: {client: a, text: hello, wait: false}
  - drop: {client: a, after_frames: 4}
  - answer: {client: a, text: {$contains: reload the page while I speak}}
  - expect: {client: b, frame: {type: cf_agent_use_chat_response, done: true}}
outcome:
  - chat: {object: Chat/me, messages: [{role: user, text: hello}, {role: assistant}]}
  - requests: {"*": 0}
"""


def failed(run) -> str:
    assert run.failure is not None, run.transcript
    return run.failure.render()


def test_every_run_is_the_same(stage) -> None:
    first = stage.play(CATCHES_UP)
    assert first.failure is None
    assert "a      closed      1006" in first.transcript and "a      reconnect" in first.transcript
    assert {stage.play(CATCHES_UP).transcript for _ in range(RUNS - 1)} == {first.transcript}


def test_what_came_of_it(stage) -> None:
    run = stage.play(CATCHES_UP)
    (text,) = run.outcome["chats"]["a"]
    assert text.startswith("Hello! Ask me anything") and run.outcome["requests"] == {}
    assert run.virtual and run.virtual_ms > 3000


def test_branches_are_always_in_the_same_order(stage) -> None:
    text = """
clients: {a: {connect: Chat/me, kind: chat}, b: {connect: Chat/you, kind: chat}}
steps:
  - parallel:
      - [{connect: a}, {chat: {client: a, text: hello}}]
      - [{connect: b}, {advance: 100ms}, {chat: {client: b, text: hello}}]
"""
    runs = [stage.play(text) for _ in range(3)]
    assert [run.failure for run in runs] == [None] * 3
    assert len({run.transcript for run in runs}) == 1
    answers = [line.split()[:3] for line in runs[0].transcript.splitlines() if "  answer  " in line]
    assert [answer[1] for answer in answers] == ["a", "b"] and answers[0][0] < answers[1][0]


def test_verbs_and_checks(stage) -> None:
    run = stage.play(
        """
clients: {a: Chat/me}
steps:
  - connect: a
  - expect: {frames: [{type: cf_agent_identity, name: "${name}"}, {type: cf_agent_mcp_servers}]}
  - expect: {none: true}
  - expect: {none: true, within: 1m}
  - evict: Chat/${name}
  - crash:
  - expect: {close: 1006}
  - connect:
  - send: {json: {type: rpc, id: r1, method: nothing, args: []}}
  - expect: {frame: {id: r1, success: false, error: "${why}"}}
  - http: {request: "GET /agents/chat/${name}/get-messages", expect: {status: 200, json: []}}
  - http: {request: "GET /nothing", expect: {status: 404, text: Not found}}
  - disconnect: {code: 4001, reason: bye}
  - repeat: {times: 2, as: n, steps: [{note: "${n}. ${why}"}]}
outcome:
  - sql: {object: Chat/me, query: "SELECT 1 AS n", rows: [{n: 1}]}
  - alarms: [...]
"""
    )
    assert run.failure is None, run.failure.render()
    assert "note  " in run.transcript and "2. Method nothing does not exist" in run.transcript


def test_an_expectation_that_is_not_met_shows_the_nearest_frame(stage) -> None:
    run = stage.play("clients: {a: Chat/me}\nsteps:\n  - connect:\n  - expect: {frame: {type: cf_agent_identity, name: you}}\n")
    words = failed(run)
    assert words.startswith('E480 the frame {"type": "cf_agent_identity", "name": "you"} for a did not come within 30.000 s\n')
    assert "scenario.yaml:4" in words and '$.name: expected "you", found "me"' in words
    assert run.failure.exit_code == 1


def test_a_frame_that_was_passed_over_is_told(stage) -> None:
    steps = "[{connect: }, {expect: {frame: {type: cf_agent_mcp_servers}}}, {expect: {frame: {type: cf_agent_identity}}}]"
    words = failed(stage.play(f"clients: {{a: Chat/me}}\nsteps: {steps}"))
    assert "one that fits came earlier" in words


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ("- expect: {client: a, frame: {}}", "E480"),
        ("- send: {client: a, text: hi}", "E483 the client a is not connected: it was never connected"),
        ("- connect: a\n  - connect: a", "E283 the client a is connected already"),
        ("- connect: {client: a, refused: 401}", "E482 a was connected, and should have been refused"),
        ("- connect: a\n  - expect: {client: a, none: {type: cf_agent_identity}}", "E484 a got a frame that must not come"),
        ("- connect: a\n  - disconnect: a\n  - expect: {client: a, close: 4000}", "E481 not as expected: the close code of a"),
        ("- connect: {client: c}", "E482 the Worker answered 404 to the connection of c"),
        ("- http: GET /nothing", "E481 GET /nothing was answered with 404"),
        ("- call: {object: Nobody/x, method: y}", "E228"),
        ("- evict: Nobody/x", "E228"),
        ("- expect: {client: a, frame: {id: '${x}'}}\n    timeout: 1s\n", "E480"),
        ("- state: {load: nothing}", "E26"),
    ],
)
def test_steps_that_fail(stage, steps: str, words: str) -> None:
    run = stage.play(f"clients: {{a: Chat/me, c: /elsewhere}}\nsteps:\n  {steps}\n")
    assert failed(run).startswith(words)
    assert "scenario.yaml:" in str(run.failure.where)


def test_a_missing_recording_is_what_went_wrong(stage) -> None:
    (stage.folder / "fixtures" / "ai" / "default").rename(stage.folder / "hidden")
    try:
        run = stage.play("clients: {a: {connect: Chat/me, kind: chat}}\nsteps: [{connect: }, {chat: {text: tide}}]")
    finally:
        (stage.folder / "hidden").rename(stage.folder / "fixtures" / "ai" / "default")
    assert failed(run).startswith("E501 there is no recording for") and run.failure.exit_code == 3


def test_a_scenario_that_does_not_end_says_what_it_waits_for(stage) -> None:
    text = "clients: {a: Chat/me}\nsteps:\n  - connect:\n  - repeat: {times: 1000000, steps: [{expect: {none: true, within: 1h}}]}\n"
    words = failed(stage.play(text, bound_s=1.5))
    assert words.startswith("E489 the scenario did not end within 1.5 s and was ended")
    assert "scenario.yaml:4" in words and "open         a  /agents/chat/me" in words


def test_a_stalled_client_hears_all_of_it_later(stage) -> None:
    run = stage.play(
        """
clients: {a: {connect: Chat/me, kind: chat}, b: Chat/me}
steps:
  - connect: a
  - connect: b
  - stall: b
  - chat: {client: a, text: hello}
  - expect: {client: b, none: {type: cf_agent_use_chat_response}}
  - resume: b
  - expect: {client: b, frame: {type: cf_agent_use_chat_response, done: true}}
"""
    )
    assert run.failure is None, run.failure.render()


def test_faults_and_states(stage) -> None:
    run = stage.play(
        """
clients: {a: {connect: Chat/me, kind: chat}}
steps:
  - fault: {name: busy, do: {status: 500}}
  - connect:
  - chat: {text: hello, outcome: error}
  - fault: {clear: busy}
  - chat: {text: hello, answer: {$contains: recording}}
  - disconnect:
  - state: {save: after-two}
  - state: {reset: Chat/me}
  - http: {request: GET /agents/chat/me/get-messages, expect: {json: []}}
  - state: {load: after-two}
outcome:
  - chat: {object: Chat/me, messages: {$length: {$oneOf: [3, 4]}}}
"""
    )
    assert run.failure is None, run.failure.render()


def test_a_recording_with_a_past_begins_with_it(stage) -> None:
    """What the recorder writes runs unchanged, on a server that has forgotten everything."""
    import asyncio

    from emulator.scenarios import Scenario
    from emulator.scenarios.recorder import Recorder

    async def session() -> str:
        async with Scenario.on(stage.place) as scenario:
            await scenario.connect("first", "Chat/me", kind="chat")
            await scenario.chat("first", "hello")
            await scenario.disconnect("first")
        stop = asyncio.Event()
        recorder = Recorder(stage.place.url, stage.folder / "bug.yaml", stage.folder, lambda steps: None)
        recording = asyncio.create_task(recorder.record(stop))
        await recorder.began.wait()
        async with Scenario.on(stage.place) as scenario:
            await scenario.connect("again", "Chat/me", kind="chat")
            await scenario.chat("again", "hello", wait=False)
            await scenario.drop("again", after_frames=5)
            await scenario.answer("again")
            await scenario.http("GET /agents/chat/me/get-messages")
            await scenario.disconnect("again")
        stop.set()
        return (await recording).text

    stage.run(session())
    text = stage.run(session())
    run = stage.play(text)
    assert run.failure is None, f"{run.failure.render()}\n{text}"
    assert "state: bug" in text and "drop" in text
