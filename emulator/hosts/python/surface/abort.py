"""AbortController and AbortSignal."""

from __future__ import annotations

from typing import Any, ClassVar

from .errors import js_error
from .events import Event, EventTarget
from .promise import as_exception
from .values import JsProxy, iterate


class AbortSignal(EventTarget):
    """Tells when work is no longer wanted. `reason` is an exception."""

    _js_name = "AbortSignal"
    _js_statics: ClassVar[tuple[str, ...]] = ("abort", "any")

    def __init__(self) -> None:
        super().__init__()
        self.aborted = False
        self.reason: Any = None
        self._followers: list[AbortSignal] = []

    @classmethod
    def _js_new(cls, *_args: Any) -> AbortSignal:
        raise js_error("TypeError", "Illegal constructor")

    @staticmethod
    def abort(reason: Any = None) -> AbortSignal:
        signal = AbortSignal()
        signal.trigger(reason)
        return signal

    @staticmethod
    def any(signals: Any) -> AbortSignal:
        """A signal that aborts with the first of `signals`."""
        combined = AbortSignal()
        for signal in iterate(signals):
            if signal.aborted:
                combined.trigger(signal.reason)
                break
            signal._followers.append(combined)
        return combined

    def throwIfAborted(self) -> None:
        if self.aborted:
            raise as_exception(self.reason)

    def trigger(self, reason: Any = None) -> None:
        """Aborts, once; the host calls this when the client is gone."""
        if self.aborted:
            return
        self.aborted = True
        self.reason = js_error("AbortError", "The operation was aborted") if reason is None else reason
        self.dispatchEvent(Event("abort"))
        for follower in self._followers:
            follower.trigger(self.reason)


class AbortController(JsProxy):
    """The switch of one signal."""

    __slots__ = ("__weakref__", "signal")
    _js_name = "AbortController"

    def __init__(self) -> None:
        self.signal = AbortSignal()

    def abort(self, reason: Any = None) -> None:
        self.signal.trigger(reason)
