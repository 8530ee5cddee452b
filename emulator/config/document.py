"""A configuration file as data that still knows its lines: JSON with comments and trailing commas, or TOML.

Reading is what every start pays for, so it uses the standard library's JSON parser on a text whose comments were blanked out
(offsets stay the same, so its line and column are right). Where a key stands is only asked when something is wrong with it;
that is when places.py and json-five are imported.
"""

from __future__ import annotations

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from emulator.errors import ConfigError

KeyPath = tuple[str | int, ...]

_COMMENT = re.compile(r'"(?:\\.|[^"\\\n])*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_TRAILING_COMMA = re.compile(r'"(?:\\.|[^"\\\n])*"|,(?=\s*[}\]])')


@dataclass(frozen=True, slots=True)
class Document:
    """`data` holds plain dicts, lists, strings, numbers, booleans and None."""

    path: Path
    text: str
    data: dict[str, Any]

    def place(self, key: KeyPath) -> str:
        """`file:line` of a key, or of the nearest thing around it that has a line."""
        if not key:
            return shown(self.path)
        from emulator.config.places import json_lines, toml_lines

        lines = toml_lines(self.text) if self.path.suffix == ".toml" else json_lines(plain_json(self.text))
        for length in range(len(key), 0, -1):
            if key[:length] in lines:
                return f"{shown(self.path)}:{lines[key[:length]]}"
        return shown(self.path)


def shown(path: Path) -> str:
    """A path as people type it: relative when it lies below the current folder."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith(os.pardir) else relative


def read_text(path: Path) -> str:
    """A file as UTF-8, without a byte order mark. Raises ConfigError E102."""
    try:
        return path.read_text("utf-8-sig")
    except OSError as error:
        what = f"{path.name} cannot be read: {(error.strerror or str(error)).lower()}"
        raise ConfigError("E102", what, where=shown(path)) from error
    except UnicodeDecodeError as error:
        line = path.read_bytes()[: error.start].count(b"\n") + 1
        raise ConfigError(
            "E102",
            f"{path.name} is no UTF-8 text (byte {error.object[error.start]:#04x})",
            where=f"{shown(path)}:{line}",
            hint="save the file as UTF-8",
        ) from error


def read_document(path: Path) -> Document:
    """Parse `.json`, `.jsonc` or `.toml`. Raises ConfigError E102 (unreadable) or E103 (syntax, with line, column and excerpt)."""
    text = read_text(path)
    data = _parse_toml(path, text) if path.suffix == ".toml" else _parse_json(path, text)
    return Document(path, text, data)


def _parse_json(path: Path, text: str) -> dict[str, Any]:
    try:
        data = json.loads(plain_json(text), parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        control = error.msg.startswith("Invalid control character")  # nearly always the end of the line
        words = "a string is not closed on its line" if control else error.msg[0].lower() + error.msg[1:]
        _syntax_error(path, text, words, error.lineno, error.colno)
    except ValueError as error:
        raise ConfigError("E103", f"{path.name} is no valid JSON: {error}", where=shown(path)) from None
    except RecursionError:
        raise ConfigError("E103", f"{path.name} is nested too deeply to be read", where=shown(path)) from None
    if not isinstance(data, dict):
        raise ConfigError("E103", f"{path.name} must hold one object in braces", where=shown(path))
    return data


def plain_json(text: str) -> str:
    """The text with comments and trailing commas blanked, every other character where it was."""
    text = _COMMENT.sub(lambda found: found[0] if found[0][0] == '"' else re.sub(r"[^\n]", " ", found[0]), text)
    return _TRAILING_COMMA.sub(lambda found: found[0] if found[0][0] == '"' else " ", text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _parse_toml(path: Path, text: str) -> dict[str, Any]:
    import tomlkit
    from tomlkit.exceptions import ParseError, TOMLKitError

    try:
        return tomlkit.parse(text).unwrap()
    except ParseError as error:
        words = re.sub(r" at line \d+ col \d+$", "", str(error))
        _syntax_error(path, text, words[0].lower() + words[1:], error.line, error.col + 1)
    except TOMLKitError as error:
        raise ConfigError("E103", f"{path.name} is no valid TOML: {error}", where=shown(path)) from None


def _syntax_error(path: Path, text: str, words: str, line: int, column: int) -> NoReturn:
    format_name = "TOML" if path.suffix == ".toml" else "JSON"
    where = f"{shown(path)}:{line}:{column}\n{excerpt(text, line, column)}"
    raise ConfigError("E103", f"{path.name} is no valid {format_name}: {words}", where=where) from None


def excerpt(text: str, line: int, column: int) -> str:
    """The line before and the line itself with numbers, and a caret under the column (both from 1)."""
    lines = text.split("\n")
    shown_lines = [(number, lines[number - 1].rstrip("\r")) for number in (line - 1, line) if 0 < number <= len(lines)]
    width = len(str(line))
    start = max(0, column - 60)
    block = [f"{number:>{width}} | {content[start : start + 100]}".expandtabs(1) for number, content in shown_lines]
    return "\n".join([*block, " " * (width + 3 + column - 1 - start) + "^"])
