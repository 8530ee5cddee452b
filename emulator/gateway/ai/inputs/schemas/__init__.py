"""What Workers AI takes for each task, as JSON Schema: one file for each task, written by hand from the platform's documentation
(ai-binding.md 1.5, 2.1 and 5).

Where a task has several forms, they are in `oneOf`, and the first name in `required` tells the form. Objects
are open, as the platform's are. `tolerated.json` lists what the published schemas refuse and the service takes all the same.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from emulator.gateway.ai.catalogue import Task


@dataclass(frozen=True, slots=True)
class Tolerated:
    """Below the property `within`, the required property `missing` may be missing. `date`: when the note was true."""

    within: str
    missing: str
    date: str
    note: str


@cache
def input_schema(task: Task) -> dict[str, Any]:
    """The inputs of `task`, as a JSON Schema of draft 2020-12."""
    document: dict[str, Any] = _read(task.value.lower().replace(" ", "-"))
    return document


@cache
def tolerated() -> tuple[Tolerated, ...]:
    """Everything that is let pass."""
    return tuple(Tolerated(**entry) for entry in _read("tolerated"))


def _read(name: str) -> Any:
    return json.loads(files(__name__).joinpath(f"{name}.json").read_text("utf-8"))
