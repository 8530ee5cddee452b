"""Every sample in TypeScript and JavaScript served as it is, and what its README promises: with CI=1 and without any network, in the modes
auto and replay from its recordings, in stub from nothing (A38)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from harness import npm
from harness.chat import Listener, done, submit, user
from harness.frames import connect, is_type, types
from harness.listening import listening
from harness.node import Node, NodeError
from harness.server import SAMPLES, Server, serving, serving_offline
from harness.waiting import eventually

PROTOCOL = ("cf_agent_identity", "cf_agent_state", "cf_agent_mcp_servers")

Serve = Callable[..., AbstractAsyncContextManager[Server]]


@pytest.fixture
def serve(tmp_path: Path) -> Serve:
    """`async with serve(sample, *arguments) as server`."""
    modules = npm.sample_modules()
    return lambda sample, *arguments: serving(SAMPLES / sample, tmp_path, *arguments, modules=modules)


@pytest.fixture
def serve_offline(tmp_path: Path) -> Serve:
    """The same with CI=1 and without any network."""
    modules = npm.sample_modules()
    return lambda sample, *arguments: serving_offline(SAMPLES / sample, tmp_path, *arguments, modules=modules)


def test_every_sample_has_its_journey():
    here = globals()
    samples = sorted(path.parent.name for path in SAMPLES.glob("*_[jt]s/wrangler.jsonc"))
    assert [name for name in samples if f"test_{name}" not in here] == []


async def test_chat_ts(session, serve_offline, node: Node):
    async with serve_offline("chat_ts") as server:
        async with session.get(f"{server.origin}/") as page:
            assert page.content_type == "text/html"
            assert "chat_ts" in await page.text()
        for asset, kind in (("style.css", "text/css"), ("app.js", "text/javascript"), ("conversation.js", "text/javascript")):
            async with session.get(f"{server.origin}/{asset}") as response:
                assert response.content_type == kind
        assert (await server.get("/agents/nobody/x"))[0] == 400
        async for mode in server.each_mode():
            tab = await connect(session, server.origin, f"/agents/chat/{mode}")
            await tab.send(submit("any", [user("tell me")]))
            answer = Listener("any").hear(await tab.until(done("any")))
            assert answer.text.startswith(begin(mode, "I am a Durable Object with a few tools"))
            assert answer.whole
            async with node.tab(server.host, "Chat", f"npm-{mode}") as page:
                await page.say("turn", "tell me")
                assert (await page.turn("turn"))["text"] == answer.text


async def test_ws_stream_ts(session, serve_offline):
    async with serve_offline("ws_stream_ts", "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            socket = await connect(session, server.origin, "/agents/reasoner/me")
            await socket.send({"prompt": "Why is the sky blue?"})
            frames = own(await socket.until(lambda frame: is_type(frame, "done", "error")))
            assert types(frames) == ["chunk"] * (len(frames) - 1) + ["done"]
            assert len(frames) > 10
            assert "".join(frame["content"] for frame in frames[:-1]).startswith(begin(mode, "A reasoning model"))


async def test_ws_stream_ts_says_why_there_is_no_answer(session, serve):
    async with serve("ws_stream_ts") as server:
        socket = await connect(session, server.origin, "/agents/reasoner/me")
        await socket.send({"prompt": "busy"})
        (failure,) = own(await socket.until(lambda frame: is_type(frame, "done", "error")))
        assert "3040: " in failure["error"]


async def test_sse_js(session, serve_offline):
    async with serve_offline("sse_js", "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            async with session.get(f"{server.origin}/agents/generator/me") as response:
                assert response.headers["content-type"] == "text/event-stream"
                events = (await response.text()).split("\n\n")
            assert events[-2:] == ["data: [DONE]", ""]
            tokens = [json.loads(event.removeprefix("data: ")) for event in events[:-2]]
            assert "".join(token["response"] for token in tokens).startswith(begin(mode, "export default {"))
            assert tokens[-1]["usage"]["total_tokens"] > 0


async def test_gateway_ts(serve_offline):
    async with serve_offline("gateway_ts") as server:
        async for mode in server.each_mode():
            status, answer = await server.get("/agents/routed/me")
            assert status == 200
            assert answer["response"].startswith(begin(mode, "export default {"))
            assert answer["usage"]["prompt_tokens"] > 0
            assert answer["log"]


async def test_generate_js(serve_offline):
    async with serve_offline("generate_js") as server:
        async for mode in server.each_mode():
            for query, said in (("", "Give the agent one job"), ("?provider=openai", "One class, one object")):
                status, answer = await server.get(f"/agents/builder/me{query}")
                assert (status, list(answer)) == (200, ["text", "tokens"])
                assert answer["text"].startswith(begin(mode, said))
                assert answer["tokens"] > 0


async def test_openai_compat_ts(session, serve_offline):
    async with serve_offline("openai_compat_ts", "--ai-speed", "instant") as server:
        async for mode in server.each_mode():
            async with session.get(f"{server.origin}/agents/gemini/me") as response:
                assert response.status == 200
                assert (await response.text()).startswith(begin(mode, "Here is a Worker"))


async def test_openai_compat_ts_with_a_live_endpoint(session, serve):
    """The endpoint is ours, and says one piece after the other has been read at the far end: nothing is held back on the way."""
    asked: list[dict] = []
    read: asyncio.Queue[None] = asyncio.Queue()

    async def completions(request: web.Request) -> web.StreamResponse:
        asked.append({"authorization": request.headers["authorization"], **await request.json()})
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for piece in ("one ", "two ", "three"):
            await response.write(f"data: {json.dumps({'choices': [{'delta': {'content': piece}}]})}\n\n".encode())
            await read.get()
        await response.write(b"data: [DONE]\n\n")
        return response

    async with listening("/v1/chat/completions", completions) as base:
        arguments = ("--ai", "live", "--var", f"GEMINI_BASE_URL:{base}/v1", "--var", "GEMINI_API_KEY:of nobody")
        async with serve("openai_compat_ts", *arguments) as server, session.get(f"{server.origin}/agents/gemini/me") as response:
            heard = []
            while piece := await response.content.readany():
                heard.append(piece)
                read.put_nowait(None)
            assert heard == [b"one ", b"two ", b"three"]
    assert [(call["authorization"], call["model"], call["stream"]) for call in asked] == [("Bearer of nobody", "gemini-2.0-flash", True)]


async def test_openai_compat_ts_tears_the_stream_when_the_endpoint_fails(session, serve):
    async def completions(request: web.Request) -> web.Response:
        return web.json_response({"error": {"message": "no such key"}}, status=401)

    async with listening("/v1/chat/completions", completions) as base:
        arguments = ("--ai", "live", "--var", f"GEMINI_BASE_URL:{base}/v1", "--var", "GEMINI_API_KEY:wrong")
        async with serve("openai_compat_ts", *arguments) as server:
            with pytest.raises(aiohttp.ClientError):
                async with session.get(f"{server.origin}/agents/gemini/me") as response:
                    await response.read()
            assert "no such key" in server.output()


async def test_history_ts(session, serve_offline):
    async with serve_offline("history_ts", "--ai-speed", "1x") as server:
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
            so_far = frames[-2]["soFar"]

            late = await connect(session, server.origin, path)
            (history,) = own(await late.until(lambda frame: is_type(frame, "history")))
            assert [line["role"] for line in history["lines"]] == ["user", "assistant"]
            assert history["lines"][1]["content"].startswith(begin(mode, "I remember this"))
            assert len(history["lines"][1]["content"]) == so_far


async def test_counter_ts(serve_offline, node: Node):
    async with (
        serve_offline("counter_ts") as server,
        node.client(server.host, "Counter", "a") as one,
        node.client(server.host, "Counter", "a") as two,
    ):
        await one.ready(), await two.ready()
        assert await one.call("add", 3) == 3
        assert (await two.seen("state", 2))[-1]["state"] == {"count": 3}
        await two.use("setState", {"count": -1})
        assert (await two.seen("state_error"))[0]["error"] == "State update rejected"
        assert await one.stream("countDown") == ([3, 2, 1], "lift-off")
        assert await server.get("/agents/counter/a") == (200, {"count": 3})


async def test_checkout_ts(serve_offline, node: Node):
    async with serve_offline("checkout_ts") as server:
        for agent in ("Careless", "Careful"):
            async with node.tab(server.host, agent, "me") as page:
                for turn in ("first", "again"):
                    await page.say(turn, "Pay order 7")
                    assert (await page.turn(turn))["text"] == "Order 7 is paid. Thank you! Your receipt is ch_1."
        _, lines = await server.request("GET", "/cdn-cgi/emu/api/journal")
        asked = [f"{entry['method']} {entry['url']}" for entry in map(json.loads, lines.splitlines()) if entry["kind"] == "egress"]
        assert asked == ["POST https://payments.example/charges", "PUT https://payments.example/charges/7"]


async def test_reminders_ts(serve_offline, node: Node):
    async with serve_offline("reminders_ts") as server, node.client(server.host, "Reminders", "me") as client:
        await client.ready()
        assert (await client.call("remindIn", 0.1, "tea"))["type"] == "delayed"
        soon = (datetime.now(UTC) + timedelta(seconds=0.1)).isoformat()
        assert (await client.call("remindAt", soon, "call home"))["type"] == "scheduled"
        assert (await client.call("remindByCron", "0 9 * * 1-5", "stand-up"))["cron"] == "0 9 * * 1-5"
        every = await client.call("remindEvery", 3600, "breathe")
        assert every["every"] == 3600
        heard = await client.seen("state", 3)
        assert sorted(heard[-1]["state"]["rung"]) == ["call home", "tea"]
        _, told = await server.get("/agents/reminders/me")
        assert sorted(reminder["text"] for reminder in told["upcoming"]) == ["breathe", "stand-up"]
        assert await client.call("forget", every["id"]) is True
        assert [reminder["text"] for reminder in await client.call("upcoming")] == ["stand-up"]
        with pytest.raises(NodeError):
            await client.call("remindByCron", "whenever", "never")


async def test_reminders_ts_ring_after_a_restart(serve, node: Node):
    async with serve("reminders_ts") as server:
        async with node.client(server.host, "Reminders", "me") as client:
            await client.ready()
            await client.call("remindIn", 1, "tea")
        await server.kill()
        await asyncio.sleep(1)
        await server.restart()

        async def rung() -> bool:
            return not (await server.control("GET", "alarms"))["alarms"]

        await eventually(rung)  # with nobody there
        assert (await server.get("/agents/reminders/me"))[1] == {"upcoming": [], "rung": ["tea"]}


def own(frames: list) -> list:
    """Without the frames of the agents protocol."""
    return [frame for frame in frames if not is_type(frame, *PROTOCOL)]


def begin(mode: str, recorded: str) -> str:
    """How the answer begins: as the recording does, or as the stub always does."""
    return recorded if mode != "stub" else "This is the stub"
