"""The real SDKs on the surface, each case in a fresh interpreter, and the names their wheels use."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
SCRIPT = HERE / "surface_sdk_script.py"
CASES = re.findall(r"^async def check_(\w+)", SCRIPT.read_text(), re.MULTILINE)

# Names the wheels mention and we leave out, with the reason.
ALLOWED_MISSING = {
    "js.DurableObjectState": "imported for type checkers only",
    "js.Env": "imported for type checkers only",
    "js.ExecutionContext": "imported for type checkers only",
}


def run(*args: str) -> subprocess.CompletedProcess[str]:
    paths = [str(HERE), str(HERE.parents[2])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run([sys.executable, "-W", "error", *args], capture_output=True, text=True, env=environment, timeout=60, check=False)


@pytest.mark.parametrize("case", CASES)
def test_sdk(case):
    finished = run(str(SCRIPT), case)
    assert finished.returncode == 0, finished.stderr


def sources(package: str) -> list[Path]:
    found = importlib.util.find_spec(package)
    assert found is not None
    assert found.submodule_search_locations
    return sorted(Path(found.submodule_search_locations[0]).rglob("*.py"))


class Names(ast.NodeVisitor):
    """Collects `module.member` for every use of a runtime module, imported or reached by attribute."""

    ROOTS = ("js", "pyodide", "_pyodide_entrypoint_helper")

    def __init__(self) -> None:
        self.aliases: dict[str, str] = {}
        self.used: set[str] = set()

    def visit_Import(self, node):
        for name in node.names:
            if name.name.split(".")[0] in self.ROOTS:
                self.aliases[name.asname or name.name.split(".")[0]] = name.name if name.asname else name.name.split(".")[0]
                self.used.add(name.name)

    def visit_ImportFrom(self, node):
        if node.module and node.module.split(".")[0] in self.ROOTS and not node.level:
            self.used.update(f"{node.module}.{name.name}" for name in node.names)

    def visit_Attribute(self, node):
        parts = [node.attr]
        inner = node.value
        while isinstance(inner, ast.Attribute):
            parts.append(inner.attr)
            inner = inner.value
        if isinstance(inner, ast.Name) and inner.id in self.aliases:
            self.used.add(".".join([self.aliases[inner.id], *reversed(parts)]))
        self.generic_visit(node)


@pytest.mark.parametrize("package", ["workers", "agents"])
def test_every_runtime_name_the_wheel_uses_is_there(package):
    names = Names()
    for path in sources(package):
        tree = ast.parse(path.read_text())
        names.aliases.clear()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                names.visit_Import(node)
        names.visit(tree)
    assert names.used
    check = """
import sys, importlib
from surface_runtime import LoopRuntime
from emulator.hosts.python.surface.install import install
install(LoopRuntime())
for name in sys.argv[1:]:
    parts = name.split(".")
    value = sys.modules[parts[0]]
    for depth, part in enumerate(parts[1:], 2):
        module = sys.modules.get(".".join(parts[:depth]))
        if module is None and not hasattr(value, part):
            print(name)
            break
        value = module if module is not None else getattr(value, part)
"""
    finished = run("-c", check, *sorted(names.used))
    assert finished.returncode == 0, finished.stderr
    missing = set(finished.stdout.split())
    assert missing - set(ALLOWED_MISSING) == set()


def test_the_surface_wins_over_an_installed_pyodide(tmp_path):
    package = tmp_path / "pyodide"
    package.mkdir()
    (package / "__init__.py").write_text("raise RuntimeError('the wrong pyodide')")
    code = f"""
import sys
sys.path.insert(0, {str(tmp_path)!r})
from surface_runtime import LoopRuntime
from emulator.hosts.python.surface.install import install
install(LoopRuntime())
import pyodide.ffi
assert pyodide.ffi.to_js({{"a": 1}}).constructor.name == "Map"
"""
    finished = run("-c", code)
    assert finished.returncode == 0, finished.stderr
