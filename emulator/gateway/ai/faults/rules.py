"""The language of faults: `{"name"?, "when": {...}, "do": {...}}` (ai-binding.md 7.6; for people: docs/ai-faults.md). Pure.

A rule is checked once, when it is read: every name, every value, and whether its actions go together. An error names the file, the JSON
path, what is expected there and the nearest known name (E521 to E524).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

from emulator.config.shape import nearest
from emulator.errors import RecordingError
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.faults.dialects import model_named
from emulator.gateway.ai.faults.error_bodies import NAMES, status_of

_GUIDE = "docs/ai-faults.md lists what a fault can do"


class Absent(Enum):
    """No value was given, which is not the same as null."""

    BODY = "body"


DONE = "done"
"""In place of an event's number: the one that closes the stream."""

EventNumber = int | str
"""Events count from 1; DONE is the closing one."""


@dataclass(frozen=True, slots=True)
class When:
    """Which calls, and which of those. `target` and `model` are patterns (`@cf/*`); counts are those of the calls that fit this rule."""

    target: str | None = None
    model: str | None = None
    kind: Kind | None = None
    label: str | None = None
    nth: tuple[int, ...] = ()
    every: int | None = None
    after_calls: int = 0
    times: int | None = None
    probability: float | None = None

    def fits(self, asked: ModelRequest, labels: Collection[str]) -> bool:
        """Whether the rule is about this call at all. A target without a method fits an address of any method. An outbound request that
        names no model is meant only by a rule that says so."""
        if self.target is None and self.kind is None and self.label is None and not _is_model_call(asked):
            return False
        if self.kind is not None and asked.kind is not self.kind:
            return False
        if self.target is not None and not any(fnmatchcase(name, self.target) for name in _targets(asked)):
            return False
        if self.model is not None and not fnmatchcase(model_named(asked), self.model):
            return False
        return self.label is None or any(fnmatchcase(label, self.label) for label in labels)

    def due(self, n: int, fired: int, chance: float) -> bool:
        """Whether the rule acts on the n-th call that fits it, having acted `fired` times; `chance` is in [0, 1)."""
        after = n - self.after_calls
        return (
            after > 0
            and (not self.nth or n in self.nth)
            and (self.every is None or after % self.every == 0)
            and (self.times is None or fired < self.times)
            and (self.probability is None or chance < self.probability)
        )


@dataclass(frozen=True, slots=True)
class Do:
    """What happens instead. Names and values as in the language; `*_ms` are milliseconds of the emulator's clock."""

    status: int | None = None
    code: int | str | None = None
    body: Any = Absent.BODY
    retry_after_ms: int | None = None
    refuse: bool = False
    empty_body: bool = False
    wrong_content_type: str | bool = False
    first_token_ms: int | None = None
    gap_ms: int | None = None
    reset_after_events: int | None = None
    reset_after_bytes: int | None = None
    eof_after_events: int | None = None
    stall_after_events: int | None = None
    malform_event: EventNumber | None = None
    error_event: EventNumber | None = None
    duplicate_event: EventNumber | None = None
    drop_event: EventNumber | None = None
    finish_reason: str | None = None
    split_utf8: bool = False
    resume_expired: bool = False

    @property
    def answers(self) -> bool:
        """Whether the fault takes the place of the answer. The code beside `error_event` is that of the event."""
        if self.error_event is not None:
            return False
        return self.refuse or self.empty_body or self.status is not None or self.code is not None or self.body is not Absent.BODY


@dataclass(frozen=True, slots=True)
class Rule:
    """`source` is the rule as it was written."""

    name: str
    when: When
    do: Do
    source: Mapping[str, Any]


class Parsed(NamedTuple):
    """The rules that can be used, and what is wrong with the others."""

    rules: list[Rule]
    errors: list[RecordingError]
    seed: int | None


def parse_rules(value: Any, where: str) -> Parsed:
    """The content of a faults file: one rule, a list of them, or `{"seed", "faults": [...]}`. A rule without a name is called
    `fault-<place in the list>`. Never raises."""
    errors: list[RecordingError] = []
    rules: list[Rule] = []
    seed: int | None = None
    if isinstance(value, dict) and "faults" not in value:
        entries = [("$", value)]
    else:
        path, listed = "$", value
        if isinstance(value, dict):
            path, listed = "$.faults", value["faults"]
            seed = _seed(value, where, errors)
        if not isinstance(listed, list):
            return Parsed([], [*errors, _expected(where, path, listed, 'a list of {"when": {...}, "do": {...}}')], seed)
        entries = [(f"{path}[{index}]", entry) for index, entry in enumerate(listed)]
    for number, (place, entry) in enumerate(entries, 1):
        try:
            rule = parse_rule(entry, where, place, f"fault-{number}")
            if any(rule.name == other.name for other in rules):
                raise error_at("E522", where, f"{place}.name", f"two faults are called {rule.name!r}", "give one of them another name")
            rules.append(rule)
        except RecordingError as error:
            errors.append(error)
    return Parsed(rules, errors, seed)


def parse_rule(value: Any, where: str, path: str, name: str) -> Rule:
    """One rule; `name` is used when it has none. Raises RecordingError E521 (unknown name), E522 (value), E523 (actions that do not go
    together), E524 (unknown error code)."""
    if not isinstance(value, dict):
        raise _expected(where, path, value, 'an object {"when": {...}, "do": {...}}')
    _known(value, ("name", "when", "do"), where, path)
    if "name" in value:
        name = _NAME.read(value["name"], where, f"{path}.name")
    when = When(**_members(value.get("when", {}), _WHEN, where, f"{path}.when"))
    if "do" not in value or value["do"] == {}:
        raise error_at("E522", where, f"{path}.do", "says nothing to do", f"one of: {', '.join(_DO)}")
    given = _members(value["do"], _DO, where, f"{path}.do")
    _check_together(given, where, f"{path}.do")
    return Rule(name, when, Do(**given), value)


def error_at(code: str, where: str, path: str, what: str, hint: str) -> RecordingError:
    """An error in a rule."""
    return RecordingError(code, f"a fault cannot be used: {path} {what}", where=f"{where} {path}", hint=hint)


def _seed(value: Mapping[str, Any], where: str, errors: list[RecordingError]) -> int | None:
    try:
        _known(value, ("seed", "faults"), where, "$")
        return None if value.get("seed") is None else int(_SEED.read(value["seed"], where, "$.seed"))
    except RecordingError as error:
        errors.append(error)
        return None


def _is_model_call(asked: ModelRequest) -> bool:
    return asked.kind is not Kind.HTTP or model_named(asked) != asked.target


def _targets(asked: ModelRequest) -> Iterable[str]:
    yield asked.target
    if asked.kind in (Kind.HTTP, Kind.GATEWAY_HTTP):
        yield asked.target.partition(" ")[2]
    elif asked.kind is Kind.UNIVERSAL:
        yield model_named(asked)


@dataclass(frozen=True, slots=True)
class _Value:
    """What a member may be. `take` gives the value, or raises ValueError."""

    expected: str
    take: Callable[[Any], Any]

    def read(self, value: Any, where: str, path: str) -> Any:
        try:
            return self.take(value)
        except ValueError:
            raise _expected(where, path, value, self.expected) from None


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _check(accepted: Callable[[Any], bool]) -> Callable[[Any], Any]:
    def take(value: Any) -> Any:
        if not accepted(value):
            raise ValueError
        return value

    return take


def _whole(low: int, high: int, unit: str = "") -> _Value:
    expected = f"a whole number from {low} to {high}{unit}"
    return _Value(expected, _check(lambda value: _is_whole(value) and low <= value <= high))


def _numbers(value: Any) -> tuple[int, ...]:
    numbers = value if isinstance(value, list) else [value]
    if not numbers or not all(_is_whole(number) and number > 0 for number in numbers):
        raise ValueError
    return tuple(numbers)


_MOST = 1_000_000
_HOUR_MS = 3_600_000
_SEED = _whole(0, 2**63 - 1)
_COUNT = _whole(1, _MOST)
_EVENTS = _whole(0, _MOST)
_MS = _whole(0, _HOUR_MS, " (milliseconds)")
_NAME = _Value("a text", _check(lambda value: isinstance(value, str) and bool(value)))
_YES = _Value("true", _check(lambda value: value is True))
_EVENT = _Value(
    f'the number of an event, from 1, or "{DONE}" for the one that closes the stream',
    _check(lambda value: value == DONE or (_is_whole(value) and value > 0)),
)
_WHEN: dict[str, _Value] = {
    "target": _NAME,
    "model": _NAME,
    "kind": _Value(f"one of {', '.join(Kind)}", Kind),
    "label": _NAME,
    "nth": _Value("the number of a call, from 1, or a list of such numbers", _numbers),
    "every": _COUNT,
    "after_calls": _whole(0, _MOST),
    "times": _COUNT,
    "probability": _Value(
        "a number from 0 to 1", _check(lambda value: isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1)
    ),
}
_DO: dict[str, _Value] = {
    "status": _whole(200, 599),
    "code": _Value("a number or a name of an error", _check(lambda value: _is_whole(value) or isinstance(value, str))),
    "body": _Value("any JSON value", lambda value: value),
    "retry_after_ms": _MS,
    "refuse": _YES,
    "empty_body": _YES,
    "wrong_content_type": _Value(
        "true, or a media type such as text/html", _check(lambda v: v is True or (isinstance(v, str) and "/" in v))
    ),
    "first_token_ms": _MS,
    "gap_ms": _MS,
    "reset_after_events": _EVENTS,
    "reset_after_bytes": _whole(0, 1 << 40),
    "eof_after_events": _EVENTS,
    "stall_after_events": _EVENTS,
    "malform_event": _EVENT,
    "error_event": _EVENT,
    "duplicate_event": _EVENT,
    "drop_event": _EVENT,
    "finish_reason": _NAME,
    "split_utf8": _YES,
    "resume_expired": _YES,
}
CONDITIONS = tuple(_WHEN)
ACTIONS = tuple(_DO)

_ENDS = ("reset_after_events", "reset_after_bytes", "eof_after_events", "stall_after_events", "error_event")
_ON_STREAMS = (*_ENDS, "gap_ms", "malform_event", "duplicate_event", "drop_event", "finish_reason", "split_utf8", "resume_expired")
_ERROR = ("status", "code", "body", "retry_after_ms")


def _members(value: Any, table: Mapping[str, _Value], where: str, path: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise _expected(where, path, value, "an object")
    _known(value, tuple(table), where, path)
    return {name: table[name].read(member, where, f"{path}.{name}") for name, member in value.items()}


def _known(value: Mapping[str, Any], names: Collection[str], where: str, path: str) -> None:
    for name in value:
        if name not in names:
            close = nearest(name, names)
            hint = f"did you mean {close!r}?" if close else f"known: {', '.join(names)}"
            raise error_at("E521", where, f"{path}.{name}", "is not part of the language", f"{hint}\n{_GUIDE}")


def _expected(where: str, path: str, value: Any, expected: str) -> RecordingError:
    shown = compact(value)
    shown = shown if len(shown) <= 60 else f"{shown[:60]}..."
    return error_at("E522", where, path, f"is {shown}", f"expected: {expected}")


def _check_together(given: Mapping[str, Any], where: str, path: str) -> None:
    def clash(one: str, other: str, why: str) -> RecordingError:
        return error_at("E523", where, f"{path}.{other}", f"does not go with {one}: {why}", "make two faults of it")

    ends = [name for name in _ENDS if name in given]
    if len(ends) > 1:
        raise clash(ends[0], ends[1], "a stream ends once")
    errors = tuple(name for name in _ERROR if name in given and not (name == "code" and "error_event" in given))
    replaced = next((name for name in ("refuse", "empty_body", *errors) if name in given), None)
    if replaced is not None:
        for name in _ON_STREAMS:
            if name in given:
                raise clash(replaced, name, "there is no stream left")
    if "refuse" in given:
        for name in ("empty_body", "wrong_content_type", *_ERROR):
            if name in given:
                raise clash("refuse", name, "nothing is answered")
    if "empty_body" in given and (named := next((name for name in ("code", "body") if name in given), None)) is not None:
        raise clash("empty_body", named, "the body is empty")
    if "retry_after_ms" in given and "status" not in given and "code" not in given:
        raise error_at("E523", where, f"{path}.retry_after_ms", "says when to try again, but nothing fails", "add a status or a code")
    if given.get("status", 400) < 400 and "body" not in given and "empty_body" not in given:
        raise error_at("E523", where, f"{path}.status", f"is {given['status']}, which is no error", "say what is answered: add a body")
    if "code" in given:
        _check_code(given["code"], given.get("status"), where, f"{path}.code")


def _check_code(code: int | str, status: int | None, where: str, path: str) -> None:
    if status_of(code) is not None or (isinstance(code, int) and status is not None):
        return
    if isinstance(code, int):
        raise error_at("E524", where, path, f"{code} is in no table", "add the HTTP status that shall go with it, as `status`")
    close = nearest(code, NAMES)
    hint = f"did you mean {close!r}?" if close else f"known: {', '.join(NAMES)}"
    raise error_at("E524", where, path, f"{code!r} is no error that we know", f"{hint}\nanything else can be sent with `status` and `body`")
