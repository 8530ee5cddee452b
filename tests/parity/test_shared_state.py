"""State that `wrangler dev` wrote is read and continued by `agents-emu dev`, and the other way round: a counter, a chat, a schedule."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from harness.chat import done, submit, user
from harness.frames import RawSocket, connect, is_type
from playing.servers import emulator, wrangler

SERVERS = {"wrangler dev": wrangler, "agents-emu dev": emulator}


@asynccontextmanager
async def visiting(kind: str, folder: Path):
    """A server that keeps its objects in `folder`: `await open_socket(agent)`, and `await said()`, the texts of the chat."""
    async with SERVERS[kind](folder) as server, aiohttp.ClientSession() as session:

        async def open_socket(agent: str) -> RawSocket:
            return await connect(session, server.origin, f"/agents/{agent}/shared")

        async def said() -> list[str]:
            async with session.get(f"{server.origin}/agents/chat/shared/get-messages") as answer:
                return ["".join(part.get("text", "") for part in message["parts"]) for message in await answer.json()]

        yield open_socket, said


def sharing(parent: Path) -> list[Path]:
    """Three folders for servers that have one state."""
    state, *folders = (parent / name for name in ("state", "first", "second", "third"))
    state.mkdir()
    for folder in folders:
        folder.mkdir()
        (folder / "state").symlink_to(state, target_is_directory=True)
    return folders


async def stored_count(socket: RawSocket) -> int:
    """What the agent says on connect."""
    return (await socket.until(lambda frame: is_type(frame, "cf_agent_state")))[-1]["state"]["n"]


async def result(socket: RawSocket, method: str, *arguments: Any) -> Any:
    return (await socket.call(method, *arguments))[-1].get("result")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("order", [list(SERVERS), list(reversed(SERVERS))], ids=["wrangler first", "agents-emu first"])
async def test_state_goes_from_one_to_the_other_and_back(order: list[str], tmp_path: Path) -> None:
    folders = sharing(tmp_path)
    first, second = order
    async with visiting(first, folders[0]) as (open_socket, said):
        counter, chat, clock = [await open_socket(agent) for agent in ("counter", "chat", "clockwork")]
        assert await stored_count(counter) == 0
        assert await result(counter, "bump") == 1
        await chat.send(submit("req1", [user("hello", "u1")], k=2))
        await chat.until(done("req1"))
        assert await said() == ["hello", "d0 d1 "]
        await result(clock, "planIn", 1, "tea")
        planned = await result(clock, "planIn", 1000, "later")

    await asyncio.sleep(1)  # the tea is due, and nobody serves it
    async with visiting(second, folders[1]) as (open_socket, said):
        clock = await open_socket("clockwork")
        await asyncio.sleep(1)  # rung by the server that has just started, not by this connection
        assert await result(clock, "runs") == ["delayed:tick:tea"]
        assert [one["id"] for one in await result(clock, "planned")] == [planned["id"]]
        counter, chat = await open_socket("counter"), await open_socket("chat")
        assert await stored_count(counter) == 1
        assert await result(counter, "bump") == 2
        assert await said() == ["hello", "d0 d1 "]
        await chat.send(submit("req2", [user("again", "u2")], k=1))
        await chat.until(done("req2"))
        assert await result(clock, "forget", planned["id"]) is True

    async with visiting(first, folders[2]) as (open_socket, said):
        assert await stored_count(await open_socket("counter")) == 2
        assert await result(await open_socket("clockwork"), "planned") == []
        assert await said() == ["hello", "d0 d1 ", "again", "d0 "]
