"""Every sample in Python served as it is, and what its README promises: with CI=1 and without any network, in the modes auto and replay
from its recordings, in stub from nothing (A38)."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web
from harness.chat import Listener, done, submit, user
from harness.frames import connect, is_type, types
from harness.listening import listening
from harness.node import Node, NodeError
from harness.server import SAMPLES, serving, serving_offline

PROTOCOL = ("cf_agent_identity", "cf_agent_state", "cf_agent_mcp_servers")


def every_sample() -> list[str]:
    return sorted(path.parent.name for path in SAMPLES.glob("*_py/wrangler.jsonc"))


def test_every_sample_has_its_journey():
    here = globals()
    assert [name for name in every_sample() if f"test_{name}" not in here] == []


async def test_chat_py(session: aiohttp.ClientSession, tmp_path, node: Node):
    async with serving_offline(SAMPLES / "chat_py", tmp_path) as server:
        async with session.get(f"{server.origin}/") as page:
            assert page.content_type == "text/html"
            assert "chat_py" in await page.text()
        for asset, kind in (("style.css", "text/css"), ("app.js", "text/javascript"), ("conversation.js", "text/javascript")):
            async with session.get(f"{server.origin}/{asset}") as response:
                assert response.content_type == kind
        assert (await server.get("/agents/nobody/x"))[0] == 400
        async for mode in server.each_mode():
            tab = await connect(session, server.origin, f"/agents/chat/{mode}")
            for number, (said, recorded) in enumerate((("tell me", "I am a Durable Object."), ("Hello there", "Hello!"))):
                await tab.send(submit(f"turn{number}", [user(said)]))
                answer = Listener(f"turn{number}").hear(await tab.until(done(f"turn{number}")))
                assert answer.text.startswith(begin(mode, recorded))
                assert answer.whole
            async with node.tab(server.host, "Chat", f"npm-{mode}") as page:
                await page.say("turn", "tell me")
                assert (await page.turn("turn"))["text"].startswith(begin(mode, "I am a Durable Object."))


async def test_ws_stream_py(session, tmp_path):
    async with serving_offline(SAMPLES / "ws_stream_py", tmp_path, "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            socket = await connect(session, server.origin, "/agents/reasoner/me")
            await socket.send({"prompt": "Why is the sky blue?"})
            frames = own(await socket.until(lambda frame: is_type(frame, "done", "error")))
            assert types(frames) == ["chunk"] * (len(frames) - 1) + ["done"]
            assert len(frames) > 10
            assert "".join(frame["content"] for frame in frames[:-1]).startswith(begin(mode, "A reasoning model"))


async def test_ws_stream_py_says_why_there_is_no_answer(session, tmp_path):
    async with serving(SAMPLES / "ws_stream_py", tmp_path, "--ai-speed", "instant") as server:
        socket = await connect(session, server.origin, "/agents/reasoner/me")
        await socket.send({"prompt": "busy"})
        (failure,) = own(await socket.until(lambda frame: is_type(frame, "done", "error")))
        assert failure["error"].startswith("InferenceUpstreamError: 3040: ")


async def test_sse_py(session, tmp_path):
    async with serving_offline(SAMPLES / "sse_py", tmp_path, "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            async with session.get(f"{server.origin}/agents/generator/me") as response:
                assert response.headers["content-type"] == "text/event-stream"
                events = (await response.text()).split("\n\n")
            assert events[-2:] == ["data: [DONE]", ""]
            tokens = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
            assert "".join(token["response"] for token in tokens).startswith(begin(mode, "export default {"))
            assert tokens[-1]["usage"]["total_tokens"] > 0


async def test_gateway_py(tmp_path):
    async with serving_offline(SAMPLES / "gateway_py", tmp_path) as server:
        async for mode in server.each_mode():
            status, answer = await server.get("/agents/routed/me")
            assert status == 200
            assert answer["response"].startswith(begin(mode, "export default {"))
            assert answer["usage"]["prompt_tokens"] > 0


async def test_generate_py(tmp_path):
    async with serving_offline(SAMPLES / "generate_py", tmp_path) as server:
        async for mode in server.each_mode():
            status, answer = await server.get("/agents/builder/me")
            assert (status, list(answer)) == (200, ["modelResponse"])
            assert answer["modelResponse"].startswith(begin(mode, "Give the agent one job"))


async def test_openai_compat_py(session, tmp_path):
    async with serving_offline(SAMPLES / "openai_compat_py", tmp_path, "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            async with session.get(f"{server.origin}/agents/gemini/me") as response:
                assert response.status == 200
                assert (await response.text()).startswith(begin(mode, "Here is a Worker"))


async def test_openai_compat_py_with_a_live_endpoint(session, tmp_path):
    """The endpoint is ours, and says one piece after the other has been read at the far end: nothing is held back on the way."""
    asked: list[dict] = []
    pieces = iter(["one ", "two ", "three"])

    async def completions(request: web.Request) -> web.StreamResponse:
        asked.append({"authorization": request.headers["authorization"], **await request.json()})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in pieces:
            await response.write(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n".encode())
            await read.get()
        await response.write(b"data: [DONE]\n\n")
        return response

    read: asyncio.Queue[None] = asyncio.Queue()
    async with listening("/v1/chat/completions", completions) as base:
        arguments = ("--ai", "live", "--var", f"GEMINI_BASE_URL:{base}/v1", "--var", "GEMINI_API_KEY:of nobody")
        async with (
            serving(SAMPLES / "openai_compat_py", tmp_path, *arguments) as server,
            session.get(f"{server.origin}/agents/gemini/me") as response,
        ):
            heard = []
            while piece := await response.content.readany():
                heard.append(piece)
                read.put_nowait(None)
            assert heard == [b"one ", b"two ", b"three"]
    assert [(call["authorization"], call["model"], call["stream"]) for call in asked] == [("Bearer of nobody", "gemini-2.0-flash", True)]


async def test_history_py(session, tmp_path):
    async with serving_offline(SAMPLES / "history_py", tmp_path, "--ai-speed", "1x") as server:
        async for mode in server.each_mode():
            path = f"/agents/companion/{mode}"
            first = await connect(session, server.origin, path)
            await first.send({"prompt": "Remember me"})
            frames = own(await first.until(lambda frame: is_type(frame, "chunk")))
            assert frames[0] == {"type": "history", "lines": []}
            first.reset()

            back = await connect(session, server.origin, path)
            frames = own(await back.until(lambda frame: is_type(frame, "done")))
            assert frames[0] == {"type": "history", "lines": [{"role": "user", "content": "Remember me"}]}
            so_far = frames[-2]["so_far"]

            late = await connect(session, server.origin, path)
            (history,) = own(await late.until(lambda frame: is_type(frame, "history")))
            assert [line["role"] for line in history["lines"]] == ["user", "assistant"]
            assert history["lines"][1]["content"].startswith(begin(mode, "I remember this"))
            assert len(history["lines"][1]["content"]) == so_far


async def test_reminders_py(session, tmp_path, node: Node):
    async with serving(SAMPLES / "reminders_py", tmp_path) as server, node.client(server.host, "Reminders", "me") as client:
        await client.ready()
        assert (await client.call("remind_in", 0.1, "tea"))["type"] == "delayed"
        soon = (datetime.now(UTC) + timedelta(seconds=0.1)).isoformat()
        assert (await client.call("remind_at", soon, "call home"))["type"] == "scheduled"
        assert (await client.call("remind_by_cron", "0 9 * * 1-5", "stand-up"))["cron"] == "0 9 * * 1-5"
        every = await client.call("remind_every", 3600, "breathe")
        assert every["every"] == 3600
        heard = await client.seen("state", 3)
        assert sorted(heard[-1]["state"]["rung"]) == ["call home", "tea"]
        _, told = await server.get("/agents/reminders/me")
        assert sorted(reminder["text"] for reminder in told["upcoming"]) == ["breathe", "stand-up"]
        assert await client.call("forget", every["id"]) is True
        assert [reminder["text"] for reminder in await client.call("upcoming")] == ["stand-up"]
        with pytest.raises(NodeError):
            await client.call("remind_by_cron", "whenever", "never")


async def test_checkout_py(tmp_path, node: Node):
    async with serving_offline(SAMPLES / "checkout_py", tmp_path) as server:
        for agent in ("Careless", "Careful"):
            async with node.client(server.host, agent, "me") as client:
                await client.ready()
                assert [await client.call("pay", "7"), await client.call("pay", "7")] == ["ch_1", "ch_1"]
                assert (await client.seen("state", 2))[-1]["state"] == {"paid": {"7": "ch_1"}}
        assert "POST https://payments.example/charges" in await requests_of(server)
        assert "PUT https://payments.example/charges/7" in await requests_of(server)


async def requests_of(server) -> list[str]:
    """What the agents asked others, each time; paying an order again asks nobody."""
    _, lines = await server.request("GET", "/cdn-cgi/emu/api/journal")
    asked = [f"{entry['method']} {entry['url']}" for entry in map(json.loads, lines.splitlines()) if entry["kind"] == "egress"]
    assert len(asked) == len(set(asked))
    return asked


async def test_counter_py(tmp_path, node: Node):
    async with (
        serving(SAMPLES / "counter_py", tmp_path) as server,
        node.client(server.host, "Counter", "a") as one,
        node.client(server.host, "Counter", "a") as two,
    ):
        await one.ready(), await two.ready()
        assert await one.call("add", 3) == 3
        assert (await two.seen("state", 2))[-1]["state"] == {"count": 3}
        await two.use("setState", {"count": -1})
        assert (await two.seen("state_error"))[0]["error"] == "State update rejected"
        assert (await one.stream("count_down"))[0] == [3, 2, 1]
        assert await server.get("/agents/counter/a") == (200, {"count": 3})


def own(frames: list) -> list:
    """Without the frames of the agents protocol."""
    return [frame for frame in frames if not is_type(frame, *PROTOCOL)]


def begin(mode: str, recorded: str) -> str:
    """How the answer begins: as the recording does, or as the stub always does."""
    return recorded if mode != "stub" else "This is the stub"
