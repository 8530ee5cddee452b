"""`python -m bench`: measure, and print the table. README.md says how, and what the figures mean."""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from contextlib import AsyncExitStack
from importlib.metadata import version
from pathlib import Path

import uvloop

from bench import clock, journal, measures, models, servers, table, typescript
from bench.processes import Others, Patience
from bench.servers import Target
from bench.suite import BENCH
from bench.table import Row

NOISE = 0.15
"""Share of the machine used by others from which the figures come with a warning."""


def main() -> int:
    """Run as told by the command line; exit code 1 when a server failed."""
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure agents-emu against the least that its design can cost.")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="how often each load is repeated (default 3)")
    parser.add_argument("--typescript", action="store_true", help="agents in TypeScript, and what else runs them")
    parser.add_argument("--models", action="store_true", help="model calls: what recording and replaying costs")
    parser.add_argument("--time", action="store_true", help="virtual time: how fast a simulated year passes")
    parser.add_argument("--journal", action="store_true", help="what the journal costs while nobody reads it")
    parser.add_argument("--peers", action="store_true", help="also measure raw workerd and wrangler dev, if under build/peers")
    parser.add_argument("--patience", type=float, default=0, metavar="S", help="wait for a quiet machine, S seconds in all")
    parser.add_argument("--write", action="store_true", help="put the table into bench/README.md")
    arguments = parser.parse_args()
    _allow_descriptors()
    others, began = Others(), time.perf_counter()
    if arguments.typescript:
        targets, plan = typescript.targets(), _measure_typescript
    elif arguments.models:
        targets, plan = [models.target()], models.measure
    elif arguments.time:
        targets, plan = clock.targets(), clock.measure
    elif arguments.journal:
        targets, plan = journal.targets(), journal.measure
    else:
        targets, plan = [servers.emulator("--ai-speed", "1x"), servers.floor(), *(servers.peers() if arguments.peers else [])], _measure
    rows: list[Row] = []
    failure = ""
    with tempfile.TemporaryDirectory(prefix="agents-emu-bench-") as scratch:
        try:
            uvloop.run(plan(rows, targets, arguments.rounds, Patience(arguments.patience), Path(scratch)))
        except (servers.Failed, ConnectionError, TimeoutError) as error:
            failure = str(error) or type(error).__name__
    text = f"{table.markdown(rows, [target.name for target in targets])}\n\n{_circumstances(arguments.rounds, others.share())}"
    print(f"\n{text}\n\n{time.perf_counter() - began:.0f} s")
    if failure:
        print(f"\nThe measurement after these failed: {failure}", file=sys.stderr)
        return 1
    if arguments.write:
        flags = next((f"--{name} " for name in ("typescript", "models", "time", "journal") if getattr(arguments, name)), "")
        table.write(BENCH / "README.md", text, flags)
    return 0


async def _measure(rows: list[Row], targets: list[Target], rounds: int, patience: Patience, scratch: Path) -> None:
    """Fill `rows`, ours being the first target and the floor the second."""
    _say("start")
    rows += await measures.starts(targets, rounds, scratch, patience)
    async with AsyncExitStack() as stack:
        everyone = [await stack.enter_async_context(target.running(scratch)) for target in targets]
        emulator = everyone[0]
        _say("idle memory")
        rows += await measures.idle_memory(everyone)
        _say("requests and echoes")
        rows += await measures.throughput(everyone, rounds, patience)
        _say("reload")
        rows += await measures.reloads([emulator], 2 * rounds, patience)
        _say("model stream, schedules")
        rows += await measures.paced_model(emulator, rounds, patience)
        rows += await measures.schedules([emulator], 4 * rounds)
    async with servers.emulator("--ai-speed", "instant").running(scratch) as instant:
        await asyncio.sleep(measures.SETTLED_S)
        rows += await measures.instant_model(instant, 5 * rounds, patience)
    _say("sockets")
    held = measures.socket_rows(targets[0])
    rows += held
    # Under wrangler this many need more descriptors than most systems allow.
    for target in (servers.emulator("--idle-ms", "2000"), *(one for one in targets[1:] if one.name != "wrangler dev")):
        await measures.many_sockets(target, scratch, held, patience)


async def _measure_typescript(rows: list[Row], targets: list[Target], rounds: int, patience: Patience, scratch: Path) -> None:
    """Fill `rows`, ours being the first target."""
    _say("start")
    rows += await measures.starts(targets, rounds, scratch, patience)
    async with AsyncExitStack() as stack:
        everyone = [await stack.enter_async_context(target.running(scratch)) for target in targets]
        _say("idle memory")
        rows += await measures.idle_memory(everyone)
        _say("requests and echoes")
        rows += await measures.throughput(everyone, rounds, patience)
        _say("calls, streams, chat")
        rows += await measures.agents(everyone, rounds, patience)
        _say("schedules")
        rows += await measures.schedules(everyone, 4 * rounds)
        _say("reload")
        rows += await measures.reloads(everyone, rounds, patience)
    _say("sockets")
    for count in (1_000, measures.SOCKETS):
        held = measures.socket_rows(targets[0], count)
        rows += held
        # Under wrangler and Vite 5,000 need more descriptors than most systems allow.
        for target in targets if count < measures.SOCKETS else [one for one in targets if one.name in (table.OURS, "raw workerd")]:
            await measures.many_sockets(target, scratch, held, patience, count)


def _circumstances(rounds: int, others: float) -> str:
    loader = "wrk" if shutil.which("wrk") else "bench/load.py"
    software = ", ".join(f"{name} {version(name)}" for name in ("aiohttp", "uvloop", "cf-agents", "workers-runtime-sdk"))
    text = (
        f"Medians of {rounds} rounds; `[a..b]` is their range where it is wide; `(n x)` is agents-emu's value divided by this one. "
        f"{os.cpu_count()} cores ({_processor()}), {platform.system()}, Python {platform.python_version()}, {software}; "
        f"HTTP load by {loader}. "
        f"Other processes used {others:.0%} of the machine meanwhile."
    )
    return text + (" **That is too much for these figures to be relied on.**" if others > NOISE else "")


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _allow_descriptors() -> None:
    """Let this process and its children open as many files as the system allows them."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _say(what: str) -> None:
    print(f"{what} ...", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
