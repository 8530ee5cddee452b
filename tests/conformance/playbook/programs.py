"""Short names for the programs that cases are made of. A program is plain JSON; README.md has the language."""

from __future__ import annotations

from typing import Any

Program = Any

O = ["@o"]  # noqa: E741
"""The case's own object: `env.Probe.getByName(<the case's name>)`, made anew for each program that the Worker runs."""
FRESH = ["!env.Probe.getByName", ["@me"]]
"""Another stub to it."""
UNDEFINED = {"$": "undefined"}


def do(*programs: Program) -> Program:
    return ["do", *programs]


def call(*programs: Program, to: Program = O) -> Program:
    """Run programs in the object."""
    return ["call", to, *programs]


def begin(*programs: Program, to: Program = O) -> Program:
    """The same without waiting: a promise."""
    return ["begin", to, *programs]


def catch(*programs: Program) -> Program:
    return ["catch", *programs]


def settled(*promises: Program) -> Program:
    return ["settled", *promises]


def times(count: int, *programs: Program) -> Program:
    return ["repeat", count, *programs]


def fn(parameters: str, *programs: Program) -> Program:
    """An async function; parameters are separated by blanks."""
    return ["fn", parameters.split(), *programs]


def fn_now(parameters: str, *programs: Program) -> Program:
    """A synchronous one."""
    return ["fn!", parameters.split(), *programs]


def note(text: Program) -> Program:
    return ["note", text]


def sleep(ms: int) -> Program:
    return ["sleep", ms]


def throw(message: str, name: str = "Error", **props: Any) -> Program:
    return ["throw", message, name, props]


def on(event: str, *programs: Program, class_name: str = "Probe", name: Program = ("@me",)) -> Program:
    """Let the case's object run programs at `constructor`, `alarm`, `message`, `close`, `error` or `fetch`."""
    return ["on", class_name, list(name) if isinstance(name, tuple) else name, event, ["code", *programs]]


def notes(class_name: str = "Probe", name: Program = ("@me",)) -> Program:
    """What the case's object noted, over all its instances; its handlers note their events by themselves."""
    return ["notes", class_name, list(name) if isinstance(name, tuple) else name]


def lives(class_name: str = "Probe") -> Program:
    """How many instances the case's object has had."""
    return ["lives", class_name, ["@me"]]


def rows(query: str, *bindings: Program) -> Program:
    """All rows of a query."""
    return do(["let", "cursor", ["!storage.sql.exec", query, *bindings]], ["!cursor.toArray"])


def sql(query: str, *bindings: Program) -> Program:
    """A query whose rows do not matter."""
    return do(["!storage.sql.exec", query, *bindings], UNDEFINED)


def get(key: str) -> Program:
    return ["storage.get", key]


def put(key: str, value: Program) -> Program:
    return ["storage.put", key, value]


def block(*programs: Program) -> Program:
    """`await ctx.blockConcurrencyWhile(async () => ...)`."""
    return ["ctx.blockConcurrencyWhile", fn("", *programs)]


LIFE = ["@life"]
"""Which instance of the object runs this, counted from 1 by the probe."""
