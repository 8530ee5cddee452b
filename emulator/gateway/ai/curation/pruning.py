"""Which recordings a full run did not use, and which files can go with them. Pure but for the names of blobs on disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from emulator.gateway.ai.cassettes.cassette_files import BLOBS, blob_files
from emulator.gateway.ai.cassettes.inventory import Entry, Inventory
from emulator.gateway.ai.run_record import Run


@dataclass(slots=True)
class Unused:
    """`entries` were not used, `blobs` belong to none of the recordings that stay. `kept` were not used either, and stay, with the
    reason."""

    entries: list[Entry] = field(default_factory=list)
    blobs: list[Path] = field(default_factory=list)
    kept: list[tuple[Entry, str]] = field(default_factory=list)


def unused_in(inventory: Inventory, run: Run, *, manual: bool = False) -> Unused:
    """What `run`, a full one, did not use of the cassettes that it searched. Hand-written recordings count only when `manual`."""
    found = Unused()
    ended_s = datetime.fromisoformat(run.ended).timestamp()
    for entry in inventory.entries:
        if entry.cassette not in run.cassettes or (entry.recording is not None and entry.recording.identity in run.used):
            continue
        if entry.recording is None:
            found.kept.append((entry, "it is broken, so nobody can tell: agents-emu ai lint"))
        elif entry.modified_s > ended_s:
            found.kept.append((entry, "it is newer than the run"))
        elif not manual and (entry.document or {}).get("source") == "manual":
            found.kept.append((entry, "it is hand-written: --manual includes it"))
        else:
            found.entries.append(entry)
    gone = {entry.path for entry in found.entries}
    for cassette in inventory.cassettes:
        if cassette.name in run.cassettes:
            found.blobs += orphan_blobs(inventory, cassette.name, without=gone)
    return found


def orphan_blobs(inventory: Inventory, cassette: str, *, without: frozenset[Path] | set[Path] = frozenset()) -> list[Path]:
    """Blobs of a cassette of the inventory that no recording names, apart from the files in `without`. None while a recording there is
    unusable: it might name any of them."""
    here = [entry for entry in inventory.entries if entry.cassette == cassette and entry.path not in without]
    if any(entry.recording is None for entry in here):
        return []
    folder = inventory.folder / "ai" / cassette
    needed = {folder / name for entry in here for name in blob_files(entry.document or {})}
    blobs = folder / BLOBS
    return [path for path in sorted(blobs.iterdir()) if path.is_file() and path not in needed] if blobs.is_dir() else []
