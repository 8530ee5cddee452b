"""What lies in a fixtures folder, file by file: for the verbs that look at recordings, change them and clean up.

The server's own view is cassettes.py, which keeps what can be matched. Here every file counts, the broken ones too, with the JSON as
it is written.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from emulator.config.shape import nearest
from emulator.errors import RecordingError
from emulator.gateway.ai.cassettes.cassette_files import seal_of
from emulator.gateway.ai.cassettes.cassette_folder import recording_files
from emulator.gateway.ai.cassettes.library import Cassette, Library
from emulator.gateway.ai.cassettes.manifest import MANIFEST
from emulator.gateway.ai.cassettes.recording import Recording

ID = re.compile(r"[a-z0-9][a-z0-9._-]*")
"""What the schema lets an id be."""


@dataclass(frozen=True)
class Entry:
    """One file. `recording` is None when it is unusable, and `error` says why; `document` is None when it is no JSON object."""

    cassette: str
    path: Path
    document: dict[str, Any] | None
    recording: Recording | None
    error: RecordingError | None
    size: int
    modified_s: float
    """Since 1970."""

    @property
    def id(self) -> str:
        """The id that the file claims, else its name."""
        claimed = (self.document or {}).get("id")
        return claimed if isinstance(claimed, str) and ID.fullmatch(claimed) else self.path.stem

    @property
    def name(self) -> str:
        """`cassette/id`."""
        return f"{self.cassette}/{self.id}"

    @cached_property
    def edited(self) -> bool:
        """Whether somebody changed it since it was written: its stream differs from its hash, or the file from its seal."""
        if self.recording is None or self.document is None:
            return False
        seal = (self.document.get("recorded") or {}).get("seal")
        return self.recording.edited() or (isinstance(seal, str) and seal.partition(".")[0] != seal_of(self.document))

    @property
    def key(self) -> str:
        """The key that the file claims, or empty."""
        claimed = ((self.document or {}).get("match") or {}).get("key") if self.recording else None
        return claimed or ""


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything below `<folder>/ai/`. `faulty` are manifests that cannot be used."""

    folder: Path
    cassettes: tuple[Cassette, ...]
    entries: tuple[Entry, ...]
    faulty: tuple[RecordingError, ...] = ()

    def cassette(self, name: str) -> Cassette:
        """The cassette of this name. Raises KeyError."""
        return next(cassette for cassette in self.cassettes if cassette.name == name)

    def find(self, words: str) -> Entry:
        """The entry that `words` name: an id, `cassette/id`, the end or the start of one, a part of it, the start of the key, or a file.
        Raises RecordingError E530 (none) or E537 (several)."""
        as_path = Path(words).resolve() if words.endswith(".json") else None
        words = words.removesuffix(".json")
        stages = (
            [entry for entry in self.entries if words in (entry.id, entry.name) or entry.path.resolve() == as_path],
            [entry for entry in self.entries if entry.id.endswith(words)],
            [entry for entry in self.entries if entry.id.startswith(words) or entry.name.startswith(words)],
            [entry for entry in self.entries if words in entry.id or entry.key.startswith(words)],
        )
        found = next((stage for stage in stages if stage), [])
        if not found:
            close = nearest(words, [name for entry in self.entries for name in (entry.id, entry.name)])
            raise RecordingError(
                "E530",
                f"there is no recording {words!r}",
                where=str(self.folder / "ai"),
                hint=f"did you mean {close}?" if close else "agents-emu ai ls",
            )
        if len(found) > 1:
            names = [entry.name for entry in found]
            more = f"\nand {len(names) - 8} more" if len(names) > 8 else ""
            raise RecordingError("E537", f"{words!r} names {len(names)} recordings", hint="one of\n" + "\n".join(names[:8]) + more)
        return found[0]


def read_inventory(folder: Path, cassette: str | None = None) -> Inventory:
    """Every file of the cassettes of `folder` (the one named `cassette`, if given). Raises UsageError E243 when there is none of that
    name, RecordingError E535 when there is no folder at all."""
    if not (folder / "ai").is_dir():
        raise RecordingError(
            "E535",
            "there are no recordings",
            where=str(folder / "ai"),
            hint="record some: agents-emu ai record -- <command>\nor name their folder: --fixtures DIR",
        )
    library = Library([folder], recheck_ms=0)
    library.choose(cassette)
    shelf = library.shelf()
    usable = {recording.file: recording for recording in shelf.recordings}
    entries: list[Entry] = []
    faulty: list[RecordingError] = []
    for name in (one.name for one in shelf.cassettes):
        for path in recording_files(folder / "ai" / name):
            entries.append(_entry(name, path, usable.get(path), _about(path, shelf.broken)))
        manifest = _about(folder / "ai" / name / MANIFEST, shelf.broken)
        faulty += [manifest] if manifest else []
    return Inventory(folder, shelf.cassettes, tuple(entries), tuple(faulty))


def _about(path: Path, errors: Sequence[RecordingError]) -> RecordingError | None:
    """The error whose place is in `path`: `file`, `file:line:column` or `file $.path`."""
    return next((error for error in errors if re.match(rf"{re.escape(str(path))}(?:[: ]|$)", error.where or "")), None)


def _entry(cassette: str, path: Path, recording: Recording | None, error: RecordingError | None) -> Entry:
    stat = path.stat()
    try:
        document = json.loads(path.read_bytes())
    except (OSError, ValueError):
        document = None  # `error` says what is wrong with it
    usable = document if isinstance(document, dict) else None
    return Entry(cassette, path, usable, recording, error, stat.st_size, stat.st_mtime)
