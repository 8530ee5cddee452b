"""Which Node.js runs TypeScript and JavaScript agents."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulator.config import Options, choose_node, node_runtime
from emulator.errors import StartError


def options(root: Path, node: Path | None = None) -> Options:
    return Options(persist_to=root, fixtures=root, node=node)


def fake(folder: Path, script: str) -> Path:
    """A program named `node` that runs this shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / "node"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_the_one_on_the_path_when_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = fake(tmp_path / "bin", "echo v25.1.0-nightly")
    monkeypatch.setenv("PATH", f"{path.parent}:/usr/bin:/bin")
    found = choose_node(options(tmp_path))
    assert (found.path, found.version, found.source) == (path, (25, 1, 0), "PATH")


@pytest.mark.parametrize("script", ["echo v20.20.2", "echo v24.9.0", "exit 1"])
def test_the_bundled_one_when_the_path_has_none_that_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    monkeypatch.setenv("PATH", f"{fake(tmp_path / 'bin', script).parent}:/bin")
    found = choose_node(options(tmp_path))
    assert found.source == "agents-emu"
    assert found.version >= node_runtime.OLDEST_NODE


def test_the_one_that_was_asked_for(tmp_path: Path) -> None:
    path = fake(tmp_path / "bin", "echo v24.10.0")
    found = choose_node(options(tmp_path, path))
    assert (found.path, found.version, found.source) == (path, (24, 10, 0), "--node")


@pytest.mark.parametrize(("script", "code"), [("exit 3", "E393"), ("echo hello", "E393"), ("echo v24.9.9", "E394")])
def test_one_that_cannot_be_used(tmp_path: Path, script: str, code: str) -> None:
    with pytest.raises(StartError) as caught:
        choose_node(options(tmp_path, fake(tmp_path / "bin", script)))
    assert caught.value.code == code


def test_one_that_does_not_exist(tmp_path: Path) -> None:
    with pytest.raises(StartError) as caught:
        choose_node(options(tmp_path, tmp_path / "absent"))
    assert caught.value.code == "E393"


def test_there_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(node_runtime.importlib.util, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="no node is on the PATH") as caught:
        choose_node(options(tmp_path))
    assert (caught.value.code, "agents-emu[node]" in str(caught.value.hint)) == ("E395", True)
    monkeypatch.setenv("PATH", f"{fake(tmp_path / 'bin', 'echo v20.1.0').parent}:/bin")
    with pytest.raises(StartError, match=r"is v20\.1\.0"):
        choose_node(options(tmp_path))
