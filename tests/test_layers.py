"""Who may import whom (design section 3), and what the pure rings must not touch."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "emulator"
STANDARD = "standard library"

ALLOWED = {
    "core": {"core", "errors", STANDARD},
    "clock": {"clock", "errors", STANDARD},
    "wire": {"wire", "core", "errors", STANDARD},
    # greenlet is used where the user's environment has it (run_sync), never required.
    "hosts/python": {"hosts/python", "core", "clock", "wire", "errors", STANDARD, "greenlet"},
    "config": {"config", "errors", STANDARD, "dotenv", "json5", "tomlkit"},
    "errors": {STANDARD},
}
"""Rings that are closed; the gateway and the command line may use any library."""

FORBIDDEN = {
    "gateway": {"hosts/python", "hosts", "cli"},
    "hosts": {"gateway", "cli", "config"},
    "cli": {"hosts/python", "hosts", "wire"},
}

CLI_MAY = {
    "emulator.core.routing",
    "emulator.gateway.console",
    "emulator.gateway.main",
    "emulator.gateway.ready",
    "emulator.gateway.snapshots.offline",
} | {f"emulator.gateway.journal.{module}" for module in ("file", "reading", "schema")}
"""All that the command line knows of the rings below config: addresses, the three doors of the gateway, and the journal as a file."""

CLI_AI_MAY = {
    f"emulator.gateway.ai.{module}"
    for module in (
        "ai_gateway.prices",
        "ai_gateway.usage",
        "cassettes.cassette_files",
        "cassettes.inventory",
        "cassettes.manifest",
        "cassettes.recording",
        "cassettes.staleness",
        "catalogue",
        "curation.asked_messages",
        "curation.comparing",
        "curation.conversation",
        "curation.editing",
        "curation.exporting",
        "curation.importing",
        "curation.importing.aimock",
        "curation.importing.har",
        "curation.importing.jsonl",
        "curation.importing.spoken",
        "curation.importing.vcr",
        "curation.importing.writing",
        "curation.lint",
        "curation.pruning",
        "curation.rekeying",
        "curation.scanning",
        "faults.dialects",
        "inputs.schemas",
        "recorder.known_secrets",
        "recorder.redaction",
        "model_cache",
        "run_record",
    )
}
"""What the verbs of `agents-emu ai` know besides: the parts of the model layer that work on files, and need no server."""

IMPURE = {"asyncio", "time", "random", "os", "socket", "secrets", "threading", "subprocess", "select", "ssl", "uuid", "tempfile", "pathlib"}
CLOCKS = {"now", "utcnow", "today"}

PACKAGES = {
    "emulator",
    "emulator.hosts",
    "emulator.gateway",
    "emulator.gateway.ai",
    "emulator.gateway.ai.curation",
    "emulator.gateway.verbs",
}
"""Importing a name from these is importing a module."""

HOST_SURFACE = {"js", "pyodide", "workers", "agents"}
"""Modules of the platform's Python surface and of the user's SDKs: the host provides or loads them, they are no dependencies."""


def modules() -> list[Path]:
    return sorted(path for path in ROOT.rglob("*.py") if "__pycache__" not in path.parts)


def ring_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    if parts[:2] == ("hosts", "python") and len(parts) > 2:
        return "hosts/python"
    return parts[0]


def ring_of_import(name: str) -> str:
    parts = name.split(".")
    if parts[0] != "emulator":
        return STANDARD if parts[0] in sys.stdlib_module_names else parts[0]
    if parts[1:3] == ["hosts", "python"]:
        return "hosts/python"
    return parts[1] if len(parts) > 1 else "emulator"


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of every import, also of those inside functions."""
    package = ["emulator", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) if node.level else ""
            module = ".".join(part for part in (base, node.module) if part)
            if module in PACKAGES:  # `from emulator import wire` is an import of emulator.wire
                for alias in node.names:
                    yield node.lineno, f"{module}.{alias.name}"
            else:
                yield node.lineno, module


def violations(path: Path, ring: str, allowed: set[str] | None, forbidden: set[str]) -> list[str]:
    found = []
    for line, name in imports(path):
        target = ring_of_import(name)
        if ring == "hosts/python" and target in HOST_SURFACE:
            continue
        if target in forbidden or (allowed is not None and target not in allowed):
            found.append(f"{path.relative_to(ROOT)}:{line} imports {name}")
    return found


def test_imports_point_inwards() -> None:
    found = []
    for path in modules():
        ring = ring_of(path)
        found += violations(path, ring, ALLOWED.get(ring), FORBIDDEN.get(ring.split("/")[0], set()))
    assert found == []


def beyond_the_doors(path: Path) -> list[str]:
    """Imports of the command line that reach into the gateway or the core."""
    doors = CLI_MAY | (CLI_AI_MAY if path.relative_to(ROOT).parts[:2] == ("cli", "ai") else set())
    found = ((line, name) for line, name in imports(path) if ring_of_import(name) in ("gateway", "core") and name not in doors)
    return [f"{path.relative_to(ROOT)}:{line} imports {name}" for line, name in found]


def test_the_command_line_uses_the_doors() -> None:
    assert [line for path in modules() if ring_of(path) == "cli" for line in beyond_the_doors(path)] == []


@pytest.mark.parametrize(
    ("source", "fits"),
    [
        ("from emulator.gateway import ready", True),
        ("from emulator.gateway.console import Note", True),
        ("from emulator.gateway import ready, journal", False),
        ("def f():\n    from emulator.gateway.assembly import serve", False),
        ("import emulator.core.ids", False),
    ],
)
def test_the_doors_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, fits: bool) -> None:
    path = tmp_path / "cli" / "module.py"
    path.parent.mkdir()
    path.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert (beyond_the_doors(path) == []) is fits


def test_the_core_is_pure() -> None:
    """Time and chance are arguments (design 1.4)."""
    found = []
    for path in (ROOT / "core").glob("*.py"):
        found += [f"{path.name}:{line} imports {name}" for line, name in imports(path) if name.split(".")[0] in IMPURE]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in CLOCKS and ast.unparse(node.value).endswith(("datetime", "date")):
                found.append(f"{path.name}:{node.lineno} asks a clock")
    assert found == []


def test_rings_exist() -> None:
    """A renamed folder must not turn a rule off."""
    rings = {ring_of(path) for path in modules()}
    assert set(ALLOWED) <= rings
    assert {"gateway", "cli"} <= rings


@pytest.mark.parametrize(
    ("ring", "source", "fits"),
    [
        ("core", "import time", True),  # the standard library; purity is the other test's business
        ("core", "from emulator.gateway import main", False),
        ("core", "from emulator import gateway", False),
        ("core", "from ..hosts import python", False),
        ("core", "from . import ids", True),
        ("wire", "import emulator.core.ids", True),
        ("wire", "import aiohttp", False),
        ("hosts/python", "def f():\n    from emulator.gateway.main import run", False),
        ("hosts/python", "from emulator.config import Project", False),
        ("hosts/python", "import js", True),
        ("gateway", "from emulator.hosts.python import loop", False),
        ("gateway", "import aiohttp", True),
        ("cli", "from emulator.hosts.python import loop", False),
        ("cli", "import emulator.wire.frames", False),
    ],
)
def test_the_rules_catch_what_they_should(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ring: str, source: str, fits: bool) -> None:
    path = tmp_path / ring / "module.py"
    path.parent.mkdir(parents=True)
    path.write_text(source)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    found = violations(path, ring, ALLOWED.get(ring), FORBIDDEN.get(ring.split("/")[0], set()))
    assert (found == []) is fits
