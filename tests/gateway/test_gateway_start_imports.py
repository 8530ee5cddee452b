"""A start imports what it needs: the rest comes when it is asked for first."""

from __future__ import annotations

import subprocess
import sys

LATE = (
    "aiohttp",
    "jsonschema",
    "msgspec",
    "emulator.clock",
    "emulator.core.cron",
    "emulator.gateway.control",
    "emulator.gateway.crons",
    "emulator.gateway.keys",
    "emulator.gateway.object_sql",
    "emulator.gateway.rewind",
    "emulator.gateway.snapshots",
    "emulator.gateway.timekeeper",
    "emulator.gateway.verbs.all",
    "emulator.gateway.wakefulness",
    "emulator.scenarios",
)


def test_what_a_start_does_not_wait_for() -> None:
    code = "import sys, emulator.cli.main, emulator.gateway.main, emulator.gateway.serving; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60).stdout.split()
    assert "emulator.gateway.assembly" in found
    assert [name for name in found if name.startswith(LATE)] == []
