"""The steps of a file: from checked YAML to dataclasses (steps.py). What a schema cannot say is checked here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from typing import Any

from emulator.config.instants import span_ms
from emulator.config.shape import nearest
from emulator.scenarios import matching, steps
from emulator.scenarios.located import KeyPath, Located
from emulator.scenarios.problems import MANUAL, Problem
from emulator.scenarios.steps import NOT_GIVEN, Step

_MODIFIERS = frozenset(("timeout",))


class StepReader:
    """Reads lists of steps. `problems` has what was wrong; a step with a problem is left out."""

    def __init__(self, located: Located, clients: Mapping[str, Any]) -> None:
        self._located = located
        self._clients = clients
        self.problems: list[Problem] = []

    def steps(self, rows: list[Any], at: KeyPath) -> tuple[Step, ...]:
        """Steps of a list that stands at the key `at`."""
        return self._list(rows, at, _STEPS)

    def checks(self, rows: list[Any], at: KeyPath) -> tuple[Step, ...]:
        """Checks of `outcome`."""
        return self._list(rows, at, _CHECKS)

    def _list(self, rows: list[Any], at: KeyPath, readers: Mapping[str, _Reader]) -> tuple[Step, ...]:
        found = []
        for index, row in enumerate(rows):
            step = self._step(row, (*at, index), readers)
            if step is not None:
                found.append(step)
        return tuple(found)

    def _step(self, row: dict[str, Any], at: KeyPath, readers: Mapping[str, _Reader]) -> Step | None:
        verbs = [name for name in row if name not in _MODIFIERS]
        if len(verbs) != 1:
            what = f"a step has one verb, this one has {len(verbs)}: {', '.join(verbs)}" if verbs else "a step needs a verb"
            self.problems.append(Problem(at, what, "each step begins with its own -" if verbs else MANUAL))
            return None
        (name,) = verbs
        before = len(self.problems)
        common: dict[str, Any] = {"line": self._located.line((*at, name))}
        if "timeout" in row:
            common["timeout_ms"] = span_ms(row["timeout"])
        step = readers[name](self, row[name], (*at, name), common)
        return None if len(self.problems) > before else step

    # -- parts

    def problem(self, at: KeyPath, what: str, hint: str | None = None) -> None:
        """Something is wrong at `at`."""
        self.problems.append(Problem(at, what, hint))

    def client(self, fields: Mapping[str, Any], at: KeyPath, kind: str | None = None) -> str:
        """The client of a step; the only one may be left out."""
        name = fields.get("client")
        if name is None:
            if len(self._clients) == 1:
                name = next(iter(self._clients))
            else:
                which = ", ".join(self._clients) or "none: name one in clients"
                self.problem(at, "which client? it may be left out when there is one only", f"there is {which}")
                return ""
        if name not in self._clients:
            close = nearest(name, list(self._clients))
            there = ", ".join(self._clients) or "none"
            self.problem((*at, "client"), f'there is no client "{name}"', f'did you mean "{close}"?' if close else f"clients: {there}")
        elif kind is not None and self._clients[name].kind != kind:
            self.problem((*at, "client"), f'the client "{name}" does not speak the chat protocol', f"clients: {name}: {{kind: chat}}")
        return str(name)

    def pattern(self, fields: Mapping[str, Any], name: str, at: KeyPath) -> Any:
        """A pattern, checked."""
        if name not in fields:
            return NOT_GIVEN
        for below, what in matching.check(fields[name]):
            close = nearest(str(below[-1]), matching.operators()) if below and what.startswith("there is no operator") else None
            self.problem((*at, name, *below), what, f"did you mean {close}?" if close else None)
        return fields[name]


_Reader = Callable[[StepReader, Any, KeyPath, dict[str, Any]], Step | None]


def _fields(value: Any, short: str) -> dict[str, Any]:
    """The long form of a step: `connect: a` is `connect: {client: a}`."""
    if isinstance(value, dict):
        return value
    return {} if value is None else {short: value}


def _connect(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "client")
    return steps.Connect(client=reader.client(fields, at), refused=reader.pattern(fields, "refused", at), **common)


def _disconnect(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "client")
    abort = fields.get("mode") == "abort"
    if abort and ("code" in fields or "reason" in fields):
        reader.problem((*at, "mode"), "a connection that is reset sends no code and no reason", "mode: close sends them")
    code, reason = fields.get("code", 1000), fields.get("reason", "")
    return steps.Disconnect(client=reader.client(fields, at), code=code, reason=reason, abort=abort, **common)


def _send(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step | None:
    given = [name for name in ("json", "text", "bytes") if name in value]
    if len(given) != 1:
        reader.problem(at, "a frame is one of json, text and bytes", MANUAL)
        return None
    data = value[given[0]]
    if given[0] == "bytes":
        data = _decoded(reader, data, (*at, "bytes"))
    return steps.Send(client=reader.client(value, at), data=data, is_json=given[0] == "json", **common)


def _decoded(reader: StepReader, text: str, at: KeyPath) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        reader.problem(at, "bytes are written in base64")
        return b""


def _expect(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step | None:
    given = [name for name in ("frame", "frames", "none", "close") if name in value]
    if len(given) != 1:
        reader.problem(at, "an expectation is one of frame, frames, none and close", MANUAL)
        return None
    client, what = reader.client(value, at), given[0]
    for name, needs in (("order", "frames"), ("within", "none")):
        if name in value and what != needs:
            reader.problem((*at, name), f"{name} goes with {needs}, not with {what}")
    pattern = reader.pattern(value, what, at)
    if what == "none":
        within_ms = span_ms(value["within"]) if "within" in value else 0
        return steps.ExpectNone(client=client, pattern={"$any": True} if pattern is True else pattern, within_ms=within_ms, **common)
    if what == "close":
        close = pattern if isinstance(pattern, dict) else {"code": pattern}
        return steps.ExpectClose(client=client, code=close.get("code", NOT_GIVEN), reason=close.get("reason", NOT_GIVEN), **common)
    frames = (pattern,) if what == "frame" else tuple(pattern)
    return steps.Expect(client=client, frames=frames, any_order=value.get("order") == "any", only=bool(value.get("only")), **common)


def _http(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "request")
    request = str(fields["request"])
    method, _, path = request.partition(" ")
    if not path.startswith("/") or not method.isupper():
        reader.problem(at, f'"{request}" is no request: a method and a path are expected', "for example GET /agents/chat/me/get-messages")
    if "json" in fields and "text" in fields:
        reader.problem((*at, "text"), "a body is json or text, not both")
    expected = fields.get("expect", {})
    below = (*at, "expect")
    return steps.Http(
        method=method,
        path=path,
        headers=fields.get("headers", {}),
        body=fields.get("json", fields.get("text")),
        is_json="json" in fields,
        status=reader.pattern(expected, "status", below),
        response_headers={
            name.lower(): reader.pattern(expected["headers"], name, (*below, "headers")) for name in expected.get("headers", {})
        },
        json=reader.pattern(expected, "json", below),
        text=reader.pattern(expected, "text", below),
        **common,
    )


def _call(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    if "result" in value and "error" in value:
        reader.problem((*at, "error"), "a call has a result or an error, not both")
    result, error = reader.pattern(value, "result", at), reader.pattern(value, "error", at)
    return steps.Call(
        object=value["object"], method=value["method"], args=tuple(value.get("args", ())), result=result, error=error, **common
    )


def _chat(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    wait = value.get("wait", True)
    if not wait and ("answer" in value or "outcome" in value):
        reader.problem((*at, "wait"), "who does not wait hears no answer", "say it in an answer step")
    return steps.Chat(
        client=reader.client(value, at, "chat"),
        text=value["text"],
        answer=reader.pattern(value, "answer", at),
        outcome=value.get("outcome", "completed"),
        wait=wait,
        **common,
    )


def _answer(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "client")
    text, outcome = reader.pattern(fields, "text", at), fields.get("outcome", "completed")
    return steps.Answer(client=reader.client(fields, at, "chat"), text=text, outcome=outcome, **common)


def _drop(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "client")
    if "after_frames" in fields and "after_chunks" in fields:
        reader.problem((*at, "after_chunks"), "after frames or after chunks, not both")
    return steps.Drop(
        client=reader.client(fields, at),
        mode=fields.get("mode", "close" if "code" in fields else "reset"),
        code=fields.get("code", 1001),
        reason=fields.get("reason", ""),
        after_frames=fields.get("after_frames"),
        after_chunks=fields.get("after_chunks"),
        **common,
    )


def _of_client(kind: type[steps.Stall] | type[steps.Resume]) -> _Reader:
    return lambda reader, value, at, common: kind(client=reader.client(_fields(value, "client"), at), **common)


def _of_object(kind: type[steps.Hibernate] | type[steps.Fire] | type[steps.Skip]) -> _Reader:
    return lambda reader, value, at, common: kind(object=value, **common)


def _of_host(kind: type[steps.Crash] | type[steps.Restart]) -> _Reader:
    return lambda reader, value, at, common: kind(host=value, **common)


def _evict(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "object")
    return steps.Evict(object=_object(reader, fields, at), sockets=fields.get("sockets", "hibernate"), **common)


def _abort(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    fields = _fields(value, "object")
    return steps.Abort(object=_object(reader, fields, at), reason=fields.get("reason"), **common)


def _object(reader: StepReader, fields: dict[str, Any], at: KeyPath) -> str:
    name = str(fields["object"])
    if "/" not in name:
        reader.problem(at, f'"{name}" names no object: CLASS/NAME is expected', "for example Chat/me")
    return name


def _state(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    ((verb, name),) = value.items()
    return steps.State(verb=verb, name=name, **common)


def _fault(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    if "clear" in value:
        if len(value) > 1:
            reader.problem((*at, "clear"), "a fault is added or cleared, not both")
        return steps.Fault(clear=value["clear"], **common)
    if "do" not in value:
        reader.problem(at, "a fault needs do: what shall happen?", "for example do: {status: 500}; docs/ai-faults.md has them all")
    return steps.Fault(rule=value, **common)


def _parallel(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.Parallel(branches=tuple(reader.steps(rows, (*at, index)) for index, rows in enumerate(value)), **common)


def _repeat(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.Repeat(times=value["times"], steps=reader.steps(value["steps"], (*at, "steps")), counter=value.get("as"), **common)


def _idle(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.RunUntilIdle(limit_ms=None if value is None else span_ms(value), **common)


def _sql(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.Sql(object=value["object"], query=value["query"], rows=reader.pattern(value, "rows", at), **common)


def _agent_state(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.AgentState(object=value["object"], value=reader.pattern(value, "value", at), **common)


def _messages(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    return steps.Messages(object=value["object"], messages=reader.pattern(value, "messages", at), **common)


def _requests(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    counts = NOT_GIVEN if value is None else {name: reader.pattern(value, name, at) for name in value}
    return steps.Requests(counts=counts, **common)


def _alarms(reader: StepReader, value: Any, at: KeyPath, common: dict[str, Any]) -> Step:
    alarms = NOT_GIVEN if value is None else reader.pattern({"alarms": value}, "alarms", at[:-1])
    return steps.Alarms(alarms=alarms, **common)


_STEPS: dict[str, _Reader] = {
    "connect": _connect,
    "disconnect": _disconnect,
    "send": _send,
    "expect": _expect,
    "http": _http,
    "call": _call,
    "chat": _chat,
    "answer": _answer,
    "drop": _drop,
    "stall": _of_client(steps.Stall),
    "resume": _of_client(steps.Resume),
    "evict": _evict,
    "hibernate": _of_object(steps.Hibernate),
    "abort": _abort,
    "crash": _of_host(steps.Crash),
    "restart": _of_host(steps.Restart),
    "deploy": lambda reader, value, at, common: steps.Deploy(**common),
    "advance": lambda reader, value, at, common: steps.Advance(ms=span_ms(value), **common),
    "run_until_idle": _idle,
    "fire": _of_object(steps.Fire),
    "skip": _of_object(steps.Skip),
    "state": _state,
    "fault": _fault,
    "parallel": _parallel,
    "repeat": _repeat,
    "note": lambda reader, value, at, common: steps.Note(text=value, **common),
}
_CHECKS: dict[str, _Reader] = {
    "call": _call,
    "sql": _sql,
    "state": _agent_state,
    "chat": _messages,
    "requests": _requests,
    "alarms": _alarms,
}
