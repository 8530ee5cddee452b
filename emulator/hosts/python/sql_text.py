"""Reading SQL text just far enough: its tokens, where statements end, what they do and which parameters they take.

SQLite's own parser has the last word on everything; this file answers what Python's sqlite3 does not tell us.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

_TOKEN = re.compile(
    r"""
      (?P<space>\s+|--[^\n]*|/\*(?:.*?\*/|.*\Z))
    | (?P<string>'(?:[^']|'')*'|[xX]'[0-9a-fA-F]*')
    | (?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\])
    | (?P<variable>\?[0-9]*|[:@$\#][A-Za-z0-9_$\u0080-\U0010ffff]+)
    | (?P<number>0[xX][0-9a-fA-F]+|(?:[0-9][0-9_]*(?:\.[0-9_]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)
    | (?P<word>[A-Za-z_\u0080-\U0010ffff][A-Za-z0-9_$\u0080-\U0010ffff]*)
    | (?P<other>->>|->|\|\||<<|>>|<=|>=|<>|!=|==|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_READING = frozenset({"select", "values", "explain", "pragma", "attach", "detach"})
_CONTROL = frozenset({"begin", "commit", "end", "rollback", "savepoint", "release"})
_MAIN_VERBS = frozenset({"select", "values", "insert", "replace", "update", "delete"})


@dataclass(frozen=True, slots=True)
class Token:
    """One token other than space and comments; `start` is its character position in the text."""

    kind: str
    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    @property
    def name(self) -> str:
        """Lower case, without the quotes of a quoted name: what SQLite compares names by."""
        return self.text[1:-1].lower() if self.kind == "quoted" else self.text.lower()


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`. Any text has tokens: what is no SQL comes out as single characters."""
    return [Token(m.lastgroup or "other", m.group(), m.start()) for m in _TOKEN.finditer(text) if m.lastgroup != "space"]


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement of a query."""

    text: str
    """With its closing semicolon, without space in front."""

    verb: str
    """Its first word, lower case; `with` looks through to the main statement."""

    writes: bool
    """It needs the turn's transaction. Transaction control counts as reading: it is refused, not run."""

    parameters: int
    """How many values SQLite wants bound: `?NNN` counts up to NNN, a repeated name counts once."""

    names: tuple[str, ...]
    """The named parameters (`:a`, `@a`, `$a`) in the order of their positions, when all parameters are named; else empty."""

    returning: bool
    """A write that gives rows back."""

    table: str | None
    """What INSERT, REPLACE, UPDATE or DELETE works on, as written without quotes."""

    setting: str | None
    """The pragma given a value, lower case."""

    new_name: str | None
    """What ALTER TABLE ... RENAME TO calls the table; SQLite's authorizer is not told."""


@dataclass(frozen=True, slots=True)
class Query:
    """A text given to `exec`, split. `complete` is False when what follows the last statement holds no statement."""

    statements: tuple[Statement, ...]
    complete: bool


@lru_cache(maxsize=1024)
def split(text: str) -> Query:
    """Split `text` into statements. Empty statements in front of one belong to it; space after the last one is nothing, but a
    comment or another semicolon there makes the query incomplete (durable-objects.md 3.1)."""
    statements: list[Statement] = []
    begin = 0
    current: list[Token] = []
    empty, trigger = True, False
    for token in tokenize(text):
        current.append(token)
        if token.text != ";":
            if empty:
                empty = False
            if not trigger and token.name == "trigger":
                trigger = _creates_trigger(current)
        elif not empty and not (trigger and [t.name for t in current[-3:]] != [";", "end", ";"]):
            statements.append(_statement(text[begin : token.end].lstrip(), current))
            begin, current, empty, trigger = token.end, [], True, False
    if not empty:
        statements.append(_statement(text[begin:].lstrip(), current))
        return Query(tuple(statements), complete=True)
    return Query(tuple(statements), complete=bool(statements) and not text[begin:].strip())


def _creates_trigger(tokens: list[Token]) -> bool:
    """`[EXPLAIN] CREATE [TEMP|TEMPORARY] TRIGGER`: such a statement goes on until `; END ;`."""
    words = [token.name for token in tokens if token.text != ";"]
    if words[0] == "explain":
        words = words[1:]
    return words[:1] == ["create"] and len(words) <= 3


def _statement(text: str, tokens: list[Token]) -> Statement:
    words = [token for token in tokens if token.text != ";"]
    verb = _verb(words)
    writes = verb not in _READING and verb not in _CONTROL
    count, names = _parameters([token.text for token in words if token.kind == "variable"])
    return Statement(
        text=text,
        verb=verb,
        writes=writes,
        parameters=count,
        names=names,
        returning=writes and any(token.name == "returning" for token in words),
        table=_table(words, verb),
        setting=_setting(words) if verb == "pragma" else None,
        new_name=_new_name(words) if verb == "alter" else None,
    )


def _verb(words: list[Token]) -> str:
    first = words[0].name
    if first != "with":
        return first
    depth = 0
    for token in words:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0 and token.kind == "word" and token.name in _MAIN_VERBS:
            return token.name
    return "select"


def _parameters(variables: list[str]) -> tuple[int, tuple[str, ...]]:
    highest = 0
    names: dict[str, int] = {}
    for variable in variables:
        if variable == "?":
            highest += 1
        elif variable[0] == "?":
            highest = max(highest, int(variable[1:]))
        elif variable[0] != "#" and variable not in names:
            highest += 1
            names[variable] = highest
    return highest, tuple(names) if len(names) == highest else ()


def _table(words: list[Token], verb: str) -> str | None:
    """The name behind INTO, UPDATE [OR x] or DELETE FROM."""
    if verb not in ("insert", "replace", "update", "delete"):
        return None
    start = next(i for i, token in enumerate(words) if token.name == verb)
    rest = words[start + 1 :]
    if len(rest) > 1 and rest[0].name == "or":
        rest = rest[2:]
    if rest and rest[0].name in ("into", "from"):
        rest = rest[1:]
    if len(rest) > 2 and rest[1].text == ".":
        rest = rest[2:]
    return rest[0].text[1:-1] if rest and rest[0].kind == "quoted" else rest[0].text if rest else None


def _setting(words: list[Token]) -> str | None:
    for token, following in pairwise(words):
        if following.text in ("=", "("):
            return token.name
    return None


def _new_name(words: list[Token]) -> str | None:
    for rename, to, name in zip(words, words[1:], words[2:], strict=False):
        if rename.name == "rename" and to.name == "to":
            return name.name
    return None


def well_formed(text: str) -> str:
    """`text` without lone surrogates, which SQLite cannot store: they become U+FFFD, as JavaScript encodes them."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
