"""The project as a host is told of it: `LOAD.project` of wire/README.md, made from the frozen configuration."""

from __future__ import annotations

import os
from typing import Any

from emulator.config import HostKind, Options, Project, Storage
from emulator.config.compatibility import FLAGS

_STORAGE = {Storage.SQLITE: "sqlite", Storage.LEGACY: "kv"}


def load_message(project: Project, options: Options, *, now_ms: int, seed: int | None) -> dict[str, Any]:
    """JSON-able. Holds secret values: it goes to the host and nowhere else. `seed` is this host's own (chance.py)."""
    names = {*FLAGS, *project.compatibility_flags}
    classes = {name: _STORAGE[kind] for name, kind in project.storage.items()}
    for binding in project.durable_objects:
        if _is_ours(project, binding.script):
            classes.setdefault(binding.class_name, _STORAGE[project.storage_of(binding.class_name)])
    message = {
        "root": str(project.root),
        "main": os.path.relpath(project.main, project.root),
        "name": project.name,
        "compatibility_date": project.compatibility_date,
        "flags": {name: project.flag(name) for name in sorted(names)},
        "vars": dict(project.vars),
        "secrets": dict(project.secrets),
        "bindings": _bindings(project),
        "classes": classes,
        "state_dir": str(options.persist_to),
        "idle_ms": options.idle_ms,
        "clock": {"virtual": options.clock.virtual, "now_ms": now_ms},
        "seed": seed,
    }
    if project.host is HostKind.PYTHON:
        message["python"] = ".".join(map(str, project.python_version))
    else:
        message["bundle"] = dict(project.bundling.keys)
    return message


def _bindings(project: Project) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [
        {"kind": "durable_object", "name": binding.name, "class": binding.class_name}
        for binding in project.durable_objects
        if _is_ours(project, binding.script)
    ]
    found += [
        {"kind": "service", "name": service.name, "entrypoint": service.entrypoint, "props": dict(service.props)}
        for service in project.services
    ]
    if project.ai_binding:
        found.append({"kind": "ai", "name": project.ai_binding})
    if project.assets and project.assets.binding:
        found.append({"kind": "assets", "name": project.assets.binding})
    return found


def _is_ours(project: Project, script: str | None) -> bool:
    return script is None or script == project.name
