"""The steps of a scenario as data. Each class is one verb of docs/scenarios.md; its fields are the keys of the file, times in ms.

`client` is the name of a client. A pattern is JSON (matching.py); `NOT_GIVEN` where none was written, because `null` is a pattern too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Any


class Missing(Enum):
    """The type of NOT_GIVEN."""

    NOT_GIVEN = "not given"


NOT_GIVEN = Missing.NOT_GIVEN
Pattern = Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """`line` is where it stands in the file, None in Python. `timeout_ms` bounds its waits, on the scenario's clock."""

    line: int | None = None
    timeout_ms: int | None = None


# -- clients


@dataclass(frozen=True, slots=True, kw_only=True)
class Connect(Step):
    """Open the client's WebSocket. With `refused` the Worker must answer the upgrade with that status instead."""

    client: str
    refused: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Disconnect(Step):
    """The client leaves: with a Close frame, or (`abort`) with a reset of its TCP connection."""

    client: str
    code: int = 1000
    reason: str = ""
    abort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Send(Step):
    """Send a frame: `data` is bytes for a binary frame, text as it is, anything else as JSON."""

    client: str
    data: Any
    is_json: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Expect(Step):
    """Frames that must come. Those in between are passed over, unless `only`."""

    client: str
    frames: tuple[Pattern, ...]
    any_order: bool = False
    only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectNone(Step):
    """No frame that fits may come within `within_ms` from now. With 0: none may be among those that came and are not used up."""

    client: str
    pattern: Pattern
    within_ms: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExpectClose(Step):
    """The server must close the connection, or it must break (code 1006)."""

    client: str
    code: Pattern = NOT_GIVEN
    reason: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop(Step):
    """The connection breaks under the client: `reset` without a Close frame. At once, or after so many more frames or chunks of answers."""

    client: str
    mode: str = "reset"
    code: int = 1001
    reason: str = ""
    after_frames: int | None = None
    after_chunks: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stall(Step):
    """The client's network stands still: nothing reaches it until Resume, and nothing is lost."""

    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resume(Step):
    """The network of a stalled client goes on."""

    client: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chat(Step):
    """Say something as the SDK's chat clients do; with `wait`, hear the whole answer."""

    client: str
    text: str
    answer: Pattern = NOT_GIVEN
    outcome: str = "completed"
    wait: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer(Step):
    """The turn that a Chat without `wait` began must end."""

    client: str
    text: Pattern = NOT_GIVEN
    outcome: str = "completed"


# -- requests


@dataclass(frozen=True, slots=True, kw_only=True)
class Http(Step):
    """A request to the Worker. Without `status` any answer below 400 will do."""

    method: str
    path: str
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    is_json: bool = False
    status: Pattern = NOT_GIVEN
    response_headers: dict[str, Pattern] = field(default_factory=dict)
    json: Pattern = NOT_GIVEN
    text: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Step):
    """A method of an object over RPC. With `error` it must raise."""

    object: str
    method: str
    args: tuple[Any, ...] = ()
    result: Pattern = NOT_GIVEN
    error: Pattern = NOT_GIVEN


# -- what is done to the server


@dataclass(frozen=True, slots=True, kw_only=True)
class Evict(Step):
    """Drop the instance when it is quiet; `sockets` is `hibernate` or `close`."""

    object: str
    sockets: str = "hibernate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hibernate(Step):
    """Let the object hibernate; it must be idle."""

    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Abort(Step):
    """Reset the object as `ctx.abort()` does."""

    object: str
    reason: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crash(Step):
    """Kill the host process. `host` is python or node, None for the one there is."""

    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Restart(Step):
    """Begin a new host process."""

    host: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deploy(Step):
    """What a deploy does: new code, objects reset, sockets dropped."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Advance(Step):
    """Let time pass."""

    ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunUntilIdle(Step):
    """Let time pass until nothing waits for it any more, at most `limit_ms`."""

    limit_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fire(Step):
    """Run the object's alarm now."""

    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip(Step):
    """Take the object's alarm away without running it."""

    object: str


@dataclass(frozen=True, slots=True, kw_only=True)
class State(Step):
    """`verb` is load, save or reset; `name` a snapshot, or what is reset."""

    verb: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault(Step):
    """A fault of model calls (docs/ai-faults.md): `rule` is `{name, when, do}`; with `clear`, one that is taken away."""

    rule: dict[str, Any] = field(default_factory=dict)
    clear: str | None = None


# -- order


@dataclass(frozen=True, slots=True, kw_only=True)
class Parallel(Step):
    """Branches side by side. Each goes on as far as it can, in the order of the file; when all wait, time passes."""

    branches: tuple[tuple[Step, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat(Step):
    """The same steps again; the variable `counter` counts from 1."""

    times: int
    steps: tuple[Step, ...]
    counter: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Note(Step):
    """A line for the transcript."""

    text: str


# -- checks at the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Sql(Step):
    """What a query finds in an object's storage. Looking wakes nobody."""

    object: str
    query: str
    rows: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentState(Step):
    """The stored state of an agent (`this.state`). Looking wakes nobody."""

    object: str
    value: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Messages(Step):
    """The stored transcript of a chat agent: a list of `{role, text}`."""

    object: str
    messages: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Requests(Step):
    """How often the agents asked others, by `METHOD URL`."""

    counts: Pattern = NOT_GIVEN


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarms(Step):
    """Alarms that wait: a list of `{object, in}`."""

    alarms: Pattern = NOT_GIVEN


VERBS: dict[type[Step], str] = {
    Connect: "connect",
    Disconnect: "disconnect",
    Send: "send",
    Expect: "expect",
    ExpectNone: "expect",
    ExpectClose: "expect",
    Drop: "drop",
    Stall: "stall",
    Resume: "resume",
    Chat: "chat",
    Answer: "answer",
    Http: "http",
    Call: "call",
    Evict: "evict",
    Hibernate: "hibernate",
    Abort: "abort",
    Crash: "crash",
    Restart: "restart",
    Deploy: "deploy",
    Advance: "advance",
    RunUntilIdle: "run_until_idle",
    Fire: "fire",
    Skip: "skip",
    State: "state",
    Fault: "fault",
    Parallel: "parallel",
    Repeat: "repeat",
    Note: "note",
    Sql: "sql",
    AgentState: "state",
    Messages: "chat",
    Requests: "requests",
    Alarms: "alarms",
}
"""The key that stands for each class in a file."""


def verb(step: Step) -> str:
    """How a step is called in a file."""
    return VERBS[type(step)]


def every(rows: Iterable[Step]) -> Iterator[Step]:
    """The steps and all that stand inside of them, in the order of the file."""
    for step in rows:
        yield step
        if isinstance(step, Parallel):
            for branch in step.branches:
                yield from every(branch)
        elif isinstance(step, Repeat):
            yield from every(step.steps)


def patterns(step: Step) -> list[Any]:
    """The patterns of a step: what may bind a variable."""
    return [value for name, value in _fields(step) if "Pattern" in name and value is not NOT_GIVEN]


def values(step: Step) -> list[Any]:
    """Everything else of a step: what variables are put into."""
    return [value for name, value in _fields(step) if "Pattern" not in name and "Step" not in name]


def _fields(step: Step) -> list[tuple[str, Any]]:
    """Kind and value of each field; annotations are texts here."""
    return [(str(item.type), getattr(step, item.name)) for item in dataclasses.fields(step)]
