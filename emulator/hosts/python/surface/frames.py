"""Which frames of a traceback tell the user something: neither the emulator's, nor the event loop's, nor the import system's."""

from __future__ import annotations

import os
import traceback

OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
"""Where the host's own code is."""


def readable_traceback(error: BaseException) -> str:
    """The traceback without the frames of the emulator: what is left is what the user can change."""
    whole = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    part: traceback.TracebackException | None = whole
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        part.stack[:] = [frame for frame in part.stack if not _is_machinery(frame.filename)]
        part = part.__cause__ or part.__context__
    return "".join(whole.format())


def place(error: BaseException) -> str | None:
    """`file:line` of the innermost frame outside the emulator and installed packages."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_users(frame.filename)]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def raised_by_user(error: BaseException) -> bool:
    """Whether a line of the project raised it, and no library below it."""
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not _is_machinery(frame.filename)]
    return bool(frames) and is_users(frames[-1].filename)


def is_users(filename: str) -> bool:
    """A file of the project."""
    return not filename.startswith(OURS) and "site-packages" not in filename and os.sep + "lib" + os.sep not in filename


def _is_machinery(filename: str) -> bool:
    return filename.startswith((OURS, "<frozen ")) or f"{os.sep}asyncio{os.sep}" in filename or f"{os.sep}importlib{os.sep}" in filename
