"""Two projects on one machine for some minutes: chat turns, calls, reconnects and hibernation, every answer checked, memory measured.

    .venv/bin/python tests/soak/soak.py                    # 5 minutes, 200 objects, 100 clients
    .venv/bin/python tests/soak/soak.py --seconds 30       # a short one

Prints one line for each sample, then for each process its memory (RSS) over time, and what went wrong. Exit code 0: no error, and
memory flat. It is no test: what it measures takes minutes, so pytest does not collect it.

The objects are warm after a first part of the run (caches, the journal's ring of 10,000 entries); memory is flat when the last third
is not above the middle third by more than FLAT_BYTES and FLAT_RATIO together.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import random
import shutil
import socket
import struct
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

CHECKOUT = Path(__file__).parents[2]
COMMAND = Path(sys.executable).with_name("agents-emu")
IDLE_MS = 700
ANSWER_BOUND_S = 30
KEPT_TURNS = 4
"""A conversation is cleared after so many turns: history that grows is no leak."""
FLAT_BYTES = 6 << 20
FLAT_RATIO = 1.05
TROUBLE = frozenset(("exception", "host.crashed", "host.stuck", "load.failed", "internal"))


class Wrong(Exception):
    """An answer that is not what it must be."""


@dataclass
class Served:
    """A running server on a copy of a sample; `log` is where it prints."""

    sample: str
    folder: Path
    flags: tuple[str, ...]
    process: asyncio.subprocess.Process | None = None
    origin: str = ""

    async def start(self) -> None:
        project = self.folder / "project"
        shutil.copytree(CHECKOUT / "sample_agents" / self.sample, project, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu"))
        ready = self.folder / "ready.json"
        with (self.folder / "output.log").open("wb") as log:
            words = ("dev", project, "--port", "0", "--ready-file", ready, "--idle-ms", str(IDLE_MS), *self.flags)
            self.process = await asyncio.create_subprocess_exec(COMMAND, *words, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log)
        async with asyncio.timeout(30):
            while not ready.exists():
                await asyncio.sleep(0.05)
        self.origin = json.loads(ready.read_text())["url"].rstrip("/")

    def pids(self) -> list[tuple[str, int]]:
        """The gateway and the processes it started, oldest first."""
        assert self.process is not None
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [("gateway", self.process.pid), *((f"host {number}", int(pid)) for number, pid in enumerate(children))]

    async def stop(self) -> int:
        assert self.process is not None
        self.process.terminate()
        async with asyncio.timeout(10):
            return await self.process.wait()

    def trouble(self) -> list[str]:
        """Entries of the journal that should not be there."""
        lines = (self.folder / "project" / ".agents-emu" / "journal.ndjson").read_text().splitlines()
        entries = (json.loads(line) for line in lines)
        return [f"{self.sample}: {json.dumps(entry)[:600]}" for entry in entries if entry["kind"] in TROUBLE]


@dataclass
class Tally:
    """What happened, and what went wrong."""

    counts: dict[str, int] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)

    def add(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1


class Tab:
    """One client: it owns some objects, so it knows exactly what each must answer."""

    def __init__(self, session: aiohttp.ClientSession, origin: str, names: list[str], chance: random.Random, tally: Tally) -> None:
        self.session = session
        self.origin = origin
        self.names = names
        self.chance = chance
        self.tally = tally
        self.numbers = itertools.count(1)
        self.ws: aiohttp.ClientWebSocketResponse | None = None

    agent = ""

    async def work(self, name: str) -> None:
        """One action on the open socket, its answer checked."""
        raise NotImplementedError

    async def live(self, until_s: float) -> None:
        """Connect, act, idle, leave, again and again."""
        while time.monotonic() < until_s:
            name = self.chance.choice(self.names)
            try:
                self.ws = await self.session.ws_connect(f"{self.origin}/agents/{self.agent}/{name}", max_msg_size=0)
                for _ in range(self.chance.randint(1, 4)):
                    await self.work(name)
                    if self.chance.random() < 0.4:
                        await asyncio.sleep(IDLE_MS / 1000 * self.chance.uniform(1.5, 3))
                        self.tally.add("idled")
                await self.leave()
            except (Wrong, TimeoutError, aiohttp.ClientError, OSError) as error:
                self.tally.errors.append(f"{time.strftime('%X')} {self.agent}/{name}: {type(error).__name__}: {error}")
                await asyncio.sleep(1)
            await asyncio.sleep(self.chance.uniform(0, 0.3))

    async def leave(self) -> None:
        assert self.ws is not None
        if self.chance.random() < 0.3:
            transport = self.ws.get_extra_info("socket")
            transport.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.ws._response.close()  # with that option the kernel sends a reset
            self.tally.add("reset")
        else:
            await self.ws.close()
            self.tally.add("closed")

    async def send(self, frame: dict[str, Any]) -> None:
        assert self.ws is not None
        await self.ws.send_json(frame)

    async def receive(self) -> dict[str, Any]:
        assert self.ws is not None
        message = await self.ws.receive(ANSWER_BOUND_S)
        if message.type is not aiohttp.WSMsgType.TEXT:
            raise Wrong(f"the socket ended: {message.type.name} {message.data} {message.extra}")
        return json.loads(message.data)


class Counting(Tab):
    agent = "counter"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.counts = dict.fromkeys(self.names, 0)

    async def work(self, name: str) -> None:
        amount, number = self.chance.randint(1, 9), f"n{next(self.numbers)}"
        await self.send({"type": "rpc", "id": number, "method": "add", "args": [amount]})
        while (frame := await self.receive()).get("id") != number:
            pass
        self.counts[name] += amount
        if frame.get("result") != self.counts[name]:
            raise Wrong(f"{self.counts[name]} was expected: {frame}")
        self.tally.add("calls")


class Chatting(Tab):
    agent = "chat"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.histories: dict[str, list[dict[str, Any]]] = {name: [] for name in self.names}
        answers = json.loads((CHECKOUT / "sample_agents/chat_py/fixtures/ai/default/00-binding.run-glm-4.7-flash-any.json").read_text())
        events = [event["json"]["choices"] for event in answers["response"]["stream"]["events"] if "json" in event]
        self.answer = "".join(choices[0]["delta"].get("content", "") for choices in events if choices)

    async def work(self, name: str) -> None:
        history, id = self.histories[name], f"{name}-{next(self.numbers)}"
        history.append({"id": id, "role": "user", "parts": [{"type": "text", "text": f"tell me about {id}"}]})
        body = json.dumps({"messages": history, "trigger": "submit-message"})
        await self.send({"type": "cf_agent_use_chat_request", "id": id, "init": {"method": "POST", "body": body}})
        heard = ""
        while True:
            frame = await self.receive()
            if frame.get("type") == "cf_agent_stream_resuming":
                # Whoever does not take an offered stream is sent no chunk of any.
                await self.send({"type": "cf_agent_stream_resume_ack", "id": frame["id"]})
            if frame.get("type") != "cf_agent_use_chat_response" or frame.get("id") != id:
                continue
            if frame.get("error"):
                raise Wrong(f"an error for an answer: {frame}")
            if frame["body"]:
                heard += json.loads(frame["body"]).get("delta", "")
            if frame["done"]:
                break
        if heard != self.answer:
            self.histories[name].pop()
            raise Wrong(f"not the recorded answer: {heard!r}, then {frame}")
        self.tally.add("turns")
        await self.stored(name)

    async def stored(self, name: str) -> None:
        """The transcript as the object has it, over HTTP; sometimes it is then cleared."""
        async with self.session.get(f"{self.origin}/agents/chat/{name}/get-messages") as response:
            messages = await response.json()
        mine, theirs = (
            [one["id"] for one in self.histories[name] if one["role"] == "user"],
            [one["id"] for one in messages if one["role"] == "user"],
        )
        self.histories[name] = messages
        if mine != theirs or len(messages) != 2 * len(mine):
            raise Wrong(f"a transcript of {theirs} and {len(messages)} messages, where {mine} was said")
        if len(mine) >= KEPT_TURNS:
            await self.send({"type": "cf_agent_chat_clear"})
            self.histories[name] = []


Curve = dict[tuple[str, str, int], list[tuple[float, int, int]]]
"""By sample, role and pid: seconds since the start, RSS in bytes, open descriptors."""


async def sample(servers: list[Served], curve: Curve, every_s: float, until_s: float, tally: Tally) -> None:
    began = time.monotonic()
    while time.monotonic() < until_s:
        now = time.monotonic() - began
        words = []
        for server in servers:
            for role, pid in server.pids():
                rss, descriptors = measure(pid)
                curve.setdefault((server.sample, role, pid), []).append((now, rss, descriptors))
                words.append(f"{server.sample} {role} {rss / 2**20:.1f} MiB {descriptors} fds")
        print(f"{now:5.0f} s  {'  '.join(words)}  {tally.counts}  errors: {len(tally.errors)}", flush=True)
        await asyncio.sleep(every_s)


def measure(pid: int) -> tuple[int, int]:
    """RSS in bytes and open descriptors of a process."""
    status = Path(f"/proc/{pid}/status").read_text()
    kib = int(status.partition("VmRSS:")[2].split()[0])
    return kib * 1024, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def verdict(curve: Curve, seconds: float) -> list[str]:
    """Prints each process' curve; gives those that grew."""
    grew = []
    for (name, role, pid), points in curve.items():
        thirds = [[rss for at, rss, _ in points if seconds * part / 3 <= at < seconds * (part + 1) / 3] for part in range(3)]
        if not all(thirds):
            continue  # a spare that came or went
        means = [sum(third) / len(third) for third in thirds]
        marks = points[:: max(1, len(points) // 10)]
        line = " ".join(f"{rss / 2**20:.1f}" for _, rss, _ in marks)
        descriptors = f"{points[0][2]}..{max(point[2] for point in points)}"
        print(f"{name} {role} ({pid})  MiB: {line}  thirds: {' '.join(f'{mean / 2**20:.1f}' for mean in means)}  fds: {descriptors}")
        if means[2] > means[1] + FLAT_BYTES and means[2] > means[1] * FLAT_RATIO:
            grew.append(f"{name} {role} grew from {means[1] / 2**20:.1f} to {means[2] / 2**20:.1f} MiB")
    return grew


async def soak(seconds: float, objects: int, clients: int, seed: int, folder: Path) -> int:
    chat = Served("chat_py", folder / "chat", ("--ai-speed", "20x"))
    counter = Served("counter_py", folder / "counter", ())
    tally, curve, chance = Tally(), Curve(), random.Random(seed)
    servers = [chat, counter]
    for server in servers:
        server.folder.mkdir()
        await server.start()
    kinds: list[tuple[type[Tab], Served]] = [(Chatting, chat), (Counting, counter)]
    share = objects // clients
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=ANSWER_BOUND_S)) as session:
        tabs = [
            kind(session, server.origin, [f"object-{number}-{one}" for one in range(share)], random.Random(chance.random()), tally)
            for number, (kind, server) in zip(range(clients), itertools.cycle(kinds), strict=False)
        ]
        until_s = time.monotonic() + seconds
        await asyncio.gather(sample(servers, curve, max(1.0, seconds / 60), until_s, tally), *(tab.live(until_s) for tab in tabs))
        for server in servers:
            async with session.get(f"{server.origin}/cdn-cgi/emu/api/objects") as response:
                rows = (await response.json())["objects"]
            states = {state: sum(row["state"] == state for row in rows) for state in {row["state"] for row in rows}}
            generations = sum(row.get("generation") or 0 for row in rows)
            print(f"{server.sample}: {len(rows)} objects {states}, {generations} constructions")
    codes = [await server.stop() for server in servers]
    grew = verdict(curve, seconds)
    wrong = [*tally.errors, *(line for server in servers for line in server.trouble()), *grew]
    if codes != [143, 143]:
        wrong.append(f"exit codes {codes} where 143 was expected")
    print(tally.counts)
    print("\n".join(wrong[:50]) or "no error, and memory is flat")
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description="Two projects under load for some minutes.")
    parser.add_argument("--seconds", type=float, default=300)
    parser.add_argument("--objects", type=int, default=200)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, help="keep state, logs and journals in this new folder")
    given = parser.parse_args()
    folder = given.keep or Path(tempfile.mkdtemp(prefix="agents-emu-soak-"))
    folder.mkdir(exist_ok=True, parents=True)
    try:
        return asyncio.run(soak(given.seconds, given.objects, given.clients, given.seed, folder))
    finally:
        if given.keep is None:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())
