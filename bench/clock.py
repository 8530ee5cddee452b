"""How fast virtual time passes: a year of cron triggers, a year of an Agent's schedules, and an hour in which nothing happens;
and a crash at every point of a chat turn."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import measures, servers, sweeps, typescript
from bench.client import Broken, fetch
from bench.processes import Patience
from bench.servers import Server, Target
from bench.suite import Suite
from bench.table import OURS, Row

CRONS = [f"{number} {number % 24} * * *" for number in range(50)]
"""Each daily, at another minute."""
DAYS = 365
MONTH = 30
DAY_MS = 86_400_000
BOUND_S = 600.0
NODE = "agents in TypeScript"
GOALS = {
    f"a year of {len(CRONS)} cron triggers": "< 10",
    "advance over an idle hour": "< 50",
    "a crash at 60 points of a chat turn": "< 60",
}
_FLAGS = ("--clock", "virtual", "--seed", "1")


def targets() -> list[Target]:
    """agents-emu on a virtual clock: with the Python host first, then with the Node host. Raises Failed without Node."""
    node = typescript.targets()[0]
    return [_on_virtual_clock(OURS, servers.emulator()), _on_virtual_clock(NODE, node)]


async def measure(rows: list[Row], targets: list[Target], rounds: int, patience: Patience, scratch: Path) -> None:
    """Fill `rows`. Each year begins with a fresh server."""
    suite = Suite(project=Path(), echo="", goals=GOALS)
    triggers = suite.row(f"a year of {len(CRONS)} cron triggers", "s", digits=1)
    schedules = suite.row(f"a year of {len(CRONS)} daily schedules of an Agent, awake", "s", digits=1)
    asleep = suite.row("a month of them, hibernating between any two", "s", digits=1)
    hour = suite.row("advance over an idle hour", "ms", digits=1)
    swept = suite.row(f"a crash at {sweeps.POINTS} points of a chat turn", "s", digits=1)
    rows += [triggers, schedules, asleep, hour, swept]
    for _ in range(rounds):
        for target in targets:
            await patience.wait()
            async with _with_triggers(target, CRONS).running(scratch) as server:
                await asyncio.sleep(measures.SETTLED_S)
                triggers.add(target.name, await _year_of_triggers(_Api(server)))
            for row, idle_ms, days in ((schedules, DAY_MS, DAYS), (asleep, 10_000, MONTH)):
                await patience.wait()
                async with _with_flags(target, "--idle-ms", str(idle_ms)).running(scratch) as server:
                    await asyncio.sleep(measures.SETTLED_S)
                    if row is schedules:
                        hour.add(target.name, await _idle_hour(_Api(server)))
                    row.add(target.name, await _schedules(_Api(server), days))
            await patience.wait()
            turn = sweeps.TYPESCRIPT if target.name == NODE else sweeps.PYTHON
            swept.add(target.name, await sweeps.crashes(turn, target.environment, scratch))


async def _year_of_triggers(api: _Api) -> float:
    """Seconds. Raises Broken when a trigger did not fire."""
    took_s = await api.pass_days(DAYS)
    _, fired = await fetch(api.server.port, "/fired")
    if int(fired) != len(CRONS) * DAYS:
        raise Broken(f"{fired!r} of {len(CRONS) * DAYS} triggers fired")
    return took_s


async def _schedules(api: _Api, days: int) -> float:
    """Seconds. Raises Broken when a schedule did not ring."""
    await api.post("objects/Crontab/a/call", method="plan", args=[len(CRONS)])
    took_s = await api.pass_days(days)
    rings = (await api.post("objects/Crontab/a/call", method="rings"))["result"]
    if rings != len(CRONS) * days:
        raise Broken(f"{rings} of {len(CRONS) * days} schedules rang")
    return took_s


async def _idle_hour(api: _Api) -> float:
    """Milliseconds."""
    await api.post("clock/run-until-idle")
    began = time.perf_counter()
    await api.post("clock/advance", ms=3_600_000)
    return (time.perf_counter() - began) * 1000


@dataclass(frozen=True, slots=True)
class _Api:
    """The control API of a server."""

    server: Server

    async def pass_days(self, days: int) -> float:
        """Let them pass, and give how many seconds it took."""
        await self.post("clock/settle")
        began = time.perf_counter()
        await self.post("clock/advance", ms=days * DAY_MS)
        return time.perf_counter() - began

    async def post(self, verb: str, **body: Any) -> Any:
        """The JSON answer. Raises Broken for a refusal."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        data = json.dumps(body).encode()
        head = f"POST /cdn-cgi/emu/api/{verb} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        writer.write(head.encode() + data)
        async with asyncio.timeout(BOUND_S):
            answer = await reader.read()
        writer.close()
        status, _, rest = answer.partition(b"\r\n")
        text = rest.partition(b"\r\n\r\n")[2]
        if b" 200 " not in status:
            raise Broken(f"{verb}: {status!r} {text[:500]!r}\n{self.server.printed()}")
        return json.loads(text)


def _on_virtual_clock(name: str, target: Target) -> Target:
    return Target(name, _with_flags(target, *_FLAGS).command, target.environment, target.suite)


def _with_flags(target: Target, *flags: str) -> Target:
    """The last value of a flag counts."""
    return Target(target.name, lambda folder, port: [*target.command(folder, port), *flags], target.environment, target.suite)


def _with_triggers(target: Target, crons: Sequence[str]) -> Target:
    def command(folder: Path, port: int) -> list[str]:
        words = target.command(folder, port)
        config = folder / "project" / "wrangler.jsonc"
        config.write_text(
            re.sub(r"\{", f'{{ "triggers": {json.dumps({"crons": list(crons)})},', config.read_text("utf-8"), count=1), "utf-8"
        )
        return words

    return Target(target.name, command, target.environment, target.suite)
