"""A client that leaves after each possible number of chunks, by a Close frame and by a TCP reset, and comes back.

The agent runs on without it, and what the client has then heard in all is the whole answer, each chunk once: the rest comes over the
resumed stream, or, when the turn has ended meanwhile, from the stored transcript.
"""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from harness import npm
from harness.chat import Listener, done, resume, submit, user
from harness.frames import connect
from harness.page import spoken_by_recording
from harness.server import SAMPLES, Server, serving
from harness.waiting import eventually

DELTAS = 4
CHUNKS = 3 + DELTAS + 3  # start, start-step, text-start; the deltas; text-end, finish-step, finish
TEXT = "".join(f"d{n} " for n in range(DELTAS))
LEAVINGS = ("close", "reset")
AT_ONCE = 48


def permits_for(chunks: int) -> int:
    """How many permits let exactly this many chunks out: one for each delta, one more for the three last chunks together."""
    return max(0, min(chunks - 3, DELTAS + 1))


async def leave(socket, how: str, heard: int) -> None:
    if heard == 0:
        await socket.fence()  # or the reset could overtake the request; what came by now goes unheard
    if how == "reset":
        socket.reset()
    else:
        await socket.leave()


@pytest.mark.parametrize("how", LEAVINGS)
@pytest.mark.parametrize("heard", range(CHUNKS + 1))
async def test_back_in_mid_turn(raw, protocol: Server, name, heard, how):
    a = await raw("chat", name, _pk="A")
    await a.fence()
    await a.send(submit("req", [user("hello", "u1")], k=DELTAS, gated=True))
    await protocol.request("POST", f"/agents/chat/{name}/release?n={permits_for(heard)}")
    listener = Listener("req").hear([await a.receive() for _ in range(heard)])
    assert len(listener.chunks) == heard
    await leave(a, how, heard)

    back = await raw("chat", name, _pk="A")
    await back.fence()
    id, frames = await resume(back)
    await protocol.request("POST", f"/agents/chat/{name}/release?n={DELTAS + 1}")
    if id is not None:
        listener.hear(frames).hear(await back.until(done("req")))
        assert (listener.text, listener.whole, listener.twice) == (TEXT, True, [])
    assert await spoken(protocol, f"/agents/chat/{name}", 2) == ["hello", TEXT]


@pytest.mark.parametrize("how", LEAVINGS)
@pytest.mark.parametrize("heard", range(CHUNKS + 1))
async def test_back_after_the_turn(raw, protocol: Server, name, heard, how):
    a = await raw("chat", name, _pk="A")
    await a.fence()
    await a.send(submit("req", [user("hello", "u1")], k=DELTAS, gated=True))
    await protocol.request("POST", f"/agents/chat/{name}/release?n={permits_for(heard)}")
    for _ in range(heard):
        await a.receive()
    witness = await raw("chat", name, _pk="W")
    await leave(a, how, heard)
    await protocol.request("POST", f"/agents/chat/{name}/release?n={DELTAS + 1}")
    if (await resume(witness))[0] is not None:
        await witness.until(done("req"))

    back = await raw("chat", name, _pk="A")
    await back.fence()
    assert (await resume(back))[0] is None
    assert await spoken(protocol, f"/agents/chat/{name}", 2) == ["hello", TEXT]


@pytest.mark.parametrize("sample", ["chat_py", "chat_ts"])
async def test_a_sample_chat_at_its_own_pace(session: aiohttp.ClientSession, tmp_path, sample):
    """Many at once, each in a conversation of its own: leave after 0, 1, 2 … chunks of the recorded answer, in both ways."""
    at_once = asyncio.Semaphore(AT_ONCE)
    recorded = spoken_by_recording(sample, "00-binding.run-glm-4.7-flash-any")
    modules = npm.sample_modules() if sample == "chat_ts" else None
    async with serving(SAMPLES / sample, tmp_path, "--ai-speed", "2x", modules=modules) as server:
        probe = await connect(session, server.origin, "/agents/chat/probe")
        await probe.send(submit("req", [user("anything")]))
        total = len(Listener("req").hear(await probe.until(done("req"))).chunks)
        await probe.close()
        assert total > 60

        async def visit(heard: int, how: str) -> None:
            path = f"/agents/chat/{how}-{heard}"
            a = await connect(session, server.origin, path, _pk="A")
            await a.send(submit("req", [user("anything")]))
            listener = Listener("req")
            while len(listener.chunks) < heard:
                listener.hear([await a.receive()])
            await leave(a, how, heard)
            back = await connect(session, server.origin, path, _pk="A")
            id, frames = await resume(back)
            if id is not None:
                listener.hear(frames).hear(await back.until(done("req")))
                assert (listener.whole, listener.twice) == (True, []), (heard, how)
            await back.close()
            assert await spoken(server, path, 2) == ["anything", recorded], (heard, how)
            if id is not None and not is_late(listener):
                assert listener.text == recorded, (heard, how)

        async def in_turn(heard: int, how: str) -> None:
            async with at_once:
                await visit(heard, how)

        await asyncio.gather(*(in_turn(heard, how) for heard in range(total + 1) for how in LEAVINGS))


def is_late(listener: Listener) -> bool:
    """The stream was taken up in the moment in which its message was saved: its rows are gone, the transcript has it."""
    return listener.ended is not None and not any(chunk["type"] == "finish" for chunk in listener.chunks.values())


async def spoken(server: Server, path: str, count: int) -> list[str]:
    """The texts of the transcript, once it has `count` messages: a turn is stored a moment after it ends."""

    async def whole() -> list[dict]:
        status, messages = await server.get(f"{path}/get-messages")
        assert status == 200
        return messages if len(messages) >= count else []

    return ["".join(part.get("text", "") for part in message["parts"]) for message in await eventually(whole)]
