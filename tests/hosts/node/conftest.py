"""Projects for the loader: files that a test names, with packages made for it or the real ones."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from emulator.config import Options, choose_node

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "python"), str(HERE.parents[1] / "journeys")]

from harness import npm  # noqa: E402
from node_project import NodeProject  # noqa: E402


@pytest.fixture(scope="session")
def node_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `agents-emu dev` would take."""
    folder = tmp_path_factory.getbasetemp()
    return choose_node(Options(persist_to=folder, fixtures=folder)).path


@pytest.fixture(scope="session")
def real_packages() -> Path:
    """A node_modules with the real SDKs and wrangler, which brings esbuild."""
    return npm.sample_modules()


@pytest.fixture
def node_project(tmp_path: Path, node_binary: Path, real_packages: Path) -> NodeProject:
    """An empty project with an esbuild of its own."""
    root = tmp_path / "project"
    (root / "node_modules").mkdir(parents=True)
    (root / "node_modules" / "esbuild").symlink_to(real_packages / "esbuild")
    return NodeProject(root.resolve(), node_binary).write({"package.json": json.dumps({"name": "project", "type": "module"})})


@pytest.fixture
def real_project(tmp_path: Path, node_binary: Path, real_packages: Path) -> NodeProject:
    """An empty project with the real SDKs."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "node_modules").symlink_to(real_packages)
    return NodeProject(root.resolve(), node_binary).write({"package.json": json.dumps({"name": "project", "type": "module"})})
