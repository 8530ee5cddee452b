"""What a verb is to the control API: a route, the call it gets, and answers that are no JSON. Nothing here knows HTTP's library."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a verb: the path's `{parts}` by name, the query's first values, the JSON body (empty without one), the headers (their
    names in any case)."""

    parts: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def object(self) -> tuple[str, str]:
        """The class and the name that the path gives."""
        return self.parts["class"], self.parts["name"]


@dataclass(frozen=True, slots=True)
class Streamed:
    """An answer that is no JSON value, or has no end: its pieces go out as they come. The generator is closed when the client leaves."""

    content_type: str
    chunks: AsyncGenerator[bytes]


Verb = Callable[[Call], Awaitable[Any]]
"""Gives a JSON-able value or a Streamed, or raises EmuError (statuses.py), RemoteError, NoHost, LinkLost or Overloaded."""


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is below the control API's root, its `{names}` as in openapi.json; each stands for one segment. A `whole` verb is brought to
    its end though its client leaves: half of it would leave no server."""

    method: str
    path: str
    verb: Verb
    whole: bool = False

    def match(self, segments: Sequence[str]) -> dict[str, str] | None:
        """The named parts when the path's segments (still percent-encoded) are those of this route."""
        own = self.path.split("/")
        if len(own) != len(segments):
            return None
        parts = {}
        for name, segment in zip(own, segments, strict=True):
            if name.startswith("{"):
                if not segment:
                    return None
                parts[name[1:-1]] = segment
            elif name != segment:
                return None
        return parts


class VerbSet(Protocol):
    """A noun's verbs."""

    def routes(self) -> Sequence[Route]:
        """Where they are."""
