"""What happens that a person (or a program reading our output) wants to see: typed events, and the port they are shown through.

The gateway says what happened; how it looks is the terminal's business (cli/terminal.py). Event names are public: they are the `ev`
of `--log-format json`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from emulator.config import LogLevel, Notice
from emulator.errors import EmuError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


class Key(Enum):
    """Hotkeys that the gateway acts on. The terminal does clear, help and log level itself."""

    HIBERNATE = "h"
    EVICT = "e"
    DROP = "d"
    DEPLOY = "D"
    RELOAD = "r"
    FIRE = "t"
    ADVANCE = "T"
    SNAPSHOT = "s"
    RESET = "R"
    MODE = "p"
    QUIT = "q"


@dataclass(frozen=True, slots=True)
class Binding:
    """One row of the banner and of the ready file.

    `kind` is `durable_object`, `ai`, `assets` or a wrangler key; `source` a path to show; `mode` how it is served, as `local` or
    `replay (41 recordings)`.
    """

    name: str
    kind: str
    class_name: str | None = None
    source: str = "-"
    mode: str = "local"


@dataclass(frozen=True, slots=True)
class Subject:
    """The object that an event is about: `Chat/me`, and which of its instances."""

    class_name: str
    name: str
    generation: int | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The server can serve: the banner. `started_ms` counts from the start of the process; without `loaded` every request gets the error
    of the code."""

    event: ClassVar[str] = "ready"
    project: str
    url: str
    inspector: str | None
    bindings: tuple[Binding, ...]
    state: Path
    reload: str
    started_ms: int
    pid: int
    environment: str | None = None
    seed: int | None = None
    clock: str | None = None
    """A virtual clock as `--clock` names it; None for the real one."""
    loaded: bool = True
    routes: tuple[str, ...] = ()
    """Who answers for which models, one line each; only in projects that use models."""
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class RequestServed:
    """One request at the edge has its answer's head (`status` 101: a socket opened)."""

    event: ClassVar[str] = "http.request"
    method: str
    path: str
    status: int
    ms: float
    subject: Subject | None = None
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class UserLog:
    """A line that user code printed or logged; `level` is its own."""

    event: ClassVar[str] = "log"
    text: str
    subject: Subject | None = None
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Reloaded:
    """New code answers. `paths` are the changed files, relative to the project; `sockets` how many open ones were kept or closed."""

    event: ClassVar[str] = "reload"
    number: int
    paths: tuple[str, ...]
    ms: int
    sockets: int
    kept: bool = True
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed while serving goes on. `details` is a traceback or another text worth its lines."""

    event: ClassVar[str] = "error"
    error: EmuError
    details: str | None = None
    subject: Subject | None = None
    level: LogLevel = LogLevel.ERROR


@dataclass(frozen=True, slots=True)
class Caution:
    """Something to look at, shown once however often it is said."""

    event: ClassVar[str] = "warning"
    notice: Notice
    level: LogLevel = LogLevel.WARN


@dataclass(frozen=True, slots=True)
class Note:
    """A plain line: another port was taken, the host was restarted, we are stopping. `event` names it for programs."""

    event: str
    text: str
    subject: Subject | None = None
    level: LogLevel = LogLevel.INFO


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """A session of model calls is over: its score (ai-binding.md 7.7).

    `strict`: a request without a recording failed. `sources` counts model calls by who answered. `missed` are requests without a recording:
    `{what, why, request_id, problem}`. `recorded` names what was written, `unchanged` counts what came back as it was, `removed` names
    what was not asked for any more, `kept` what people edited and so stays, `not_asked` what was not asked for and stays because nobody
    said `--prune`, `spared` what was asked for in vain and stays; `committed` is False when all of that was thrown away instead.
    `unstored` says which answers could not be stored: `{code, what, where, next}`. Money is in US dollars: `spent_usd` by calls,
    `saved_usd` by recordings and caches that answered in their place. `stale` are recordings that answered and are too old, `unused` counts
    those that did not answer, `broken` the files that could not be read. `failures` are errors that a model call ended with: `{model,
    status, code, attempts, recording, request_id, on_purpose}`, `faults` counts those that were asked for.
    """

    event: ClassVar[str] = "ai.session"
    mode: str
    strict: bool
    cassette: str | None
    calls: int
    sources: Mapping[str, int]
    hits: int
    misses: int
    missed: tuple[Mapping[str, Any], ...]
    recorded: tuple[str, ...]
    tokens_in: int
    tokens_out: int
    spent_usd: float
    saved_usd: float
    stale: tuple[str, ...]
    unused: int
    broken: int
    faults: int
    failures: tuple[Mapping[str, Any], ...]
    unchanged: int = 0
    removed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    committed: bool = True
    unstored: tuple[Mapping[str, Any], ...] = ()
    level: LogLevel = LogLevel.INFO

    @property
    def idle(self) -> bool:
        """Whether nothing happened that is worth a line."""
        return not (self.calls or self.hits or self.misses or self.recorded or self.unchanged)

    @property
    def exit_code(self) -> int:
        """What a server that ends with this session ends with: 3 when recordings were missing where they had to be there (design 4.4)."""
        return 3 if self.strict and self.misses else 0


Event = Ready | RequestServed | UserLog | Reloaded | Trouble | Caution | Note | SessionEnded


class Console(Protocol):
    """Where events go. Showing never raises: an output that is gone is no reason to stop serving."""

    def shows(self, level: LogLevel) -> bool:
        """Whether events of this level are shown at all; ask before building one on a hot path."""

    def show(self, event: Event) -> None:
        """Show one event."""

    def listen(self, loop: AbstractEventLoop, on_key: Callable[[Key], None]) -> None:
        """Read hotkeys from now on, when there is a keyboard."""

    def ask(self, question: str, on_answer: Callable[[str], None]) -> None:
        """Ask whoever sits at the keyboard, without waiting: the answer is a line, empty for none. Without a keyboard nobody answers."""

    def close(self) -> None:
        """Give the keyboard back. Events may still be shown afterwards."""
