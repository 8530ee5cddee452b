"""An AI gateway in front of scripted models, on a clock that moves only when everything waits for it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import json
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any

from emulator.config.ai import AiConfig, GatewayConfig
from emulator.gateway.ai.ai_gateway.gateway import AiGateway, GatewayOutcome
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.replay import Pacer, Speed
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure

WALL_MS = 1_700_000_040_000
"""A full minute (and a full hour's 14th minute), so that aligned windows begin when the test does."""
MODEL = "@cf/meta/llama-3.1-8b-instruct"
JSON: Headers = [("content-type", "application/json")]
SSE: Headers = [("content-type", "text/event-stream")]


class VirtualClock:
    """`run` drives a coroutine: whenever nothing can go on, the next sleeper wakes and the time is what it waited for."""

    def __init__(self) -> None:
        self.ms = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._order = itertools.count()

    def now_ms(self) -> float:
        return self.ms

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        waiting: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (round(self.ms + seconds * 1000, 6), next(self._order), waiting))
        await waiting

    async def run[T](self, work: Coroutine[Any, Any, T]) -> T:
        task = asyncio.get_running_loop().create_task(work)
        while not task.done():
            await self.settle()
            if not task.done():
                self._wake_next()
        return task.result()

    async def settle(self) -> None:
        for _ in range(30):
            await asyncio.sleep(0)

    def _wake_next(self) -> None:
        while self._sleepers:
            due, _, waiting = heapq.heappop(self._sleepers)
            if not waiting.done():
                self.ms = due
                waiting.set_result(None)
                return
        raise AssertionError("everything waits, and for no clock")


def answer(
    text: str = "hi", *, status: int = 200, usage: Any = None, headers: Headers | None = None, source: Source = Source.BACKEND
) -> Reply:
    body = {"response": text, **({"usage": usage} if usage else {})}
    return Reply(Response(status, list(headers or JSON), json.dumps(body).encode()), source)


def error(status: int, source: Source = Source.BACKEND) -> Reply:
    return Reply(Response(status, list(JSON), json.dumps({"errors": [{"code": 1, "message": f"error {status}"}]}).encode()), source)


class Stream:
    """A body that says how it was used. `breaks` is raised behind the last chunk; a pause (ms) may stand between chunks."""

    def __init__(self, chunks: Sequence[bytes | int], clock: VirtualClock | None = None, breaks: Exception | None = None) -> None:
        self._left = list(chunks)
        self._clock = clock
        self._breaks = breaks
        self.given = 0
        self.closed = False

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        await asyncio.sleep(0)
        while self._left:
            item = self._left.pop(0)
            if isinstance(item, int):
                assert self._clock is not None
                await self._clock.sleep(item / 1000)
                continue
            self.given += 1
            return item
        if self._breaks is not None:
            raise self._breaks
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.closed = True


def events(*texts: str, done: bool = True, usage: Any = None) -> list[bytes]:
    chunks = [f'data: {{"response":"{text}"}}\n\n'.encode() for text in texts]
    if usage is not None:
        chunks.append(f'data: {{"response":"","usage":{json.dumps(usage)}}}\n\n'.encode())
    return [*chunks, *([b"data: [DONE]\n\n"] if done else [])]


def streamed(body: Stream | Sequence[bytes | int]) -> Reply:
    return Reply(Response(200, list(SSE), body if isinstance(body, Stream) else Stream(body)), Source.BACKEND)


@dataclass
class Model:
    """A leg with a script: replies, failures, pauses (ms) before the next one; a callable is asked for its reply. The last reply is
    given again and again when `forever`."""

    script: list[Any]
    clock: VirtualClock
    forever: bool = False
    calls: list[ModelRequest] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    cancelled: int = 0

    async def __call__(self, asked: ModelRequest, step: int) -> Reply:
        self.calls.append(asked)
        self.steps.append(step)
        try:
            while isinstance(self.script[0], int):
                await self.clock.sleep(self.script.pop(0) / 1000)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        item = self.script[0] if self.forever and len(self.script) == 1 else self.script.pop(0)
        if isinstance(item, Exception):
            raise item
        return item() if callable(item) else item


@dataclass
class Answer:
    """What the caller got, read to the end."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    outcome: GatewayOutcome
    reply: Reply

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def cache(self) -> str | None:
        return self.headers.get("cf-aig-cache-status")


class Bench:
    """One server's gateways."""

    def __init__(self, *gateways: GatewayConfig, seed: int = 0, **config: Any) -> None:
        self.clock = VirtualClock()
        self.entropy = itertools.count(1)
        self.gateway = AiGateway(
            AiConfig(gateways={gateway.id: gateway for gateway in gateways}, **config),
            Pacer(Speed.parse("instant"), self.clock.now_ms, self.clock.sleep),
            now_ms=lambda: WALL_MS + int(self.clock.ms),
            entropy=lambda count: next(self.entropy).to_bytes(count, "big"),
            seed=seed,
        )

    def model(self, *script: Any, forever: bool = False) -> Model:
        return Model(list(script), self.clock, forever)

    async def start(
        self, asked: ModelRequest, model: Model, *, gateway: str = "g", headers: dict[str, str] | None = None
    ) -> tuple[Reply, GatewayOutcome]:
        """The reply, its body unread."""
        raw = json.dumps(asked.body).encode()
        return await self.gateway.run(asked, model, gateway_id=gateway, raw_body=raw, path="/ai-gateway/run", headers=headers)

    async def ask(self, asked: ModelRequest, model: Model, *, gateway: str = "g", headers: dict[str, str] | None = None) -> Answer:
        """The answer, read to its end."""

        async def work() -> Answer:
            reply, outcome = await self.start(asked, model, gateway=gateway, headers=headers)
            body = reply.response.body
            chunks = [body] if isinstance(body, bytes) else [chunk async for chunk in body]
            return Answer(reply.response.status, dict(reply.response.headers), chunks, outcome, reply)

        return await self.clock.run(work())

    async def run(self, inputs: Any, model: Model, *, name: str = MODEL, gateway: str = "g", **options: Any) -> Answer:
        """`env.AI.run(name, inputs, {gateway: {id, ...options}})`."""
        return await self.ask(run_request(inputs, name=name, gateway=gateway, **options), model, gateway=gateway)

    def row(self, answer_or_id: Answer | str, gateway: str = "g") -> dict[str, Any]:
        """The log entry of an answer."""
        entry_id = answer_or_id if isinstance(answer_or_id, str) else answer_or_id.headers["cf-aig-log-id"]
        found = self.gateway.get_log(gateway, entry_id)
        assert found is not None
        return found


def run_request(inputs: Any, *, name: str = MODEL, gateway: str = "g", **options: Any) -> ModelRequest:
    return ModelRequest(Kind.RUN, name, inputs, gateway={"id": gateway, **options}, options={})


def universal(*entries: dict[str, Any], gateway: str = "g") -> ModelRequest:
    return ModelRequest(Kind.UNIVERSAL, f"universal/{gateway}", list(entries), gateway={"id": gateway})


def entry(model: str = "gpt-4o", provider: str = "openai", endpoint: str = "chat/completions", **more: Any) -> dict[str, Any]:
    query = {"model": model, "messages": [{"role": "user", "content": "hi"}]}
    return {"provider": provider, "endpoint": endpoint, "headers": {}, "query": query, **more}


def lost() -> NetworkFailure:
    return NetworkFailure.lost("connection refused")


Script = Callable[[], Reply]
