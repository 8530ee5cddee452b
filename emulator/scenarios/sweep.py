"""The same scenario again and again, each time with a fault at another point of it: which points change what comes of it?

The first run, without a fault, tells the points (wire/README.md, *Turns and points*) and what is right. Then, for each point, the server is
rewound, the fault is armed there and the scenario runs; what came of it is compared with the first run. The clock is virtual and chance is
seeded, so every run comes to the same point in the same state, and each can be played alone: `scenario run FILE --trap 41:crash`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from emulator.errors import EmuError, UsageError
from emulator.scenarios import runner
from emulator.scenarios.control import Control
from emulator.scenarios.document import Document
from emulator.scenarios.runner import Run, Trap
from emulator.scenarios.server import own_server
from emulator.scenarios.steps import NOT_GIVEN, patterns, verb
from emulator.scenarios.world import Place

EVERY = "every-event"
OF_OBJECTS = frozenset(("evict", "drop"))
"""Faults that happen to an object: at points of the Worker's own code there is none."""
KINDS = ("turn", "end", "commit", "frame", "request", "answer", "chunk", "respond")
"""What points can be; `every-event` means all of them."""
MOST_POINTS = 1_000
ATTEMPTS = 2
"""How often a point is tried that was not reached: a machine that is too busy may fail a run before it comes to it."""
PATIENCE = 20.0
"""A run with a fault may take so many times as long as the one without ..."""
LEAST_BOUND_S = 15.0
"""... but this long in any case: a host that was killed has to come up again."""


@dataclass(frozen=True, slots=True)
class Point:
    """A boundary that the scenario passes. `about` is `CLASS/NAME`, empty for the Worker's own code."""

    n: int
    what: str
    label: str
    about: str

    @classmethod
    def read(cls, entry: Mapping[str, Any]) -> Point:
        """The point of a journal's entry, or of a trap that has fired."""
        about = entry.get("object") or {}
        name = f"{about['class']}/{about.get('name') or about.get('id')}" if about.get("class") else ""
        return cls(int(entry["n"]), str(entry["what"]), str(entry.get("label") or ""), name)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the fault at one point changed: nothing if there are no `differences`. `unreached` says why it was not done at all."""

    point: Point
    differences: tuple[str, ...] = ()
    unreached: str | None = None
    run: Run | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """A whole sweep; `verdicts` in the order of the points, `passed` are all points that the scenario has, of any kind."""

    fault: str
    baseline: Run
    passed: tuple[Point, ...]
    verdicts: tuple[Verdict, ...]
    seconds: float

    @property
    def differing(self) -> list[Verdict]:
        """Points at which the fault changes something."""
        return [verdict for verdict in self.verdicts if verdict.differences]

    @property
    def unreached(self) -> list[Verdict]:
        """Points at which nothing could be done: nobody knows."""
        return [verdict for verdict in self.verdicts if verdict.unreached is not None]


def kinds_of(text: str) -> frozenset[str]:
    """The kinds of points that `--at` names, separated by commas. Raises UsageError E203."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    wrong = next((name for name in names if name not in KINDS and name != EVERY), None)
    if wrong is not None or not names:
        hint = f"one or more of {EVERY}, {', '.join(KINDS)}"
        raise UsageError("E203", f'--at "{wrong or text}" is no kind of point', hint=hint)
    return frozenset(KINDS) if EVERY in names else frozenset(names)


class Sweep:
    """`tell` hears how far it is: points done, points in all, points that differ so far."""

    def __init__(self, document: Document, fault: str, kinds: frozenset[str], tell: Callable[[int, int, int], None]) -> None:
        self._document = document
        self._fault = fault
        self._kinds = kinds
        self._tell = tell
        self._verdicts: list[Verdict] = []

    async def run(self, root: Path, environ: Mapping[str, str], jobs: int) -> Report:
        """Sweep on up to `jobs` servers of its own, side by side. Raises UsageError E290, E291 or E292, what the first run failed with, and
        what starting a server raises."""
        if self._document.settings.clock == "real":
            raise UsageError(
                "E290", "a sweep needs a virtual clock: on the real one no two runs are the same", hint="leave out `clock: real`"
            )
        began = asyncio.get_running_loop().time()
        async with AsyncExitStack() as stack:

            async def server(number: int) -> Place:
                served = await stack.enter_async_context(own_server(root, self._document.settings, environ, number=number))
                return served.place

            first = await server(0)
            baseline = await runner.run(self._document, first, points=True)
            if baseline.failure is not None:
                raise baseline.failure
            # What comes behind the last of them is our own doing: checks, and clients that leave.
            passed = [point for point in await _points(first) if point.n <= baseline.passed]
            chosen = [point for point in passed if point.what in self._kinds and (point.about or self._fault not in OF_OBJECTS)]
            self._check(passed, chosen)
            bound_s = max(LEAST_BOUND_S, baseline.seconds * PATIENCE)
            # No more servers than there is work for: one comes up in the time of several runs.
            waiting = list(reversed(chosen))
            others = min(jobs, 1 + len(chosen) // 8) - 1
            self._tell(0, len(chosen), 0)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._work(first, baseline, waiting, len(chosen), bound_s))
                    for number in range(1, 1 + others):
                        group.create_task(self._help(server, number, baseline, waiting, len(chosen), bound_s))
            except ExceptionGroup as several:
                raise several.exceptions[0] from None
        self._verdicts.sort(key=lambda verdict: verdict.point.n)
        return Report(self._fault, baseline, tuple(passed), tuple(self._verdicts), asyncio.get_running_loop().time() - began)

    def _check(self, passed: Sequence[Point], chosen: Sequence[Point]) -> None:
        if not chosen:
            there = ", ".join(f"{kind} ({count})" for kind, count in Counter(point.what for point in passed).items()) or "none at all"
            raise UsageError("E291", f"the scenario passes no point of kind {', '.join(sorted(self._kinds))}", hint=f"there is: {there}")
        if len(chosen) > MOST_POINTS:
            what = f"the scenario passes {len(chosen)} points, and a sweep has at most {MOST_POINTS}"
            raise UsageError("E292", what, hint="--at turn,commit,request chooses fewer; a shorter scenario has fewer")

    async def _help(
        self, server: Callable[[int], Any], number: int, baseline: Run, waiting: list[Point], count: int, bound_s: float
    ) -> None:
        await self._work(await server(number), baseline, waiting, count, bound_s)

    async def _work(self, place: Place, baseline: Run, waiting: list[Point], count: int, bound_s: float) -> None:
        while waiting:
            point = waiting.pop()
            self._verdicts.append(await self._at(place, point, baseline, bound_s))
            self._tell(len(self._verdicts), count, sum(1 for verdict in self._verdicts if verdict.differences))

    async def _at(self, place: Place, point: Point, baseline: Run, bound_s: float) -> Verdict:
        for _ in range(ATTEMPTS):
            await runner.rewind(place)
            went = await runner.run(self._document, place, trap=Trap(point.n, self._fault), bound_s=bound_s)
            unreached = _unreached(point, went.trap)
            if unreached is None:
                break
        if unreached is not None:
            return Verdict(point, unreached=unreached, run=went)
        return Verdict(point, tuple(differences(self._document, baseline, went)), run=went)


def _unreached(point: Point, trap: Mapping[str, Any] | None) -> str | None:
    """Why the fault was not done at this very point, None if it was."""
    if trap is None:
        return "the server did not tell"
    if trap.get("fired") is None:
        return "the run did not come to it"
    if trap.get("problem"):
        return str(trap["problem"])
    fired = Point.read(trap["fired"])
    if (fired.what, fired.about) != (point.what, point.about):
        return f"point {point.n} was another one this time: {fired.what} {fired.label}".rstrip()
    nothing = (trap.get("effect") or {}).get("nothing")
    return f"nothing was done: {nothing}" if nothing else None


def differences(document: Document, baseline: Run, went: Run) -> list[str]:
    """In words, what came of a run that did not come of the first one. Without checks all answers and outside requests are compared."""
    found = []
    if not document.outcome or went.failure is not None:
        found += _requests(baseline.outcome.get("requests", {}), went.outcome.get("requests", {}))
    if went.failure is not None and not (found and "the count of " in went.failure.what):
        found.append(_failure(went.failure))
    checks = baseline.outcome.get("checks", [])
    for step, right, value in zip(document.outcome, checks, went.outcome.get("checks", []), strict=False):
        # A check that says what is right has been judged by that.
        if not any(pattern is not NOT_GIVEN for pattern in patterns(step)) and right != value:
            found.append(_changed(verb(step), right, value))
    if not document.outcome and went.failure is None:
        for name, texts in baseline.outcome.get("chats", {}).items():
            if went.outcome["chats"].get(name) != texts:
                found.append(_changed(f"what {name} was answered", texts, went.outcome["chats"].get(name)))
    return found + _violations(baseline, went)


def _failure(error: EmuError) -> str:
    where = f" ({error.where})" if error.where else ""
    first = (error.hint or "").partition("\n")[0]
    return f"{error.code} {error.what}{f': {first}' if first else ''}{where}"


def _requests(right: Mapping[str, int], now: Mapping[str, int]) -> list[str]:
    names = sorted({*right, *now})
    changed = [name for name in names if right.get(name, 0) != now.get(name, 0)]
    return [f"outside requests {name} {now.get(name, 0)} instead of {right.get(name, 0)}" for name in changed]


def _violations(baseline: Run, went: Run) -> list[str]:
    """Broken promises of the chat protocol that the first run did not have."""
    known = Counter(str(row["code"]) for row in baseline.violations)
    found = []
    for row in went.violations:
        code = str(row["code"])
        if known[code] > 0:
            known[code] -= 1
        else:
            found.append(f"{code} {row['what']} (client {row.get('client') or row['socket']})")
    return found


def _changed(what: str, right: Any, value: Any) -> str:
    return f"{what} {_brief(value)} instead of {_brief(right)}"


def _brief(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."


async def _points(place: Place) -> list[Point]:
    async with aiohttp.ClientSession() as session:
        lines = (await Control(session, place.url).lines("journal?kinds=point")).splitlines()
    entries = [json.loads(line) for line in lines if line]
    return [Point.read(entry) for entry in entries if entry.get("kind") == "point"]
