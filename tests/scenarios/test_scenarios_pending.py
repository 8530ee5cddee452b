"""What a scenario that does not end is waiting for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from emulator.errors import BackendError
from emulator.scenarios import pending

START_MS = 1_767_225_600_000
ANSWERS: dict[str, Any] = {
    "clock": {"pending": [{"at_ms": START_MS + 90_000, "what": "alarm of Chat/me"}]},
    "objects": {"objects": [{"class": "Chat", "name": "me", "state": "active"}, {"class": "Chat", "name": "you", "state": "hibernated"}]},
    "objects/Chat/me/awake": [
        {"what": "timer", "text": "setInterval 30000 ms", "where": "src/chat.ts:88"},
        {"what": "fetch", "text": "GET https://x", "where": None},
    ],
}


def world(control: Any) -> Any:
    client = SimpleNamespace(is_open=True, name="a", stalled=True, plan=None)
    gone = SimpleNamespace(client=SimpleNamespace(is_open=False))
    return SimpleNamespace(
        waiting_for=["a <- pong"],
        players={"a": SimpleNamespace(client=client), "b": gone},
        path_of=lambda plan: "/agents/chat/me",
        control=control,
        time=SimpleNamespace(start_ms=START_MS),
    )


async def test_expectations_clients_deadlines_and_what_holds_objects() -> None:
    async def control(method: str, path: str) -> Any:
        return ANSWERS[path]

    assert await pending.words(world(control)) == [
        "waiting for  a <- pong",
        "open         a  /agents/chat/me, stalled",
        "next         1:30.000  alarm of Chat/me",
        "awake        Chat/me  setInterval 30000 ms src/chat.ts:88; GET https://x",
    ]


async def test_a_server_that_does_not_answer_is_told() -> None:
    async def control(method: str, path: str) -> Any:
        raise BackendError("E651", "the server does not answer: refused")

    assert (await pending.words(world(control)))[-1] == "server       does not answer: the server does not answer: refused"
