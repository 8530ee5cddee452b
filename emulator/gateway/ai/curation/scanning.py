"""Secrets in files that were written already: by an older version, by hand, by a merge."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from emulator.gateway.ai.cassettes.cassette_files import BLOBS
from emulator.gateway.ai.cassettes.cassette_folder import json_files
from emulator.gateway.ai.cassettes.inventory import Entry, Inventory
from emulator.gateway.ai.cassettes.manifest import NOT_RECORDINGS
from emulator.gateway.ai.cassettes.problems import broken
from emulator.gateway.ai.recorder.joined_texts import joined_findings
from emulator.gateway.ai.recorder.redaction import Finding, Redaction

_WINDOW = 64 * 1024


@dataclass(frozen=True, slots=True)
class Leak:
    """What was found, never its value; `path` leads into the file."""

    file: Path
    path: str
    what: str


def scanned(inventory: Inventory, redaction: Redaction) -> list[Leak]:
    """All secrets in recordings, manifests and blobs, in file order. Raises RecordingError E501 for a file that cannot be read."""
    leaks = [Leak(entry.path, found.path, found.what) for entry in inventory.entries for found in _in_entry(entry, redaction)]
    for cassette in inventory.cassettes:
        folder = inventory.folder / "ai" / cassette.name
        blobs = folder / BLOBS
        others = sorted(Path(entry) for entry in json_files(folder) if entry.name in NOT_RECORDINGS)
        bodies = sorted(path for path in blobs.iterdir() if path.is_file()) if blobs.is_dir() else []
        for path in [*others, *bodies]:
            leaks += [Leak(path, found.path, found.what) for found in redaction.findings_in_bytes(_windows(path), "$")]
    return leaks


def _in_entry(entry: Entry, redaction: Redaction) -> Iterator[Finding]:
    """A file that is no JSON is looked through as it is."""
    if entry.document is None:
        yield from redaction.findings_in_bytes(_windows(entry.path), "$")
        return
    match = entry.document.get("match")
    rules = {name: value for name, value in match.items() if name != "key"} if isinstance(match, dict) else match  # a key is a hash
    document = {**entry.document, "match": rules}
    seen: set[tuple[str, str]] = set()
    for found in [*redaction.findings(document), *_in_stream(entry, redaction)]:
        if (found.path, found.what) not in seen and not found.path.startswith("$.recorded.seal"):
            seen.add((found.path, found.what))
            yield found


def _in_stream(entry: Entry, redaction: Redaction) -> Iterator[Finding]:
    """A secret may be spread over events that each look harmless."""
    if entry.recording is not None and "events" in (stream := entry.recording.response.get("stream", {})):
        yield from joined_findings(stream["framing"], stream["events"], redaction)


def _windows(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            while window := file.read(_WINDOW):
                yield window
    except OSError as error:
        raise broken(path, "", f"cannot be read: {error.strerror}", "check its permissions, or remove it") from None
