"""Errors of user code on their way out of the host: error objects of the link (wire/README.md), tracebacks without our own frames."""

from __future__ import annotations

import os
import traceback
from typing import Any

from emulator.errors import EmuError
from emulator.hosts.python.surface.errors import JsException, PythonError

_OURS = os.path.dirname(os.path.abspath(__file__))


def error_object(error: BaseException) -> dict[str, Any]:
    """The error as the link carries it."""
    if isinstance(error, EmuError):
        return {
            "name": type(error).__name__,
            "code": error.code,
            "message": error.what,
            "where": error.where,
            "hint": error.hint,
            "stack": user_traceback(error.__cause__) if error.__cause__ is not None else None,
            "props": {},
        }
    if isinstance(error, PythonError) and error.__cause__ is not None:
        cause = error.__cause__
        return {
            "name": type(cause).__name__,
            "message": str(cause),
            "stack": user_traceback(cause),
            "where": place(cause),
            "props": _flags(error),
        }
    if isinstance(error, JsException):
        return {"name": error.name, "message": error.message, "stack": user_traceback(error), "where": place(error), "props": _flags(error)}
    return {"name": type(error).__name__, "message": str(error), "stack": user_traceback(error), "where": place(error), "props": {}}


def user_traceback(error: BaseException) -> str:
    """The traceback without the frames of the emulator: what is left is what the user can change."""
    whole = traceback.TracebackException.from_exception(error)
    seen: set[int] = set()
    part: traceback.TracebackException | None = whole
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        kept = [frame for frame in part.stack if not _is_machinery(frame.filename)]
        part.stack[:] = kept
        part = part.__cause__ or part.__context__
    return "".join(whole.format())


def _is_machinery(filename: str) -> bool:
    """Frames that tell the user nothing: ours, the event loop's, the import system's."""
    return filename.startswith((_OURS, "<frozen ")) or f"{os.sep}asyncio{os.sep}" in filename or f"{os.sep}importlib{os.sep}" in filename


def place(error: BaseException) -> str | None:
    """`file:line` of the innermost frame outside the emulator and installed packages."""
    frames = [
        frame
        for frame in traceback.extract_tb(error.__traceback__)
        if not frame.filename.startswith(_OURS) and "site-packages" not in frame.filename and os.sep + "lib" + os.sep not in frame.filename
    ]
    return f"{frames[-1].filename}:{frames[-1].lineno}" if frames else None


def _flags(error: JsException) -> dict[str, Any]:
    return {key: value for key, value in error._js_own().items() if isinstance(value, bool | int | float | str)}
