"""Options of the emulator itself. Each is declared once, below: its flag, its key in `agents-emu.toml`, its default, its help.

Flags win over `agents-emu.toml`, which wins over the defaults (design 4.1): option_sources.py.
"""

import dataclasses
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any

from emulator.config.ai import NO_AI_CONFIG, AiConfig
from emulator.config.clock_choice import REAL, ClockChoice
from emulator.config.speed import RECORDED, Speed


class AiMode(Enum):
    """Who answers model calls and outbound requests (design 4.6, ai-binding.md 7.4)."""

    AUTO = "auto"
    """A recording if there is one; else the backend, whose answer is recorded; else the stub, and it says so. With CI set a miss fails."""
    REPLAY = "replay"
    """Recordings only; a miss fails, and nothing leaves the machine."""
    RECORD = "record"
    """Everything anew: what was recorded in the cassette is replaced when the run succeeds."""
    NEW = "new"
    """Recordings; what they lack is asked and added."""
    ONCE = "once"
    """As `new` for a cassette that does not exist yet, else as `replay`."""
    CHECK = "check"
    """Recordings; the backend is asked too, and its answer's shape compared."""
    LIVE = "live"
    """Never a recording, and nothing is stored."""
    STUB = "stub"
    """The stub alone, also for requests to the public addresses of OpenAI, Anthropic and Gemini; other requests go out."""


class Reload(Enum):
    """What a change of the code, or a crash of the process, does to open sockets."""

    KEEP = "keep"
    CLOSE = "close"
    OFF = "off"
    """Changes are not watched."""


class Front(Enum):
    """Who serves the front end of a project with a Vite configuration."""

    AUTO = "auto"
    """The project's own Vite."""
    OFF = "off"
    """Nobody but the wrangler file's assets."""


class LogFormat(Enum):
    """`pretty` for people, `json` for programs: one object on each line."""

    PRETTY = "pretty"
    JSON = "json"


class LogLevel(Enum):
    """In rising order; a level shows itself and everything after it."""

    DEBUG = "debug"
    INFO = "info"
    WARN = "warn"
    ERROR = "error"
    NONE = "none"

    @classmethod
    def _missing_(cls, value: object) -> Enum | None:
        """Other tools' names, typed without looking: Python's `warning`, wrangler's `log`."""
        return {"warning": cls.WARN, "log": cls.INFO}.get(str(value))


def _whole(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"-?\d+", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise ValueError(f"a whole number from {low} to {high}")
        return value

    return read


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("a text")
    return value


def _path(value: Any) -> Path:
    return Path(_text(value)).expanduser()


def _switch(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("true or false")
    return value


@dataclass(frozen=True, slots=True)
class Declaration:
    """How one option is written.

    `read` makes its value from a flag's string or a TOML value, and raises ValueError with what is expected. `in_file` is its
    dotted key in `agents-emu.toml`, None for options that belong to one run. A switch is a flag without a value.
    """

    flags: str
    in_file: str | None
    read: Callable[[Any], Any]
    help: str
    metavar: str | None = None

    @property
    def choices(self) -> tuple[str, ...]:
        """The words it accepts, when they are few."""
        if not isinstance(self.read, type) or not issubclass(self.read, Enum):
            return ()
        return tuple(member.value for member in self.read)

    @property
    def switch(self) -> bool:
        return self.read is _switch


@dataclass(frozen=True, slots=True)
class Options:
    """How one run of the emulator behaves. Paths are absolute."""

    persist_to: Annotated[
        Path,
        Declaration("--persist-to", "persist_to", _path, "State folder; default .wrangler/state, as wrangler dev has it.", "DIR"),
    ]
    fixtures: Annotated[
        Path,
        Declaration("--fixtures", "ai.fixtures", _path, "Where recordings are; default fixtures/ in the project.", "DIR"),
    ]
    port: Annotated[
        int,
        Declaration("--port -p", "port", _whole(0, 65535), "Port to listen on; 0 picks a free one.", "N"),
    ] = 8787
    ip: Annotated[
        str,
        Declaration("--ip --host", "ip", _text, "Address to listen on.", "ADDRESS"),
    ] = "127.0.0.1"
    strict_port: Annotated[
        bool,
        Declaration("--strict-port", "strict_port", _switch, "Fail when the port is taken instead of using the next free one."),
    ] = False
    ai_mode: Annotated[
        AiMode,
        Declaration("--ai", "ai.mode", AiMode, "Who answers model calls."),
    ] = AiMode.AUTO
    ai_speed: Annotated[
        Speed,
        Declaration("--ai-speed", "ai.speed", Speed.parse, "Pace of replayed answers: instant, 1x, 20x; instant with CI set.", "S"),
    ] = RECORDED
    cassette: Annotated[
        str | None,
        Declaration("--cassette", "ai.cassette", _text, "The folder of recordings, inside the fixtures, to answer from.", "NAME"),
    ] = None
    clock: Annotated[
        ClockChoice,
        Declaration("--clock", "clock", ClockChoice.parse, "The time that agents see: real, virtual, virtual@2026-12-24T09:00Z.", "CLOCK"),
    ] = REAL
    reload: Annotated[
        Reload,
        Declaration("--reload", "reload", Reload, "What a change of the code, or a crash, does to open sockets."),
    ] = Reload.KEEP
    front: Annotated[
        Front,
        Declaration("--front", "front", Front, "The front end of a project with a Vite configuration: its own Vite, or none."),
    ] = Front.AUTO
    seed: Annotated[
        int | None,
        Declaration("--seed", "seed", _whole(0, 2**63 - 1), "Makes ids and random values the same in every run.", "N"),
    ] = None
    idle_ms: Annotated[
        int,
        Declaration("--idle-ms", "idle_ms", _whole(1, 86_400_000), "Idle time after which an object hibernates, in ms.", "MS"),
    ] = 10_000
    python: Annotated[
        Path | None,
        Declaration("--python", "python", _path, "Interpreter of Python agents; default: the project's .venv, else ours.", "PATH"),
    ] = None
    node: Annotated[
        Path | None,
        Declaration("--node", "node", _path, "Node.js of TypeScript agents; default: the PATH's if new enough, else ours.", "PATH"),
    ] = None
    log_format: Annotated[
        LogFormat,
        Declaration("--log-format", "log.format", LogFormat, "Text for people, or one JSON object on each line."),
    ] = LogFormat.PRETTY
    log_level: Annotated[
        LogLevel,
        Declaration("--log-level", "log.level", LogLevel, "The least important lines to show."),
    ] = LogLevel.INFO
    ready_file: Annotated[
        Path | None,
        Declaration("--ready-file", None, _path, "Written when the server can serve: url, pid, bindings, as JSON.", "PATH"),
    ] = None
    inspector: Annotated[
        bool,
        Declaration("--inspector/--no-inspector", "inspector", _switch, "Serve the inspector."),
    ] = True
    ai: AiConfig = NO_AI_CONFIG
    """The rest of `[ai]` in `agents-emu.toml`."""
    ci: bool = False
    """Whether CI is set: nobody is there to read a warning, so a missing recording fails."""


DECLARATIONS: dict[str, Declaration] = {
    field.name: field.type.__metadata__[0] for field in dataclasses.fields(Options) if hasattr(field.type, "__metadata__")
}
"""Every option by its name in `Options`."""
