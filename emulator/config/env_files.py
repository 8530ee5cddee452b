"""Secrets from `.dev.vars`, `.env*` and the process environment, in wrangler's order (durable-objects.md 10.3, S-113).

1. Files named with `--env-file`, and nothing else; later ones win.
2. Else `.dev.vars.<env>`, else `.dev.vars`: then no `.env` is read at all.
3. Else `.env`, `.env.local`, `.env.<env>`, `.env.<env>.local`; later ones win, `${VAR}` is expanded, and the process environment
   joins in when CLOUDFLARE_INCLUDE_PROCESS_ENV is true or when the project lists `secrets.required`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from emulator.config.document import read_text, shown
from emulator.config.project import Notice
from emulator.errors import ConfigError


def read_secrets(
    root: Path, environment: str | None, named: Sequence[Path], environ: Mapping[str, str], *, declared: bool
) -> tuple[dict[str, str], list[Notice]]:
    """Values by name, and what to warn about. `named` are the `--env-file` paths, `declared` whether `secrets.required` exists.

    Raises ConfigError E112 for a named file that does not exist and E102 for one that is unreadable.
    """
    for path in named:
        if not path.is_file():
            raise ConfigError("E112", f"the env file {shown(path)} does not exist", where="--env-file")
    if not named:
        variants = [root / f".dev.vars.{environment}"] if environment else []
        if dev_vars := next((path for path in (*variants, root / ".dev.vars") if path.is_file()), None):
            return _values([dev_vars], None)
    if environ.get("CLOUDFLARE_LOAD_DEV_VARS_FROM_DOT_ENV", "").lower() == "false":
        return {}, []
    names = [".env", ".env.local", *([f".env.{environment}", f".env.{environment}.local"] if environment else [])]
    values, notices = _values(list(named) or [root / name for name in names if (root / name).is_file()], environ)
    if declared or environ.get("CLOUDFLARE_INCLUDE_PROCESS_ENV", "").lower() == "true":
        values = {**values, **environ}
    return values, notices


def _values(paths: Sequence[Path], expand_with: Mapping[str, str] | None) -> tuple[dict[str, str], list[Notice]]:
    if not paths:
        return {}, []
    from dotenv.parser import parse_stream
    from dotenv.variables import parse_variables

    values: dict[str, str] = {}
    notices: list[Notice] = []
    for path in paths:
        for line in parse_stream(io.StringIO(read_text(path))):
            if line.error:
                where = f"{shown(path)}:{line.original.line}"
                notices.append(Notice("this line is no KEY=value and is skipped", where, "put values with spaces or # in quotes"))
            elif line.key is not None and line.value is not None:
                values[line.key] = line.value
    if expand_with is not None:
        for name, value in values.items():
            values[name] = "".join(atom.resolve({**expand_with, **values}) for atom in parse_variables(value))
    return values, notices
