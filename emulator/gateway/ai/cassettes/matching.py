"""Which recording answers a request (ai-binding.md 7.3, step 6). Pure: what is used up comes in as an argument.

Recorded exchanges come first: by key, in order within the key, over the cassettes in search order. Then hand-written ones: the
most specific first, where one that is used up makes way for the next. Two that fit equally well in one cassette are an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.cassettes.library import Shelf
from emulator.gateway.ai.cassettes.recording import Recording, Repeat

Used = Mapping[tuple[str, str, str], int]
"""How often each recording (by `identity`) has answered in this session."""


@dataclass(frozen=True, slots=True)
class Hit:
    """This recording answers."""

    recording: Recording


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Recordings fit, but all of them have answered as often as they may."""

    recordings: tuple[Recording, ...]


@dataclass(frozen=True, slots=True)
class Missing:
    """Nothing fits."""


def select(shelf: Shelf, request: ModelRequest, used: Used) -> Hit | Exhausted | Missing:
    """The verdict for `request`. Raises RecordingError E504 when two hand-written recordings fit equally."""
    keys: dict[tuple[str, ...], str] = {}
    same_key: list[Recording] = []
    for cassette in shelf.cassettes:
        if cassette.normalisers not in keys:
            keys[cassette.normalisers] = cassette.key(request)
        same_key += cassette.by_key.get(keys[cassette.normalisers], ())
    recording = _next_in_line(same_key, used)
    if recording is not None:
        return Hit(recording)
    document = request.document()
    fitting = [
        (rank, recording)
        for rank, cassette in enumerate(shelf.cassettes)
        for recording in cassette.manual
        if recording.matches(request, document)
    ]
    ready = [(rank, recording) for rank, recording in fitting if _may_answer(recording, used)]
    if ready:
        return Hit(_most_specific(ready))
    tried = (*same_key, *(recording for _, recording in fitting))
    return Exhausted(tried) if tried else Missing()


def _next_in_line(recordings: list[Recording], used: Used) -> Recording | None:
    for recording in recordings:
        if recording.repeat is Repeat.FOREVER or not used.get(recording.identity):
            return recording
    return recordings[-1] if recordings and recordings[-1].repeat is Repeat.LAST else None


def _may_answer(recording: Recording, used: Used) -> bool:
    return recording.repeat is not Repeat.ONCE or not used.get(recording.identity)


def _most_specific(ready: list[tuple[int, Recording]]) -> Recording:
    best = max(recording.specificity for _, recording in ready)
    rank, first = next((rank, recording) for rank, recording in ready if recording.specificity == best)
    rivals = [recording for other, recording in ready if other == rank and recording.specificity == best]
    if len(rivals) > 1:
        raise RecordingError(
            "E504",
            f"two hand-written recordings answer {first.request.kind} {first.request.target} equally well",
            where=f"{rivals[0].file} and {rivals[1].file}",
            hint="add a rule to `match.where` of the one that shall win",
        )
    return first
