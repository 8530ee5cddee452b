"""Recordings that are too old to be trusted (ai-binding.md 7.4; A29). Pure.

The age of a recording counts from when it was recorded, or from the last day on which its whole cassette was recorded anew: what came back
unchanged then keeps its file. What nobody recorded (`manual`) has no age; `match.expires` holds for it too. Old recordings still answer.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time

from emulator.gateway.ai.cassettes.library import Shelf
from emulator.gateway.ai.cassettes.manifest import Manifest
from emulator.gateway.ai.cassettes.recording import Recording


@dataclass(frozen=True, slots=True)
class Stale:
    """One recording, and in `why` since when or for how long, for people."""

    recording: Recording
    why: str


def stale_recordings(shelf: Shelf, now: datetime, max_age_days: int) -> list[Stale]:
    """Those that are too old at `now` (aware), in search order. `max_age_days` is the project's; a cassette's own wins."""
    return [
        Stale(recording, why)
        for cassette in shelf.cassettes
        for recording in cassette.recordings
        if (why := why_stale(recording, cassette.manifest, now, max_age_days)) is not None
    ]


def why_stale(recording: Recording, manifest: Manifest, now: datetime, max_age_days: int) -> str | None:
    """Why this recording, of a cassette with this manifest, is too old; None when it is not."""
    if recording.expires is not None and recording.expires <= now:
        return f"expired on {recording.expires.date()}"
    if recording.manual or recording.recorded_at is None:
        return None
    since = recording.recorded_at
    if manifest.recorded is not None:
        since = max(since, datetime.combine(manifest.recorded, time(), UTC))
    limit = manifest.max_age_days or max_age_days
    days = (now - since).days
    return f"{days} days old, allowed are {limit}" if days > limit else None
