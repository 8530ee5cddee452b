"""Where the value of an option comes from: flags over `agents-emu.toml` over the defaults (design 4.1)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.config.ai import NO_AI_CONFIG, AiConfig
from emulator.config.document import Document, read_document
from emulator.config.options import DECLARATIONS, Declaration, Options
from emulator.config.project import Notice
from emulator.config.shape import brief, key_words, nearest
from emulator.config.speed import INSTANT, RECORDED
from emulator.errors import ConfigError, UsageError

FILE_NAME = "agents-emu.toml"


def load_options(root: Path, flags: Mapping[str, Any], *, environ: Mapping[str, str], cwd: Path) -> tuple[Options, tuple[Notice, ...]]:
    """Options of a run, and what to warn about. `flags` are values as typed, by their name in `Options`, None when absent.

    Paths in flags start at `cwd`, paths in `agents-emu.toml` and defaults at `root`. Raises UsageError E203 for a flag,
    ConfigError E102, E103, E114, E117 or E118 for the file.
    """
    file = root / FILE_NAME
    document = read_document(file) if file.is_file() else None
    ci = environ.get("CI", "").lower() not in ("", "0", "false")
    chosen: dict[str, Any] = {
        "ci": ci,
        "ai_speed": INSTANT if ci else RECORDED,
        "persist_to": root / ".wrangler" / "state",
        "fixtures": root / "fixtures",
    }
    notices: list[Notice] = []
    if document:
        chosen |= {name: _anchored(value, root) for name, value in _from_file(document)}
        notices += _unknown(document)
        chosen["ai"], unknown = _ai(document)
        notices += unknown
    chosen |= {name: _anchored(_from_flag(name, value), cwd) for name, value in flags.items() if value is not None}
    return Options(**chosen), tuple(notices)


def _ai(document: Document) -> tuple[AiConfig, tuple[Notice, ...]]:
    own = frozenset(name.removeprefix("ai.") for name in _in_file() if name.startswith("ai."))
    if "ai" not in document.data:
        return NO_AI_CONFIG, ()
    from emulator.config.ai_sections import ai_config  # late: most projects have no such section

    return ai_config(document, own)


def _in_file() -> set[str]:
    return {declaration.in_file for declaration in DECLARATIONS.values() if declaration.in_file}


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
    known = _in_file()
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
        if key != "ai" and name not in known and name not in tables:
            close = nearest(name, known)
            notices.append(Notice(f'"{name}" is no option of agents-emu', place, f'did you mean "{close}"?' if close else None))
    return notices
