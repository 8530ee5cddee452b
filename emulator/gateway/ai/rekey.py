"""Recordings after a change of the rules by which requests are compared: new keys and names, without a network (ai-binding.md 7.7; A36).

Stored requests are complete, so that their keys can be worked out again. Recordings that become the same request keep their order: by the
time they were recorded, then by the number they had.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from errno import EEXIST, ENOENT
from pathlib import Path

from emulator.gateway.ai.canonical import canonical, key_of
from emulator.gateway.ai.cassette_files import blob_files, read_sealed, recording_text, sealed, seq_of, stem
from emulator.gateway.ai.cassettes import Cassette, Shelf
from emulator.gateway.ai.manifest import MANIFEST, NOT_RECORDINGS, rules_label
from emulator.gateway.ai.recording import Recording
from emulator.gateway.ai.staging import Staging

_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Renamed:
    """One recording whose key or name is another now."""

    before: Path
    after: Path
    key: str


def rekey(cassette: Cassette, normalise: tuple[str, ...]) -> list[Renamed]:
    """What rekeying `cassette` under these rules (as Manifest.normalise) would change. Hand-written recordings have no key."""
    by_key: dict[str, list[Recording]] = defaultdict(list)
    taken = {recording.file.name for recording in cassette.recordings if recording.manual}
    for recording in cassette.recordings:
        if not recording.manual:
            by_key[key_of(canonical(recording.request, normalise))].append(recording)
    changes: list[Renamed] = []
    for key, group in by_key.items():
        seq = 0
        for recording in sorted(group, key=lambda one: (one.recorded_at or _LONG_AGO, seq_of(one.file.stem), one.file.name)):
            while (name := f"{stem(seq, recording.request, key)}.json") in taken:
                seq += 1
            taken.add(name)
            after = recording.file.with_name(name)
            if after != recording.file or _says_otherwise(recording, key, normalise):
                changes.append(Renamed(recording.file, after, key))
    return changes


def apply_rekey(ai: Path, cassette: str, changes: Sequence[Renamed], normalise: tuple[str, ...], *, manifest: bytes | None = None) -> None:
    """Write the changes, and the manifest with the new rules, all or nothing. Ids follow the names; what was edited by hand goes on
    counting as edited. Raises OSError; FileExistsError when another file has a name that is needed."""
    before = {change.before.name for change in changes}
    files: dict[str, bytes] = {} if manifest is None else {MANIFEST: manifest}
    for change in changes:
        if change.after.name not in before and change.after.exists():
            raise FileExistsError(EEXIST, "a file that is no usable recording has this name", str(change.after))
        found = read_sealed(change.before.read_bytes())
        if found is None:
            raise FileNotFoundError(ENOENT, "no longer a recording", str(change.before))
        match = {**found.document.get("match", {}), "key": change.key, "rules": rules_label(normalise)}
        document = {**found.document, "id": change.after.stem, "match": match}
        files[change.after.name] = recording_text(sealed(document) if found.untouched else document)
    staging = Staging(ai)
    try:
        staging.rewrite(cassette, files, sorted(before - files.keys()))
    finally:
        staging.close()


def unused(shelf: Shelf, used: Container[tuple[str, str, str]]) -> list[Recording]:
    """Recordings whose identity is not in `used`: nothing asked for them."""
    return [recording for recording in shelf.recordings if recording.identity not in used]


def orphaned_blobs(folder: Path, without: Sequence[Path] = ()) -> list[Path]:
    """Blobs of the cassette in `folder` that no recording needs, once the files `without` are gone. Files that cannot be read may need any:
    then there are none."""
    needed: set[str] = set()
    for file in folder.glob("*.json"):
        if file in without or file.name in NOT_RECORDINGS:
            continue
        found = read_sealed(file.read_bytes())
        if found is None:
            return []
        needed |= blob_files(found.document)
    return sorted(blob for blob in folder.glob("blobs/*") if f"blobs/{blob.name}" not in needed)


def _says_otherwise(recording: Recording, key: str, normalise: tuple[str, ...]) -> bool:
    return (
        recording.id != recording.file.stem or recording.match.get("key") != key or recording.match.get("rules") != rules_label(normalise)
    )
