"""Recordings on their way to disk: written beside the cassettes, moved in all together (ai-binding.md 7.4).

A commit first says what it will do (`commit.json` in its folder), then does it by renames. Killed before that, it has changed nothing;
killed after, the next start completes it. Several processes may record into one cassette: a commit holds the lock of the `ai` folder,
and replaces only files that are as they were when its session began.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import json
import os
import shutil
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import canonical, key_of
from emulator.gateway.ai.cassettes.cassette_files import (
    BLOBS,
    Sealed,
    blob_files,
    extension,
    read_sealed,
    recording_text,
    sealed,
    seq_of,
    stem,
    write_atomically,
)
from emulator.gateway.ai.cassettes.cassette_folder import recording_files
from emulator.gateway.ai.cassettes.manifest import MANIFEST, NOT_RECORDINGS
from emulator.gateway.ai.cassettes.recording import request_of
from emulator.gateway.ai.recorder.interaction import Interaction

_PREFIX = ".staging-"
_JOURNAL = "commit.json"
_STAGED = "[0-9]*.json"
_STEP_S = 0.02
PATIENCE_S = 5.0
"""How long to wait for another process that writes recordings: it takes milliseconds."""

Snapshot = Mapping[str, tuple[int, int, int]]
"""Files of all cassettes (`cassette/name.json`) with mtime in ns, size and inode."""


class Busy(OSError):
    """Another process holds the lock of the `ai` folder."""


@dataclass(slots=True)
class Changes:
    """What a commit did to one cassette; Summary of recorder.py says what the lists are. `digests` are the sha256 of the files written, as
    Recording.digest has them."""

    written: list[Path] = field(default_factory=list)
    unchanged: list[Path] = field(default_factory=list)
    removed: list[Path] = field(default_factory=list)
    kept: list[Path] = field(default_factory=list)
    not_asked: list[Path] = field(default_factory=list)
    spared: dict[Path, str] = field(default_factory=dict)
    digests: dict[Path, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Staged:
    order: tuple[float, int]
    interaction: Interaction
    file: Path
    """Holds the document; memory has only what decides its name."""


class Staging:
    """The folder of one session below `ai` (`<fixtures>/ai`). It appears with the first recording and goes with close()."""

    def __init__(self, ai: Path) -> None:
        self._ai = ai
        self._folder: Path | None = None
        self._lock = -1
        self._staged: dict[str, list[_Staged]] = defaultdict(list)
        self._count = itertools.count(1)
        self._opening = threading.Lock()  # long bodies are written in a thread

    @property
    def cassettes(self) -> list[str]:
        """Those that something is staged for."""
        return sorted(self._staged)

    def keep_blob(self, cassette: str, windows: Iterable[bytes], media_type: str) -> dict[str, Any]:
        """Store a body for a recording of `cassette`; the description that it has of it. Raises OSError."""
        blobs = self._opened(cassette) / BLOBS
        blobs.mkdir(exist_ok=True)
        digest, size = hashlib.sha256(), 0
        descriptor, part = tempfile.mkstemp(dir=blobs)
        try:
            with os.fdopen(descriptor, "wb") as out:
                for window in windows:
                    out.write(window)
                    digest.update(window)
                    size += len(window)
            name = f"{digest.hexdigest()[:16]}.{extension(media_type)}"
            os.chmod(part, 0o644)
            os.replace(part, blobs / name)
        except BaseException:
            Path(part).unlink(missing_ok=True)
            raise
        return {"file": f"{BLOBS}/{name}", "sha256": digest.hexdigest(), "media_type": media_type, "bytes": size}

    def add(self, cassette: str, began_ms: float, interaction: Interaction) -> None:
        """Stage a recording. Within a key the order is that of the requests, whenever their answers ended. Raises OSError."""
        number = next(self._count)
        file = self._opened(cassette) / f"{number:06d}.json"
        file.write_text(json.dumps(interaction.document))
        slim = Interaction(interaction.request, interaction.key, {})
        self._staged[cassette].append(_Staged((began_ms, number), slim, file))

    def commit(
        self,
        cassette: str,
        normalise: tuple[str, ...],
        *,
        replacing: Snapshot | None = None,
        in_vain: Mapping[str, str] = MappingProxyType({}),
        prune: bool = False,
        manifest: Callable[[Changes], bytes | None] = lambda changes: None,
        wait_s: float = PATIENCE_S,
    ) -> Changes:
        """Move in what is staged for `cassette`, whose rules are `normalise`. With `replacing`, recorded files that are as they were then,
        and that nobody edited, make way for answers to the same request; with `prune` also those of requests that nobody asked.
        Of a key in `in_vain` (and why) no file goes unless all of them have a successor. `manifest` gives the new `cassette.json`, None
        to leave it. Raises OSError; then nothing has changed, or the next commit or recover() completes it (see `cut_off`). Raises Busy
        when another process writes for longer than `wait_s`."""
        self.prepare(wait_s)
        staging, folder = self._opened(cassette), self._ai / cassette
        with _locked(self._ai, wait_s):
            _complete_all(self._ai)
            changes, plan = self._plan(cassette, normalise, replacing, in_vain, prune)
            text = manifest(changes)
            if text is not None:
                write_atomically(staging / MANIFEST, text)
                plan.moves[MANIFEST] = MANIFEST
            folder.mkdir(exist_ok=True)
            if plan.moves or plan.removes:
                write_atomically(staging / _JOURNAL, plan.text())
                _carry_out(staging, folder)
            for file in changes.unchanged:
                os.utime(file)  # another session that began before sees that it is wanted
        for staged in self._staged.pop(cassette, ()):
            staged.file.unlink(missing_ok=True)
        return changes

    def rewrite(self, cassette: str, files: Mapping[str, bytes], removes: Iterable[str]) -> None:
        """Put `files` into `cassette` and take `removes` out of it, all or nothing; names are relative. Raises OSError."""
        staging = self._opened(cassette)
        plan = _Plan({name: name for name in files}, list(removes))
        with _locked(self._ai):
            for name, data in files.items():
                write_atomically(staging / name, data)
            write_atomically(staging / _JOURNAL, plan.text())
            _carry_out(staging, self._ai / cassette)

    @property
    def cut_off(self) -> bool:
        """Whether a commit failed after it had begun to move files."""
        return self._folder is not None and any(self._folder.glob(f"*/{_JOURNAL}"))

    def close(self) -> None:
        """Drop what is still staged, but for a commit that was cut off: whoever commits or starts next completes it."""
        self._staged.clear()
        if self._folder is not None:
            if not self.cut_off:
                shutil.rmtree(self._folder, ignore_errors=True)
            os.close(self._lock)
            self._folder = None

    def prepare(self, wait_s: float = PATIENCE_S) -> None:
        """Make the folder, under the lock: a server that starts would take one that nobody holds for a dead session's. Raises OSError, Busy
        when another process writes for longer than `wait_s`."""
        with self._opening:
            if self._folder is not None:
                return
            self._ai.mkdir(parents=True, exist_ok=True)
            with _locked(self._ai, wait_s):
                folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._ai))
                self._lock = os.open(folder, os.O_RDONLY)
                fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            (folder / ".gitignore").write_text("*\n")
            self._folder = folder

    def _opened(self, cassette: str) -> Path:
        self.prepare()
        assert self._folder is not None, "prepared"
        (self._folder / cassette).mkdir(exist_ok=True)
        return self._folder / cassette

    def _plan(
        self, cassette: str, normalise: tuple[str, ...], replacing: Snapshot | None, in_vain: Mapping[str, str], prune: bool
    ) -> tuple[Changes, _Plan]:
        changes, plan = Changes(), _Plan()
        there = _Folder(self._ai / cassette, normalise, replacing)
        by_key: dict[str, list[_Staged]] = defaultdict(list)
        for staged in sorted(self._staged.get(cassette, ()), key=lambda staged: staged.order):
            by_key[staged.interaction.key].append(staged)
        for key, why in in_vain.items():
            old = there.replaceable.get(key, {})
            if len(by_key.get(key, ())) - len(there.edited.get(key, ())) < len(old):
                # The answers to one request are a sequence: half of it replaced would be neither the old one nor the new one.
                changes.spared |= dict.fromkeys(old, why)
                there.keep(key)
                by_key.pop(key, None)
        needed: set[str] = set()
        for key, group in by_key.items():
            edited = there.edited.get(key, [])
            changes.kept += edited
            for staged in group[len(edited) :]:
                document = json.loads(staged.file.read_text())
                file = there.free(staged.interaction)
                before = there.next_of(key)
                if before is not None and before[0] == file and _same_answer(before[1].document, document):
                    changes.unchanged.append(file)
                    needed |= blob_files(before[1].document)
                    continue
                data = recording_text(sealed({**document, "id": file.stem}))
                staged.file.write_bytes(data)
                plan.moves[staged.file.name] = file.name
                plan.moves |= {blob: blob for blob in blob_files(document)}
                needed |= blob_files(document)
                changes.written.append(file)
                changes.digests[file] = hashlib.sha256(data).hexdigest()
                if before is not None:
                    there.gone.append(before[1])
                    changes.removed.append(before[0])
        rest = {file: found for files in there.replaceable.values() for file, found in files.items()}
        if prune:
            changes.removed += rest
            there.gone += rest.values()
        else:
            changes.not_asked = sorted(rest)
            needed |= {blob for found in rest.values() for blob in blob_files(found.document)}
        changes.removed = sorted(set(changes.removed) - set(changes.written))
        plan.removes = [file.name for file in changes.removed]
        gone = {blob for old in there.gone for blob in blob_files(old.document)}
        plan.removes += sorted(gone - needed - there.blobs_in_use())
        return changes, plan


class _Folder:
    """A cassette's files as a commit finds them. Without `replacing` nothing is replaceable, and only names are looked at. `replaceable`
    are files by key, in the order in which they answer."""

    def __init__(self, folder: Path, normalise: tuple[str, ...], replacing: Snapshot | None) -> None:
        self._folder = folder
        self._normalise = normalise
        self.replaceable: dict[str, dict[Path, Sealed]] = defaultdict(dict)
        self.edited: dict[str, list[Path]] = defaultdict(list)
        self.gone: list[Sealed] = []
        self._others: list[Sealed] = []
        self._taken: dict[str, set[int]] = defaultdict(set)
        self._append = replacing is None
        recordings = {file.name for file in recording_files(folder)} if replacing is not None else set()
        names = (name for name in os.listdir(folder) if name.endswith(".json")) if folder.is_dir() else ()
        for name in sorted(names, key=lambda name: (seq_of(name), name)):
            if name in NOT_RECORDINGS:
                continue
            if replacing is None or name not in recordings:
                self._take(name)  # also of what is no file: its name is not free
            else:
                self._sort(folder / name, replacing.get(f"{folder.name}/{name}"))

    def _sort(self, file: Path, known_as: tuple[int, int, int] | None) -> None:
        try:
            found = read_sealed(file.read_bytes())
        except OSError:  # it cannot be read, and so is its owner's to mend, as a broken one; searching recordings tells of it
            found = None
        key = self._key(file, found)
        if found is not None and found.untouched and key is not None and known_as == stamp(file):
            self.replaceable[key][file] = found
            return
        self._take(file.name)
        if found is None:
            return
        self._others.append(found)
        if found.document.get("source") == "recorded" and not found.untouched and known_as is not None and key is not None:
            self.edited[key].append(file)

    def _key(self, file: Path, found: Sealed | None) -> str | None:
        """The key by the rules of now. None: it cannot be read, answers nothing, and stays for its owner to mend."""
        if found is None or found.document.get("source") != "recorded":
            return None
        try:
            return key_of(canonical(request_of(file, found.document), self._normalise))
        except RecordingError:
            return None

    def keep(self, key: str) -> None:
        """Replace nothing of this key."""
        for file, found in self.replaceable.pop(key, {}).items():
            self._take(file.name)
            self._others.append(found)

    def next_of(self, key: str) -> tuple[Path, Sealed] | None:
        """The oldest replaceable file of this key: the next answer to it takes its place."""
        old = self.replaceable.get(key)
        if not old:
            return None
        file = next(iter(old))
        return file, old.pop(file)

    def _take(self, name: str) -> None:
        self._taken[name.removesuffix(".json")[-8:]].add(seq_of(name))

    def free(self, interaction: Interaction) -> Path:
        """The file for the next recording of this key: the first free number, or when adding, the one after the last."""
        taken = self._taken[interaction.key[:8]]
        seq = max(taken, default=-1) + 1 if self._append else next(number for number in range(len(taken) + 1) if number not in taken)
        taken.add(seq)
        return self._folder / f"{stem(seq, interaction.request, interaction.key)}.json"

    def blobs_in_use(self) -> set[str]:
        """Blobs of the recordings that stay."""
        return {blob for other in self._others for blob in blob_files(other.document)}


@dataclass(slots=True)
class _Plan:
    """Moves from the staging folder into the cassette, then removals there; names are relative."""

    moves: dict[str, str] = field(default_factory=dict)
    removes: list[str] = field(default_factory=list)

    def text(self) -> bytes:
        return json.dumps({"moves": self.moves, "removes": self.removes}).encode()


def stamp(file: Path) -> tuple[int, int, int]:
    """What changes when a file does."""
    stat = file.stat()
    return (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def snapshot(ai: Path) -> Snapshot:
    """The recordings of all cassettes now."""
    found = {}
    for folder in ai.glob("[!.]*/"):
        for file in recording_files(folder):
            with suppress(FileNotFoundError):  # it went while we looked
                found[f"{folder.name}/{file.name}"] = stamp(file)
    return found


@dataclass(slots=True)
class Recovered:
    """`completed` are cassettes whose commit had been cut off; `dropped` counts answers that a session had staged when it was killed."""

    completed: list[str] = field(default_factory=list)
    dropped: int = 0


def recover(ai: Path) -> Recovered:
    """Complete commits that were cut off, and drop what sessions that are no more left behind. Raises OSError."""
    done = Recovered()
    if not any(ai.glob(f"{_PREFIX}*")):
        return done
    with _locked(ai):
        for folder in _abandoned(ai):
            completed = _complete(folder, ai)
            done.completed += completed
            done.dropped += sum(file.parent.name not in completed for file in folder.glob(f"*/{_STAGED}"))
            shutil.rmtree(folder, ignore_errors=True)
    return done


def complete_cut_off(ai: Path) -> None:
    """Complete commits that were cut off, before anything else is moved: carried out later, a journal would bring older answers back.
    Raises OSError, Busy at once."""
    if any(ai.glob(f"{_PREFIX}*/*/{_JOURNAL}")):
        with _locked(ai, 0):
            _complete_all(ai)


def _complete_all(ai: Path) -> None:
    if any(ai.glob(f"{_PREFIX}*/*/{_JOURNAL}")):
        for folder in _abandoned(ai):
            _complete(folder, ai)


def _abandoned(ai: Path) -> Iterator[Path]:
    """The folders of sessions that are no more. Under the lock."""
    for folder in sorted(ai.glob(f"{_PREFIX}*")):
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except FileNotFoundError:
            continue  # its session has just closed it
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue  # its session lives
        else:
            yield folder
        finally:
            os.close(descriptor)


def _complete(folder: Path, ai: Path) -> list[str]:
    """Carry out the journals of a session's folder; the names of the cassettes."""
    journals = sorted(folder.glob(f"*/{_JOURNAL}"))
    for journal in journals:
        _carry_out(journal.parent, ai / journal.parent.name)
    return [journal.parent.name for journal in journals]


def _carry_out(staging: Path, folder: Path) -> None:
    """Do what the journal says; doing it twice is as good as once."""
    journal = json.loads((staging / _JOURNAL).read_bytes())
    for source, target in sorted(
        journal["moves"].items(), key=lambda move: not move[0].startswith(BLOBS)
    ):  # blobs before those who need them
        if (staging / source).exists():
            (folder / target).parent.mkdir(parents=True, exist_ok=True)
            os.replace(staging / source, folder / target)
    for name in journal["removes"]:
        (folder / name).unlink(missing_ok=True)
    if (folder / BLOBS).is_dir() and not any((folder / BLOBS).iterdir()):
        (folder / BLOBS).rmdir()
    (staging / _JOURNAL).unlink()


@contextmanager
def _locked(ai: Path, wait_s: float = PATIENCE_S) -> Iterator[None]:
    until_s = time.monotonic() + wait_s
    descriptor = os.open(ai, os.O_RDONLY)
    try:
        while not _taken(descriptor):
            if time.monotonic() >= until_s:
                raise Busy(errno.EWOULDBLOCK, f"{_holder(descriptor)} writes there, and does not end", str(ai))
            time.sleep(_STEP_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """Who holds the lock, where the system tells (Linux: `1: FLOCK ADVISORY WRITE <pid> <major>:<minor>:<inode> 0 EOF`)."""
    inode = str(os.fstat(descriptor).st_ino)
    with suppress(OSError):
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if len(words) > 5 and words[1] == "FLOCK" and words[5].rpartition(":")[2] == inode:
                return f"process {words[4]}"
    return "another process"


def _same_answer(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether two recordings of one request differ at most in their times, transport splits and opaque ids of the request."""
    return _without_times(old) == _without_times(new)


def _without_times(document: Mapping[str, Any]) -> Any:
    response = {name: value for name, value in document["response"].items() if name != "t"}
    if "stream" in response:
        stream = {name: value for name, value in response["stream"].items() if name != "chunks"}
        events = [{name: value for name, value in event.items() if name != "t"} for event in stream.get("events", ())]
        response["stream"] = {**stream, "events": events}
    recorded = {name: value for name, value in document["recorded"].items() if name not in ("at", "tool", "seal")}
    return json.dumps([response, recorded, document.get("match"), document.get("usage")], sort_keys=True)
