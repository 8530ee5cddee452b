"""Events and their targets. Listeners run in an empty Context: production loses ContextVars there (python-workers-surface.md 4.3)."""

from __future__ import annotations

import contextvars
from collections.abc import Callable
from typing import Any

from .convert import is_function, unwrap
from .promise import JsPromise
from .values import JsProxy, is_nullish, js_string, jsnull, option, takes_options

type Runner = Callable[[Callable[[], object]], object]
"""Runs a listener's call as the code that added the listener."""
type Listener = tuple[str, Any, bool, Runner]  # event type, callback, once


def run_in_empty_context(work: Callable[[], object]) -> object:
    """Runs `work` without context variables."""
    return contextvars.Context().run(work)


class Event(JsProxy):
    """Something that happened, of a type."""

    _js_name = "Event"

    def __init__(self, type_: Any, init: Any = None) -> None:
        self.type = js_string(type_)
        self.bubbles = bool(option(init, "bubbles", False))
        self.cancelable = bool(option(init, "cancelable", False))
        self.defaultPrevented = False
        self.target: Any = jsnull
        self.currentTarget: Any = jsnull

    def preventDefault(self) -> None:
        self.defaultPrevented = self.cancelable

    def stopPropagation(self) -> None:
        """There is only one level."""

    stopImmediatePropagation = stopPropagation


class MessageEvent(Event):
    _js_name = "MessageEvent"

    def __init__(self, type_: Any, init: Any = None) -> None:
        super().__init__(type_, init)
        self.data = option(init, "data", jsnull)
        self.origin = jsnull


class CloseEvent(Event):
    _js_name = "CloseEvent"

    def __init__(self, type_: Any, init: Any = None) -> None:
        super().__init__(type_, init)
        self.code = option(init, "code", 0)
        self.reason = option(init, "reason", "")
        self.wasClean = bool(option(init, "wasClean", False))


class ErrorEvent(Event):
    _js_name = "ErrorEvent"

    def __init__(self, type_: Any, init: Any = None) -> None:
        super().__init__(type_, init)
        self.error = option(init, "error")
        self.message = option(init, "message", "")


class CustomEvent(Event):
    _js_name = "CustomEvent"

    def __init__(self, type_: Any, init: Any = None) -> None:
        super().__init__(type_, init)
        self.detail = option(init, "detail", jsnull)


class EventTarget(JsProxy):
    """Listeners by type, and `on<type>` attributes. Ordinary attributes are allowed too, as on any JavaScript object."""

    _js_name = "EventTarget"

    runner_of_caller: Callable[[], Runner] = staticmethod(lambda: run_in_empty_context)
    """What will run a listener that the running code adds now; the host may set one that knows whose code it is."""

    def __init__(self) -> None:
        self._listeners: list[Listener] = []

    @takes_options
    def addEventListener(self, type_: Any, listener: Any, options: Any = None) -> None:
        name = js_string(type_)
        if is_nullish(listener) or self._find(name, listener) is not None:
            return
        self._listeners.append((name, listener, bool(option(options, "once", False)), self.runner_of_caller()))

    @takes_options
    def removeEventListener(self, type_: Any, listener: Any, _options: Any = None) -> None:
        found = self._find(js_string(type_), listener)
        if found is not None:
            self._listeners.remove(found)

    def dispatchEvent(self, event: Event) -> bool:
        """Calls every listener of the event's type; what they raise is reported, not raised here."""
        event.target = event.currentTarget = self
        handler = getattr(self, "on" + event.type, None)
        if is_function(handler):
            self._call(handler, event, self.runner_of_caller())
        for listener in [entry for entry in self._listeners if entry[0] == event.type]:
            if listener[2]:
                self._listeners.remove(listener)
            callback = listener[1]
            self._call(callback if is_function(callback) else callback.handleEvent, event, listener[3])
        return not event.defaultPrevented

    def _call(self, callback: Any, event: Event, run: Runner) -> None:
        run(lambda: JsPromise.attempt(callback, event))

    def _find(self, name: str, listener: Any) -> Listener | None:
        wanted = unwrap(listener)
        return next((entry for entry in self._listeners if entry[0] == name and unwrap(entry[1]) is wanted), None)
