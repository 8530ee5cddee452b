"""Every way out of this process that does not lead through the gateway (design 4.6).

On the platform a socket is a TCP connection made by the runtime (`cloudflare:sockets`; Pyodide's sockets stand on it), and there are no
processes. Here a socket is the machine's own, so the gateway's mode says how far it may reach, and no process can be started in any mode.
The interpreter's audit events tell of both, whatever library tries; what calls the system from C without telling Python (libpq,
libcurl, grpc, ctypes) is not seen (docs/parity.md).
"""

from __future__ import annotations

import _posixsubprocess
import errno
import sys
from collections.abc import Callable
from enum import StrEnum
from types import FrameType
from typing import TYPE_CHECKING, Any

from emulator.hosts.python.surface.frames import OURS, is_users

if TYPE_CHECKING:
    from ipaddress import IPv4Address, IPv6Address

_DEBUGGERS = ("debugpy", "pydevd", "_pydevd", "_pydev_bundle", "pdb", "bdb")
"""A developer's tool that user code lets in is no part of the Worker."""


class Reach(StrEnum):
    """How far sockets may go: the wire's `reach`."""

    OUTSIDE = "outside"
    LOOPBACK = "loopback"
    NOTHING = "nothing"


class SocketDenied(PermissionError):
    """No socket may be opened to there now."""

    code = "E631"

    def __init__(self, what: str, reach: Reach) -> None:
        allowed = "only this machine may be reached" if reach is Reach.LOOPBACK else "no socket may be opened"
        super().__init__(
            errno.EACCES,
            f"{self.code} {what}: {allowed} while model calls are replayed, and what goes over a socket is not recorded; "
            "use HTTP (fetch, httpx, requests), which is, or run with --ai live",
        )


class ProcessDenied(OSError):
    """The platform has no processes. The words are Pyodide's own."""

    code = "E632"

    def __init__(self) -> None:
        super().__init__(errno.ENOTSUP, f"{self.code} emscripten does not support processes: on the platform nothing can be started")


class Guard:
    """One per process. `denied(what, where)` hears of sockets that were refused, on any thread."""

    def __init__(self, denied: Callable[[str, str | None], None]) -> None:
        self.reach = Reach.OUTSIDE
        self._denied = denied
        self._judges: dict[str, Callable[[tuple[Any, ...]], None]] = {
            "socket.connect": self._address,
            "socket.sendto": self._address,
            "socket.sendmsg": self._address,
            "socket.getaddrinfo": self._name,
            "socket.gethostbyname": self._name,
            "socket.gethostbyaddr": self._name,
            "subprocess.Popen": self._process,
            "os.system": self._process,
            "os.exec": self._process,
            "os.posix_spawn": self._process,
            "os.spawn": self._process,
            "os.fork": self._process,
            "os.forkpty": self._process,
        }

    def install(self) -> None:
        """For as long as the process lives: an audit hook cannot be taken away."""
        judges = self._judges

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            judge = judges.get(event)
            if judge is not None:
                judge(arguments)

        sys.addaudithook(hook)
        # multiprocessing and others start processes by this function, which tells nobody.
        fork_exec = _posixsubprocess.fork_exec

        def guarded_fork_exec(*arguments: Any) -> int:
            self._process(arguments)
            return int(fork_exec(*arguments))

        _posixsubprocess.fork_exec = guarded_fork_exec

    def _address(self, arguments: tuple[Any, ...]) -> None:
        address = arguments[1]
        # Paths of Unix sockets, None of a socket that is connected already.
        if self.reach is not Reach.OUTSIDE and isinstance(address, tuple) and len(address) >= 2:
            self._judge(str(address[0]), f"{address[0]}:{address[1]}")

    def _name(self, arguments: tuple[Any, ...]) -> None:
        host = arguments[0]
        if self.reach is not Reach.OUTSIDE and host and _address_of(_text(host)) is None:
            self._judge(_text(host), _text(host), lookup=True)

    def _judge(self, host: str, what: str, *, lookup: bool = False) -> None:
        if is_loopback(host) and (lookup or self.reach is Reach.LOOPBACK):
            return
        where = _caller()
        if where is None:
            return
        self._denied(f"a socket to {what}", where)
        raise SocketDenied(what, self.reach)

    def _process(self, arguments: tuple[Any, ...]) -> None:
        # Nobody is told: libraries that would merely like to know the machine ask so, and do without.
        if _caller() is not None:
            raise ProcessDenied


def is_loopback(host: str) -> bool:
    """Whether `host` is this machine."""
    address = _address_of(host)
    return address.is_loopback if address is not None else host == "localhost" or host.endswith(".localhost")


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    """None for a name. Imported late: what is hardly ever denied must not cost every start."""
    from ipaddress import ip_address

    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _text(host: Any) -> str:
    return host.decode("latin-1") if isinstance(host, bytes) else str(host)


def _caller() -> str | None:
    """`file:line` of the code that asks, the user's own if it is there; None for a debugger, which may."""
    frame: FrameType | None = sys._getframe(1)
    first = users = None
    while frame is not None:
        if frame.f_globals.get("__name__", "").partition(".")[0] in _DEBUGGERS:
            return None
        name = frame.f_code.co_filename
        if not name.startswith(OURS):
            first = first or f"{name}:{frame.f_lineno}"
            users = users or (f"{name}:{frame.f_lineno}" if is_users(name) and not name.startswith("<") else None)
        frame = frame.f_back
    return users or first or "?"
