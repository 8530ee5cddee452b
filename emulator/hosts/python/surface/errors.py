"""JavaScript errors: an error object and the exception Python sees are the same thing.

`JsException` is a proxy of the error (`name`, `message`, `stack` and custom flags such as `retryable` are
attributes) and a Python exception, so host code raises what `js_error` returns and user code catches it.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from .frames import readable_traceback
from .values import JsConstructor, JsObject, JsProxy, constructor_of, js_string, option

# DOMException names with their legacy codes (WebIDL table); any of them makes a DOMException.
DOM_EXCEPTION_CODES: Final = {
    "IndexSizeError": 1,
    "NotFoundError": 8,
    "NotSupportedError": 9,
    "InvalidStateError": 11,
    "SyntaxError": 12,
    "InvalidAccessError": 15,
    "NetworkError": 19,
    "AbortError": 20,
    "QuotaExceededError": 22,
    "TimeoutError": 23,
    "DataCloneError": 25,
    "OperationError": 0,
    "InvalidCharacterError": 5,
}


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an error that came from another object began: the exception itself, whose it was (`{class, id, name}`), and whether it has
    been shown there already. User code sees none of it."""

    exception: BaseException
    whose: dict[str, Any]
    shown: bool = False


class JsException(JsProxy, Exception):
    """A JavaScript error, raisable. `str(e)` is `name: message`, as in JavaScript."""

    _js_name = "Error"
    _js_tag = "Error"
    _origin: Origin | None = None
    __hash__ = Exception.__hash__  # type: ignore[assignment]  # exceptions live in sets and chains of the standard library

    def __init__(self, message: Any = "", options: Any = None) -> None:
        text = "" if message is None else js_string(message)
        Exception.__init__(self, text)
        self.message = text
        self.name = self._js_name
        self._stack: str | None = None
        cause = option(options, "cause")
        if cause is not None:
            self.cause = cause

    if TYPE_CHECKING:  # own properties: retryable, cause, ...

        def __getattr__(self, name: str) -> Any: ...
        def __setattr__(self, name: str, value: Any) -> None: ...

    @property
    def stack(self) -> str:
        """`name: message` and Python's frames in JavaScript's notation."""
        if self._stack is not None:
            return self._stack
        frames = traceback.extract_tb(self.__traceback__)
        return "\n".join([str(self), *(f"    at {f.name} ({f.filename}:{f.lineno})" for f in reversed(frames))])

    @stack.setter
    def stack(self, text: str) -> None:
        self._stack = text

    @property
    def js_error(self) -> JsException:
        return self

    def toString(self) -> str:
        if not self.name:
            return self.message
        return f"{self.name}: {self.message}" if self.message else self.name

    def __str__(self) -> str:
        return self.toString()

    def __repr__(self) -> str:
        return self.toString()

    @classmethod
    def _js_call(cls, *args: Any) -> Any:
        return cls._js_new(*args)

    def _js_own(self) -> dict[str, Any]:
        return {key: value for key, value in vars(self).items() if key not in ("message", "name") and key[0] != "_"}


class JsTypeError(JsException):
    _js_name = "TypeError"


class JsRangeError(JsException):
    _js_name = "RangeError"


class JsSyntaxError(JsException):
    _js_name = "SyntaxError"


class JsReferenceError(JsException):
    _js_name = "ReferenceError"


class JsEvalError(JsException):
    _js_name = "EvalError"


class JsURIError(JsException):
    _js_name = "URIError"


class JsAggregateError(JsException):
    """`Promise.any` when all fail; `errors` holds the reasons."""

    _js_name = "AggregateError"

    def __init__(self, errors: Iterable[Any] = (), message: Any = "", options: Any = None) -> None:
        super().__init__(message, options)
        self.errors = list(errors)


class DOMException(JsException):
    """A web platform error; `name` says which, `code` is the legacy number."""

    _js_name = "DOMException"
    _js_tag = "DOMException"

    def __init__(self, message: Any = "", name: Any = "Error") -> None:
        super().__init__(message)
        self.name = option(name, "name", "Error") if isinstance(name, JsObject) else js_string(name)

    @property
    def code(self) -> int:
        return DOM_EXCEPTION_CODES.get(self.name, 0)


class PythonError(JsException):
    """A Python exception on its way through JavaScript: `type` is its class, `message` its traceback."""

    _js_name = "PythonError"

    def __init__(self, message: Any = "", options: Any = None) -> None:
        super().__init__(message, options)
        self.type = option(options, "type", "Exception")


NATIVE_ERRORS: Final[dict[str, type[JsException]]] = {
    cls._js_name: cls
    for cls in (
        JsException,
        JsTypeError,
        JsRangeError,
        JsSyntaxError,
        JsReferenceError,
        JsEvalError,
        JsURIError,
        JsAggregateError,
        PythonError,
    )
}


def js_error(name: str, message: str, **props: Any) -> JsException:
    """An error called `name`; `props` become its own properties (`retryable=True`, ...).

    A native name gives its class, a DOMException name a `DOMException`, anything else an `Error` renamed.
    """
    native = NATIVE_ERRORS.get(name)
    if name == "AggregateError":
        error: JsException = JsAggregateError((), message)
    elif native is not None:
        error = native(message)
    elif name in DOM_EXCEPTION_CODES:
        error = DOMException(message, name)
    else:
        error = JsException(message)
        error.name = name
    for key, value in props.items():
        setattr(error, key, value)
    return error


def python_error(exception: BaseException) -> JsException:
    """What a caller on the other side of an RPC or a JavaScript frame sees of a Python exception.

    A JsException passes as it is; anything else becomes a `PythonError` whose message is the traceback
    (python-workers-surface.md 3.1).
    """
    if isinstance(exception, JsException):
        return exception
    error = PythonError(readable_traceback(exception), JsObject({"type": type(exception).__name__}))
    error.__cause__ = exception
    return error


def error_constructors() -> dict[str, JsConstructor]:
    """Every error constructor of the `js` module, by name."""
    classes: list[type[JsException]] = [*(cls for cls in NATIVE_ERRORS.values() if cls is not PythonError), DOMException]
    return {cls._js_name: constructor_of(cls) for cls in classes}
