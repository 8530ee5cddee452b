"""What all fake providers are: an HTTP server on 127.0.0.1 that notes every request and does what its script says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from aiohttp import web

from .mind import Turn

NEVER = 3600.0


@dataclass
class Seen:
    """One request. `left`: the client closed the connection before the answer's end; `sent`: chunks that went out so far."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes
    left: bool = False
    sent: int = 0

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What a protocol answers: `chunks` are written one by one, each flushed; one chunk alone has a content-length."""

    status: int
    content_type: str
    chunks: Sequence[bytes]
    headers: dict[str, str] = field(default_factory=dict)
    streamed: bool = False


@dataclass(frozen=True)
class Step:
    """What happens to one request. Times are real milliseconds. `turn` replaces the model's answer; `status` (with `code` and `message`)
    gives the provider's own error, `raw` any body at all (with `content_type`). `events` are put into the stream as they are before chunk
    `at`. After `stop_after` chunks: `end` ends the body in order, `reset` tears the connection, `stall` keeps it open and silent."""

    turn: Turn | None = None
    status: int = 200
    code: str | None = None
    message: str = "scripted"
    raw: bytes | None = None
    content_type: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    head_ms: float = 0
    first_ms: float = 0
    gap_ms: float = 0
    events: Sequence[bytes] = ()
    at: int = 0
    stop_after: int | None = None
    then: str = "end"
    never: bool = False


class Refusal(Exception):
    """The provider refuses a request, in its own words."""

    def __init__(self, status: int, message: str, code: str | None = None, kind: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.kind = kind


class FakeServer:
    """`async with` (or `running()` from a test without a loop) serves on `url`. Steps that `script` adds are used in order, one for each
    request; then every request gets the plain answer. `key`: what must be given as the API key, None for any.

    A protocol implements `answer` and `error`."""

    def __init__(self, *, key: str | None = None) -> None:
        self.key = key
        self.url = ""
        self.seen: list[Seen] = []
        self._steps: deque[Step] = deque()
        self._runner: web.AppRunner | None = None
        self._closing = asyncio.Event()

    def answer(self, seen: Seen, turn: Turn | None) -> Answer:
        """The answer to a request, with this turn if given. Raises Refusal."""
        raise NotImplementedError

    def error(self, refusal: Refusal) -> Answer:
        """A refusal as this provider writes it."""
        raise NotImplementedError

    def script(self, *steps: Step) -> Self:
        """Add steps."""
        self._steps.extend(steps)
        return self

    @property
    def last(self) -> Seen:
        """The last request."""
        return self.seen[-1]

    async def until(self, condition: Callable[[], bool], *, within_s: float = 10.0) -> None:
        """Wait for something this server sees. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not condition():
                await asyncio.sleep(0.002)

    async def __aenter__(self) -> Self:
        self._closing = asyncio.Event()
        app = web.Application(client_max_size=256 * 1024 * 1024)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.0, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._closing.set()
        if self._runner is not None:
            runner, self._runner = self._runner, None
            await runner.cleanup()

    @contextlib.contextmanager
    def running(self) -> Iterator[Self]:
        """The same from a thread with a loop of its own, for tests that drive processes."""
        started, stop = threading.Event(), asyncio.Event()
        loop = asyncio.new_event_loop()

        async def serve() -> None:
            async with self:
                started.set()
                await stop.wait()

        thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
        thread.start()
        if not started.wait(10):
            raise TimeoutError("the fake does not start")
        try:
            yield self
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(10)
            loop.close()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        seen = Seen(
            request.method,
            request.path,
            dict(request.query),
            {name.lower(): value for name, value in request.headers.items()},
            await request.read(),
        )
        self.seen.append(seen)
        step = self._steps.popleft() if self._steps else Step()
        try:
            return await self._perform(request, seen, step)
        except (asyncio.CancelledError, ConnectionResetError):
            seen.left = True
            raise

    async def _perform(self, request: web.Request, seen: Seen, step: Step) -> web.StreamResponse:
        if step.never:
            await self._wait(NEVER)
        await self._wait(step.head_ms / 1000)
        answer = self._scripted(seen, step)
        headers = {"content-type": answer.content_type, **answer.headers, **step.headers}
        chunks = [*answer.chunks[: step.at], *step.events, *answer.chunks[step.at :]]
        if not answer.streamed and step.stop_after is None and not step.first_ms:
            seen.sent = 1
            return web.Response(status=answer.status, headers=headers, body=b"".join(chunks))
        response = web.StreamResponse(status=answer.status, headers=headers)
        await response.prepare(request)
        async for chunk in self._paced(chunks, step):
            await response.write(chunk)
            seen.sent += 1
        if step.stop_after is not None and step.then == "reset" and request.transport is not None:
            request.transport.abort()
        elif step.stop_after is not None and step.then == "stall":
            await self._wait(NEVER)
        else:
            await response.write_eof()
        return response

    def _scripted(self, seen: Seen, step: Step) -> Answer:
        if step.raw is not None:
            streamed = (step.content_type or "").startswith("text/event-stream")
            return Answer(step.status, step.content_type or "application/json", [step.raw], streamed=streamed)
        try:
            if step.status != 200:
                raise Refusal(step.status, step.message, step.code)
            answer = self.answer(seen, step.turn)
        except Refusal as refusal:
            answer = self.error(refusal)
        return answer if step.content_type is None else Answer(answer.status, step.content_type, answer.chunks, streamed=answer.streamed)

    async def _paced(self, chunks: Sequence[bytes], step: Step) -> AsyncIterator[bytes]:
        for index, chunk in enumerate(chunks[: step.stop_after]):
            await self._wait((step.gap_ms if index else step.first_ms) / 1000)
            yield chunk

    async def _wait(self, seconds: float) -> None:
        """Sleep, but not beyond the server's own end; a wait of nothing lets others run."""
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)


def json_answer(document: Any, status: int = 200, **headers: str) -> Answer:
    """A JSON answer."""
    return Answer(status, "application/json", [json.dumps(document).encode()], headers)


def event_stream(chunks: Sequence[bytes], **headers: str) -> Answer:
    """A stream of server-sent events, one chunk each."""
    return Answer(200, "text/event-stream; charset=utf-8", list(chunks), headers, streamed=True)


def event(document: Any, name: str | None = None) -> bytes:
    """One event, with a name as the Responses and Messages APIs have."""
    text = document if isinstance(document, str) else json.dumps(document, ensure_ascii=False)
    return ((f"event: {name}\n" if name else "") + f"data: {text}\n\n").encode()
