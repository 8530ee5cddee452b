"""`env.<name>`: which keys it inherits and which it must repeat (durable-objects.md 10.4, S-115)."""

from __future__ import annotations

from typing import Any

from emulator.config.document import Document
from emulator.config.project import Notice
from emulator.config.shape import nearest
from emulator.config.wrangler_schema import INHERITED, INHERITED_UNREAD, OWN, OWN_UNREAD
from emulator.errors import ConfigError


def effective(document: Document, environment: str | None) -> tuple[dict[str, Any], list[Notice]]:
    """The keys that hold in `environment`, and what to warn about. Raises ConfigError E110 for a name that the file does not have.

    A file without any `env` serves every name with its top level, as wrangler does, under `<name>-<environment>`.
    """
    top = {key: value for key, value in document.data.items() if key != "env"}
    if environment is None:
        return top, []
    sections: dict[str, Any] = document.data.get("env", {})
    suffixed = f"{top['name']}-{environment}" if "name" in top else None
    if not sections:
        notice = Notice(f'there is no "env" in {document.path.name}; "{environment}" runs with the top level', document.place(()))
        return {**top, **({"name": suffixed} if suffixed else {})}, [notice]
    if environment not in sections:
        close = nearest(environment, sections)
        hint = f"--env {close}" if close else f"one of: {', '.join(sections)}"
        raise ConfigError("E110", f'there is no environment "{environment}"', where=document.place(("env",)), hint=hint)
    section = sections[environment]
    keys = {key: value for key, value in top.items() if key in INHERITED or key in INHERITED_UNREAD}
    if suffixed:
        keys["name"] = suffixed
    left_out = [key for key in top if (key in OWN or key in OWN_UNREAD) and key not in section]
    notices = [
        Notice(
            f'"{key}" stands at the top level and is not inherited by "env.{environment}"',
            document.place((key,)),
            f'repeat "{key}" under "env.{environment}" if it is needed there',
        )
        for key in left_out
    ]
    return {**keys, **section}, notices
