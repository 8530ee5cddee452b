"""Groups of verbs that stand in one module."""

from __future__ import annotations

from typing import Any

import click


class VerbGroup(click.Group):
    """A group; what is preset for it (`agents-emu -C DIR state`) is preset for each of its verbs."""

    def make_context(self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any) -> click.Context:
        """Like click's."""
        if info_name is not None and parent is not None and parent.default_map and info_name in parent.default_map:
            extra["default_map"] = dict.fromkeys(self.commands, parent.default_map[info_name])
        return super().make_context(info_name, args, parent, **extra)
