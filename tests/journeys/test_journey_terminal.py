"""The second terminal: `agents-emu chat` and `agents-emu call` against a running server, as the samples' READMEs show them."""

from __future__ import annotations

import asyncio
import json
from asyncio.subprocess import PIPE

from harness.server import COMMAND, SAMPLES, Server, serving

BOUND_S = 30


async def typed(server: Server, *words: str) -> tuple[int, str]:
    """Exit code and output of a command in the project's folder."""
    process = await asyncio.create_subprocess_exec(COMMAND, *words, cwd=server.folder, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE)
    async with asyncio.timeout(BOUND_S):
        output, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, output.decode()


async def test_call(tmp_path):
    async with serving(SAMPLES / "counter_py", tmp_path) as server:
        assert (await typed(server, "call", "Counter/a", "add", "3"))[0] == 0
        code, output = await typed(server, "call", "Counter/a", "add", "4", "--json")
        assert (code, json.loads(output)["result"]) == (0, 7)
        assert (await typed(server, "call", "Counter/a", "nothing"))[0] == 1
        assert await server.get("/agents/counter/a") == (200, {"count": 7})


async def test_chat(tmp_path):
    async with serving(SAMPLES / "chat_py", tmp_path, "--ai-speed", "instant") as server:
        code, output = await typed(server, "chat", "Chat/main", "Hello")
        assert code == 0
        assert "the answer is always the same" in output
        _, messages = await server.get("/agents/chat/main/get-messages")
        assert [message["role"] for message in messages] == ["user", "assistant"]
