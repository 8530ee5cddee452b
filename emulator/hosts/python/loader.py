"""Importing the user's Worker: search path, exports, and failures that name the user's line (python-workers-surface.md 1, 3.1)."""

from __future__ import annotations

import difflib
import importlib
import importlib.util
import inspect
import re
import sys
import sysconfig
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from emulator.errors import UserCodeError
from emulator.hosts.python.surface import suspend

_HANDLER_PREFIX = "on_"
_HANDLERS = ("fetch", "scheduled", "queue", "email", "trace", "tail")
_GLOBAL_HANDLERS_END = "2025-08-14"


@dataclass(slots=True)
class UserCode:
    """What the main module exports. `default` is the class `Default`; `global_handlers` are module-level `on_fetch` and friends."""

    module: ModuleType
    objects: dict[str, type]
    entrypoints: dict[str, type]
    default: type | None
    global_handlers: dict[str, Any] = field(default_factory=dict)

    @property
    def handlers(self) -> list[str]:
        """Names of the events the Worker itself handles."""
        if self.default is not None:
            return [name for name in _HANDLERS if hasattr(self.default, name)]
        return list(self.global_handlers)


def add_fallback(fallback: list[str]) -> list[str]:
    """What only the emulator's own environment has comes last on the path; returns a notice when it is needed."""
    missing = importlib.util.find_spec("workers") is None
    sys.path.extend(path for path in fallback if path not in sys.path)
    suspend.look_again()
    return ["the project's environment has no workers-runtime-sdk; using the copy that came with agents-emu"] if missing else []


def add_project(main: Path, root: Path) -> None:
    """Make the user's modules importable: those beside `main` first, vendored ones (`python_modules`) last."""
    sys.path.insert(0, str(main.parent))
    vendored = root / "python_modules"
    if vendored.is_dir():
        sys.path.append(str(vendored))


def preload(modules: list[str]) -> None:
    """Import library modules ahead of the user's code; one that fails will fail again, and be reported, when the user imports it."""
    for name in modules:
        try:
            importlib.import_module(name)
        except Exception:
            sys.modules.pop(name, None)


def load(project: dict[str, Any]) -> UserCode:
    """Import `main` and collect its exports. Raises UserCodeError with the user's file and line."""
    main = Path(project["root"]) / project["main"]
    if not main.is_file():
        raise UserCodeError("E421", f"main is {project['main']!r}, and there is no such file", where=str(main), hint=_nearby(main))
    # Bytecode is taken for a source of the same size and second: of two quick saves, the first would go on serving. Libraries that a
    # spare process imports ahead have their bytecode all the same.
    sys.dont_write_bytecode = True
    try:
        module = importlib.import_module(main.stem)
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise import_failure(error, main) from error
    if getattr(module, "__file__", None) != str(main):
        raise UserCodeError(
            "E422",
            f"importing {main.stem!r} gave {getattr(module, '__file__', 'a built-in module')}, not the project's main",
            where=str(main),
            hint=f"rename {main.name}: its name is taken by another module",
        )
    code = _exports(module, project)
    _check_bindings(code, project, main)
    return code


def _exports(module: ModuleType, project: dict[str, Any]) -> UserCode:
    import workers

    names = getattr(module, "__all__", None) or [name for name in vars(module) if not name.startswith("_")]
    objects: dict[str, type] = {}
    entrypoints: dict[str, type] = {}
    for name in names:
        value = getattr(module, name, None)
        if not inspect.isclass(value) or value in (workers.DurableObject, workers.WorkerEntrypoint, workers.WorkflowEntrypoint):
            continue
        if issubclass(value, workers.DurableObject):
            objects[name] = value
        elif issubclass(value, workers.WorkerEntrypoint):
            entrypoints[name] = value
    default = entrypoints.pop("Default", None)
    allowed = project.get("compatibility_date", "") < _GLOBAL_HANDLERS_END or project["flags"].get("disable_python_no_global_handlers")
    handlers = {}
    if default is None and allowed:
        handlers = {name: getattr(module, _HANDLER_PREFIX + name) for name in _HANDLERS if hasattr(module, _HANDLER_PREFIX + name)}
    return UserCode(module, objects, entrypoints, default, handlers)


def _check_bindings(code: UserCode, project: dict[str, Any], main: Path) -> None:
    for binding in project["bindings"]:
        if binding["kind"] != "durable_object" or binding["class"] in code.objects:
            continue
        wanted = binding["class"]
        close = difflib.get_close_matches(wanted, code.objects, 1)
        exported = ", ".join(sorted(code.objects)) or "no Durable Object class"
        raise UserCodeError(
            "E423",
            f"the binding {binding['name']!r} names the class {wanted!r}, which {project['main']} does not export",
            where=str(main),
            hint=f"did you mean {close[0]!r}?" if close else f"it exports {exported}; export {wanted}, or change class_name",
        )


def import_failure(error: BaseException, main: Path) -> UserCodeError:
    """An exception at import, as people want to read it: their file and line first."""
    where = user_place(error, main.parent)
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, SyntaxError):
        where = f"{error.filename}:{error.lineno}"
        text = f"{type(error).__name__}: {error.msg}"
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install {error.name.partition('.')[0]!r} into the project's environment ({sys.prefix}), or correct the import"
    elif isinstance(error, ImportError) and "is not emulated" in str(error):
        hint = "that part of the JavaScript runtime is not emulated; see docs/parity.md"
    failure = UserCodeError("E424", f"{main.name} does not load: {text}", where=where, hint=hint)
    failure.__cause__ = error
    return failure


_WAITS = re.compile(rb"\b(?:run_sync|http\.client|urllib\.request|urllib3|requests|httpx2?|openai|anthropic|boto3)\b")
"""Names of what waits in synchronous code, also when it is imported later."""


_SLEEPS = re.compile(rb"\btime\.sleep\b|\bfrom time import\b")
"""The same on a virtual clock."""


def may_wait(main: Path, *, virtual_clock: bool) -> bool:
    """Whether the loaded code may wait in synchronous code: it names what does, or it serves WSGI through the SDK."""
    if "workers.wsgi" in sys.modules:
        return True
    paths = [getattr(module, "__file__", None) or "" for module in list(sys.modules.values())]
    own = [path for path in paths if path.startswith(str(main.parent)) and path.endswith(".py")]
    sources = [Path(path).read_bytes() for path in own]
    return any(_WAITS.search(source) or (virtual_clock and _SLEEPS.search(source)) for source in sources)


def user_place(error: BaseException, root: Path) -> str | None:
    """`file:line` of the innermost frame in the user's own code."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(str(root))]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def library_modules(main: Path) -> list[str]:
    """Imported modules that belong to libraries, in import order: what a standby host can import before it knows the user's code."""
    own = str(main.parent)
    standard = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    found = []
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path is None or path.startswith(own) or name.startswith("emulator") or name == "__main__":
            continue
        if path.startswith(standard) and "site-packages" not in path:
            continue
        found.append(name)
    return found


def _nearby(main: Path) -> str:
    candidates = sorted(path.name for path in main.parent.glob("*.py")) if main.parent.is_dir() else []
    close = difflib.get_close_matches(main.name, candidates, 1)
    return f"did you mean {close[0]!r}?" if close else 'set "main" in the wrangler file to the Worker\'s main module'
