"""What is asked of the servers that are compared with each other: the same paths for all of them, and the project that is served."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from bench.table import Row

BENCH = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Suite:
    """`echo` answers GET, with the marker in it, and echoes WebSocket messages; its last character is the object's name. `reminder` is the
    path of objects that set schedules. `marker` is the module that a save rewrites, `marked` its text with a place for a word. What is not
    measured is empty. `goals` are what the project promises itself, by the row's label."""

    project: Path
    echo: str
    reminder: str = ""
    marker: str = ""
    marked: str = ""
    goals: dict[str, str] = field(default_factory=dict)

    def goal(self, label: str) -> str:
        """Empty when there is none."""
        return self.goals.get(label, "")

    def row(self, label: str, unit: str, *, digits: int = 0) -> Row:
        """A row of the table, with its goal."""
        return Row(label, unit, self.goal(label), digits)


PYTHON = Suite(
    project=BENCH / "project",
    echo="/echo/a",
    reminder="/agents/reminder/",
    marker="src/marker.py",
    marked='"""Written by the benchmark."""\n\nMARKER = "{}"\n',
    goals={
        "start to first answer": "< 1,000",
        "idle memory, RSS of all processes": "< 150",
        **{f"HTTP, {clients}": ">= 0.70x of the floor" for clients in ("1 client", "32 clients", "100 clients")},
        **{f"WebSocket echo, {clients}": ">= 0.70x of the floor" for clients in ("1 client", "32 clients", "100 clients")},
        "save to new code answering": "< 150",
        "sockets lost": "0",
        "model stream at 1x: first chunk later than recorded": "<= 5",
        "model stream, instant": ">= 10,000",
        "open 5,000 sockets": "< 5",
        "memory of an idle, hibernated socket, RSS": "< 40",
    },
)
"""Raw objects on the Python host."""

TYPESCRIPT = Suite(
    project=BENCH / "project_ts",
    echo="/agents/echo/a",
    reminder="/agents/reminder/",
    marker="src/marker.ts",
    marked='export const MARKER = "{}";\n',
    goals={
        "start to first answer": "<= 0.1x of wrangler dev",
        "idle memory, RSS of all processes": "<= 0.25x of wrangler dev",
        **{f"HTTP, {clients}": ">= 10x wrangler dev, >= raw workerd" for clients in ("1 client", "32 clients", "100 clients")},
        **{f"WebSocket echo, {clients}": ">= 5x wrangler dev, >= raw workerd" for clients in ("1 client", "32 clients", "100 clients")},
        "save to new code answering": "< 150, <= 0.1x of wrangler dev",
        "sockets lost": "0",
        "calls that set a state, 10 subscribers": ">= raw workerd",
        "server-sent events": ">= raw workerd",
        "streaming call": ">= raw workerd",
        "chat turn": ">= raw workerd",
        "schedule rings later than due": "<= raw workerd",
    },
)
"""Agents of the real npm SDK on the Node host."""

MODELS = Suite(
    project=BENCH / "project_models",
    echo="/self/a",
    goals={
        "replay adds to the first byte": "< 5",
        "recording adds to the first byte": "< 5",
        "load 1,000 recordings": "< 0.3",
        "find a recording among them": "< 1",
        "memory while 50 MiB pass, recorded, RSS": "flat",
        "memory while 50 MiB pass, replayed, RSS": "flat",
    },
)
"""Model calls of a Worker on the Python host: recorded, replayed, and neither."""
