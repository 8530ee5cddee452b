"""The steps of a case. Each is data; `play` does it on a stage and fails with AssertionError."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from playbook.matching import Has, fits
from playbook.programs import LIFE, Program, call, notes

if TYPE_CHECKING:
    from playbook.stage import Stage

WITHIN_S = 8.0
"""How long an eventual expectation may take to come true."""


class Step(Protocol):
    async def play(self, stage: Stage) -> None: ...


class Mismatch(AssertionError):
    def __init__(self, what: str, got: Any, wanted: Any) -> None:
        super().__init__(f"{what}\n  got    {json.dumps(got, default=str)[:2000]}\n  wanted {wanted!r}")


@dataclass(frozen=True)
class Run:
    """Run a program in the Worker; its outcome is `{"value"}` or `{"error"}`. `gives` is short for the first, `raises` for the second."""

    program: Program
    gives: Any = None
    raises: Any = None

    async def play(self, stage: Stage) -> None:
        outcome = await stage.run(self.program)
        if self.raises is not None:
            _check(f"run {self.program}", outcome, {"error": self.raises})
        elif "value" not in outcome or (self.gives is not None and not fits(outcome["value"], self.gives)):
            raise Mismatch(f"run {self.program}", outcome, self.gives)


@dataclass(frozen=True)
class Until:
    """Run a program again and again until its value is as wanted."""

    program: Program
    gives: Any
    within_s: float = WITHIN_S

    async def play(self, stage: Stage) -> None:
        await _until(f"run {self.program}", lambda: stage.run(self.program), {"value": self.gives}, self.within_s)


def Noted(wanted: Any, class_name: str = "Probe", within_s: float = WITHIN_S) -> Until:
    """What the case's object has noted in all its lives, sooner or later."""
    return Until(notes(class_name), wanted, within_s)


@dataclass(frozen=True)
class Http:
    """A request to a path of the Worker; `{me}` is the case's name, `program` goes into the query."""

    path: str
    status: int = 200
    text: Any = None
    method: str = "GET"
    program: Program = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None

    async def play(self, stage: Stage) -> None:
        async with stage.session.request(self.method, stage.url(self.path, self.program), headers=self.headers, data=self.body) as response:
            text = await response.text()
        assert response.status == self.status, f"{self.path}: {response.status} {text[:2000]}"
        if self.text is not None:
            _check(self.path, text, self.text)


ACCEPT = ["do", ["let", "pair", ["new", "WebSocketPair"]], ["!ctx.acceptWebSocket", ["@pair.1"]]]
REPLY_101 = ["response", None, 101, {}, ["@pair.0"]]


@dataclass(frozen=True)
class Open:
    """Open a WebSocket called `name`. `before` runs in the object's fetch once it is accepted (`pair.1` is its end); `program` does all
    of that otherwise, and gives the response.
    """

    name: str = "ws"
    accept: Program = None
    before: Program = None
    path: str = "/at/Probe/{me}"
    program: Program = None

    async def play(self, stage: Stage) -> None:
        program = self.program or ["do", self.accept or ACCEPT, self.before, REPLY_101]
        stage.sockets[self.name] = await stage.session.ws_connect(
            stage.url(self.path, program), autoclose=False, autoping=False, max_msg_size=0, compress=0
        )


@dataclass(frozen=True)
class Send:
    """Send text or bytes; a list is a program for `webSocketMessage`. `invalid` bytes go as a text frame."""

    message: Any
    name: str = "ws"
    as_text: bool = False

    async def play(self, stage: Stage) -> None:
        from aiohttp import WSMsgType

        socket = stage.sockets[self.name]
        if self.as_text:
            await socket.send_frame(self.message, WSMsgType.TEXT)
        elif isinstance(self.message, bytes):
            await socket.send_bytes(self.message)
        else:
            await socket.send_str(self.message if isinstance(self.message, str) else json.dumps(self.message))


@dataclass(frozen=True)
class Ping:
    """A protocol ping; the pong must carry the same payload."""

    payload: bytes
    name: str = "ws"

    async def play(self, stage: Stage) -> None:
        from aiohttp import WSMsgType

        socket = stage.sockets[self.name]
        await socket.ping(self.payload)
        message = await socket.receive(timeout=WITHIN_S)
        assert (message.type, bytes(message.data)) == (WSMsgType.PONG, self.payload), message


@dataclass(frozen=True)
class Frame:
    """The next frame is this message; text that starts like JSON is compared as JSON unless text is wanted."""

    wanted: Any
    name: str = "ws"
    within_s: float = WITHIN_S

    async def play(self, stage: Stage) -> None:
        from aiohttp import WSMsgType

        message = await stage.sockets[self.name].receive(timeout=self.within_s)
        assert message.type in (WSMsgType.TEXT, WSMsgType.BINARY), f"wanted {self.wanted!r}, got {message}"
        got = message.data
        if isinstance(got, str) and not isinstance(self.wanted, str):
            got = json.loads(got)
        if isinstance(got, bytes):
            assert got == self.wanted, f"{got[:100]!r} of {len(got)} bytes"
        else:
            _check(f"frame of {self.name}", got, self.wanted)


@dataclass(frozen=True)
class Ended:
    """The next thing is the end: a Close frame with this code and reason, or with `code` None the connection alone."""

    code: int | None
    reason: Any = ""
    name: str = "ws"
    reply: bool = True

    async def play(self, stage: Stage) -> None:
        from aiohttp import WSMsgType

        socket = stage.sockets[self.name]
        message = await socket.receive(timeout=WITHIN_S)
        if self.code is None:
            assert message.type in (WSMsgType.CLOSED, WSMsgType.ERROR), f"wanted the end without Close frame, got {message}"
            return
        assert message.type is WSMsgType.CLOSE, f"wanted Close {self.code}, got {message}"
        got = (message.data or 1005, message.extra or "")  # aiohttp says 0 where a Close frame is empty
        assert got[0] == self.code and fits(got[1], self.reason), f"wanted Close {self.code} {self.reason!r}, got {got}"
        if self.reply:
            await stage.close_socket(self.name, self.code if self.code >= 1000 and self.code != 1005 else 1000, "")


@dataclass(frozen=True)
class Close:
    """Send a Close frame; without a code an empty one."""

    code: int | None = 1000
    reason: str = ""
    name: str = "ws"

    async def play(self, stage: Stage) -> None:
        await stage.close_socket(self.name, self.code, self.reason)


@dataclass(frozen=True)
class Drop:
    """The client's connection breaks: a TCP reset."""

    name: str = "ws"

    async def play(self, stage: Stage) -> None:
        stage.reset_socket(self.name)


@dataclass(frozen=True)
class Impatient:
    """A client that goes: it sends a request, reads at least `read` bytes, waits until the Worker gives `gives` for `until` or for
    `after_ms`, and resets its connection. With `body` it goes on sending that many bytes, and must be stopped before the end.
    """

    path: str
    program: Program
    read: int = 0
    after_ms: int = 50
    until: Step | None = None
    body: int = 0

    async def play(self, stage: Stage) -> None:
        reader, writer = await asyncio.open_connection(*stage.address(), limit=65_536)
        target = stage.url(self.path, self.program).split("/", 3)[3]
        method = f"POST /{target} HTTP/1.1\r\ncontent-length: {self.body}" if self.body else f"GET /{target} HTTP/1.1"
        writer.write(f"{method}\r\nhost: 127.0.0.1\r\n\r\n".encode())
        async with asyncio.timeout(WITHIN_S):
            await self._read(reader)
        if self.body:
            await self._upload(writer)
        if self.until is not None:
            await self.until.play(stage)
        else:
            await asyncio.sleep(self.after_ms / 1000)
        reset(writer.transport)

    async def _read(self, reader: asyncio.StreamReader) -> None:
        got = 0
        while got < self.read:
            chunk = await reader.read(65_536)
            assert chunk, f"the response ended after {got} bytes"
            got += len(chunk)

    async def _upload(self, writer: asyncio.StreamWriter) -> None:
        sent = 0
        try:
            async with asyncio.timeout(1):
                while sent < self.body:
                    writer.write(bytes(262_144))
                    await writer.drain()
                    sent += 262_144
        except TimeoutError:
            return
        raise AssertionError(f"nobody reads, yet all {sent} bytes were taken")


def reset(transport: asyncio.BaseTransport) -> None:
    """End a TCP connection with a reset: no Close frame, no FIN."""
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()  # type: ignore[attr-defined]  # TCP transports have it


@dataclass(frozen=True)
class Printed:
    """Sooner or later the server prints a line with at least these fields."""

    emulator_only: ClassVar[bool] = True

    fields: dict[str, Any]

    async def play(self, stage: Stage) -> None:
        async def look() -> bool:
            return any(fits(line, Has(self.fields)) for line in stage.output())

        await _until(f"printed {self.fields}", look, True, WITHIN_S)


@dataclass(frozen=True)
class Wait:
    ms: int

    async def play(self, stage: Stage) -> None:
        await asyncio.sleep(self.ms / 1000)


@dataclass(frozen=True)
class Slept:
    """Wait until the object has been dropped for idleness; looking does not wake it."""

    class_name: str = "Probe"

    async def play(self, stage: Stage) -> None:
        if stage.can_look:
            await _until("state", lambda: stage.state(self.class_name), ("hibernated", "inactive"), WITHIN_S, choices=True)
        else:
            await asyncio.sleep(stage.idle_s * 1.3)


@dataclass(frozen=True)
class StayedAwake:
    """After well more than the idle time it is still the first instance, and not asleep."""

    async def play(self, stage: Stage) -> None:
        await asyncio.sleep(stage.idle_s * (2.5 if stage.can_look else 1.3))
        if stage.can_look:
            state = await stage.state("Probe")
            assert state in ("active", "idle"), f"the object is {state}"
        _check("instance", await stage.run(call(LIFE)), {"value": 1})


@dataclass(frozen=True)
class Verb:
    """A verb of the emulator's control API; a runtime without one is not asked."""

    emulator_only: ClassVar[bool] = True

    path: str
    body: dict[str, Any] = field(default_factory=dict)

    async def play(self, stage: Stage) -> None:
        await stage.control(self.path, self.body)


@dataclass(frozen=True)
class Together:
    """Play steps at the same time."""

    steps: tuple[Step, ...]
    emulator_only: bool = False

    async def play(self, stage: Stage) -> None:
        async with asyncio.TaskGroup() as group:
            for step in self.steps:
                group.create_task(step.play(stage))


@dataclass(frozen=True)
class InOrder:
    """Play steps one after the other; for `Together`."""

    steps: tuple[Step, ...]

    async def play(self, stage: Stage) -> None:
        for step in self.steps:
            await step.play(stage)


@dataclass(frozen=True)
class Restart:
    """Stop the whole server and start it again; with `down_ms` it stays away for that long. `kill` = as by `kill -9`."""

    emulator_only: ClassVar[bool] = True

    down_ms: int = 0
    kill: bool = False

    async def play(self, stage: Stage) -> None:
        await stage.restart(self.down_ms, kill=self.kill)


@dataclass(frozen=True)
class Remember:
    """Keep a program's value under a name, or check that it is the same as before."""

    name: str
    program: Program

    async def play(self, stage: Stage) -> None:
        outcome = await stage.run(self.program)
        assert "value" in outcome, outcome
        if self.name in stage.remembered:
            _check(self.name, outcome["value"], stage.remembered[self.name])
        else:
            stage.remembered[self.name] = outcome["value"]


@dataclass(frozen=True)
class Case:
    """One statement. `lane` says how it is played: `quick` one after the other, `slow` beside the others, `rough` on a server of its
    own because it kills it. `statement` is the number, with a letter where one statement has several cases. `differs` says what the
    real runtime does instead; docs/parity.md says why. `only` names the one kind of host that it is for, `python` or `node`; what is
    for Node is for workerd too.
    """

    statement: str
    title: str
    steps: tuple[Step, ...]
    lane: str = "quick"
    differs: str = ""
    only: str = ""

    def is_for(self, host: str) -> bool:
        """Whether this kind of host plays it."""
        return self.only in ("", host)

    @property
    def emulator_only(self) -> bool:
        """It has a step that other runtimes cannot do, or they do otherwise."""
        return bool(self.differs) or any(getattr(step, "emulator_only", False) for step in self.steps)

    async def play(self, stage: Stage) -> None:
        for number, step in enumerate(self.steps, 1):
            try:
                await step.play(stage)
            except Exception as error:
                error.add_note(f"{self.statement} {self.title}: step {number}, {type(step).__name__}")
                raise


def _check(what: str, got: Any, wanted: Any) -> None:
    if not fits(got, wanted):
        raise Mismatch(what, got, wanted)


async def _until(what: str, look: Any, wanted: Any, within_s: float, *, choices: bool = False) -> None:
    loop = asyncio.get_running_loop()
    give_up = loop.time() + within_s
    while True:
        got = await look()
        if got in wanted if choices else fits(got, wanted):
            return
        if loop.time() > give_up:
            raise Mismatch(f"{what}, within {within_s} s", got, wanted)
        await asyncio.sleep(0.03)
