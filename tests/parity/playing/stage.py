"""What a scenario works with: connections and requests to its own agents, with everything written down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol
from urllib.parse import urlencode

import aiohttp
from harness.frames import Closed, RawSocket
from harness.node import Node, NpmClient
from yarl import URL

from playing.transcript import Transcript

# Headers of an answer that say something about the agents; the others are the server's business.
_TOLD_HEADERS = ("content-type", "location", "www-authenticate")
_MEANWHILE_S = 0.02


class Server(Protocol):
    """A server with the project, ours or the real one."""

    @property
    def origin(self) -> str: ...

    async def kill(self) -> None:
        """`kill -9` of everything; returns when nothing is left."""

    async def restart(self) -> None:
        """The same state, the same port."""


class Line(RawSocket):
    """A connection whose frames are written down: what was sent when it is sent, what came when it is read.

    Calls that only find something out (`fence`, `asks`) are not, but what arrives before their answer is.
    """

    def __init__(self, ws: aiohttp.ClientWebSocketResponse, label: str, transcript: Transcript) -> None:
        super().__init__(ws)
        self._label = label
        self._transcript = transcript
        self._leaving = False
        self.heard: list[Any] = []

    async def send(self, frame: Any) -> None:
        if not _is_question(frame):
            self._transcript.say(self._label, "sends", frame)
        await super().send(frame)

    async def receive(self) -> Any:
        try:
            frame = await super().receive()
        except Closed as end:
            self._transcript.add(self._label, "is closed", end.code, end.reason)
            if not self._leaving:
                await self.close(end.code or 1000)
            raise
        if not _is_question(frame):
            self.heard.append(frame)
            self._transcript.add(self._label, "gets", frame)
        return frame

    async def asks(self, method: str, *arguments: Any) -> Any:
        """The result of a call that is not written down."""
        await self.send({**_QUESTION, "method": method, "args": list(arguments)})
        return (await self.until(_is_question))[-1].get("result")

    async def fence(self) -> None:
        """Read what had been sent to this connection by now, proved by the answer to a call that was sent after it."""
        await self.asks("fence")

    async def value(self, method: str, *arguments: Any) -> Any:
        """The result of a call."""
        return (await self.call(method, *arguments))[-1].get("result")

    async def hears(self, *texts: str) -> None:
        """Read until each of the texts has come."""
        missing = list(texts)

        def all_came(frame: Any) -> bool:
            if frame in missing:
                missing.remove(frame)
            return not missing

        await self.until(all_came)

    async def goes(self, code: int = 1000, reason: str = "") -> None:
        """Close it from here, and read on until the server has answered."""
        self._leaving = True
        self._transcript.say(self._label, "closes", code, reason)
        await self._ws._writer.close(code, reason.encode())
        await self.closing()

    async def goes_silently(self) -> None:
        """Send an empty Close frame, and end the connection without waiting for an answer."""
        self._transcript.say(self._label, "closes")
        await self._ws._writer.send_frame(b"", aiohttp.WSMsgType.CLOSE)
        self._transport().close()

    def vanishes(self) -> None:
        """Reset its TCP connection."""
        self._transcript.say(self._label, "vanishes")
        self.reset()

    def hangs_up(self) -> None:
        """End its TCP connection, without a Close frame."""
        self._transcript.say(self._label, "hangs up")
        self._transport().close()


_QUESTION = {"type": "rpc", "id": "asked"}


def _is_question(frame: Any) -> bool:
    return isinstance(frame, dict) and frame.items() >= _QUESTION.items()


@dataclass
class Stage:
    """One scenario on one server. `name` is the agents' name, which no other scenario uses."""

    server: Server
    session: aiohttp.ClientSession
    node: Node
    name: str
    transcript: Transcript

    async def connect(self, label: str, agent: str, name: str | None = None, *, path: str | None = None, **query: str) -> Line:
        """Open a connection. Without `_pk` it has its label for one. Raises aiohttp.WSServerHandshakeError when it is refused."""
        query = {"_pk": label} | query
        target = path or f"/agents/{agent}/{self.name if name is None else name}"
        self.transcript.say(label, "connects", f"{target}?{urlencode(query)}")
        url = URL(f"{self.server.origin}{target}?{urlencode(query)}", encoded=True)
        try:
            ws = await self.session.ws_connect(url, autoclose=False, max_msg_size=64 << 20, timeout=aiohttp.ClientWSTimeout(ws_close=2))
        except aiohttp.WSServerHandshakeError as refused:
            self.transcript.add(label, "is refused", refused.status)
            raise
        return Line(ws, label, self.transcript)

    async def http(self, method: str, path: str, *headers: str, body: str | None = None, silent: bool = False) -> Any:
        """An answer's body (JSON when it says so). `headers`: further headers of the answer to write down."""
        url = URL(self.server.origin + path, encoded=True)
        async with self.session.request(method, url, data=body, allow_redirects=False) as answer:
            text = await answer.text()
            told = {name: answer.headers[name] for name in (*_TOLD_HEADERS, *headers) if name in answer.headers}
            if not silent:
                self.transcript.add(f"{method} {path}", "answers", answer.status, told, text)
            return json.loads(text) if answer.content_type == "application/json" else text

    async def history(self, agent: str = "chat") -> list[dict[str, Any]]:
        """The stored messages, written down."""
        return await self.http("GET", f"/agents/{agent}/{self.name}/get-messages")

    async def release(self, count: int, agent: str = "chat") -> None:
        """Let a gated answer say `count` pieces more."""
        await self.http("POST", f"/agents/{agent}/{self.name}/release?n={count}", silent=True)

    async def thinking(self, agent: str = "chat") -> None:
        """Return when a gated answer waits for a permit."""

        async def waiting() -> int:
            return (await self.http("GET", f"/agents/{agent}/{self.name}/", silent=True))["waiting"]

        await self.eventually(waiting)

    @asynccontextmanager
    async def client(self, agent: str, **options: Any) -> AsyncIterator[NpmClient]:
        """A real AgentClient."""
        async with self.node.client(self.server.origin.removeprefix("http://"), agent, options.pop("name", self.name), **options) as client:
            yield client

    async def tell(self, who: str, client: NpmClient) -> None:
        """Write down what the client told its owner, but for the frames themselves."""
        for event in await client.use("happened"):
            if event["kind"] != "message":
                self.note(who, event.pop("kind"), event)

    def note(self, who: str, what: str, *content: Any) -> None:
        """Write down what the scenario found out itself."""
        self.transcript.add(who, what, *content)

    async def eventually(self, probe: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool] = bool) -> Any:
        """The first answer of `probe` that is `wanted`; nothing of the asking is written down. Raises TimeoutError after 15 s."""
        async with asyncio.timeout(15):
            while not wanted(answer := await probe()):
                await asyncio.sleep(_MEANWHILE_S)
            return answer


Play = Callable[[Stage], Awaitable[None]]


@dataclass(frozen=True)
class Scenario:
    """One row of the protocol's conformance table. `kills`: it kills its server, so it has one for its own kind."""

    number: int
    title: str
    play: Play
    kills: bool

    @property
    def key(self) -> str:
        return f"{self.number:02}-{self.play.__name__.replace('_', '-')}"


_registered: list[Scenario] = []


def scenario(number: int, title: str, *, kills: bool = False) -> Callable[[Play], Play]:
    """Marks a function as the scenario of that number."""

    def register(play: Play) -> Play:
        _registered.append(Scenario(number, title, play, kills))
        return play

    return register


def scenarios() -> Iterator[Scenario]:
    """All of them, by number."""
    return iter(sorted(_registered, key=lambda one: (one.number, one.key)))
