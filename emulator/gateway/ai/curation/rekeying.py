"""New keys and names for recordings after the rules of their cassette changed. Stored requests are complete, so this needs no network.

The rules of a cassette decide which requests are the same. Recordings match by keys computed from them, whatever their files say; this
brings the files in line: `match.key`, `match.rules`, the name and the id.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from emulator.gateway.ai.cassettes.cassette_files import recording_text, sealed, stem
from emulator.gateway.ai.cassettes.inventory import Entry, Inventory
from emulator.gateway.ai.cassettes.library import Cassette
from emulator.gateway.ai.cassettes.manifest import rules_label
from emulator.gateway.ai.cassettes.recording import Recording


@dataclass(frozen=True, slots=True)
class Renewed:
    """One recording: the file it had and has, and its new content."""

    old: Path
    new: Path
    document: dict[str, Any]


@dataclass(slots=True)
class Rekeying:
    """What is to change. `merged` are groups of names whose requests differed before and are now the same: they answer in file order."""

    renewed: list[Renewed] = field(default_factory=list)
    merged: list[tuple[str, ...]] = field(default_factory=list)
    unchanged: int = 0


def rekeyed(inventory: Inventory) -> Rekeying:
    """What has to change in the cassettes of `inventory`."""
    done = Rekeying()
    for cassette in inventory.cassettes:
        entries = {entry.path: entry for entry in inventory.entries if entry.cassette == cassette.name}
        for key, group in cassette.by_key.items():
            _renew(done, cassette, key, group, entries)
    return done


def _renew(done: Rekeying, cassette: Cassette, key: str, group: list[Recording], entries: dict[Path, Entry]) -> None:
    rules = rules_label(cassette.normalisers)
    documents = [entries[recording.file].document or {} for recording in group]
    matches = [document.get("match", {}) for document in documents]
    if all(match.get("key") == key and match.get("rules") == rules for match in matches):
        done.unchanged += len(group)
        return
    if len({match.get("key") for match in matches}) > 1:
        done.merged.append(tuple(recording.name for recording in group))
    ours = {recording.file for recording in group}
    seq = 0
    for recording, document in zip(group, documents, strict=True):
        while (file := recording.file.parent / f"{stem(seq, recording.request, key)}.json") in entries and file not in ours:
            seq += 1
        seq += 1
        renewed = {**document, "id": file.stem, "match": {**document.get("match", {}), "key": key, "rules": rules}}
        untouched = "seal" in document.get("recorded", {}) and not entries[recording.file].edited
        done.renewed.append(Renewed(recording.file, file, sealed(renewed) if untouched else renewed))


def write(renewed: Iterable[Renewed]) -> None:
    """Write them. All new files exist before the first old one goes, so nothing is lost when this is cut short. Raises OSError."""
    todo = list(renewed)
    drafts = {}
    for one in todo:
        draft = one.new.with_name(f".{one.new.name}.part")
        draft.write_bytes(recording_text(one.document))
        drafts[draft] = one.new
    for draft, file in drafts.items():
        os.replace(draft, file)
    kept = set(drafts.values())
    for one in todo:
        if one.old not in kept:
            one.old.unlink()
