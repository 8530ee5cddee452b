"""The other samples on several versions of the SDK: what they say of themselves. `make matrix` plays them, `make test` does not."""

from __future__ import annotations

import json

import pytest
from harness.frames import connect, is_type, types


async def test_ws_stream_ts(session, serve):
    async with serve("ws_stream_ts", "--ai-speed", "instant") as server:
        socket = await connect(session, server.origin, "/agents/reasoner/me")
        await socket.send({"prompt": "Why is the sky blue?"})
        frames = own(await socket.until(lambda frame: is_type(frame, "done", "error")))
        assert types(frames) == ["chunk"] * (len(frames) - 1) + ["done"]
        assert "".join(frame["content"] for frame in frames[:-1]).startswith("A reasoning model")


async def test_history_ts(session, serve):
    async with serve("history_ts", "--ai-speed", "4x") as server:
        first = await connect(session, server.origin, "/agents/companion/me")
        await first.send({"prompt": "Remember me"})
        frames = own(await first.until(lambda frame: is_type(frame, "chunk")))
        assert frames[0] == {"type": "history", "lines": []}
        first.reset()
        back = await connect(session, server.origin, "/agents/companion/me")
        frames = own(await back.until(lambda frame: is_type(frame, "done")))
        assert frames[0] == {"type": "history", "lines": [{"role": "user", "content": "Remember me"}]}
        late = await connect(session, server.origin, "/agents/companion/me")
        (history,) = own(await late.until(lambda frame: is_type(frame, "history")))
        assert [line["role"] for line in history["lines"]] == ["user", "assistant"]
        assert len(history["lines"][1]["content"]) == frames[-2]["soFar"]


async def test_sse_js(session, serve):
    async with serve("sse_js", "--ai-speed", "instant") as server, session.get(f"{server.origin}/agents/generator/me") as response:
        assert response.headers["content-type"] == "text/event-stream"
        events = (await response.text()).split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        assert "".join(json.loads(event.removeprefix("data: "))["response"] for event in events[:-2]).startswith("export default {")


@pytest.mark.parametrize(
    ("sample", "path", "said"),
    [
        ("gateway_ts", "/agents/routed/me", "export default {"),
        ("generate_js", "/agents/builder/me", "Give the agent one job"),
        ("openai_compat_ts", "/agents/gemini/me", "Here is a Worker"),
    ],
)
async def test_one_answer(serve, sample, path, said):
    async with serve(sample, "--ai-speed", "instant") as server:
        status, answer = await server.get(path)
        text = answer if isinstance(answer, str) else answer.get("text", answer.get("response"))
        assert status == 200
        assert text.startswith(said)


def own(frames: list) -> list:
    """Without the frames of the agents protocol."""
    return [frame for frame in frames if not is_type(frame, "cf_agent_identity", "cf_agent_state", "cf_agent_mcp_servers")]
