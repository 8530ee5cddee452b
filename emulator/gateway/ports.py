"""The public port: take the one that was asked for, or the next free one; say who has it."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
from pathlib import Path

from emulator.errors import StartError

TRIES = 100
BACKLOG = 4096


def listen(ip: str, port: int, *, strict: bool) -> socket.socket:
    """A listening socket on `port` or, unless `strict`, the first free one after it (0 = any). Raises StartError E301 (taken) or E302
    (the address is not ours, or not allowed)."""
    family = socket.AF_INET6 if ":" in ip else socket.AF_INET
    last = min(port + (0 if strict or port == 0 else TRIES), 65535)
    for candidate in range(port, last + 1):
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((ip, candidate))
            listener.listen(BACKLOG)
        except OSError as error:
            listener.close()
            if error.errno != errno.EADDRINUSE:
                what = f"cannot listen on {ip} port {candidate}: {(error.strerror or str(error)).lower()}"
                raise StartError("E302", what, hint="choose another with --ip and --port") from error
        except (OverflowError, UnicodeError) as error:
            listener.close()
            raise StartError("E302", f"cannot listen on {ip} port {candidate}: {error}") from error
        else:
            listener.setblocking(False)
            return listener
    holder = holder_of(port)
    by = f" by process {holder[0]} ({holder[1]})" if holder else ""
    what = f"port {port} is taken{by}" if strict or port == last else f"the ports {port} to {last} are all taken"
    raise StartError("E301", what, where=f"{ip}:{port}", hint="stop that process, or choose another port with --port")


def is_loopback(ip: str) -> bool:
    """Whether only this machine can reach the address."""
    try:
        return ipaddress.ip_address(ip).is_loopback
    except ValueError:
        return ip == "localhost"


def holder_of(port: int) -> tuple[int, str] | None:
    """Process id and name of who listens on a TCP port, where /proc tells and the process is one we may look at."""
    inodes: set[str] = set()
    for _ in range(3):  # a table that changes while it is read may leave out a line
        inodes = {*_listening("/proc/net/tcp", port), *_listening("/proc/net/tcp6", port)}
        if inodes:
            break
    else:
        return None
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        try:
            if any(_target(link) in wanted for link in (process / "fd").iterdir()):
                return int(process.name), (process / "comm").read_text().strip()
        except OSError:
            continue  # another user's process, or one that just ended
    return None


def _target(link: Path) -> str | None:
    """What a descriptor leads to; None for one that was closed meanwhile, as the one is that we list our own with."""
    try:
        return str(link.readlink())
    except FileNotFoundError:
        return None


def _listening(table: str, port: int) -> set[str]:
    try:
        lines = Path(table).read_text().splitlines()[1:]
    except OSError:
        return set()
    fields = [line.split() for line in lines]
    return {row[9] for row in fields if row[3] == "0A" and struct.unpack(">H", bytes.fromhex(row[1].rsplit(":", 1)[1]))[0] == port}
