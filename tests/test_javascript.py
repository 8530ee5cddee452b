"""The repository's JavaScript has one style and no lint: what `biome ci` says with biome.json. Its version: javascript/package.json."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path.insert(0, str(HERE / "journeys"))

from harness import npm  # noqa: E402

TOOLS = ROOT / "build" / "javascript"
BOUND_S = 60


def test_biome_finds_nothing() -> None:
    npm.install(TOOLS, HERE / "javascript", [HERE / "javascript" / "package.json"])
    biome = TOOLS / "node_modules" / "@biomejs" / "biome" / "bin" / "biome"
    command = [npm.NODE, biome, "ci", "--colors=off", "--error-on-warnings"]
    run = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOUND_S, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "Checked 0 files" not in run.stdout
