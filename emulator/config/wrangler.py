"""Finds and reads the wrangler file: the one place where a `Project` is made."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from emulator.config.bundling import bundling
from emulator.config.compatibility import NEWEST_DATE
from emulator.config.document import Document, read_document, shown
from emulator.config.env_files import read_secrets
from emulator.config.environments import effective
from emulator.config.front_end import FrontEnd, find_front_end, vite_config, wrangler_file_of
from emulator.config.migrations import history, storage_by_class
from emulator.config.project import (
    Assets,
    DurableObjectBinding,
    HostKind,
    HtmlHandling,
    NotFound,
    Notice,
    OtherBinding,
    Project,
    ServiceBinding,
    Storage,
)
from emulator.config.secrets import Secrets
from emulator.config.shape import key_words, mismatches, nearest, unknown_keys
from emulator.config.wrangler_schema import OTHER_BINDINGS, WORKER_NAME, WRANGLER
from emulator.errors import ConfigError, UsageError

FILE_NAMES = ("wrangler.json", "wrangler.jsonc", "wrangler.toml")
"""In wrangler's order: each is looked for here and in every folder above before the next one is."""

HOST_BY_SUFFIX = {".py": HostKind.PYTHON, **dict.fromkeys((".ts", ".tsx", ".mts", ".js", ".jsx", ".mjs"), HostKind.NODE)}

NOT_SEARCHED = {"node_modules", "python_modules", "__pycache__", "dist", "build"}


def load_project(
    directory: Path,
    *,
    config: Path | None = None,
    environment: str | None = None,
    env_files: Sequence[Path] = (),
    variables: Mapping[str, str] | None = None,
    environ: Mapping[str, str],
) -> Project:
    """Read the project in `directory` (or the file `config`). `variables` are `--var` values, on top of everything.

    Raises ConfigError (E101 to E115) or UsageError E201 when the folder does not exist.
    """
    path = find_config(directory, config)
    document = read_document(path)
    root = path.parent
    _check_shape(document)
    environment = environment or environ.get("CLOUDFLARE_ENV") or None
    keys, notices = effective(document, environment)
    notices = [*_unknown(document), *notices]

    name = _name(document, keys, environment, notices)
    main = _main(document, keys, root)
    durable_objects = tuple(
        DurableObjectBinding(binding["name"], binding["class_name"], _foreign(binding, name))
        for binding in keys.get("durable_objects", {}).get("bindings", ())
    )
    services = tuple(
        ServiceBinding(binding["binding"], binding.get("entrypoint"), binding.get("props", {}))
        for binding in keys.get("services", ())
        if binding["service"] == name
    )
    storage = storage_by_class(document, keys)
    notices += _without_migration(document, durable_objects, storage)
    notices += _not_run(document, keys)
    front_end = find_front_end(root, main)
    if front_end is not None and not front_end.installed:
        what = "the front end is not served: the project's Vite is not installed"
        notices.append(Notice(what, shown(front_end.config), f"npm install (in {shown(front_end.folder)})"))
    plain, secrets, missing = _values(keys, root, environment, env_files, variables or {}, environ)
    notices += missing
    project = Project(
        root=root,
        config_path=path,
        environment=environment,
        name=name,
        main=main,
        host=HOST_BY_SUFFIX[main.suffix],
        compatibility_date=_date(document, keys, notices),
        compatibility_flags=frozenset(keys.get("compatibility_flags", ())),
        durable_objects=durable_objects,
        services=services,
        storage=storage,
        migrations=history(keys),
        ai_binding=keys.get("ai", {}).get("binding"),
        vars=plain,
        secrets=Secrets(secrets),
        assets=_assets(document, keys, root, front_end, notices),
        front_end=front_end,
        crons=tuple(keys.get("triggers", {}).get("crons", ())),
        bundling=bundling(document.data, keys),
        unsupported=tuple(_other_bindings(keys, name)),
        notices=tuple(notices),
    )
    _refuse_duplicates(document, project)
    return project


def find_config(directory: Path, config: Path | None = None) -> Path:
    """The wrangler file, absolute. Raises UsageError E201 (no such folder) or ConfigError E101 (no such file)."""
    if not directory.is_dir():
        raise UsageError("E201", f"the folder {shown(directory)} does not exist")
    directory = directory.resolve()
    if config is not None:
        if not config.is_file():
            raise ConfigError("E101", f"the wrangler file {shown(config)} does not exist", where="--config")
        return config.resolve()
    named = _named_by_vite(directory)
    if named is not None:
        return named
    for name in FILE_NAMES:
        for folder in (directory, *directory.parents):
            if (folder / name).is_file():
                return folder / name
    raise ConfigError(
        "E101",
        "there is no wrangler.jsonc, wrangler.json or wrangler.toml here or above",
        where=str(directory),
        hint="name the project's folder (agents-emu dev DIR) or its file (--config PATH)",
    )


def _named_by_vite(directory: Path) -> Path | None:
    """The wrangler file that a Vite configuration names, in a folder that has none itself."""
    vite = None if any((directory / name).is_file() for name in FILE_NAMES) else vite_config(directory)
    return wrangler_file_of(vite) if vite else None


def _check_shape(document: Document) -> None:
    for wrong in mismatches(document.data, WRANGLER):
        key, where = key_words(wrong.path), document.place(wrong.path)
        if wrong.found is None:
            raise ConfigError("E104", f'"{key}" is missing: {wrong.expected} is expected', where=where)
        raise ConfigError("E104", f'"{key}" must be {wrong.expected}, and is {wrong.found}', where=where)


def _unknown(document: Document) -> Iterator[Notice]:
    for path, close in unknown_keys(document.data, WRANGLER):
        hint = f'did you mean "{close}"?' if close else None
        yield Notice(f'"{key_words(path)}" is no wrangler key that we know; it has no effect here', document.place(path), hint)


def _name(document: Document, keys: Mapping[str, Any], environment: str | None, notices: list[Notice]) -> str:
    if "name" in keys:
        return str(keys["name"])
    derived = re.sub(r"[^a-z0-9_-]+", "-", document.path.parent.name.lower()).strip("-")
    derived = f"{derived}-{environment}" if derived and environment else derived
    if not re.search(WORKER_NAME["pattern"], derived):
        hint = 'add "name": "my-agent"'
        raise ConfigError("E108", f'"name" is missing in {document.path.name}', where=document.place(()), hint=hint)
    notices.append(Notice(f'"name" is missing; the folder\'s name is used: "{derived}"', document.place(())))
    return derived


def _main(document: Document, keys: Mapping[str, Any], root: Path) -> Path:
    if "main" not in keys:
        hint = 'add "main": "src/entry.py" (.py runs on the Python host, .ts .tsx .js .mjs on the Node host)'
        raise ConfigError("E105", f'"main" is missing in {document.path.name}', where=document.place(()), hint=hint)
    main = (root / keys["main"]).resolve()
    where = document.place(("main",)) if not main.is_file() or main.suffix not in HOST_BY_SUFFIX else None
    if main.suffix not in HOST_BY_SUFFIX:
        hint = f"use one of {' '.join(HOST_BY_SUFFIX)}"
        raise ConfigError("E107", f'no host runs "{keys["main"]}"', where=where, hint=hint)
    if not main.is_file():
        close = nearest(str(keys["main"]), _sources(root, main.suffix))
        hint = f'did you mean "{close}"?' if close else "the path is relative to the wrangler file"
        raise ConfigError("E106", f'"main" is "{keys["main"]}", and there is no such file', where=where, hint=hint)
    return main


def _sources(root: Path, suffix: str) -> list[str]:
    found: list[str] = []
    for folder, folders, files in root.walk():
        folders[:] = [name for name in folders if name not in NOT_SEARCHED and not name.startswith(".")]
        found += [(folder / name).relative_to(root).as_posix() for name in files if name.endswith(suffix)]
        if len(found) > 1000:
            break
    return found


def _date(document: Document, keys: Mapping[str, Any], notices: list[Notice]) -> str:
    if "compatibility_date" not in keys:
        what = f'"compatibility_date" is missing; {NEWEST_DATE} is used, the newest that is known here'
        notices.append(Notice(what, document.place(()), f'add "compatibility_date": "{NEWEST_DATE}"'))
    return str(keys.get("compatibility_date", NEWEST_DATE))


def _not_run(document: Document, keys: Mapping[str, Any]) -> Iterator[Notice]:
    if keys.get("build", {}).get("command"):
        yield Notice('"build.command" is not run here', document.place(("build",)), f"run it yourself: {keys['build']['command']}")


def _foreign(binding: Mapping[str, str], worker: str) -> str | None:
    script = binding.get("script_name")
    return None if script == worker else script


def _without_migration(document: Document, bindings: Sequence[DurableObjectBinding], storage: Mapping[str, Storage]) -> Iterator[Notice]:
    for index, binding in enumerate(bindings):
        if binding.script is None and binding.class_name not in storage:
            close = nearest(binding.class_name, storage)
            migration = f'{{"tag": "v1", "new_sqlite_classes": ["{binding.class_name}"]}}'
            yield Notice(
                f"class {binding.class_name} is in no migration, so it has no SQLite storage",
                document.place(("durable_objects", "bindings", index, "class_name")),
                f'did you mean "{close}"?' if close else f'add "migrations": [{migration}]',
            )


def _values(
    keys: Mapping[str, Any],
    root: Path,
    environment: str | None,
    env_files: Sequence[Path],
    variables: Mapping[str, str],
    environ: Mapping[str, str],
) -> tuple[dict[str, Any], dict[str, str], list[Notice]]:
    required: list[str] | None = keys.get("secrets", {}).get("required")
    plain: dict[str, Any] = dict(keys.get("vars", {}))
    secrets, notices = read_secrets(root, environment, env_files, environ, declared=required is not None)
    if required is not None:
        secrets = {name: value for name, value in secrets.items() if name in required or name in plain}
        notices += [
            Notice(f'the secret {name} is required by "secrets" and has no value', None, f"add {name}=... to .dev.vars")
            for name in required
            if name not in secrets and name not in variables
        ]
    plain = {name: value for name, value in plain.items() if name not in secrets} | dict(variables)
    return plain, {name: value for name, value in secrets.items() if name not in variables}, notices


def _assets(document: Document, keys: Mapping[str, Any], root: Path, front_end: FrontEnd | None, notices: list[Notice]) -> Assets | None:
    if "assets" not in keys:
        return None
    assets = keys["assets"]
    directory = (root / assets["directory"]).resolve() if "directory" in assets else None
    if directory is None and front_end is None:
        what = '"assets.directory" is missing (a bundler such as Vite fills it in), so no files are served'
        notices.append(Notice(what, document.place(("assets",))))
    elif directory is not None and not directory.is_dir():
        if front_end is None:
            close = nearest(assets["directory"].strip("./"), [path.name for path in root.iterdir() if path.is_dir()])
            what = f'"assets.directory" is "{assets["directory"]}", and there is no such folder'
            where = document.place(("assets", "directory"))
            raise ConfigError("E113", what, where=where, hint=f'did you mean "{close}"?' if close else None)
        directory = None  # a build will make it
    worker_first = assets.get("run_worker_first", False)
    return Assets(
        directory=directory,
        binding=assets.get("binding"),
        not_found=NotFound(assets.get("not_found_handling", "none")),
        html=HtmlHandling(assets.get("html_handling", "auto-trailing-slash")),
        worker_first=worker_first if isinstance(worker_first, bool) else tuple(worker_first),
    )


def _other_bindings(keys: Mapping[str, Any], worker: str) -> Iterator[OtherBinding]:
    for kind, member in OTHER_BINDINGS.items():
        found = keys.get(kind, [])
        for binding in [found] if isinstance(found, dict) else found:
            yield OtherBinding(kind, binding[member])
    for service in keys.get("services", ()):
        if service["service"] != worker:
            yield OtherBinding("services", service["binding"])
    for producer in keys.get("queues", {}).get("producers", ()):
        yield OtherBinding("queues", producer["binding"])


def _refuse_duplicates(document: Document, project: Project) -> None:
    uses = [
        *((binding.name, "durable_objects") for binding in project.durable_objects),
        *((binding.name, "services") for binding in project.services),
        *((binding.name, binding.kind) for binding in project.unsupported),
        *((name, "vars") for name in project.vars),
        *([(project.ai_binding, "ai")] if project.ai_binding else []),
        *([(project.assets.binding, "assets")] if project.assets and project.assets.binding else []),
    ]
    seen: dict[str, str] = {}
    for name, kind in uses:
        if name in seen:
            both = f'"{kind}"' if kind == seen[name] else f'"{seen[name]}" and "{kind}"'
            what = f'two bindings have the name "{name}", in {both}'
            raise ConfigError("E109", what, where=document.place((kind,)), hint="give one of them another name")
        seen[name] = kind
