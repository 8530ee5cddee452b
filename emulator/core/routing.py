"""Paths: which the emulator keeps for itself, which an asset answers first, and which object a request seems to be for.

The last is only a label for log lines. Routing to objects is user code's business (`routeAgentRequest`; design 4.3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from urllib.parse import unquote

CONTROL = "/cdn-cgi/emu/api/"
INSPECTOR = "/cdn-cgi/emu/"
SCHEDULED = "/cdn-cgi/handler/scheduled"

_CAPITAL = re.compile(r"[A-Z]")


def is_reserved(path: str) -> bool:
    """Whether the emulator answers this path itself."""
    return path.startswith(INSPECTOR) or path == SCHEDULED or path == INSPECTOR[:-1]


def kebab(name: str) -> str:
    """How the agents SDKs write a class or binding name in a URL: `ChatAgent` is `chat-agent`, `MY_CHAT` is `my-chat`."""
    if name == name.upper() and name != name.lower():
        return name.lower().replace("_", "-")
    dashed = _CAPITAL.sub(lambda found: "-" + found[0].lower(), name)
    return dashed.removeprefix("-").replace("_", "-").removesuffix("-")


@dataclass(slots=True, frozen=True)
class Attribution:
    """The object a path under `/agents/` names; `agent` is the binding's or class's name when one is known, else the path's word."""

    agent: str
    name: str

    def __str__(self) -> str:
        return f"{self.agent}/{self.name}"


class Attributor:
    """Labels paths for one project: made of its object bindings as (binding name, class name)."""

    def __init__(self, bindings: Iterable[tuple[str, str]]) -> None:
        self._classes: dict[str, str] = {}
        for binding, class_name in bindings:
            self._classes.setdefault(kebab(binding), class_name)
            self._classes.setdefault(kebab(class_name), class_name)

    def of(self, path: str) -> Attribution | None:
        """The object a path names, or None."""
        if not path.startswith("/agents/"):
            return None
        parts = path.split("?", 1)[0].split("/", 4)
        if len(parts) < 4 or not parts[2] or not parts[3]:
            return None
        return Attribution(self._classes.get(parts[2], parts[2]), unquote(parts[3]))


class Route(Enum):
    """Who answers a path of a project with assets."""

    WORKER = "worker"
    ASSETS = "assets"
    EITHER = "either"
    """A file if there is one, else the Worker."""


class AssetRoutes:
    """Who answers which path: `run_worker_first` of the wrangler file, False, True, or patterns with `*` and `!`."""

    def __init__(self, run_worker_first: bool | Sequence[str]) -> None:
        self._otherwise = Route.WORKER if run_worker_first is True else Route.EITHER
        patterns = [] if isinstance(run_worker_first, bool) else list(run_worker_first)
        self.patterns = bool(patterns)
        """Whether there are patterns: then paths that are in none of them are the assets' alone, when these answer missing files."""
        self._worker = [_pattern(text) for text in patterns if not text.startswith("!")]
        self._assets = [_pattern(text[1:]) for text in patterns if text.startswith("!")]

    def of(self, path: str) -> Route:
        """Who answers this path (without query). A `!` pattern wins over the others."""
        if any(rule.fullmatch(path) for rule in self._assets):
            return Route.ASSETS
        return Route.WORKER if any(rule.fullmatch(path) for rule in self._worker) else self._otherwise


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(".*".join(re.escape(part) for part in text.split("*")), re.DOTALL)
