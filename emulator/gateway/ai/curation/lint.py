"""What is wrong with recordings, or will surprise somebody: everything that can be told from the files alone.

An *error* makes a recording unusable or a request fail; a *warning* is something that has no effect, or another than its author thinks; a
*note* is worth knowing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from fnmatch import fnmatchcase
from itertools import pairwise
from pathlib import Path
from typing import Any

from emulator.config.document import shown
from emulator.errors import RecordingError
from emulator.gateway.ai.cassettes.encoding import encode_event
from emulator.gateway.ai.cassettes.inventory import Entry, Inventory
from emulator.gateway.ai.cassettes.library import Cassette
from emulator.gateway.ai.cassettes.recording import Recording, Repeat, Rule
from emulator.gateway.ai.cassettes.staleness import why_stale
from emulator.gateway.ai.curation.pruning import orphan_blobs
from emulator.gateway.ai.faults.book import FILE_NAME as FAULTS
from emulator.gateway.ai.faults.book import read_faults

_MISSING_BLOB = re.compile(r"cannot read blobs?/")


class Severity(Enum):
    """How bad it is."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """`rule` is a stable name; `path` leads into the file, empty for the file itself; `hint` is the next step."""

    rule: str
    severity: Severity
    file: Path
    path: str
    what: str
    hint: str | None = None


def lint(inventory: Inventory, now: datetime, max_age_days: int) -> list[Problem]:
    """All problems, the errors first, in file order. `now` is aware."""
    problems = [_unusable(error, None) for error in inventory.faulty]
    for entry in inventory.entries:
        if entry.error is not None:
            problems.append(_unusable(entry.error, entry))
        else:
            problems += _of_one(entry)
    problems += _of_faults(inventory)
    for cassette in inventory.cassettes:
        entries = {entry.path: entry for entry in inventory.entries if entry.cassette == cassette.name and entry.recording is not None}
        problems += _of_keys(cassette)
        problems += _of_stubs(cassette)
        problems += _of_age(cassette, now, max_age_days)
        problems += _of_stored_keys(cassette, entries)
        for blob in orphan_blobs(inventory, cassette.name):
            problems.append(Problem("orphan-blob", Severity.NOTE, blob, "", "no recording uses this blob", "agents-emu ai prune --apply"))
    order = list(Severity)
    return sorted(problems, key=lambda problem: order.index(problem.severity))


def _unusable(error: RecordingError, entry: Entry | None) -> Problem:
    where = error.where or ""
    file = entry.path if entry is not None else Path(where.partition(".json")[0] + ".json")
    path = where.removeprefix(str(file)).strip()
    rule = "broken"
    if error.code == "E505":
        rule = "foreign-version"
    elif "used twice" in error.what:
        rule = "duplicate-id"
    elif _MISSING_BLOB.search(error.what):
        rule = "missing-blob"
    return Problem(rule, Severity.ERROR, file, path, error.what.removeprefix("unusable recording: "), error.hint)


def _of_faults(inventory: Inventory) -> Iterator[Problem]:
    """The file beside the cassettes; one inside a cassette is not read."""
    file = inventory.folder / "ai" / FAULTS
    for error in read_faults(file).errors if file.exists() else ():
        path = (error.where or "").removeprefix(str(file)).strip()
        yield Problem("broken-fault", Severity.ERROR, file, path, f"{error.code} {error.what}", error.hint)
    for cassette in inventory.cassettes:
        lost = inventory.folder / "ai" / cassette.name / FAULTS
        if lost.exists():
            yield Problem(
                "lost-faults", Severity.WARNING, lost, "", "faults in a cassette's folder have no effect", f"move it to {shown(file)}"
            )


def _of_one(entry: Entry) -> Iterator[Problem]:
    recording, document = entry.recording, entry.document or {}
    assert recording is not None  # the caller has asked
    match = document.get("match", {})
    if recording.edited():
        what = "somebody edited the stream: it is played event by event, and recording again does not replace it"
        yield Problem("edited", Severity.NOTE, entry.path, "$.response.stream", what)
    elif entry.edited:
        yield Problem("edited", Severity.NOTE, entry.path, "$", "somebody edited it: recording again does not replace it")
    yield from _of_stream(entry, document["response"].get("stream"))
    if not recording.manual and match.get("where"):
        what = "rules have no effect on a recorded request: it is matched as a whole"
        yield Problem("rules-ignored", Severity.WARNING, entry.path, "$.match.where", what, 'remove them, or set "source": "manual"')
    if recording.manual and match.get("key"):
        what = "the key of a hand-written recording has no effect: it is matched by rules"
        yield Problem("key-ignored", Severity.NOTE, entry.path, "$.match.key", what, "remove it")
    if recording.id != entry.path.stem:
        what = f"the id is {recording.id!r}, the file has another name"
        yield Problem("other-name", Severity.NOTE, entry.path, "$.id", what, f"rename the file to {recording.id}.json")


def _of_stream(entry: Entry, stream: Any) -> Iterator[Problem]:
    if not isinstance(stream, dict) or "events" not in stream:
        return
    size = sum(len(encode_event(stream["framing"], event)) for event in stream["events"])
    splits = stream.get("chunks")
    edited = entry.recording is not None and entry.recording.edited()
    if splits and "sha256" in stream and not edited and sum(count for _, count in splits) != size:
        what = f"the splits are {sum(count for _, count in splits)} bytes and the events {size}: each event is sent as one chunk"
        yield Problem("broken-splits", Severity.WARNING, entry.path, "$.response.stream.chunks", what, "remove them, or record again")
    times = [event["t"] for event in stream["events"]]
    late = next((index for index in range(1, len(times)) if times[index] < times[index - 1]), None)
    if late is not None:
        what = f"event {late} is timed before the one that precedes it ({times[late]} after {times[late - 1]} ms); the order stays"
        yield Problem("time-runs-back", Severity.WARNING, entry.path, f"$.response.stream.events[{late}].t", what)
    if stream.get("end") == "aborted":
        what = "the reader left this stream before its end: it replays as if it were whole"
        yield Problem("aborted", Severity.WARNING, entry.path, "$.response.stream.end", what, "record it again")


def _of_keys(cassette: Cassette) -> Iterator[Problem]:
    """Recordings of one request answer in file order: some can never have their turn."""
    for group in cassette.by_key.values():
        for index, recording in enumerate(group[:-1]):
            if recording.repeat is Repeat.FOREVER:
                for later in group[index + 1 :]:
                    what = f"it never answers: {recording.file.name} has the same request and answers for ever"
                    yield Problem("unreachable", Severity.WARNING, later.file, "", what, f"remove it, or the repeat of {recording.id}")
                break
            if recording.repeat is Repeat.LAST:
                what = f"repeat `last` has no effect: {group[index + 1].file.name} has the same request and comes after it"
                yield Problem("repeat-ignored", Severity.WARNING, recording.file, "$.match.repeat", what, f"set it in {group[-1].id}")
        yield from _duplicates(group)


def _duplicates(group: list[Recording]) -> Iterator[Problem]:
    for first, second in pairwise(group):
        if first.response == second.response and first.repeat is Repeat.ONCE:
            what = f"it is the same exchange as {first.file.name}, with the same answer: both are needed only when it is asked twice"
            yield Problem("duplicate", Severity.NOTE, second.file, "", what, f'or remove it and set "repeat": "last" in {first.id}')


def _of_stubs(cassette: Cassette) -> Iterator[Problem]:
    reported: set[frozenset[str]] = set()
    alike: dict[Any, Recording] = {}
    for stub in cassette.manual:
        # Same place, same rules, same rank: whatever fits one fits the other.
        what = (stub.request.kind, stub.request.target, frozenset(map(str, stub.rules)), stub.specificity)
        first = alike.setdefault(what, stub)
        if first is not stub:
            reported.add(frozenset((first.id, stub.id)))
            yield _ambiguous(first, stub, "it asks for the same")
    yield from _ambiguous_for_known_requests(cassette, reported)
    ranked = sorted(((stub.specificity, stub) for stub in cassette.manual), key=lambda one: one[0], reverse=True)
    lasting: list[Recording] = []  # those that go before the one that is looked at, and never stop answering
    before = 0
    for index, (rank, stub) in enumerate(ranked):
        while before < index and ranked[before][0] > rank:
            lasting += [ranked[before][1]] if ranked[before][1].repeat is not Repeat.ONCE else []
            before += 1
        wide = next((other for other in lasting if _covers(other, stub)), None)
        if wide is not None:
            words = f"it never answers: {wide.file.name} fits whatever it fits, and goes before it"
            yield Problem("shadowed", Severity.WARNING, stub.file, "$.match", words, f"ask for less in {wide.id}, or remove this one")


def _ambiguous(first: Recording, second: Recording, why: str) -> Problem:
    what = f"it and {first.file.name} fit equally well: {why}, so such a request fails (E504)"
    return Problem("ambiguous", Severity.ERROR, second.file, "$.match", what, "add a rule to the one that shall win")


def _ambiguous_for_known_requests(cassette: Cassette, reported: set[frozenset[str]]) -> Iterator[Problem]:
    """Rules that differ may still fit one request: the requests that stand in the cassette are tried."""
    for probe in cassette.recordings:
        if probe.request.body is None or (not probe.manual and cassette.by_key.get(cassette.key(probe.request))):
            continue  # a recorded exchange answers this one
        document = probe.request.document()
        fitting = [stub for stub in cassette.manual if stub.matches(probe.request, document)]
        best = max((stub.specificity for stub in fitting), default=None)
        rivals = [stub for stub in fitting if stub.specificity == best]
        pair = frozenset(stub.id for stub in rivals[:2])
        if len(rivals) > 1 and pair not in reported:
            reported.add(pair)
            yield _ambiguous(rivals[0], rivals[1], f"both fit the request of {probe.id}")


def _covers(wide: Recording, narrow: Recording) -> bool:
    """Whether `wide` surely fits every request that `narrow` fits."""
    if wide.request.kind is not narrow.request.kind or len(wide.rules) > len(narrow.rules):
        return False
    if not all(any(_follows(rule, from_) for from_ in narrow.rules) for rule in wide.rules):
        return False
    return wide.request.target == narrow.request.target or fnmatchcase(narrow.request.target, wide.request.target)


def _follows(rule: Rule, from_: Rule) -> bool:
    """Whether `rule` holds wherever `from_` does: the same rule, or a part of the text that it looks for."""
    if rule.path != from_.path:
        return False
    part, text = rule.conditions.get("contains"), from_.conditions.get("contains", from_.conditions.get("equals"))
    contained = len(rule.conditions) == 1 and isinstance(part, str) and isinstance(text, str) and part in text
    return contained or rule.conditions == from_.conditions


def _of_age(cassette: Cassette, now: datetime, max_age_days: int) -> Iterator[Problem]:
    for recording in cassette.recordings:
        why = why_stale(recording, cassette.manifest, now, max_age_days)
        if why is not None:
            hint = f"agents-emu ai record --cassette {cassette.name} -- <your test command>"
            yield Problem("stale", Severity.WARNING, recording.file, "$.recorded.at", f"it is too old: {why}", hint)


def _of_stored_keys(cassette: Cassette, entries: dict[Path, Entry]) -> Iterator[Problem]:
    for recording in cassette.recordings:
        entry = entries.get(recording.file)
        if entry is None or recording.manual or not entry.key:
            continue
        if entry.key != cassette.key(recording.request):
            what = "the stored key is not that of the request under the rules of this cassette (it still matches: keys are computed)"
            yield Problem(
                "old-key", Severity.WARNING, recording.file, "$.match.key", what, f"agents-emu ai rekey --cassette {cassette.name}"
            )
