"""On which line each key of a configuration file stands. Only asked when a file has something wrong in it."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

from json5 import loads
from json5.loader import ModelLoader
from json5.model import JSONArray, JSONObject

from emulator.config.document import KeyPath

_TOML_HEADER = re.compile(r"\s*(\[\[?)([^\]#]+)\]")
_TOML_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_TOML_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


@lru_cache(maxsize=2)
def json_lines(text: str) -> dict[KeyPath, int]:
    """Lines of the keys and list members of a JSON text."""
    lines: dict[KeyPath, int] = {}

    def walk(node: Any, path: KeyPath) -> None:
        if isinstance(node, JSONObject):
            for pair in node.key_value_pairs:
                name: Any = pair.key
                key = (*path, json.loads(name.raw_value))
                lines[key] = name.lineno
                walk(pair.value, key)
        elif isinstance(node, JSONArray):
            value: Any
            for index, value in enumerate(node.values):
                lines[*path, index] = value.lineno
                walk(value, (*path, index))

    walk(loads(text, loader=ModelLoader()).value, ())
    return lines


@lru_cache(maxsize=2)
def toml_lines(text: str) -> dict[KeyPath, int]:
    """Lines of tables and keys. Values inside inline tables and lists have none of their own."""
    lines: dict[KeyPath, int] = {}
    counts: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, line in enumerate(text.split("\n"), 1):
        if header := _TOML_HEADER.match(line):
            table = _inside_arrays(tuple(part.strip("\"'") for part in _TOML_PART.findall(header[2])), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                lines.setdefault(table, number)
                table = (*table, counts[table])
            lines.setdefault(table, number)
        elif assignment := _TOML_KEY.match(line):
            key = table
            for part in _TOML_PART.findall(assignment[1]):
                key = (*key, part.strip("\"'"))
                lines.setdefault(key, number)
    return lines


def _inside_arrays(path: KeyPath, counts: dict[KeyPath, int]) -> KeyPath:
    """`[a.b]` after `[[a]]` means the `b` of the latest `a`."""
    resolved: KeyPath = ()
    for position, part in enumerate(path):
        resolved = (*resolved, part)
        if resolved in counts and position < len(path) - 1:
            resolved = (*resolved, counts[resolved])
    return resolved
