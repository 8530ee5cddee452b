"""What state verbs answer, on a running server and on files alike. JSON-able."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from emulator.gateway.snapshots.manifest import Manifest
from emulator.gateway.snapshots.snapshots import Snapshots


class Outcome(Protocol):
    """How an exchange went (live.py, offline.py)."""

    @property
    def removed(self) -> int:
        """Objects that went."""

    @property
    def objects(self) -> int:
        """Objects that came."""

    @property
    def alarms(self) -> int:
        """How many of those have an alarm."""

    @property
    def sockets(self) -> int:
        """Clients that were cut off."""

    @property
    def ms(self) -> int:
        """Milliseconds it took."""

    @property
    def manifest(self) -> Manifest | None:
        """The snapshot's, None after a reset."""


def listed_answer(snapshots: Snapshots) -> dict[str, Any]:
    """`{folder, snapshots: [...]}` (Snapshots.all)."""
    return {"folder": str(snapshots.library.folder), "snapshots": snapshots.all()}


def saved_answer(name: str, manifest: Manifest, left_out: list[str], folder: Path) -> dict[str, Any]:
    """`{saved, folder, objects, alarms, bytes, left_out}`."""
    alarms = sum(one.alarm_ms is not None for one in manifest.objects)
    counts = {"objects": len(manifest.objects), "alarms": alarms, "bytes": manifest.bytes}
    return {"saved": name, "folder": str(folder), **counts, "left_out": left_out}


def exchanged_answer(done: Outcome, now_ms: int | None) -> dict[str, Any]:
    """`{removed, objects, alarms, sockets, ms, clock}`; `clock` is `{saved_ms, now_ms}` where both the snapshot and this server are of a
    virtual clock, else null."""
    saved_ms = done.manifest.clock_ms if done.manifest is not None else None
    clock = {"saved_ms": saved_ms, "now_ms": now_ms} if saved_ms is not None and now_ms is not None else None
    counts = {"removed": done.removed, "objects": done.objects, "alarms": done.alarms, "sockets": done.sockets, "ms": done.ms}
    return {**counts, "clock": clock}
