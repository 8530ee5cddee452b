"""What the journal costs while nobody reads it: the same load on two servers in turns, of which one keeps none.

python -m bench.journal dev ARGUMENTS      that one: `agents-emu dev` with a journal that forgets what it is given
"""

from __future__ import annotations

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

from bench import measures, servers
from bench.processes import Patience
from bench.servers import Target
from bench.suite import PYTHON
from bench.table import Row

WITHOUT = "without a journal"
_LOADS = (f"{kind}, {clients}" for kind in ("HTTP", "WebSocket echo") for clients in ("1 client", "32 clients", "100 clients"))
SUITE = replace(PYTHON, goals=dict.fromkeys(_LOADS, ">= 0.95x"))


def targets() -> list[Target]:
    """The server as it is, and one that keeps no journal."""
    ours = servers.emulator()

    def command(folder: Path, port: int) -> list[str]:
        python, _, _, *arguments = ours.command(folder, port)
        return [python, "-m", "bench.journal", *arguments]

    return [replace(ours, suite=SUITE), Target(WITHOUT, command, suite=SUITE)]


async def measure(rows: list[Row], targets: list[Target], rounds: int, patience: Patience, scratch: Path) -> None:
    """Fill `rows`."""
    kept, without = targets
    async with kept.running(scratch) as server, without.running(scratch) as other:
        await asyncio.sleep(measures.SETTLED_S)
        rows += await measures.throughput([server, other], rounds, patience)


def without_a_journal() -> int:
    """The command line, where adding an entry costs a call. Who watches frames does so here too."""
    from emulator.cli.main import run
    from emulator.gateway.journal import Journal

    def forgotten(self: Journal, *arguments: object, **fields: object) -> None:
        """Nobody will know."""

    def watched(self: Journal, ident: int, about: object, outgoing: bool, binary: bool, payload: bytes) -> None:
        """Nobody but those who watch."""
        for watcher in self.frame_watchers:
            watcher(ident, outgoing, binary, payload)

    for name in ("add", "request", "chunk", "turn", "point"):
        setattr(Journal, name, forgotten)
    setattr(Journal, "frame", watched)  # noqa: B010
    return run(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(without_a_journal())
