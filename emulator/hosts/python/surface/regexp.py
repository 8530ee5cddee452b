"""RegExp on Python's `re`: the syntax both share, named groups, and the flags g i m s u y."""

from __future__ import annotations

import functools
import re
from typing import Any

from .containers import JsArray
from .errors import js_error
from .values import JsObject, JsProxy, is_nullish, js_string, jsnull

FLAG_ORDER = "dgimsuvy"


class JsRegExp(JsProxy):
    """A pattern; compiled at first use, so that patterns Python's `re` cannot read still travel."""

    __slots__ = ("__weakref__", "_compiled", "flags", "lastIndex", "source")
    _js_name = "RegExp"
    flags: str
    source: str

    def __init__(self, source: Any = "(?:)", flags: Any = None) -> None:
        if isinstance(source, JsRegExp):
            flags = source.flags if flags is None else flags
            source = source.source
        given = "" if is_nullish(flags) else js_string(flags)
        if len(set(given)) != len(given) or not set(given) <= set(FLAG_ORDER):
            raise js_error("SyntaxError", f"Invalid flags supplied to RegExp constructor '{given}'")
        self.source = js_string(source) or "(?:)"
        self.flags = "".join(flag for flag in FLAG_ORDER if flag in given)
        self.lastIndex = 0
        self._compiled: re.Pattern[str] | None = None

    @classmethod
    def _js_call(cls, *args: Any) -> JsRegExp:
        return cls(*args)

    # named after what the `global` flag is called in JavaScript; reachable as `global_`
    def __getattr__(self, name: str) -> Any:
        names = {"global": "g", "global_": "g", "ignoreCase": "i", "multiline": "m", "dotAll": "s", "unicode": "u", "sticky": "y"}
        if name in names:
            return names[name] in self.flags
        raise AttributeError(name)

    def test(self, text: Any = None) -> bool:
        return self._match(js_string(text)) is not None

    def exec(self, text: Any = None) -> Any:
        """The match as an array with `index` and `groups`; null without one."""
        subject = js_string(text)
        found = self._match(subject)
        return jsnull if found is None else Match(found, subject)

    def toString(self) -> str:
        return f"/{self.source}/{self.flags}"

    def _match(self, text: str) -> re.Match[str] | None:
        follows = "g" in self.flags or "y" in self.flags
        start = self.lastIndex if follows else 0
        pattern = self._pattern()
        found = None if start > len(text) else pattern.match(text, start) if "y" in self.flags else pattern.search(text, start)
        if follows:
            self.lastIndex = found.end() if found is not None else 0
        return found

    def _pattern(self) -> re.Pattern[str]:
        if self._compiled is None:
            self._compiled = compile_pattern(self.source, self.flags)
        return self._compiled


class Match(JsArray):
    """What `exec` gives: the groups, `index`, `input` and the named `groups`."""

    __slots__ = ("groups", "index", "input")

    def __init__(self, found: re.Match[str], subject: str) -> None:
        super().__init__([found[0], *found.groups()])
        self.index = found.start()  # type: ignore[assignment,method-assign]
        self.input = subject
        named = found.groupdict()
        self.groups = JsObject(dict(named)) if named else None


@functools.lru_cache(256)
def compile_pattern(source: str, flags: str) -> re.Pattern[str]:
    """A JavaScript pattern for Python; SyntaxError for what Python cannot read."""
    options = re.IGNORECASE * ("i" in flags) | re.MULTILINE * ("m" in flags) | re.DOTALL * ("s" in flags)
    text = re.sub(r"\(\?<(?![=!])", "(?P<", source)
    text = re.sub(r"\\k<(\w+)>", r"(?P=\1)", text)
    text = re.sub(r"\\u\{([0-9a-fA-F]+)\}", lambda m: re.escape(chr(int(m[1], 16))), text).replace("[^]", "[\\s\\S]").replace("\\/", "/")
    if "m" not in flags:
        text = re.sub(r"(?<!\\)\$$", r"\\Z", text)
    try:
        return re.compile(text, options)
    except re.error as error:
        raise js_error("SyntaxError", f"Invalid regular expression: /{source}/: {error}") from None
