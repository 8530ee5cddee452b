"""Errors of user code on their way out of the host: error objects of the link (wire/README.md), tracebacks without our own frames."""

from __future__ import annotations

from typing import Any

from emulator.errors import EmuError
from emulator.hosts.python.surface.errors import JsException, Origin, PythonError
from emulator.hosts.python.surface.frames import place, raised_by_user, readable_traceback


def error_object(error: BaseException) -> dict[str, Any]:
    """The error as the link carries it. What another object failed with is described as it was there."""
    origin = origin_of(error)
    if origin is None:
        return _described(error)
    there = _described(origin.exception)
    flags = _flags(error) if isinstance(error, JsException) else {}
    return {**there, "props": {**there["props"], **flags}, "object": origin.whose, "shown": origin.shown}


def _described(error: BaseException) -> dict[str, Any]:
    if isinstance(error, EmuError):
        return {
            "name": type(error).__name__,
            "code": error.code,
            "message": error.what,
            "where": error.where,
            "hint": error.hint,
            "stack": readable_traceback(error.__cause__) if error.__cause__ is not None else None,
            "props": {},
        }
    if isinstance(error, PythonError) and error.__cause__ is not None:
        return {**_described(error.__cause__), "props": _flags(error)}
    if isinstance(error, JsException):
        return {
            "name": error.name,
            "message": error.message,
            "stack": readable_traceback(error),
            "where": place(error),
            "props": _flags(error),
        }
    return {"name": type(error).__name__, "message": str(error), "stack": readable_traceback(error), "where": place(error), "props": {}}


def origin_of(error: BaseException) -> Origin | None:
    """Where an error came from, when it came from another object and nobody on its way has made it one of his own."""
    seen: set[int] = set()
    part: BaseException | None = error
    while part is not None and id(part) not in seen:
        seen.add(id(part))
        if isinstance(part, JsException) and part._origin is not None:
            return part._origin
        if not isinstance(part, PythonError) and raised_by_user(part):
            return None
        part = part.__cause__ or part.__context__
    return None


def _flags(error: JsException) -> dict[str, Any]:
    return {key: value for key, value in error._js_own().items() if isinstance(value, bool | int | float | str)}
