"""What a running server takes from its project, at the start and again whenever the configuration was saved."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emulator.config import Notice, Project
from emulator.config.document import shown
from emulator.core import sockets as rules
from emulator.core.routing import Attributor
from emulator.errors import ConfigError

if TYPE_CHECKING:
    from emulator.core.cron import Cron


def check(before: Project, after: Project) -> None:
    """Raises ConfigError E116 for what this process is built around."""
    fixed = {"name": after.name == before.name, "main": after.host is before.host, "assets": after.assets == before.assets}
    changed = [key for key, same in fixed.items() if not same]
    if changed:
        what = f"a running server cannot change {' and '.join(f'"{key}"' for key in changed)}"
        raise ConfigError("E116", what, where=shown(after.config_path), hint="restart agents-emu")


def max_message(project: Project) -> int:
    """Bytes of the longest message that a client may send."""
    return rules.MAX_MESSAGE_RAISED if project.flag("increase_websocket_message_size") else rules.MAX_MESSAGE


def attributor(project: Project) -> Attributor:
    """Whom a path names."""
    return Attributor((binding.name, binding.class_name) for binding in project.durable_objects)


def crons(project: Project) -> tuple[list[Cron], list[Notice]]:
    """The project's triggers, and what production would not take among them."""
    if not project.crons:
        return [], []
    from emulator.gateway.crons import read_crons  # late: few projects have one

    found, problems = read_crons(project.crons)
    where = shown(project.config_path)
    return found, [Notice(f"triggers.crons: {problem}", where, "production refuses it (code 10100)") for problem in problems]
