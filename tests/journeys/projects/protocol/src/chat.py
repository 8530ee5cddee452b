"""The Chat of the conformance scenarios: it says what the request's body asks for, one piece for each permit.

Body: `script` (see `Chat.on_chat_message`), `k` (how many deltas), `gated` (wait for a permit before each delta). Permits come by
`POST …/release?n=`, so a journey decides what has been said when, without a clock.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Any

from agents import AIChatAgent, AIChatAgentOptions, ChatMessageOptions, Debounce, TextPart, UIMessage, callable
from agents.chat import chunks
from asked import asked
from workers import Request, Response


class Chat(AIChatAgent):
    async def on_start(self) -> None:
        self.permits = asyncio.Semaphore(0)
        self.finished: list[str] = []

    async def on_chat_message(self, options: ChatMessageOptions) -> AsyncIterator[Any]:
        body = options.body or {}
        count, gated = int(body.get("k", 3)), bool(body.get("gated"))
        match body.get("script", "deltas"):
            case "deltas":
                async for chunk in self.deltas(count, gated):
                    yield chunk
                yield chunks.Finish(finish_reason="stop")
            case "text":
                for number in range(count):
                    await self.permit(gated)
                    yield f"piece{number} "
            case "error":
                async for chunk in self.deltas(count, gated):
                    yield chunk
                yield chunks.Error(error_text="the model gave up")
            case "throw":
                await self.permit(gated)
                raise RuntimeError("no model today")
            case "nothing":
                await self.permit(gated)
        self.finished.append(options.request_id)

    async def deltas(self, count: int, gated: bool) -> AsyncIterator[Any]:
        yield chunks.Start()
        yield chunks.StartStep()
        yield chunks.TextStart(id="t")
        for number in range(count):
            await self.permit(gated)
            yield chunks.TextDelta(id="t", delta=f"d{number} ")
        await self.permit(gated)
        yield chunks.TextEnd(id="t")
        yield chunks.FinishStep()

    async def permit(self, gated: bool) -> None:
        if gated:
            await self.permits.acquire()

    async def on_request(self, request: Request) -> Response:
        query = asked(request.url)
        if "/release" in request.url:
            for _ in range(int(query["n"])):
                self.permits.release()
        return Response.from_json({"finished": self.finished, "pid": os.getpid()})

    @callable
    async def fence(self) -> None:
        """Nothing: its answer shows that everything before it has been sent."""

    @callable
    async def ask(self, text: str) -> str:
        """A turn that the server starts."""
        question = UIMessage(id=f"asked-{len(self.messages)}", role="user", parts=[TextPart(text=text)])
        return (await self.save_messages([*self.messages, question])).status

    @callable
    async def jot(self, text: str) -> None:
        """Write something down in the middle of a turn."""
        self.sql("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
        self.sql("INSERT INTO notes VALUES (?)", text)

    @callable
    async def notes(self) -> list[str]:
        self.sql("CREATE TABLE IF NOT EXISTS notes (text TEXT)")
        return [row["text"] for row in self.sql("SELECT text FROM notes")]


class DropChat(Chat):
    options = AIChatAgentOptions(message_concurrency="drop")


class LatestChat(Chat):
    options = AIChatAgentOptions(message_concurrency="latest")


class PatientChat(Chat):
    options = AIChatAgentOptions(message_concurrency=Debounce(1.5))
