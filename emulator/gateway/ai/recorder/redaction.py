"""What of an exchange may be written, and in which form (ai-binding.md 7.5).

Known secrets become `{{secret:NAME}}`, account ids `{{account}}`, what the project's rules find `{{redacted:NAME}}`; headers are denied
by default; what looks like an unknown secret blocks the write. Requests are compared in their redacted form, so a new key is no miss.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from emulator.config.ai import RedactRule
from emulator.errors import ConfigError
from emulator.gateway.ai.canonical import COMPARED_HEADERS, Kind, ModelRequest
from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.recorder.byte_edits import Edit, apply_edits
from emulator.gateway.ai.recorder.secret_forms import KnownSecrets
from emulator.gateway.ai.recorder.secret_patterns import LONGEST, unknown_secrets, unknown_secrets_in_bytes
from emulator.gateway.exchange import Headers

_REQUEST_HEADERS = frozenset({*COMPARED_HEADERS, "accept"})
_RESPONSE_HEADERS = frozenset(
    {
        "accept-ranges", "allow", "cache-control", "content-disposition", "content-language", "content-range", "content-type", "etag",
        "last-modified", "link", "location", "retry-after", "retry-after-ms", "vary", "x-emu-url", "x-should-retry",
    }
)  # fmt: skip
"""Those that a client acts on. Ids of requests and rate-limit counters are left out: they differ at every call, and nothing reads them."""
_RESPONSE_PREFIXES = ("cf-ai-", "cf-aig-")
_URL_HEADERS = frozenset({"link", "location", "x-emu-url"})
_SECRET_IN_URL = re.compile(
    r"(?i)(?<=[?&])((?:api[_-]?key|key|(?:access|id|refresh|auth)?_?token|sig|signature|password|secret|code|x-amz-[\w-]+|x-goog-[\w-]+)=)"
    r"[^&#>\"\s]+"
)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that must not be written: what it is (never its value), and the JSON path of the recording."""

    what: str
    path: str


@dataclass(frozen=True, slots=True)
class _Rule:
    placeholder: str
    text: re.Pattern[str] | None
    steps: tuple[jsonpath.Step, ...] | None


class Redaction:
    """`secrets` gives name -> value (asked at each use, so keys may be added while the server runs); values under 8 characters are
    ignored, names ending in ACCOUNT_ID become `{{account}}`. `rules` are `[[ai.redact]]`, with PII_RULES where wanted. Raises
    ConfigError E117 for a rule that cannot be read."""

    def __init__(self, secrets: Callable[[], Mapping[str, str]], rules: Sequence[RedactRule] = ()) -> None:
        self._secrets = secrets
        self._compiled: tuple[dict[str, str], KnownSecrets] = ({}, KnownSecrets({}))
        self._rules = tuple(_compiled(rule) for rule in rules)

    # -- requests

    def request(self, asked: ModelRequest) -> ModelRequest:
        """The request as recordings are matched: every value redacted, all headers there. Idempotent; `asked` stays as it is."""
        target = self.text(asked.target)
        redacted = replace(
            asked,
            target=target,
            body=self._value(asked.body),
            headers={name: self.text(value) for name, value in asked.headers.items()},
            gateway=self._value(asked.gateway),
            options=self._value(asked.options),
        )
        return self._by_path_in_request(redacted)

    def stored(self, asked: ModelRequest) -> ModelRequest:
        """The request as it is written: redacted, and without the headers that are not on the list (those of universal entries too)."""
        redacted = self.request(asked)
        body = redacted.body
        if redacted.kind is Kind.UNIVERSAL and isinstance(body, list):
            body = [_kept_entry(entry) for entry in body]
        headers = {name: value for name, value in redacted.headers.items() if name.lower() in _REQUEST_HEADERS}
        return replace(redacted, body=body, headers=headers)

    # -- responses

    def response_headers(self, headers: Headers) -> dict[str, str]:
        """The headers of an answer that are written, names in lower case, repeated ones joined."""
        kept: dict[str, str] = {}
        for name, value in headers:
            name = name.lower()
            if name in _RESPONSE_HEADERS or name.startswith(_RESPONSE_PREFIXES):
                value = self.text(value)
                if name in _URL_HEADERS:
                    value = _SECRET_IN_URL.sub(r"\1{{secret:query}}", value)
                kept[name] = f"{kept[name]}, {value}" if name in kept else value
        return dict(sorted(kept.items()))

    def data(self, data: bytes) -> bytes:
        """A body with everything replaced that is known or that a regex rule finds."""
        return apply_edits(data, self.edits(data))

    def edits(self, data: bytes) -> list[Edit]:
        """The same as edits, so that transport splits can follow."""
        edits = self.known_edits([data])
        for rule in self._rules:
            if rule.text is not None:
                edits = _merged(edits, _regex_edits(rule.text, rule.placeholder, data))
        return edits

    def known_edits(self, windows: Iterable[bytes]) -> list[Edit]:
        """Edits for the known secrets in a body of any length that comes in windows; offsets count from the first."""
        known = self._known()
        edits: list[Edit] = []
        offset, carried = 0, b""
        for window in windows:
            carried += window
            safe = len(carried) - known.longest
            if safe > 0:
                cut = _take(known, carried, offset, safe, edits)
                carried, offset = carried[cut:], offset + cut
        _take(known, carried, offset, len(carried) + 1, edits)
        return edits

    def by_path(self, document: Any) -> bool:
        """Replace in place what the rules by JSONPath find in (a part of) a recording; whether there was anything."""
        changed = False
        for rule in self._rules:
            for holder, key in jsonpath.places(document, rule.steps) if rule.steps is not None else ():
                if holder[key] != rule.placeholder:
                    holder[key] = rule.placeholder
                    changed = True
        return changed

    @property
    def has_paths(self) -> bool:
        """Whether some rule goes by JSONPath."""
        return any(rule.steps is not None for rule in self._rules)

    @property
    def needs_whole_bodies(self) -> bool:
        """Whether a long body cannot be looked through window by window: the project has rules of its own."""
        return bool(self._rules)

    def known_in(self, text: str) -> list[tuple[int, int, str]]:
        """Start, end and placeholder of the known secrets in `text`."""
        known = self._known()
        return list(known.in_text(text)) if known.may_be_in(text) else []

    # -- what must not be written

    def findings(self, value: Any, path: tuple[str | int, ...] = ()) -> Iterator[Finding]:
        """Secrets, known or not, that still stand in a document; `path` is where it lies in the recording."""
        known = self._known()
        joined = "\n".join(text for _, text in _texts(value, path))
        if not known.may_be_in(joined) and not unknown_secrets(joined):
            return
        for place, text in _texts(value, path):
            where = jsonpath.join(place)
            if known.may_be_in(text):
                yield from (Finding(f"the value of {found[2]}", where) for found in known.in_text(text))
            yield from (Finding(what, where) for what in unknown_secrets(text))

    def findings_in_bytes(self, windows: Iterable[bytes], path: str) -> Iterator[Finding]:
        """The same for a body of any length."""
        watch = self.watch(path)
        for window in windows:
            yield from watch(window)

    def watch(self, path: str) -> Callable[[bytes], list[Finding]]:
        """Looks through a body that is given window by window, and tells each sort of secret once."""
        return _Watch(self._known(), path).look

    def text(self, text: str) -> str:
        """One text, redacted."""
        known = self._known()
        if known.may_be_in(text):
            text = known.replaced(text)
        for rule in self._rules:
            if rule.text is not None:
                text = rule.text.sub(rule.placeholder.replace("\\", r"\\"), text)
        return text

    # -- inside

    def _known(self) -> KnownSecrets:
        values = dict(self._secrets())
        if values != self._compiled[0]:
            self._compiled = (values, KnownSecrets(values))
        return self._compiled[1]

    def _value(self, value: Any) -> Any:
        """`value` itself when nothing in it is to be replaced, which is nearly always."""
        known = self._known()
        by_regex = [rule.text for rule in self._rules if rule.text is not None]
        joined = "\n".join(text for _, text in _texts(value, ()))
        if known.may_be_in(joined) or any(pattern.search(joined) for pattern in by_regex):
            return _mapped(value, self.text)
        return value

    def _by_path_in_request(self, asked: ModelRequest) -> ModelRequest:
        if not self.has_paths:
            return asked
        document = {"request": copy.deepcopy(asked.document())}
        if not self.by_path(document):
            return asked
        found = document["request"]
        return replace(
            asked,
            target=str(found["target"]),
            headers=found["headers"],
            body=found["body"],
            gateway=None if asked.gateway is None else found["gateway"],
            options=None if asked.options is None else found["options"],
        )


class _Watch:
    def __init__(self, known: KnownSecrets, path: str) -> None:
        self._known = known
        self._path = path
        self._seen: set[str] = set()
        self._tail = b""

    def look(self, window: bytes) -> list[Finding]:
        data = self._tail + window
        found = [f"the value of {name.decode()}" for _, _, name in self._known.in_bytes(data)]
        new = [what for what in dict.fromkeys([*found, *unknown_secrets_in_bytes(data)]) if what not in self._seen]
        self._seen.update(new)
        self._tail = data[-max(self._known.longest, LONGEST) :]
        return [Finding(what, self._path) for what in new]


def _compiled(rule: RedactRule) -> _Rule:
    try:
        return _Rule(
            f"{{{{redacted:{rule.name}}}}}",
            None if rule.regex is None else re.compile(rule.regex),
            None if rule.path is None else jsonpath.parse(rule.path),
        )
    except (re.error, jsonpath.PathError) as error:
        raise ConfigError("E117", f"[[ai.redact]] {rule.name!r} cannot be read: {error}", hint="fixtures/README.md shows paths") from None


def _kept_entry(entry: Any) -> Any:
    if not isinstance(entry, dict) or not isinstance(entry.get("headers"), dict):
        return entry
    return {**entry, "headers": {name: value for name, value in entry["headers"].items() if str(name).lower() in _REQUEST_HEADERS}}


def _take(known: KnownSecrets, data: bytes, offset: int, safe: int, edits: list[Edit]) -> int:
    """Note what begins before `safe`, where a longer form cannot have been cut off; the number of bytes that are done with."""
    cut = min(safe, len(data))
    for start, end, found in known.in_bytes(data):
        if start >= safe:
            break
        edits.append(Edit(offset + start, offset + end, found))
        cut = max(cut, end)
    return cut


def _regex_edits(pattern: re.Pattern[str], placeholder: str, data: bytes) -> list[Edit]:
    text = data.decode("utf-8", "surrogateescape")
    edits: list[Edit] = []
    at = offset = 0
    for found in pattern.finditer(text):
        offset += len(text[at : found.start()].encode("utf-8", "surrogateescape"))
        size = len(found[0].encode("utf-8", "surrogateescape"))
        if size and found[0] != placeholder:
            edits.append(Edit(offset, offset + size, placeholder.encode()))
        at, offset = found.end(), offset + size
    return edits


def _merged(first: list[Edit], second: list[Edit]) -> list[Edit]:
    """Both, in order; where two overlap, those of `first` stay."""
    free = [edit for edit in second if not any(edit.start < other.end and other.start < edit.end for other in first)]
    return sorted([*first, *free], key=lambda edit: edit.start)


def _texts(value: Any, path: tuple[str | int, ...]) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every text of a JSON value with its path: strings, names, and numbers as they are written."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, item in value.items():
            yield path, str(name)
            yield from _texts(item, (*path, str(name)))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from _texts(item, (*path, index))
    elif isinstance(value, int | float) and not isinstance(value, bool):
        yield path, str(value)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {change(str(name)): _mapped(item, change) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(item, change) for item in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        written = str(value)
        return value if change(written) == written else change(written)
    return value
