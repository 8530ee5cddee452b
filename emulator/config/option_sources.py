"""Where the value of an option comes from: flags over `agents-emu.toml` over the defaults (design 4.1)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.config.document import Document, read_document
from emulator.config.options import DECLARATIONS, NOT_BUILT, Declaration, Options
from emulator.config.project import Notice
from emulator.config.shape import brief, key_words, nearest
from emulator.errors import ConfigError, UsageError

FILE_NAME = "agents-emu.toml"

LATER = ("ai.routes", "ai.backends", "ai.gateways")
"""Keys of `agents-emu.toml` whose reader is not built yet."""


def load_options(root: Path, flags: Mapping[str, Any], *, environ: Mapping[str, str], cwd: Path) -> tuple[Options, tuple[Notice, ...]]:
    """Options of a run, and what to warn about. `flags` are values as typed, by their name in `Options`, None when absent.

    Paths in flags start at `cwd`, paths in `agents-emu.toml` and defaults at `root`. Raises UsageError E202 or E203 for a flag,
    ConfigError E102, E103 or E114 for the file.
    """
    file = root / FILE_NAME
    document = read_document(file) if file.is_file() else None
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    chosen: dict[str, Any] = {
        "ci": ci,
        "ai_speed": math.inf if ci else 1.0,
        "persist_to": root / ".wrangler" / "state",
        "fixtures": root / "fixtures",
    }
    notices: list[Notice] = []
    if document:
        chosen |= {name: _anchored(value, root) for name, value in _from_file(document)}
        notices += _unknown(document)
    chosen |= {name: _anchored(_from_flag(name, value), cwd) for name, value in flags.items() if value is not None}
    options = Options(**chosen)
    if options.ai_mode in NOT_BUILT:
        what = f"--ai {options.ai_mode.value} is not built yet"
        raise UsageError("E202", what, where="ai.mode", hint="use --ai auto, replay, live or stub")
    return options, tuple(notices)


def _anchored(value: Any, base: Path) -> Any:
    return (base / value).resolve() if isinstance(value, Path) else value


def _from_flag(name: str, value: Any) -> Any:
    declaration = DECLARATIONS[name]
    try:
        return declaration.read(value)
    except ValueError as error:
        what = f"{declaration.flags.split()[0]} {value} makes no sense: {_expected(declaration, error)} is expected"
        raise UsageError("E203", what, hint="agents-emu dev --help") from None


def _from_file(document: Document) -> list[tuple[str, Any]]:
    found = []
    for name, declaration in DECLARATIONS.items():
        if declaration.in_file is None:
            continue
        path = tuple(declaration.in_file.split("."))
        value = _member(document, path)
        if value is None:
            continue
        try:
            found.append((name, declaration.read(value)))
        except ValueError as error:
            what = f'"{declaration.in_file}" must be {_expected(declaration, error)}, and is {brief(value)}'
            raise ConfigError("E114", what, where=document.place(path)) from None
    return found


def _member(document: Document, path: tuple[str, ...]) -> Any:
    value: Any = document.data
    for position, part in enumerate(path):
        if not isinstance(value, dict):
            where = document.place(path[:position])
            raise ConfigError("E114", f'"{key_words(path[:position])}" must be a table, and is {brief(value)}', where=where)
        value = value.get(part)
        if value is None:
            return None
    return value


def _expected(declaration: Declaration, error: ValueError) -> str:
    return "one of " + ", ".join(declaration.choices) if declaration.choices else str(error)


def _unknown(document: Document) -> list[Notice]:
    known = {declaration.in_file for declaration in DECLARATIONS.values() if declaration.in_file}
    tables = {key.split(".")[0] for key in known if "." in key}
    written = [
        (key, member)
        for key in document.data
        for member in (document.data[key] if key in tables and isinstance(document.data[key], dict) else [None])
    ]
    notices = []
    for key, member in written:
        name = f"{key}.{member}" if member else key
        place = document.place((key, member) if member else (key,))
        if name in LATER:
            notices.append(Notice(f'"{name}" has no effect yet: model backends are not built', place))
        elif name not in known and name not in tables:
            close = nearest(name, known)
            notices.append(Notice(f'"{name}" is no option of agents-emu', place, f'did you mean "{close}"?' if close else None))
    return notices
