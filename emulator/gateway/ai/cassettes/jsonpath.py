"""The JSONPath that `match.where` rules of hand-written recordings use: a small, documented part of RFC 9535.

Supported: `$`, `.name`, `['name']`, `[0]`, `[-1]`, `[*]`, `.*` and `..name`. A leading `$` may be left out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

_STEP = re.compile(
    r"""\.\.(?P<deep>[A-Za-z_][\w-]*)
      | \.(?P<name>[A-Za-z_][\w-]*|\*)
      | \[(?P<index>-?\d+|\*)\]
      | \[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]""",
    re.VERBOSE,
)

Step = tuple[str, str]
"""Kind (`deep`, `name`, `index`) and argument (`*` is any)."""


class PathError(ValueError):
    """The text is not a path of the supported kind."""


def parse(path: str) -> tuple[Step, ...]:
    """The steps of `path`. Raises PathError naming the place that is not understood."""
    text = path.removeprefix("$")
    if text and text[0] not in ".[":
        text = "." + text
    steps: list[Step] = []
    at = 0
    while at < len(text):
        found = _STEP.match(text, at)
        if found is None:
            raise PathError(f"cannot read {text[at:]!r} in path {path!r}")
        if found["deep"] is not None:
            steps.append(("deep", found["deep"]))
        elif found["index"] is not None:
            steps.append(("index", found["index"]))
        else:
            steps.append(("name", found["name"] if found["name"] is not None else found["quoted"]))
        at = found.end()
    return tuple(steps)


def select(value: Any, steps: Iterable[Step]) -> list[Any]:
    """All values that the path leads to, in document order; empty when none."""
    nodes = [value]
    for kind, argument in steps:
        nodes = [found for node in nodes for found in _follow(node, kind, argument)]
    return nodes


def _follow(node: Any, kind: str, argument: str) -> Iterator[Any]:
    if kind == "deep":
        yield from _deep(node, argument)
    elif argument == "*":
        if isinstance(node, dict):
            yield from node.values()
        elif isinstance(node, list):
            yield from node
    elif kind == "name":
        if isinstance(node, dict) and argument in node:
            yield node[argument]
    elif isinstance(node, list):
        index = int(argument)
        if -len(node) <= index < len(node):
            yield node[index]


def _deep(node: Any, name: str) -> Iterator[Any]:
    if isinstance(node, dict):
        if name in node:
            yield node[name]
        for child in node.values():
            yield from _deep(child, name)
    elif isinstance(node, list):
        for child in node:
            yield from _deep(child, name)


def join(path: Iterable[str | int]) -> str:
    """A path as people read it: `$.messages[0].content`."""
    text = "$"
    for step in path:
        if isinstance(step, int):
            text += f"[{step}]"
        elif re.fullmatch(r"[A-Za-z_][\w-]*", step):
            text += f".{step}"
        else:
            text += f"[{step!r}]"
    return text


def places(value: Any, steps: Sequence[Step]) -> list[tuple[Any, str | int]]:
    """Where the values stand that the path leads to, as container and key, so that they can be replaced. The root has no place."""
    if not steps:
        return []
    kind, argument = steps[-1]
    found: list[tuple[Any, str | int]] = []
    for node in select(value, steps[:-1]):
        if kind == "deep":
            found += [(holder, argument) for holder in _holders(node, argument)]
        elif isinstance(node, dict):
            if argument == "*":
                found += [(node, name) for name in node]
            elif kind == "name" and argument in node:
                found.append((node, argument))
        elif isinstance(node, list) and (kind == "index" or argument == "*"):
            indexes = range(len(node)) if argument == "*" else [int(argument)]
            found += [(node, index) for index in indexes if -len(node) <= index < len(node)]
    return found


def _holders(node: Any, name: str) -> Iterator[Any]:
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    if isinstance(node, dict) and name in node:
        yield node
    for child in children:
        yield from _holders(child, name)
