"""One host process: spawn it, shake hands, load, start, drain, end. What to do when, is `hosts.py`'s business.

The gateway listens on a Unix socket of its own for each host, in a folder only we can enter, and takes exactly one connection there,
from the process it spawned. A host dies with the gateway: it ends when its link does, and on Linux the kernel kills it (PDEATHSIG).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import struct
import tempfile
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from emulator.config import HostKind
from emulator.errors import StartError, WireError
from emulator.gateway import child_process
from emulator.gateway.crash import begins_dump
from emulator.wire import frames
from emulator.wire.exchange import Incoming, LinkLost
from emulator.wire.frames import Frame, Kind
from emulator.wire.link import Link

HELLO_WITHIN_S = 15.0
LOAD_WITHIN_S = 60.0
GRACE_S = 1.0
END_WITHIN_S = 0.5
_LOOK_EVERY_S = 0.001
"""How often a process that is about to stop itself is looked at: the kernel tells its parent nothing that a loop could wait for."""
_PREFIX = "agents-emu-"
_BLOCKED = "agents-emu: user code blocks the event loop: "
"""How the watch of a host, which cannot use the link then, names the line (stall.mjs, stall.py)."""
_OWN_FAULT = 70
"""The exit status of a host whose own code is broken (main.mjs)."""
_OWN_FILES = "emulator/hosts/"
_TURN, _POINT = int(Kind.TURN), int(Kind.POINT)
_REPORT = "this is a fault of agents-emu itself: please report it, with these lines"


class LoadFailed(Exception):
    """The user's code does not load; `error` is the host's error object (wire/README.md). `again`: nothing of the code has run, so the
    process may load it once more."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error.get('name', 'Error')}: {error.get('message', '')}")
        self.again = bool(error.pop("again", False))
        self.error = error


class HostListener(Protocol):
    """Who hears what a host says. Every call names the host, because during a swap there are two."""

    def on_request(self, host: HostProcess, incoming: Incoming) -> None:
        """User code asks for something outside: egress, ai, assets."""

    def on_call(self, host: HostProcess, incoming: Incoming, call: dict[str, Any]) -> None:
        """A CALL of the host."""

    def on_note(self, host: HostProcess, note: dict[str, Any], now_ms: int) -> None:
        """A NOTE of the host."""

    def on_socket(self, host: HostProcess, frame: Frame) -> None:
        """A socket's frame."""

    def on_turn(self, payload: bytes) -> None:
        """A turn of an object has ended: a TURN's lines."""

    def on_point(self, host: HostProcess, payload: bytes) -> None:
        """The host has passed a boundary, or has stopped itself there: a POINT's lines."""

    def on_output(self, host: HostProcess, stream: str, line: str) -> None:
        """The process wrote a line to `stdout` or `stderr`."""


class RuntimeDir:
    """A private folder for the links' sockets, and a folder that holds nothing but this package: hosts run in the user's interpreter
    and shall find `emulator` there, but none of our dependencies."""

    def __init__(self) -> None:
        _sweep()
        self.path = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
        self.packages = self.path / "lib"
        self.packages.mkdir()
        (self.packages / "emulator").symlink_to(Path(__file__).resolve().parent.parent, target_is_directory=True)
        self._count = 0

    def next_socket(self) -> Path:
        """A new socket's path."""
        self._count += 1
        return self.path / f"h{self._count}.sock"

    def remove(self) -> None:
        """Delete the folder."""
        shutil.rmtree(self.path, ignore_errors=True)


@dataclass(frozen=True, slots=True)
class HostCommand:
    """How a kind of host is started: `arguments` get `--link <path>` appended; `environ` comes on top of ours. `hint` is what to do when
    it does not start."""

    kind: str
    arguments: Sequence[str]
    cwd: Path
    hint: str | None = None
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Ready:
    """What READY said: the exported classes and handlers, what a spare should preload, and the files that the code was built from (None:
    the host does not say)."""

    exports: list[dict[str, Any]]
    handlers: list[str]
    modules: list[str]
    warnings: list[str]
    inputs: list[str] | None


class HostProcess:
    """A spawned process; after `connect` its link is `link`."""

    def __init__(self, command: HostCommand, runtime: RuntimeDir) -> None:
        """Spawn it. Needs no event loop, so that the host's start overlaps with our own. Raises StartError E341."""
        self.kind = command.kind
        self._hint = command.hint
        self._path = runtime.next_socket()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(self._path))
        self._listener.listen(8)
        self._listener.setblocking(False)
        environ = {**os.environ, **command.environ}
        if command.kind == HostKind.PYTHON.value:
            environ["PYTHONPATH"] = _python_path(runtime.packages)
        try:
            self._process = child_process.spawn([*command.arguments, "--link", str(self._path)], command.cwd, environ)
        except OSError as error:
            self._close_listener()
            what = f"the {command.kind} host cannot be started: {error.strerror or error}"
            raise StartError("E341", what, where=str(command.arguments[0])) from error
        self.pid = self._process.pid
        self.link: Link | None = None
        self.runtime = ""
        self.ready: Ready | None = None
        self.started = False
        self.killed = False
        """Whether we ended it by force."""
        self.debugged = False
        """Whether a debugger may hold it, as it said: then it may be silent for as long as somebody looks at it."""
        self._dumping = False
        self._holds = 0
        self.ended: asyncio.Future[int] | None = None
        self.last_lines: list[str] = []
        self.blocked_at: str | None = None
        """Where user code last blocked the loop, as the host's own watch said it."""
        self._hearer: HostListener | None = None
        self._on_end: Callable[[HostProcess], None] | None = None
        self._loaded: asyncio.Future[Ready] | None = None
        self._greeted: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[int] | None = None

    # -- handshake

    async def connect(
        self,
        listener: HostListener,
        on_end: Callable[[HostProcess], None],
        *,
        clock: Callable[[], int],
        taken: Container[int],
    ) -> None:
        """Wait for the process to connect and say HELLO. `on_end` is called once, when the link is gone. Raises StartError E342, or
        WireError when it speaks another protocol; then the process has been killed."""
        loop = asyncio.get_running_loop()
        self._hearer = listener
        self._on_end = on_end
        self.ended = child_process.watch(self._process)
        await child_process.read_lines(self._process.stdout, lambda line: self.heard("stdout", line))
        await child_process.read_lines(self._process.stderr, lambda line: self.heard("stderr", line))
        self._greeted = loop.create_future()
        self.link = Link(self, odd=True, clock=clock, taken=taken)
        try:
            async with asyncio.timeout(HELLO_WITHIN_S):
                connection = await self._accept()
                await loop.connect_accepted_socket(self._the_link, connection)
                await self._greeted
        except (TimeoutError, LinkLost, OSError) as error:
            lines = "\n".join(self.last_lines[-5:])
            ended = self.ended.done()
            why = f"ended with exit status {self.ended.result()}" if ended else "did not answer"
            what = f"the {self.kind} host {why} before it was ready" + (f":\n{lines}" if lines else "")
            self.kill()
            raise StartError("E342", what, hint=self._start_hint()) from error
        except WireError:
            self.kill()
            raise
        finally:
            self._close_listener()

    def _the_link(self) -> Link:
        assert self.link is not None
        return self.link

    async def _accept(self) -> socket.socket:
        """The connection of our own process; anybody else's is closed."""
        loop = asyncio.get_running_loop()
        assert self.ended is not None
        while True:
            accepting = loop.create_task(loop.sock_accept(self._listener))
            either: set[asyncio.Future[Any]] = {accepting, self.ended}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # Also when the bound is over: nobody may wait on a socket that is about to be closed.
                if not accepting.done():
                    accepting.cancel()
            if accepting.cancelled() or not accepting.done():
                raise LinkLost("the process ended before it connected")
            connection: socket.socket = accepting.result()[0]
            peer = _peer_pid(connection)
            if peer is None or peer == self.pid:
                return connection
            connection.close()

    def preload(self, modules: Sequence[str]) -> None:
        """Have a spare host import these modules, which are the same for every version of the user's code."""
        self._send(Kind.PRELOAD, {"modules": list(modules)})

    def network(self, reach: str) -> None:
        """How far its sockets may go from now on (reach.py)."""
        if self.link is not None and not self.link.lost:
            self.link.note("network", reach=reach)

    def points(self, on: bool, trap: int | None) -> None:
        """Have it tell of the boundaries it passes from now on, and stop itself at the one with the number `trap`."""
        if self.link is not None and not self.link.lost:
            self.link.note("points", on=on, trap=trap)
            # Nobody may wait for a turn of the loop to be counted.
            self.link.flush()

    async def load(self, project: dict[str, Any]) -> Ready:
        """Load the user's code. Raises LoadFailed, or StartError E343 when the host says nothing in time or dies over it."""
        self._loaded = asyncio.get_running_loop().create_future()
        self._send(Kind.LOAD, {"protocol": frames.PROTOCOL, "project": project})
        try:
            async with asyncio.timeout(LOAD_WITHIN_S):
                self.ready = await self._loaded
        except TimeoutError as error:
            what = f"the project's code did not finish loading within {LOAD_WITHIN_S:.0f} s"
            raise StartError("E343", what, hint="look for a blocking call at module level") from error
        except LinkLost as error:
            lines = "\n".join(self.last_lines[-20:])
            raise StartError("E343", "the host ended while it loaded the project's code" + (f":\n{lines}" if lines else "")) from error
        return self.ready

    def start(self, handover: dict[str, Any]) -> None:
        """From now on it may open objects."""
        self.started = True
        self._send(Kind.START, handover)

    # -- the end

    async def drain(self, message: str, grace_s: float = GRACE_S) -> int | None:
        """Let it end its turns within the grace, then end it for certain. Gives how many turns were reset, None when it did not say."""
        reset: int | None = None
        if self.link is not None and not self.link.lost:
            self._drained = asyncio.get_running_loop().create_future()
            self._send(Kind.DRAIN, {"grace_ms": round(grace_s * 1000), "message": message})
            try:
                async with asyncio.timeout(grace_s + END_WITHIN_S):
                    reset = await self._drained
            except (TimeoutError, LinkLost):
                reset = None
        await self.end()
        return reset

    async def end(self) -> None:
        """Wait a moment for the process to end by itself, then kill it; on return it is gone."""
        if self.ended is None:
            self.kill()
            self._process.wait()
            return
        if self.link is not None:
            self.link.close()
        try:
            async with asyncio.timeout(END_WITHIN_S):
                await asyncio.shield(self.ended)
        except TimeoutError:
            self.kill()
            await asyncio.shield(self.ended)

    async def stopped(self, within_s: float) -> bool:
        """Wait until it has stopped itself; False when it has ended, or does not stop."""
        try:
            async with asyncio.timeout(within_s):
                while not child_process.is_stopped(self._process):
                    await asyncio.sleep(_LOOK_EVERY_S)
        except (TimeoutError, ChildProcessError):
            return False
        return True

    def hold(self) -> None:
        """It has stopped itself, or is about to: until `go_on`. Each who holds it says so; it runs on when all have."""
        self._holds += 1

    async def halt(self) -> bool:
        """Hold it and stop it, whatever it does, until `go_on`; False when it has ended, or the kernel takes its time: then it stops before
        its next step. Either way, and also when this is cut off, it is held."""
        self.hold()
        return child_process.stop(self._process) and await self.stopped(END_WITHIN_S)

    def go_on(self) -> None:
        """Hold it no longer."""
        self._holds -= 1
        if self._holds == 0:
            child_process.go_on(self._process)

    def kill(self) -> None:
        """End it now, and whatever it left running in its process group."""
        self._close_listener()
        if self.killed and self._process.returncode is not None:
            return  # the group is gone, and its number may be somebody else's by now
        self.killed = True
        child_process.kill_group(self._process)

    # -- frames (wire.link.Receiver)

    def on_session(self, frame: Frame) -> None:
        kind = frame.kind
        if kind == _TURN:
            self._listening().on_turn(frame.payload)
        elif kind == _POINT:
            self._listening().on_point(self, frame.payload)
        elif kind == Kind.HELLO and self._greeted is not None:
            self._take_hello(frame.json())
        elif kind == Kind.READY and self._loaded is not None:
            fields = frame.json()
            warnings, inputs = fields.get("warnings") or [], fields.get("inputs")
            _settle(self._loaded, Ready(fields["exports"], fields["handlers"], fields["modules"], warnings, inputs))
        elif kind == Kind.FAILED and self._loaded is not None:
            _settle(self._loaded, LoadFailed(frame.json()))
        elif kind == Kind.DRAINED and self._drained is not None:
            _settle(self._drained, int(frame.json().get("reset", 0)))

    def _take_hello(self, fields: dict[str, Any]) -> None:
        assert self._greeted is not None
        self.runtime = str(fields.get("runtime", ""))
        if frames.PROTOCOL in fields.get("protocols", ()):
            _settle(self._greeted, None)
        else:
            hint = "reinstall agents-emu"
            _settle(self._greeted, WireError("E915", f"the host speaks the protocols {fields.get('protocols')}", hint=hint))

    def on_request(self, incoming: Incoming) -> None:
        self._listening().on_request(self, incoming)

    def on_call(self, incoming: Incoming, call: dict[str, Any]) -> None:
        self._listening().on_call(self, incoming, call)

    def on_note(self, note: dict[str, Any], now_ms: int) -> None:
        self._listening().on_note(self, note, now_ms)

    def on_socket(self, frame: Frame) -> None:
        self._listening().on_socket(self, frame)

    def on_lost(self, error: Exception | None) -> None:
        loss = LinkLost(str(error) if error else "the host has ended")
        for waiting in (self._greeted, self._loaded, self._drained):
            if waiting is not None:
                _settle(waiting, loss)
        if self._on_end is not None:
            self._on_end(self)

    def _listening(self) -> HostListener:
        assert self._hearer is not None
        return self._hearer

    def _send(self, kind: Kind, value: Any) -> None:
        if self.link is not None:
            self.link.send_json(int(kind), value)

    # -- the rest

    def heard(self, stream: str, line: str) -> None:
        """One line of output. The dump of a dying process is kept for the one who asks why it died, and told to nobody."""
        self.last_lines = [*self.last_lines[-49:], line]
        if line.startswith(_BLOCKED):
            self.blocked_at = line.removeprefix(_BLOCKED)
        self._dumping = self._dumping or begins_dump(line)
        if not self._dumping:
            self._listening().on_output(self, stream, line)

    def _start_hint(self) -> str | None:
        """What to do about a start that failed. The interpreter was looked at before: what fails in our own files is our fault."""
        assert self.ended is not None
        broken = self.ended.done() and self.ended.result() == _OWN_FAULT
        return _REPORT if broken or any(_OWN_FILES in line for line in self.last_lines) else self._hint

    def _close_listener(self) -> None:
        self._listener.close()
        self._path.unlink(missing_ok=True)


def _sweep() -> None:
    """Remove the folders of gateways that were killed."""
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*-*"):
        pid = path.name.removeprefix(_PREFIX).partition("-")[0]
        if not pid.isdigit():
            continue
        with contextlib.suppress(OSError):  # another user's, or somebody else sweeps too
            if path.stat().st_uid != os.getuid():
                continue
            try:
                os.kill(int(pid), 0)
            except ProcessLookupError:
                shutil.rmtree(path, ignore_errors=True)


def _settle(future: asyncio.Future[Any], value: Any) -> None:
    if future.done():
        return
    if isinstance(value, Exception):
        future.set_exception(value)
        # Whoever waits hears it; when nobody does (a drained host that ends), it is no news.
        future.exception()
    else:
        future.set_result(value)


def _python_path(packages: Path) -> str:
    inherited = os.environ.get("PYTHONPATH")
    return os.pathsep.join([str(packages), inherited]) if inherited else str(packages)


def _peer_pid(connection: socket.socket) -> int | None:
    """The process at the other end, where the system can tell."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[0])
