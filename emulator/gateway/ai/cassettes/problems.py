"""What can be wrong with recordings, in words: the file, the place in it, the next step."""

from __future__ import annotations

from pathlib import Path

from emulator.errors import RecordingError

FORMAT = 1
"""The version of recordings and manifests that this program reads and writes."""


def broken(file: Path, place: str, what: str, hint: str) -> RecordingError:
    """The error for an unusable file; `place` is `:line:column` or ` $.json.path`."""
    return RecordingError("E501", f"unusable recording: {what}", where=f"{file}{place}", hint=hint)


def foreign_format(file: Path, version: object) -> RecordingError:
    """The error for a file of another version."""
    return RecordingError(
        "E505",
        f"recording has format {version!r}; this version reads format {FORMAT}",
        where=f"{file} $.format",
        hint="update agents-emu, or record it again",
    )
