"""A YAML text as plain data that still knows its lines.

YAML 1.2's core rules decide what a plain word is: `on`, `yes` and `12:30` are text, as everybody expects, and only `true` is true.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from emulator.config.document import excerpt, shown
from emulator.errors import UsageError

KeyPath = tuple[str | int, ...]

MOST_NODES = 200_000
"""Aliases of aliases can make a small file a huge document."""
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_BOOLEANS = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}


@dataclass(frozen=True, slots=True)
class Located:
    """`data` is made of dicts, lists, strings, numbers, booleans and None. A key's line is that of its name."""

    path: Path
    text: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def line(self, key: KeyPath) -> int:
        """The line of a key, or of the nearest thing around it, from 1."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return self.lines[key[:length]]
        return 1

    def place(self, key: KeyPath) -> str:
        """`file:line` of a key."""
        return f"{shown(self.path)}:{self.line(key)}"


def read(path: Path) -> Located:
    """Read a YAML file. Raises UsageError E280 when there is none, when it is no UTF-8 text or no YAML."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UsageError("E280", f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}", where=shown(path)) from None
    except UnicodeDecodeError:
        raise UsageError("E280", f"{path.name} is no UTF-8 text", where=shown(path), hint="save the file as UTF-8") from None
    return parse(path, text)


def parse(path: Path, text: str) -> Located:
    """Parse a YAML text; `path` is for messages. Raises UsageError E280."""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        where = f"{shown(path)}:{line}:{column}\n{excerpt(text, line, column)}"
        raise UsageError("E280", f"{path.name} is no valid YAML: {_words(error)}", where=where, hint=_yaml_hint(error)) from None
    except yaml.YAMLError as error:
        raise UsageError("E280", f"{path.name} is no valid YAML: {error}", where=shown(path)) from None
    reader = _Reader(path)
    data = None if node is None else reader.value(node, ())
    return Located(path, text, data, reader.lines)


class _Loader(yaml.SafeLoader):
    """Composes nodes only; what a plain scalar means is decided below."""


_Loader.yaml_implicit_resolvers = {}


class _Reader:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._count = 0
        self.lines: dict[KeyPath, int] = {}

    def value(self, node: yaml.Node, at: KeyPath) -> Any:
        self._count += 1
        if self._count > MOST_NODES:
            raise UsageError("E280", f"{self._path.name} has more than {MOST_NODES} values", where=shown(self._path))
        self.lines.setdefault(at, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, at)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(member, (*at, index)) for index, member in enumerate(node.value)]
        if node.tag not in (None, "", "!", "tag:yaml.org,2002:str"):
            raise self._error(node, f"the tag {node.tag} means nothing here", 'patterns are written as {"$regex": ...}')
        return node.value if node.style else plain(node.value)

    def _mapping(self, node: yaml.MappingNode, at: KeyPath) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise self._error(key_node, "a key must be a word", "write it in quotes")
            # Keys of JSON are text: `1: x` and `"1": x` are the same.
            name: Hashable = str(key_node.value)
            if name in found:
                raise self._error(key_node, f'"{name}" stands here twice', "remove one of them")
            self.lines[(*at, str(name))] = key_node.start_mark.line + 1
            found[name] = self.value(value_node, (*at, str(name)))
        return found

    def _error(self, node: yaml.Node, what: str, hint: str) -> UsageError:
        return UsageError("E280", what, where=f"{shown(self._path)}:{node.start_mark.line + 1}", hint=hint)


def plain(text: str) -> Any:
    """What an unquoted word is: null, a boolean, a number, else text (YAML 1.2, core schema)."""
    if text in _NULLS:
        return None
    if text in _BOOLEANS:
        return _BOOLEANS[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text


def _words(error: yaml.MarkedYAMLError) -> str:
    context = f" {error.context}" if error.context else ""
    return f"{error.problem or 'broken'}{context}"


def _yaml_hint(error: yaml.MarkedYAMLError) -> str | None:
    problem = error.problem or ""
    if "\\t" in problem or "'\\t'" in problem:
        return "indent with spaces, not with tabs"
    if "mapping values are not allowed" in problem:
        return 'a text with ": " in it stands in quotes'
    return None
