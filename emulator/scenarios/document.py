"""A scenario file: read, checked, and as dataclasses."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.config.document import shown
from emulator.config.instants import instant_ms, span_ms
from emulator.config.shape import nearest
from emulator.errors import UsageError
from emulator.scenarios import located, steps, variables
from emulator.scenarios.located import Located
from emulator.scenarios.problems import Problem, shape_problems
from emulator.scenarios.reading import StepReader
from emulator.scenarios.steps import Step

DEFAULT_CLOCK = "virtual"
DEFAULT_SEED = 1
DEFAULT_AI = "replay"
DEFAULT_TIMEOUT_MS = 30_000


@dataclass(frozen=True, slots=True)
class ClientPlan:
    """A client of the file. `connect` is an address below the server, or `CLASS/NAME`."""

    name: str
    connect: str
    kind: str = "raw"
    id: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    protocols: tuple[str, ...] = ()
    reconnects: bool = True

    @property
    def connection_id(self) -> str:
        """What the client sends as `_pk`, which stays the same when it reconnects."""
        return self.name if self.id is None else self.id


@dataclass(frozen=True, slots=True)
class Settings:
    """How the server of a scenario is started. `clock` is `real`, `virtual` or `virtual@ISO`; `state` the name of a snapshot."""

    clock: str = DEFAULT_CLOCK
    seed: int = DEFAULT_SEED
    ai: str = DEFAULT_AI
    cassette: str | None = None
    speed: str | None = None
    state: str | None = None


@dataclass(frozen=True, slots=True)
class Document:
    """A whole scenario. `project` is the folder that the file names, None when it names none."""

    path: Path
    name: str
    project: Path | None
    settings: Settings
    timeout_ms: int
    clients: dict[str, ClientPlan]
    steps: tuple[Step, ...]
    outcome: tuple[Step, ...]
    words: frozenset[str]
    """Every text in the file: ids among them are the author's, and keep their names in transcripts."""

    def place(self, step: Step) -> str:
        """`file:line` of a step."""
        file = shown(self.path)
        return f"{file}:{step.line}" if step.line else file


def read(path: Path) -> Document:
    """Read a file. Raises UsageError E280 (no YAML) or E281 (no scenario)."""
    return build(located.read(path))


def build(source: Located) -> Document:
    """The scenario of a YAML text. Raises UsageError E281 for the first problem."""
    document, problems = examine(source)
    if document is None:
        raise problems[0].error(source, len(problems) - 1)
    return document


def errors(path: Path) -> list[UsageError]:
    """Everything that is wrong with a file, in its order."""
    try:
        source = located.read(path)
    except UsageError as error:
        return [error]
    return [problem.error(source) for problem in examine(source)[1]]


def examine(source: Located) -> tuple[Document | None, list[Problem]]:
    """The scenario, or what is wrong with it."""
    problems = list(shape_problems(source.data))
    if problems:
        return None, _in_order(problems, source)
    data: dict[str, Any] = source.data
    clients = {name: _client(name, value) for name, value in data.get("clients", {}).items()}
    reader = StepReader(source, clients)
    document = Document(
        path=source.path,
        name=data.get("name") or source.path.stem,
        project=source.path.parent / data["project"] if "project" in data else None,
        settings=Settings(
            data.get("clock", DEFAULT_CLOCK),
            data.get("seed", DEFAULT_SEED),
            data.get("ai", DEFAULT_AI),
            data.get("cassette"),
            data.get("speed"),
            data.get("state"),
        ),
        timeout_ms=span_ms(data["timeout"]) if "timeout" in data else DEFAULT_TIMEOUT_MS,
        clients=clients,
        steps=reader.steps(data["steps"], ("steps",)),
        outcome=reader.checks(data.get("outcome", []), ("outcome",)),
        words=frozenset(_texts(data)),
    )
    problems = [*_plan_problems(clients, document.settings), *reader.problems]
    problems = problems or list(_unbound(document.steps))
    return (None, _in_order(problems, source)) if problems else (document, [])


def _client(name: str, value: Any) -> ClientPlan:
    if isinstance(value, str):
        return ClientPlan(name, value)
    return ClientPlan(
        name,
        value["connect"],
        value.get("kind", "raw"),
        value.get("id"),
        value.get("headers", {}),
        tuple(value.get("protocols", ())),
        value.get("on_drop", "reconnect") == "reconnect",
    )


_OBJECT = re.compile(r"[^/\s]+/[^\s]+")


def _plan_problems(clients: dict[str, ClientPlan], settings: Settings) -> Iterator[Problem]:
    for name, plan in clients.items():
        if not plan.connect.startswith("/") and not _OBJECT.fullmatch(plan.connect):
            what = f'the client "{name}" connects to "{plan.connect}", which is no address'
            yield Problem(("clients", name), what, "/agents/chat/me, or the object as CLASS/NAME: Chat/me")
    _, at, instant = settings.clock.partition("@")
    if at and not _is_instant(instant):
        yield Problem(("clock",), f'"{instant}" is no instant', "for example virtual@2026-12-24T09:00:00Z")


def _is_instant(text: str) -> bool:
    try:
        instant_ms(text)
    except ValueError:
        return False
    return True


def _unbound(rows: tuple[Step, ...]) -> Iterator[Problem]:
    """Variables in what is sent that no pattern of the whole file can ever bind."""
    known = [*steps.every(rows)]
    bound = {name for step in known for name in variables.names(steps.patterns(step))}
    bound |= {step.counter for step in known if isinstance(step, steps.Repeat) and step.counter}
    for step in known:
        for name in variables.names(steps.values(step)):
            if name not in bound:
                close = nearest(name, bound)
                hint = f"did you mean ${{{close}}}?" if close else "a pattern of an expect, http or call step before binds it"
                yield Problem((), f"${{{name}}} is never bound", hint, line=step.line)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, member in value.items():
            yield str(name)
            yield from _texts(member)
    elif isinstance(value, list):
        for member in value:
            yield from _texts(member)


def _in_order(problems: list[Problem], source: Located) -> list[Problem]:
    return sorted(problems, key=lambda problem: problem.line or source.line(problem.key))
