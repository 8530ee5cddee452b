"""What the banner and the ready file say of a project: its bindings, and where its models' calls go."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from emulator.config import Project
from emulator.gateway.console import Binding


def bindings(project: Project, playback: Mapping[str, Any] | None, *, vite: bool) -> tuple[Binding, ...]:
    """A row for each. `playback` is the model layer's status, None without an AI binding; `vite`: the project's Vite serves its files."""
    main = _in_project(project.main, project)
    rows = [Binding(one.name, "durable_object", one.class_name, one.script or main) for one in project.durable_objects]
    rows += [Binding(one.name, "service", one.entrypoint, main) for one in project.services]
    if project.ai_binding and playback is not None:
        recordings = "1 recording" if playback["recordings"] == 1 else f"{playback['recordings']} recordings"
        rows.append(Binding(project.ai_binding, "ai", mode=f"{playback['mode']} ({recordings})"))
    name = (project.assets.binding if project.assets else None) or "assets"
    if vite and project.front_end is not None:
        rows.append(Binding(name, "assets", source=_in_project(project.front_end.config, project), mode="vite"))
    elif project.assets:
        directory = project.assets.directory
        rows.append(Binding(name, "assets", source=_in_project(directory, project) if directory else "-"))
    return tuple(rows)


def route_words(row: Mapping[str, Any]) -> str:
    """One row of the route table (ai/routes.py)."""
    whom = f"{row['to']} {row['model']}" if row["model"] else str(row["to"])
    where = f"   {row['base_url']}" if row["base_url"] else ""
    return f"{row['match']} -> {whom}{where}{', its key is missing' if row['key_present'] is False else ''}"


def _in_project(path: Path, project: Project) -> str:
    """A path as the wrangler file would say it."""
    return str(path.relative_to(project.root)) if path.is_relative_to(project.root) else str(path)
