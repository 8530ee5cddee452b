"""Which Python runs user code (python-workers-surface.md 11)."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.config import Options, Project, choose_python
from emulator.errors import StartError

OURS = sys.version_info[:2]
DATE = {(3, 12): "2025-01-01", (3, 13): "2026-01-01", (3, 14): "2026-10-01"}[OURS]


@pytest.fixture
def plain(project: Callable[..., Project]) -> Project:
    """A project that wants the Python we run on."""
    return project(compatibility_flags=["python_workers"], compatibility_date=DATE)


def options(root: Path, python: Path | None = None) -> Options:
    return Options(persist_to=root, fixtures=root, python=python)


def venv(root: Path, name: str, version: str) -> Path:
    python = root / name / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.symlink_to(sys.executable)
    (root / name / "pyvenv.cfg").write_text(f"home = /usr/bin\nversion = {version}\n")
    return python


def test_our_own_without_any_other(plain: Project, tmp_path: Path) -> None:
    found = choose_python(plain, options(tmp_path))
    assert (found.path, found.version, found.source, found.notices) == (Path(sys.executable), OURS, "agents-emu", ())


def test_the_workers_venv_before_the_venv(plain: Project, tmp_path: Path) -> None:
    venv(tmp_path, ".venv", "3.12.1")
    assert choose_python(plain, options(tmp_path)).source == ".venv"
    ours = venv(tmp_path, ".venv-workers", f"{OURS[0]}.{OURS[1]}.0")
    found = choose_python(plain, options(tmp_path))
    assert (found.path, found.source, found.version, found.notices) == (ours, ".venv-workers", OURS, ())


def test_an_old_or_broken_venv_is_skipped_with_a_warning(plain: Project, tmp_path: Path) -> None:
    venv(tmp_path, ".venv-workers", "3.9.2")
    broken = venv(tmp_path, ".venv", "3.13.0")
    broken.unlink()
    broken.symlink_to(tmp_path / "gone")
    found = choose_python(plain, options(tmp_path))
    assert found.source == "agents-emu"
    assert [notice.what for notice in found.notices] == [
        ".venv-workers is Python 3.9, too old; it is not used",
        ".venv has no working interpreter; it is not used",
    ]


def test_another_version_than_deployed_warns(project: Callable[..., Project], tmp_path: Path) -> None:
    wanted = "2025-01-01" if OURS != (3, 12) else "2026-01-01"
    found = choose_python(project(compatibility_flags=["python_workers"], compatibility_date=wanted), options(tmp_path))
    assert [f"Python {OURS[0]}.{OURS[1]} here" in notice.what for notice in found.notices] == [True]


def test_the_one_that_was_asked_for(plain: Project, tmp_path: Path) -> None:
    venv(tmp_path, ".venv", "3.12.1")
    found = choose_python(plain, options(tmp_path, Path(sys.executable)))
    assert (found.path, found.version, found.source) == (Path(sys.executable), OURS, "--python")


@pytest.mark.parametrize(("script", "code"), [("exit 3", "E391"), ("echo 3 8", "E392"), ("echo hello", "E391")])
def test_one_that_cannot_be_used(plain: Project, tmp_path: Path, script: str, code: str) -> None:
    fake = tmp_path / "python"
    fake.write_text(f"#!/bin/sh\n{script}\n")
    os.chmod(fake, 0o755)
    with pytest.raises(StartError) as caught:
        choose_python(plain, options(tmp_path, fake))
    assert caught.value.code == code


def test_one_that_does_not_exist(plain: Project, tmp_path: Path) -> None:
    with pytest.raises(StartError) as caught:
        choose_python(plain, options(tmp_path, tmp_path / "absent"))
    assert caught.value.code == "E391"
