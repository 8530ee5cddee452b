"""Variables of a scenario: `${name}` is bound where a pattern meets it first, and stands for its value from then on.

`${any}` fits anything and binds nothing. `$${` is `${` itself. In what is sent, `{$json: VALUE}` is a text with that value as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

ANY = "any"
JSON_TEXT = "$json"
_USE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_ESCAPED = "$${"


class Unbound(Exception):
    """A value uses a variable that nothing has bound yet."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def whole(text: str) -> str | None:
    """The variable's name when the text is one variable and nothing else."""
    found = _USE.fullmatch(text)
    return found[1] if found else None


def names(value: Any) -> Iterator[str]:
    """Every variable that a value uses, in order."""
    if isinstance(value, str):
        yield from (found[1] for found in _USE.finditer(value) if found[1])
    elif isinstance(value, Mapping):
        for name, member in value.items():
            yield from names(name)
            yield from names(member)
    elif isinstance(value, list | tuple):
        for member in value:
            yield from names(member)


def fill(value: Any, bound: Mapping[str, Any]) -> Any:
    """The value with every variable replaced; one that is a whole text keeps its kind. Raises Unbound."""
    if isinstance(value, str):
        name = whole(value)
        if name is not None:
            return _value(name, bound)
        return _USE.sub(lambda found: "${" if found[0] == _ESCAPED else _text(_value(found[1], bound)), value)
    if isinstance(value, Mapping):
        if len(value) == 1 and JSON_TEXT in value:
            return json.dumps(fill(value[JSON_TEXT], bound), ensure_ascii=False, separators=(",", ":"))
        return {fill(name, bound) if isinstance(name, str) else name: fill(member, bound) for name, member in value.items()}
    if isinstance(value, list | tuple):
        return [fill(member, bound) for member in value]
    return value


def pieces(text: str) -> list[tuple[str, str | None]]:
    """A text as (literal, variable that follows or None), for patterns: `a-${x}` is [("a-", "x")]."""
    found: list[tuple[str, str | None]] = []
    literal, at = "", 0
    for use in _USE.finditer(text):
        literal += text[at : use.start()]
        at = use.end()
        if use[0] == _ESCAPED:
            literal += "${"
        else:
            found.append((literal, use[1]))
            literal = ""
    return [*found, (literal + text[at:], None)]


def _value(name: str, bound: Mapping[str, Any]) -> Any:
    if name not in bound:
        raise Unbound(name)
    return bound[name]


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))
