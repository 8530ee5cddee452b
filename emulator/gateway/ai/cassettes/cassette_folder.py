"""What counts as a recording in a cassette's folder: one rule for the server, the recorder and the verbs.

Folders are edited by people and by tools: directories that are called `x.json`, and links that lead nowhere, are no recordings.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from emulator.gateway.ai.cassettes.manifest import NOT_RECORDINGS


def json_files(cassette: str | Path) -> Iterator[os.DirEntry[str]]:
    """The JSON files of a folder, in no order; none when there is no such folder. Quick: no Path is made."""
    try:
        with os.scandir(cassette) as entries:
            for entry in entries:
                if entry.name.endswith(".json") and entry.name[0] != "." and _is_file(entry):
                    yield entry
    except FileNotFoundError:
        return


def recording_files(cassette: Path) -> list[Path]:
    """The recordings of a cassette's folder, in the order of their names."""
    return sorted(Path(entry) for entry in json_files(cassette) if entry.name not in NOT_RECORDINGS)


def _is_file(entry: os.DirEntry[str]) -> bool:
    """False for a link that leads nowhere, or in a circle."""
    try:
        return entry.is_file()
    except OSError:
        return False
