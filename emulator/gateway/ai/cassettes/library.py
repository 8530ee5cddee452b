"""Recordings on disk: `<fixtures>/ai/<cassette>/*.json`, read once, read again when a file changes.

A broken file is a finding, not a failure: it is kept with its place and its next step, and everything else keeps working.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from emulator.errors import RecordingError, UsageError
from emulator.gateway.ai.canonical import ModelRequest, canonical, key_of
from emulator.gateway.ai.cassettes.cassette_files import seq_of
from emulator.gateway.ai.cassettes.cassette_folder import json_files
from emulator.gateway.ai.cassettes.manifest import MANIFEST, NOT_RECORDINGS, Manifest, read_manifest
from emulator.gateway.ai.cassettes.problems import broken
from emulator.gateway.ai.cassettes.recording import Recording, parse_recording
from emulator.gateway.ai.replay import monotonic_ms

DEFAULT = "default"

_Stamp = tuple[int, int, int]
"""mtime in ns, size and inode: a file with the same stamp is not read again."""


@dataclass(frozen=True)
class Cassette:
    """One folder. `recordings` are in file order, which is their order within a key."""

    name: str
    recordings: tuple[Recording, ...] = ()
    normalisers: tuple[str, ...] = ()
    manifest: Manifest = field(default_factory=Manifest)

    @cached_property
    def by_key(self) -> dict[str, list[Recording]]:
        """Recorded exchanges by the key of their request, each list in order of use."""
        index: dict[str, list[Recording]] = {}
        for recording in self.recordings:
            if not recording.manual:
                index.setdefault(recording.key(self.normalisers), []).append(recording)
        return index

    @cached_property
    def manual(self) -> tuple[Recording, ...]:
        """Hand-written recordings."""
        return tuple(recording for recording in self.recordings if recording.manual)

    def key(self, request: ModelRequest) -> str:
        """The key of `request` under this cassette's rules."""
        return key_of(canonical(request, self.normalisers))


@dataclass(frozen=True)
class Shelf:
    """What is loaded at one moment: the cassettes in search order and the files that could not be used."""

    cassettes: tuple[Cassette, ...] = ()
    broken: tuple[RecordingError, ...] = ()

    @property
    def recordings(self) -> Iterator[Recording]:
        """All recordings, in search order."""
        return (recording for cassette in self.cassettes for recording in cassette.recordings)

    def only(self, names: Sequence[str]) -> Shelf:
        """The cassettes of these names, in this order. What could not be used stays told."""
        by_name = {cassette.name: cassette for cassette in self.cassettes}
        return Shelf(tuple(by_name[name] for name in names if name in by_name), self.broken)


class Library:
    """The cassettes below some fixtures folders (`<folder>/ai/<cassette>/`), kept up to date.

    With `cassette` only the folders of that name are searched; else all of them, `default` first. Files are looked at again at most
    every `recheck_ms` (0: at each call).
    """

    def __init__(
        self,
        folders: Sequence[Path],
        cassette: str | None = None,
        *,
        recheck_ms: float = 500,
        now_ms: Callable[[], float] = monotonic_ms,
    ) -> None:
        self._folders = tuple(folders)
        self._recheck_ms = recheck_ms
        self._now_ms = now_ms
        self._checked_ms: float | None = None
        self._files: dict[Path, tuple[_Stamp, Recording | RecordingError]] = {}
        self._seen: dict[Path, dict[str, _Stamp]] = {}
        self._loaded: dict[Path, tuple[Cassette, list[RecordingError]]] = {}
        self._shelf = Shelf()
        self.cassette = cassette

    def choose(self, cassette: str | None, *, may_be_new: bool = False) -> None:
        """Search only `cassette` from now on (None: all). Raises UsageError E243 when no folder has that name, unless it `may_be_new`."""
        known = sorted({folder.name for folder in self._all_cassettes()})
        if cassette is not None and cassette not in known and not may_be_new:
            raise UsageError(
                "E243",
                f"there is no cassette {cassette!r}",
                where=" and ".join(str(folder / "ai") for folder in self._folders) or "no fixtures folder",
                hint=f"known: {', '.join(known)}" if known else "make the folder and write a recording: fixtures/README.md",
            )
        self.cassette = cassette
        self._checked_ms = None

    def refresh(self) -> None:
        """Look at the files again at the next use, whatever `recheck_ms` says: something was recorded."""
        self._checked_ms = None

    def exists(self, cassette: str) -> bool:
        """Whether a folder has that name now."""
        return any(folder.name == cassette for folder in self._all_cassettes())

    def shelf(self) -> Shelf:
        """The recordings as they are on disk now (see `recheck_ms`): of the chosen cassette, else of all."""
        self._look()
        return self._shelf if self.cassette is None else self._shelf.only([self.cassette])

    def shelf_of(self, cassette: str) -> Shelf:
        """The same with `cassette` searched before the chosen one (ai-binding.md 7.8)."""
        self._look()
        rest = [self.cassette] if self.cassette else [one.name for one in self._shelf.cassettes]
        return self._shelf.only([cassette, *(name for name in rest if name != cassette)])

    def _look(self) -> None:
        now = self._now_ms()
        if self._checked_ms is None or now - self._checked_ms >= self._recheck_ms:
            self._checked_ms = now
            self._refresh()

    def _refresh(self) -> None:
        seen = {folder: _json_files(folder) for folder in self._all_cassettes()}
        if seen == self._seen:
            return
        # A cassette in which nothing changed stays the same object, with its index.
        self._loaded = {
            folder: self._loaded[folder] if self._seen.get(folder) == files else self._load(folder, files) for folder, files in seen.items()
        }
        self._seen = seen
        there = {folder / name for folder, files in seen.items() for name in files}
        self._files = {path: known for path, known in self._files.items() if path in there}
        self._shelf = Shelf(
            tuple(cassette for cassette, _ in self._loaded.values()),
            tuple(error for _, found in self._loaded.values() for error in found),
        )

    def _load(self, folder: Path, files: Mapping[str, _Stamp]) -> tuple[Cassette, list[RecordingError]]:
        recordings: dict[str, Recording] = {}
        found: list[RecordingError] = []
        manifest = Manifest()
        for name in sorted(files, key=lambda name: (seq_of(name), name)):  # 100 comes after 99
            path = folder / name
            if name == MANIFEST:
                try:
                    manifest = read_manifest(path)
                except RecordingError as error:
                    found.append(error)
            if name in NOT_RECORDINGS:
                continue
            loaded = self._read(folder.name, path, files[name])
            if isinstance(loaded, RecordingError):
                found.append(loaded)
            elif loaded.id in recordings:
                hint = f"the first one is {recordings[loaded.id].file.name}; give this one another id"
                found.append(broken(path, " $.id", f"id {loaded.id!r} is used twice in this cassette", hint))
            else:
                recordings[loaded.id] = loaded
        return Cassette(folder.name, tuple(recordings.values()), manifest.normalise, manifest), found

    def _read(self, cassette: str, path: Path, stamp: _Stamp) -> Recording | RecordingError:
        if path in self._files and self._files[path][0] == stamp:
            return self._files[path][1]
        loaded: Recording | RecordingError
        try:
            loaded = parse_recording(cassette, path, path.read_bytes())
        except RecordingError as error:
            loaded = error
        except OSError as error:
            loaded = broken(path, "", f"cannot be read: {error.strerror}", "check its permissions")
        self._files[path] = (stamp, loaded)
        return loaded

    def _all_cassettes(self) -> list[Path]:
        places = [folder / "ai" for folder in self._folders if (folder / "ai").is_dir()]
        folders = [entry for place in places for entry in place.iterdir() if entry.is_dir() and not entry.name.startswith(".")]
        return sorted(folders, key=lambda folder: (folder.name != DEFAULT, folder.name))


def _json_files(folder: Path) -> dict[str, _Stamp]:
    """Names and stamps, in no order. Asked twice a second."""
    found = {}
    for entry in json_files(folder):
        with suppress(FileNotFoundError):  # it went while we looked
            stat = entry.stat()
            found[entry.name] = (stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return found
