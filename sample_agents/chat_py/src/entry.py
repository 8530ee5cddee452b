"""A chat that streams to every open tab, goes on while nobody listens, and shows a returning tab what it missed."""

from collections.abc import AsyncIterator

from agents import AIChatAgent, ChatMessageOptions, TextPart, UIMessage, route_agent_request
from sse import payloads
from workers import Request, Response, WorkerEntrypoint

MODEL = "@cf/zai-org/glm-4.7-flash"
SYSTEM = "You are a helpful assistant. Answer in a few short paragraphs of plain text."


def text_of(message: UIMessage) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, TextPart))


class Chat(AIChatAgent):
    async def on_chat_message(self, options: ChatMessageOptions) -> AsyncIterator[str]:
        conversation = [{"role": message.role, "content": text_of(message)} for message in self.messages]
        answer = await self.env.AI.run(
            MODEL,
            {"messages": [{"role": "system", "content": SYSTEM}, *conversation], "stream": True},
        )
        async for chunk in payloads(answer):
            for choice in chunk["choices"]:
                if text := choice["delta"].get("content"):
                    yield text


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
