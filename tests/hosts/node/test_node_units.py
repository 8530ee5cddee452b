"""The Node host's own unit tests: each file of `*.test.mjs` is one item here, run by node:test."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from emulator.config import Options, choose_node

HERE = Path(__file__).parent
FILES = sorted(HERE.glob("*.test.mjs"))
BOUND_S = 120


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `agents-emu dev` would take."""
    folder = tmp_path_factory.getbasetemp()
    return choose_node(Options(persist_to=folder, fixtures=folder)).path


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name.removesuffix(".test.mjs"))
def test_node(node: Path, file: Path) -> None:
    command = [node, "--disable-warning=ExperimentalWarning", "--test-reporter=spec", file.name]
    # A test that hangs is killed by its bound; what it had said is in TimeoutExpired, and in the report.
    run = subprocess.run(command, cwd=HERE, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert run.returncode == 0, f"{run.stdout}\n{run.stderr}"
    if re.search(r"\bpass 0$", run.stdout, re.MULTILINE):
        # What compares with the real runtime says itself why it cannot.
        assert re.search(r"\bskipped [1-9]", run.stdout, re.MULTILINE), f"no test ran:\n{run.stdout}"
        pytest.skip(next((line for line in run.stdout.splitlines() if line.startswith("﹣")), "every test in it was skipped"))
