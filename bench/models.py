"""What recording and replaying costs: the model layer beside a Worker that answers by itself, and beside itself without recordings."""

from __future__ import annotations

import asyncio
import shutil
import statistics
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import measures, processes
from bench.client import Broken, request
from bench.model_source import LENGTHS
from bench.processes import Patience
from bench.servers import CHECKOUT, Server, Target
from bench.suite import MODELS
from bench.table import OURS, Row

RECORDINGS = 1_000
BOUND_S = 120.0
_SAMPLE_S = 0.02
_CONFIG = """[[ai.routes]]
match = "*"
to = "source"

[ai.backends.source]
type = "openai"
base_url = "http://127.0.0.1:{port}/v1"
"""


def target(source: int = 0, fixtures: Path | None = None, *flags: str) -> Target:
    """agents-emu serving a copy of bench/project_models, whose models answer on port `source`."""

    def command(folder: Path, port: int) -> list[str]:
        project = folder / "project"
        shutil.copytree(MODELS.project, project, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", "__pycache__"))
        (project / "agents-emu.toml").write_text(_CONFIG.format(port=source), "utf-8")
        dev = [sys.executable, "-m", "emulator", "dev", str(project), "--port", str(port), "--strict-port", "--log-level", "warn"]
        return [*dev, "--fixtures", str(fixtures or folder / "fixtures"), "--ai-speed", "instant", *flags]

    return Target(OURS, command, suite=MODELS)


async def measure(rows: list[Row], targets: list[Target], rounds: int, patience: Patience, scratch: Path) -> None:
    """Fill `rows`."""
    fixtures = scratch / "fixtures"
    async with _source() as source:
        rows += await _recording(source, fixtures, rounds, patience, scratch)
    rows += await _library(fixtures, rounds, patience)
    async with target(0, fixtures, "--ai", "replay").running(scratch) as server:
        await asyncio.sleep(measures.SETTLED_S)
        rows += await _replaying(server, rounds, patience)


async def _recording(source: int, fixtures: Path, rounds: int, patience: Patience, scratch: Path) -> list[Row]:
    """The same calls to two servers in turns, of which one records; then what is long, to the one that records."""
    live_ms = MODELS.row("first byte from a model, not recorded", "ms", digits=2)
    record_ms = MODELS.row("first byte from a model, recorded", "ms", digits=2)
    added = MODELS.row("recording adds to the first byte", "ms", digits=2)
    async with (
        target(source, scratch / "nothing", "--ai", "live").running(scratch) as live,
        target(source, fixtures, "--ai", "record").running(scratch) as record,
    ):
        await asyncio.sleep(measures.SETTLED_S)
        for server in (live, record):
            await _answer(server.port, "/ai/short/warm")
        for prompts in _shares(rounds):
            await patience.wait()
            pairs = [((await _answer(live.port, path)).first_ms, (await _answer(record.port, path)).first_ms) for path in prompts]
            _compare(pairs, live_ms, record_ms, added)
        long = [*await _chunks(live, rounds, patience, "live"), *await _chunks(record, rounds, patience, "recorded")]
        grown = await _memory(record, patience, "recorded")
    return [live_ms, record_ms, added, *long, grown]


async def _library(fixtures: Path, rounds: int, patience: Patience) -> list[Row]:
    """Reading and searching, without a server; the long recordings are among them."""
    short = fixtures.with_name("short")
    (short / "ai" / "default").mkdir(parents=True)
    for file in (fixtures / "ai" / "default").glob("*-short-*.json"):
        shutil.copy(file, short / "ai" / "default")
    load = MODELS.row(f"load {RECORDINGS:,} recordings", "s", digits=3)
    match = MODELS.row("find a recording among them", "ms", digits=3)
    for _ in range(rounds):
        await patience.wait()
        result = await measures.load("bench.recordings", str(short))
        if result["count"] < RECORDINGS:
            raise Broken(f"{result['count']} of {RECORDINGS} calls were recorded")
        load.add(OURS, result["load_s"])
        match.add(OURS, result["match_ms"])
    return [load, match]


async def _replaying(server: Server, rounds: int, patience: Patience) -> list[Row]:
    """The Worker's own answer and the recorded one in turns; then what is long."""
    self_ms = MODELS.row("first byte from the Worker itself", "ms", digits=2)
    replay_ms = MODELS.row("first byte from a recording", "ms", digits=2)
    added = MODELS.row("replay adds to the first byte", "ms", digits=2)
    for path in ("/self/warm", "/ai/short/warm"):
        await _answer(server.port, path)
    for prompts in _shares(rounds):
        await patience.wait()
        pairs = [((await _answer(server.port, "/self/a")).first_ms, (await _answer(server.port, path)).first_ms) for path in prompts]
        _compare(pairs, self_ms, replay_ms, added)
    return [
        self_ms,
        replay_ms,
        added,
        *await _chunks(server, rounds, patience, "replayed"),
        await _memory(server, patience, "replayed"),
    ]


def _shares(rounds: int) -> list[list[str]]:
    """The paths of all short calls, a share for each round."""
    return [[f"/ai/short/{number}" for number in range(start, RECORDINGS, rounds)] for start in range(rounds)]


def _compare(pairs: list[tuple[float, float]], one: Row, other: Row, added: Row) -> None:
    one.add(OURS, statistics.median(first for first, _ in pairs))
    other.add(OURS, statistics.median(second for _, second in pairs))
    added.add(OURS, statistics.median(second - first for first, second in pairs))


async def _chunks(server: Server, times: int, patience: Patience, how: str) -> list[Row]:
    row = MODELS.row(f"model stream, {how}", "chunks/s")
    for _ in range(times):
        await patience.wait()
        answer = await _answer(server.port, "/ai/chunks/all")
        row.add(OURS, LENGTHS["chunks"][0] / answer.last_ms * 1000)
    return [row]


async def _memory(server: Server, patience: Patience, how: str) -> Row:
    """How far all processes of the server together grow at most while the long answer passes."""
    await patience.wait()
    row = MODELS.row(f"memory while 50 MiB pass, {how}, RSS", "MiB more")
    before = most = processes.memory(server.process.pid).rss
    passing = asyncio.create_task(_answer(server.port, "/ai/large/all"))
    while not passing.done():
        most = max(most, processes.memory(server.process.pid).rss)
        await asyncio.wait([passing], timeout=_SAMPLE_S)
    await passing
    row.add(OURS, most - before)
    return row


@dataclass(frozen=True, slots=True)
class _Answered:
    """Milliseconds from the request to the first byte of the body, and to its end."""

    first_ms: float
    last_ms: float


async def _answer(port: int, path: str) -> _Answered:
    """Read one answer to its end, on a connection of its own. Raises Broken when it is another than was to be expected."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    began = time.perf_counter()
    writer.write(request(path, connection="close"))
    first_ms, size, tail = 0.0, 0, b""
    async with asyncio.timeout(BOUND_S):
        head = await reader.readuntil(b"\r\n\r\n")
        while data := await reader.read(1 << 16):
            first_ms = first_ms or (time.perf_counter() - began) * 1000
            size += len(data)
            tail = (tail + data)[-64:]
    last_ms = (time.perf_counter() - began) * 1000
    writer.close()
    if b" 200 " not in head.split(b"\r\n", 1)[0] or b"[DONE]" not in tail:
        raise Broken(f"{path}: {head[:80]!r} and {size} bytes that end in {tail!r}")
    return _Answered(first_ms, last_ms)


@asynccontextmanager
async def _source() -> AsyncIterator[int]:
    """The model's port."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.model_source"), cwd=CHECKOUT, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield int(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()
