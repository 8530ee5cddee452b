"""Process trees as Linux shows them in /proc: who belongs to a server, its memory, its CPU time."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")

QUIET = 0.1
"""Share of the machine that others may use while it counts as quiet."""
_SAMPLE_S = 0.3


@dataclass(frozen=True, slots=True)
class Memory:
    """Of a process tree, in MiB. RSS counts a page once for each process that has it, PSS divides it among them."""

    rss: float
    pss: float
    processes: int


def tree(root: int) -> list[int]:
    """`root` and its descendants."""
    parents = {pid: int(fields[1]) for pid in _pids() if (fields := _stat(pid)) and fields[0] != "Z"}
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return [pid for pid in found if pid in parents]


def memory(root: int) -> Memory:
    """Memory of a tree. Raises OSError where the system has no smaps_rollup (other than Linux)."""
    rss = pss = 0
    pids = tree(root)
    for pid in pids:
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Rss:"):
                rss += int(line.split()[1])
            elif line.startswith("Pss:"):
                pss += int(line.split()[1])
    return Memory(rss / 1024, pss / 1024, len(pids))


def cpu_s(root: int) -> float:
    """CPU seconds of a tree, its ended children included."""
    return sum(sum(int(word) for word in fields[11:15]) for pid in tree(root) if (fields := _stat(pid))) * _TICK_S


class Others:
    """How much of the machine everybody else used since this was made."""

    def __init__(self) -> None:
        self._machine, self._busy, self._ours = *_machine_s(), cpu_s(os.getpid())

    def share(self) -> float:
        """0 to 1. What ran and ended within our own tree counts as ours."""
        machine, busy = _machine_s()
        machine, busy = machine - self._machine, busy - self._busy
        ours = cpu_s(os.getpid()) - self._ours
        return max(0.0, busy - ours) / machine if machine else 0.0


class Patience:
    """Waits for a quiet machine before something is measured, `seconds` in all its calls together."""

    def __init__(self, seconds: float) -> None:
        self._left_s = seconds

    async def wait(self) -> None:
        """Return when the others leave the machine alone, or patience has ended."""
        began = time.monotonic()
        while time.monotonic() - began < self._left_s:
            others = Others()
            await asyncio.sleep(_SAMPLE_S)
            if others.share() < QUIET:
                break
        self._left_s -= time.monotonic() - began


def _machine_s() -> tuple[float, float]:
    """CPU seconds that the machine has had, and those it was busy."""
    ticks = [int(word) for word in (_PROC / "stat").read_text().split("\n", 1)[0].split()[1:9]]
    total = sum(ticks)
    return total * _TICK_S, (total - ticks[3] - ticks[4]) * _TICK_S


def _pids() -> list[int]:
    return [int(entry.name) for entry in _PROC.iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> list[str] | None:
    """The fields behind the name in /proc/PID/stat (state first); None when the process is gone."""
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return text[text.rindex(")") + 2 :].split()
