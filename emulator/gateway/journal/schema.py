"""journal.schema.json: what entries look like, for readers of any language. A test holds a real session against it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from importlib.resources import files
from typing import Any

from emulator.config.shape import nearest
from emulator.errors import UsageError


def schema() -> dict[str, Any]:
    """The document, a JSON Schema."""
    found: Any = json.loads(files("emulator.gateway").joinpath("journal.schema.json").read_text("utf-8"))
    return dict(found)


def kinds_of(text: str) -> frozenset[str]:
    """The kinds that are listed with commas in `text`. Raises UsageError E231 for one that no entry has."""
    wanted = [kind for kind in (word.strip() for word in text.split(",")) if kind]
    known = schema()["properties"]["kind"]["enum"]
    for kind in wanted:
        if kind not in known:
            raise UsageError("E231", f'no entry of the journal is of the kind "{kind}"', hint=_hint(kind, known))
    return frozenset(wanted)


def _hint(kind: str, known: Iterable[str]) -> str:
    close = nearest(kind, sorted(known))
    return f"did you mean {close}?" if close else f"there is {', '.join(known)}"
