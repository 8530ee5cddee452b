"""The journal in words: which error, of which culprit, an entry becomes."""

from __future__ import annotations

from typing import Any, cast

import pytest

from emulator.config import LogLevel
from emulator.errors import BackendError, EmuError, InternalError, RecordingError, StartError, UserCodeError
from emulator.gateway.console import Caution, Console, Event, Note, Trouble
from emulator.gateway.crash import cause_of, last_words
from emulator.gateway.narrator import Narrator, load_error

DUMP = [
    "<--- Last few GCs --->",
    "[1:0x3] 144 ms: Mark-Compact 66.9 (102.5) -> 64.1 (198.2) MB",
    "FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory",
    " 1: 0x74f963 node::OOMErrorHandler(char const*, v8::OOMDetails const&) [node]",
]


class Shown:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def shows(self, level: Any) -> bool:
        return True

    def show(self, event: Event) -> None:
        self.events.append(event)


@pytest.mark.parametrize(
    ("code", "problem", "kind", "text"),
    [
        ("E501", "E501 the recording is broken\n  where  a.json $.id", RecordingError, "E501 model call @cf/m: the recording is broken\n"),
        ("E502", "no recording answers", RecordingError, "E502 model call @cf/m: no recording answers"),
        ("E503", "AI_FIXTURE_EXHAUSTED: used up", RecordingError, "E503 model call @cf/m: AI_FIXTURE_EXHAUSTED: used up"),
        ("E504", "E504 two fit", RecordingError, "E504 model call @cf/m: two fit"),
        ("E601", "a torn connection", BackendError, "E601 model call @cf/m: a torn connection"),
        (None, "KeyError('x')", InternalError, "E900 model call @cf/m: KeyError('x')"),
    ],
)
def test_a_model_call_that_failed(code: str | None, problem: str, kind: type[Exception], text: str) -> None:
    shown = Shown()
    Narrator(cast(Console, shown))({"kind": "ai", "model": "@cf/m", "problem": problem, "code": code, "notice": None})
    (event,) = shown.events
    assert isinstance(event, Trouble)
    assert type(event.error) is kind
    assert event.error.render().startswith(text)


@pytest.mark.parametrize(("code", "kind"), [("E343", StartError), ("E424", UserCodeError), ("E915", InternalError), (None, UserCodeError)])
def test_a_load_that_failed_names_its_culprit(code: str | None, kind: type[EmuError]) -> None:
    error = load_error({"name": "Error", "message": "no", "code": code}, kept=True)
    assert type(error) is kind
    assert error.code == (code or "E411")


@pytest.mark.parametrize(
    ("status", "killed", "lines", "code", "text", "told"),
    [
        (1, False, ["a", "b"], "E402", "the node host ended with exit status 1; it is started again; 2 sockets stay open", "a\nb"),
        (-9, True, [], "E402", "the node host ended with signal 9; it is started again; 2 sockets stay open", None),
        (-9, False, [], "E402", "the node host ended with signal 9; it is started again; 2 sockets stay open", None),
        (-6, False, ["mine", *DUMP], "E404", "the node host ran out of memory: JavaScript's heap was full; it is started again", "mine"),
    ],
)
def test_a_crash_says_why(status: int, killed: bool, lines: list[str], code: str, text: str, told: str | None) -> None:
    shown = Shown()
    cause, words = cause_of(status, lines, killed=killed), last_words(lines, 20)
    entry = {"kind": "host.crashed", "host": "node", "status": status, "cause": cause, "sockets": 2, "lines": words}
    Narrator(cast(Console, shown))(entry)
    (event,) = shown.events
    assert isinstance(event, Trouble)
    assert (event.error.code, event.details) == (code, told)
    assert event.error.what.startswith(text)
    assert ("memory is short" in str(event.error.hint)) == (status == -9 and not killed)


@pytest.mark.parametrize("problem", ["refused", "GET http://far/: refused"])
def test_a_request_that_failed_is_named_once(problem: str) -> None:
    shown = Shown()
    Narrator(cast(Console, shown))({"kind": "egress", "method": "GET", "url": "http://far/", "status": 0, "problem": problem})
    (event,) = shown.events
    assert isinstance(event, Note) and event.text == "GET http://far/: refused"


def test_beside_a_model_call() -> None:
    """What a translation dropped is told, and which file was written; an answer that could not be stored is an error."""
    shown = Shown()
    narrator = Narrator(cast(Console, shown))
    narrator({"kind": "ai", "model": "@cf/m", "status": 200, "warnings": ["top_k is dropped"]})
    narrator({"kind": "recorded", "recording": "default/00-x"})
    narrator({"kind": "recording.problem", "code": "E507", "what": "not recorded", "where": "$.response", "next": "take it out"})
    caution, note, trouble = shown.events
    assert isinstance(caution, Caution) and caution.notice.what == "@cf/m: top_k is dropped"
    assert isinstance(note, Note) and (note.text, note.level) == ("recorded default/00-x", LogLevel.INFO)
    assert isinstance(trouble, Trouble) and type(trouble.error) is RecordingError
    assert trouble.error.render() == "E507 not recorded\n  where  $.response\n  next   take it out"
