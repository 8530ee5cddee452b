"""The faults in force: which one acts on a call, how often each has acted, and the log from which a run can be repeated.

Rules come from `faults.json` files, which are read again when they change, and from the control API. Of the rules that are due the
first acts; rules that were added come before those of files. Every rule counts every call that fits it, whichever acted.

`probability` is drawn from the seed, the rule's name and the call's number alone. So the same calls under the same seed meet the same
faults, whatever else went on; the log of a run names the seed.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.faults.dialects import model_named
from emulator.gateway.ai.faults.rules import Do, Parsed, Rule, parse_rule, parse_rules
from emulator.gateway.ai.scope import LABEL_HEADER

FILE_NAME = "faults.json"
"""Beside the cassettes: `<fixtures>/ai/faults.json`."""

LOOK_EVERY_S = 1.0
_KEPT_FIRINGS = 1000

Log = Callable[[dict[str, Any]], None]


def no_log(_event: dict[str, Any]) -> None:
    """Nobody listens."""


def random_seed() -> int:
    """Another one each time; short, so that people can copy it."""
    return int.from_bytes(os.urandom(4))


@dataclass(frozen=True, slots=True)
class Fault:
    """One firing: `name` of the rule, `n` the number of the call among those that fit it."""

    name: str
    n: int
    seed: int
    do: Do
    asked: ModelRequest

    @property
    def unique(self) -> str:
        """A uuid that is the same whenever the same firing is repeated."""
        return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{self.seed}/{self.name}/{self.n}"))

    def logged(self) -> dict[str, Any]:
        """What the log has of it."""
        return {"fault": self.name, "n": self.n, "seed": self.seed, "target": self.asked.target, "model": model_named(self.asked)}


@dataclass(slots=True)
class _Counted:
    rule: Rule
    file: Path | None = None
    calls: int = 0
    fired: int = 0


class FaultBook:
    """`seed` None takes that of a file, else `entropy()`. `sources` are paths of faults files, which need not exist. `log` hears of each
    firing (`{"type": "fault", fault, n, seed, target, model}`) and of each thing that is wrong in a file (`{"type": "fault",
    "problem", "code", "where", "next"}`), once for each version of the file."""

    def __init__(self, seed: int | None, sources: Sequence[Path], log: Log = no_log, *, entropy: Callable[[], int] = random_seed) -> None:
        self._given = seed
        self._random = entropy
        self._log = log
        self._added: list[_Counted] = []
        self._files = [_File(path) for path in sources]
        self._next = 1
        self._drawn: int | None = None
        self._firings: deque[dict[str, Any]] = deque(maxlen=_KEPT_FIRINGS)
        self._refresh()

    @property
    def seed(self) -> int:
        """The seed that chances are drawn from."""
        known = next((seed for seed in (self._given, *(file.seed for file in self._files)) if seed is not None), None)
        if known is not None:
            return known
        if self._drawn is None:
            self._drawn = self._random()
        return self._drawn

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        self._refresh()
        return any(True for _ in self._all())

    def take(self, asked: ModelRequest, labels: Collection[str] = ()) -> Fault | None:
        """The fault that acts on this call, counted and logged; None for none. `labels` adds to those that the call carries itself
        (`labels_of`). Synchronous, so that of two calls at once each has its own number."""
        self._refresh()
        known = {*labels, *labels_of(asked)}
        chosen: Fault | None = None
        for counted in self._all():
            rule = counted.rule
            if not rule.when.fits(asked, known):
                continue
            counted.calls += 1
            if chosen is None and rule.when.due(counted.calls, counted.fired, self._chance(rule, counted.calls)):
                counted.fired += 1
                chosen = Fault(rule.name, counted.calls, self.seed, rule.do, asked)
        if chosen is not None:
            self._firings.append(chosen.logged())
            self._log({"type": "fault", **chosen.logged()})
        return chosen

    def add(self, value: Any) -> str:
        """A rule from the control API; its name. Raises RecordingError E521 to E524, E525 when the name is taken."""
        rule = parse_rule(value, "the fault given", "$", f"added-{self._next}")
        if any(rule.name == counted.rule.name for counted in self._all()):
            raise RecordingError(
                "E525", f"there is a fault {rule.name!r} already", where="$.name", hint="clear it first, or use another name"
            )
        self._next += 1
        self._added.append(_Counted(rule))
        return rule.name

    def clear(self, name: str | None = None) -> int:
        """Take away an added fault, or all of them; how many went. Those of files stay: the file is the place to end them. Raises
        RecordingError E526 when no added fault has that name."""
        gone = [counted for counted in self._added if name in (None, counted.rule.name)]
        if name is not None and not gone:
            file = next((counted.file for counted in self._all() if counted.rule.name == name), None)
            hint = f"it stands in {file}: take it out there" if file else f"known: {', '.join(c.rule.name for c in self._added) or 'none'}"
            raise RecordingError("E526", f"no fault {name!r} was added", hint=hint)
        self._added = [counted for counted in self._added if counted not in gone]
        return len(gone)

    def begin_anew(self) -> None:
        """As at the server's start: what was added is gone, and so are the names."""
        self.clear()
        self._next = 1

    def restart(self) -> None:
        """A new session: all counts begin at zero, nothing has fired."""
        for counted in self._all():
            counted.calls = counted.fired = 0
        self._firings.clear()

    def firings(self) -> list[dict[str, Any]]:
        """The log of this session, oldest first: `{fault, n, seed, target, model}`."""
        return [*self._firings]

    async def watch(self) -> None:
        """Until cancelled, look at the files: whoever saves a wrong one hears of it before the next call."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            self._refresh()

    def errors(self) -> list[RecordingError]:
        """What is wrong with the files as they are now."""
        self._refresh()
        return [error for file in self._files for error in file.errors]

    def list(self) -> list[dict[str, Any]]:
        """`[{name, when, do, file, calls, fired}]` in the order in which they are asked; `file` is None for an added one."""
        self._refresh()
        return [
            {
                "name": counted.rule.name,
                "when": counted.rule.source.get("when", {}),
                "do": counted.rule.source["do"],
                "file": None if counted.file is None else str(counted.file),
                "calls": counted.calls,
                "fired": counted.fired,
            }
            for counted in self._all()
        ]

    def _all(self) -> Iterator[_Counted]:
        yield from self._added
        for file in self._files:
            yield from file.rules

    def _chance(self, rule: Rule, n: int) -> float:
        if rule.when.probability is None:
            return 0.0
        digest = hashlib.sha256(f"{self.seed}/{rule.name}/{n}".encode()).digest()
        return int.from_bytes(digest[:6]) / (1 << 48)

    def _refresh(self) -> None:
        for file in self._files:
            for error in file.refresh():
                self._log({"type": "fault", "problem": error.what, "code": error.code, "where": error.where, "next": error.hint})


def read_faults(path: Path) -> Parsed:
    """The content of a faults file. Never raises: what is wrong is in `errors`."""
    try:
        value = json.loads(path.read_bytes())
    except OSError as error:
        return _unreadable(path, f"cannot be read: {error.strerror}", "check its permissions")
    except ValueError as error:
        return _unreadable(path, f"is not JSON: {error}", "correct it; until then none of its faults act")
    return parse_rules(value, str(path))


def _unreadable(path: Path, what: str, hint: str) -> Parsed:
    return Parsed([], [RecordingError("E520", f"the faults file {what}", where=str(path), hint=hint)], None)


class _File:
    """One faults file and its rules, as of its last change. A rule that a change left alone keeps its counts."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stamp: tuple[int, int] | None = None
        self.rules: list[_Counted] = []
        self.errors: list[RecordingError] = []
        self.seed: int | None = None

    def refresh(self) -> list[RecordingError]:
        """Read the file again if it has changed; what is newly wrong with it."""
        try:
            stat = self._path.stat()
            stamp = (stat.st_mtime_ns, stat.st_size)
        except FileNotFoundError:
            self._stamp, self.rules, self.errors, self.seed = None, [], [], None
            return []
        except OSError as error:
            stamp = (error.errno or -1, -1)
        if stamp == self._stamp:
            return []
        self._stamp = stamp
        rules, self.errors, self.seed = read_faults(self._path)
        before = {counted.rule.name: counted for counted in self.rules}
        self.rules = [_kept(before.get(rule.name), rule) or _Counted(rule, self._path) for rule in rules]
        return self.errors


def labels_of(asked: ModelRequest) -> set[str]:
    """The labels that a call carries: Workers AI's `tags`, `label` and `test` of the gateway's metadata, and the header
    `x-emulator-label`."""
    labels: set[str] = set()
    tags = (asked.options or {}).get("tags")
    if asked.kind is Kind.STREAM_INPUT and isinstance(tags, str):
        tags = tags.split(",")
    if isinstance(tags, list):
        labels |= {str(tag) for tag in tags}
    metadata = _metadata(asked)
    labels |= {str(metadata[name]) for name in ("label", "test") if name in metadata}
    if LABEL_HEADER in asked.headers:
        labels.add(asked.headers[LABEL_HEADER])
    return labels


def _metadata(asked: ModelRequest) -> Mapping[str, Any]:
    metadata = (asked.gateway or {}).get("metadata")
    if metadata is None and "cf-aig-metadata" in asked.headers:
        try:
            metadata = json.loads(asked.headers["cf-aig-metadata"])
        except ValueError:
            return {}  # the gateway says so itself
    return metadata if isinstance(metadata, Mapping) else {}


def _kept(counted: _Counted | None, rule: Rule) -> _Counted | None:
    return counted if counted is not None and counted.rule.source == rule.source else None
