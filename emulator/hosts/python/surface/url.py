"""URL and URLSearchParams after the WHATWG rules that HTTP and WebSocket addresses meet.

Normalised here: scheme and host to lower case, IDNA, IPv4 in its odd spellings, default ports, dot segments,
backslashes, percent-encoding by component, tabs and line breaks removed, relative references resolved.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import parse_qsl, quote, quote_plus, unquote_to_bytes

from .containers import JsArray, JsMap
from .errors import js_error
from .values import JsIterator, JsObject, JsProxy, is_nullish, iterate, js_string, jsnull

DEFAULT_PORTS: Final = {"http": "80", "https": "443", "ws": "80", "wss": "443", "ftp": "21"}
SPECIAL: Final = frozenset({*DEFAULT_PORTS, "file"})

# Characters each component leaves as they are, beyond letters, digits and "-._~" (always safe) and "%".
KEEP_PATH: Final = "%!$&'()*+,/:;=@[]|\\"
KEEP_QUERY: Final = "%!$&()*+,/:;=?@[]^`{|}\\"
KEEP_FRAGMENT: Final = "%!#$&'()*+,/:;=?@[]^{|}\\"
KEEP_OPAQUE_HOST: Final = "%!\"$&'()*+,;={}`"
KEEP_USER: Final = "%!$&'()*+,"

SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
FORBIDDEN_HOST: Final = re.compile(r"[\x00-\x20#/:<>?@\[\\\]^|%\x7f]")


class UrlParts:
    """The components of one parsed URL."""

    __slots__ = ("fragment", "host", "password", "path", "port", "query", "scheme", "user")

    def __init__(self) -> None:
        self.scheme = ""
        self.user = ""
        self.password = ""
        self.host: str | None = None
        self.port = ""
        self.path = ""
        self.query: str | None = None
        self.fragment: str | None = None

    def text(self) -> str:
        """The serialised URL."""
        out = [self.scheme, ":"]
        if self.host is not None:
            out.append("//")
            if self.user or self.password:
                out.append(self.user + (":" + self.password if self.password else "") + "@")
            out.append(self.authority())
        out.append(self.path)
        if self.query is not None:
            out.append("?" + self.query)
        if self.fragment is not None:
            out.append("#" + self.fragment)
        return "".join(out)

    def authority(self) -> str:
        return (self.host or "") + (":" + self.port if self.port else "")


def parse(text: str, base: UrlParts | None = None) -> UrlParts | None:
    """The parts of `text`, resolved against `base`; None when it is no URL."""
    text = re.sub(r"[\t\n\r]", "", text.strip("".join(map(chr, range(0x21)))))
    text, mark, fragment = text.partition("#")
    parts = UrlParts()
    found = SCHEME.match(text)
    rest = text[found.end() :] if found is not None else text
    same_scheme = found is not None and base is not None and found[1].lower() == base.scheme in SPECIAL
    if found is not None and not (same_scheme and rest[:1] not in ("/", "\\")):
        parts.scheme = found[1].lower()
        if not _absolute(parts, rest):
            return None
    elif base is None or (base.host is None and not base.path.startswith("/")) or not _relative(parts, rest, base):
        return None
    if mark:
        parts.fragment = encode(fragment, KEEP_FRAGMENT)
    return parts


def _absolute(parts: UrlParts, rest: str) -> bool:
    special = parts.scheme in SPECIAL
    rest, mark, query = rest.partition("?")
    if mark:
        parts.query = encode(query, KEEP_QUERY, special=special)
    if special:
        rest = rest.replace("\\", "/")
        if parts.scheme != "file":
            rest = "//" + rest.lstrip("/")
        elif not rest.startswith("/"):
            rest = "/" + rest
    if not rest.startswith("//"):
        parts.path = encode(rest, KEEP_PATH + '{}^ "<>`' if not rest.startswith("/") else KEEP_PATH)
        if special:
            parts.host = ""
            parts.path = resolve_dots(parts.path)
        return True
    authority, slash, path = rest[2:].partition("/")
    if not _authority(parts, authority):
        return False
    path = encode(slash + path, KEEP_PATH)
    parts.path = resolve_dots(path) if special or path else path
    return True


def _relative(parts: UrlParts, rest: str, base: UrlParts) -> bool:
    parts.scheme = base.scheme
    special = base.scheme in SPECIAL
    rest, mark, query = rest.partition("?")
    if special:
        rest = rest.replace("\\", "/")
    if rest.startswith("//"):
        return _absolute(parts, rest + mark + query)
    parts.user, parts.password, parts.host, parts.port = base.user, base.password, base.host, base.port
    if mark:
        parts.query = encode(query, KEEP_QUERY, special=special)
    if rest.startswith("/"):
        parts.path = resolve_dots(encode(rest, KEEP_PATH))
    elif rest:
        parts.path = resolve_dots(base.path[: base.path.rfind("/") + 1] + encode(rest, KEEP_PATH))
    else:
        parts.path = base.path
        if not mark:
            parts.query = base.query
    return True


def _authority(parts: UrlParts, authority: str) -> bool:
    credentials, at, hostport = authority.rpartition("@")
    if at:
        user, _, password = credentials.partition(":")
        parts.user, parts.password = encode(user, KEEP_USER), encode(password, KEEP_USER)
    split = re.fullmatch(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]*))?", hostport)
    if split is None:
        return False
    host = parse_host(split[1], parts.scheme)
    if host is None or (not host and parts.scheme in DEFAULT_PORTS):
        return False
    parts.host = host
    return set_port(parts, split[2] or "")


def set_port(parts: UrlParts, text: str) -> bool:
    """The port without leading zeros, dropped when it is the scheme's own; False beyond 65535."""
    if not text:
        parts.port = ""
        return True
    number = int(text)
    if number > 0xFFFF:
        return False
    parts.port = "" if str(number) == DEFAULT_PORTS.get(parts.scheme) else str(number)
    return True


def parse_host(text: str, scheme: str) -> str | None:
    """A host in its serialised form; None when it is invalid."""
    if text.startswith("["):
        try:
            return f"[{ipaddress.IPv6Address(text[1:-1]).compressed}]"
        except ValueError:
            return None
    if scheme not in SPECIAL:
        return None if re.search(r"[\x00\t\n\r #/<>?@\[\\\]^|]", text) else encode(text, KEEP_OPAQUE_HOST)
    host = unquote_to_bytes(text).decode("utf-8", "replace").lower()
    if not host.isascii():
        try:
            host = ".".join(label if label.isascii() else label.encode("idna").decode("ascii") for label in host.split("."))
        except UnicodeError:
            return None
    if FORBIDDEN_HOST.search(host) is not None:
        return None
    last = host.removesuffix(".").rpartition(".")[2]
    return parse_ipv4(host) if last.isdigit() or re.fullmatch(r"0x[0-9a-f]*", last) else host


def parse_ipv4(host: str) -> str | None:
    """Dotted decimal of an IPv4 address in decimal, octal or hex, one to four parts."""
    fields = host.removesuffix(".").split(".")
    if not all(field.isascii() and field.isalnum() for field in fields):
        return None
    try:
        numbers = [int(f[2:] or "0", 16) if f[:2] == "0x" else int(f, 8) if f[:1] == "0" and len(f) > 1 else int(f) for f in fields]
    except ValueError:
        return None
    if len(numbers) > 4 or any(n > 255 for n in numbers[:-1]) or numbers[-1] >= 256 ** (5 - len(numbers)):
        return None
    value = numbers[-1] + sum(n << (8 * (3 - i)) for i, n in enumerate(numbers[:-1]))
    return str(ipaddress.IPv4Address(value))


def encode(text: str, keep: str, *, special: bool = False) -> str:
    """Percent-encodes what a component may not hold; existing escapes stay."""
    if text.isalnum() and text.isascii():
        return text
    if keep is KEEP_QUERY and not special:
        keep += "'"
    return quote(text, safe=keep, errors="replace")


def resolve_dots(path: str) -> str:
    """A path with `.` and `..` segments resolved; never empty."""
    if "." not in path and "%2" not in path:
        return path or "/"
    out: list[str] = []
    segments = path.split("/")[1:]
    for index, segment in enumerate(segments):
        plain = segment.lower().replace("%2e", ".")
        last = index == len(segments) - 1
        if plain == "..":
            if out:
                out.pop()
            if last:
                out.append("")
        elif plain == ".":
            if last:
                out.append("")
        else:
            out.append(segment)
    return "/" + "/".join(out)


def normalize_url(text: Any, *, what: str = "Invalid URL: ") -> str:
    """An absolute URL in normal form; TypeError otherwise, `what` before the text."""
    given = js_string(text)
    parts = parse(given)
    if parts is None:
        raise js_error("TypeError", f"{what}{given}")
    return parts.text()


class URL(JsProxy):
    """A URL; every component can be read, most can be set."""

    __slots__ = ("__weakref__", "_parts", "_search_params")
    _js_name = "URL"
    _js_statics = ("canParse", "parse")

    def __init__(self, url: Any, base: Any = None) -> None:
        self._parts = _parse_or_raise(js_string(url), None if base is None else js_string(base))
        self._search_params: URLSearchParams | None = None

    @staticmethod
    def canParse(url: Any, base: Any = None) -> bool:
        context = None if base is None else parse(js_string(base))
        return parse(js_string(url), context) is not None

    @staticmethod
    def parse(url: Any, base: Any = None) -> Any:
        return URL(url, base) if URL.canParse(url, base) else jsnull

    @property
    def href(self) -> str:
        return self._parts.text()

    @href.setter
    def href(self, text: str) -> None:
        self._parts = _parse_or_raise(text, None)
        self._refresh()

    @property
    def origin(self) -> str:
        return f"{self._parts.scheme}://{self._parts.authority()}" if self._parts.scheme in DEFAULT_PORTS else "null"

    @property
    def protocol(self) -> str:
        return self._parts.scheme + ":"

    @protocol.setter
    def protocol(self, text: str) -> None:
        scheme = text.partition(":")[0].lower()
        if (scheme in SPECIAL) == (self._parts.scheme in SPECIAL) and SCHEME.fullmatch(scheme + ":"):
            self._parts.scheme = scheme
            set_port(self._parts, self._parts.port)

    @property
    def username(self) -> str:
        return self._parts.user

    @username.setter
    def username(self, text: str) -> None:
        self._parts.user = encode(text, KEEP_USER)

    @property
    def password(self) -> str:
        return self._parts.password

    @password.setter
    def password(self, text: str) -> None:
        self._parts.password = encode(text, KEEP_USER)

    @property
    def host(self) -> str:
        return self._parts.authority()

    @host.setter
    def host(self, text: str) -> None:
        name, colon, port = text.partition(":")
        self.hostname = name
        if colon:
            self.port = port

    @property
    def hostname(self) -> str:
        return self._parts.host or ""

    @hostname.setter
    def hostname(self, text: str) -> None:
        host = parse_host(text, self._parts.scheme)
        if host:
            self._parts.host = host

    @property
    def port(self) -> str:
        return self._parts.port

    @port.setter
    def port(self, value: Any) -> None:
        digits = re.match(r"[0-9]*", js_string(value))
        set_port(self._parts, digits[0] if digits else "")

    @property
    def pathname(self) -> str:
        return self._parts.path

    @pathname.setter
    def pathname(self, text: str) -> None:
        path = encode(text.replace("?", "%3F").replace("#", "%23"), KEEP_PATH)
        self._parts.path = resolve_dots(path if path.startswith("/") else "/" + path)

    @property
    def search(self) -> str:
        return "?" + self._parts.query if self._parts.query else ""

    @search.setter
    def search(self, text: str) -> None:
        text = text.removeprefix("?")
        self._parts.query = encode(text, KEEP_QUERY, special=self._parts.scheme in SPECIAL) if text else None
        self._refresh()

    @property
    def searchParams(self) -> URLSearchParams:
        if self._search_params is None:
            self._search_params = URLSearchParams(self._parts.query or "", on_change=self._changed)
        return self._search_params

    @property
    def hash(self) -> str:
        return "#" + self._parts.fragment if self._parts.fragment else ""

    @hash.setter
    def hash(self, text: str) -> None:
        text = text.removeprefix("#")
        self._parts.fragment = encode(text, KEEP_FRAGMENT) if text else None

    def toString(self) -> str:
        return self.href

    def toJSON(self) -> str:
        return self.href

    def __str__(self) -> str:
        return self.href

    def _changed(self, query: str) -> None:
        self._parts.query = query or None

    def _refresh(self) -> None:
        if self._search_params is not None:
            self._search_params._pairs = parse_form(self._parts.query or "")


class URLSearchParams(JsProxy):
    """Form-encoded pairs, in order, names may repeat."""

    __slots__ = ("__weakref__", "_on_change", "_pairs")
    _js_name = "URLSearchParams"

    def __init__(self, init: Any = "", *, on_change: Callable[[str], None] | None = None) -> None:
        self._on_change = on_change
        self._pairs: list[tuple[str, str]]
        if isinstance(init, URLSearchParams):
            self._pairs = list(init._pairs)
        elif isinstance(init, JsObject):
            self._pairs = [(name, js_string(value)) for name, value in init._js_own().items()]
        elif isinstance(init, JsMap):
            self._pairs = [(js_string(name), js_string(value)) for name, value in init.items()]
        elif not isinstance(init, str | dict) and hasattr(init, "__iter__"):
            self._pairs = [(js_string(name), js_string(value)) for name, value in iterate(init)]
        else:
            self._pairs = [] if is_nullish(init) else parse_form(js_string(init).removeprefix("?"))

    @property
    def size(self) -> int:
        return len(self._pairs)

    def __len__(self) -> int:
        return len(self._pairs)

    def get(self, name: str) -> Any:
        return next((value for key, value in self._pairs if key == name), jsnull)

    def getAll(self, name: str) -> JsArray:
        return JsArray([value for key, value in self._pairs if key == name])

    def has(self, name: str, value: str | None = None) -> bool:
        return any(key == name and value in (None, held) for key, held in self._pairs)

    def append(self, name: Any, value: Any) -> None:
        self._replace([*self._pairs, (js_string(name), js_string(value))])

    def set(self, name: Any, value: Any) -> None:
        pair = (js_string(name), js_string(value))
        out: list[tuple[str, str]] = []
        placed = False
        for key, held in self._pairs:
            if key != pair[0]:
                out.append((key, held))
            elif not placed:
                out.append(pair)
                placed = True
        self._replace(out if placed else [*out, pair])

    def delete(self, name: str, value: str | None = None) -> None:
        self._replace([(key, held) for key, held in self._pairs if key != name or value not in (None, held)])

    def sort(self) -> None:
        self._replace(sorted(self._pairs, key=lambda pair: pair[0].encode("utf-16-be")))

    def entries(self) -> JsIterator:
        return JsIterator(JsArray([name, value]) for name, value in self._pairs)

    def keys(self) -> JsIterator:
        return JsIterator(name for name, _ in self._pairs)

    def values(self) -> JsIterator:
        return JsIterator(value for _, value in self._pairs)

    def forEach(self, function: Any) -> None:
        for name, value in list(self._pairs):
            function(value, name, self)

    def __iter__(self) -> Iterator[Any]:
        return self.entries()

    def toString(self) -> str:
        return "&".join(f"{form_quote(name)}={form_quote(value)}" for name, value in self._pairs)

    def __str__(self) -> str:
        return self.toString()

    def _replace(self, pairs: list[tuple[str, str]]) -> None:
        self._pairs = pairs
        if self._on_change is not None:
            self._on_change(self.toString())


def parse_form(text: str) -> list[tuple[str, str]]:
    """`application/x-www-form-urlencoded` text as pairs."""
    return parse_qsl(text, keep_blank_values=True, errors="replace", max_num_fields=None)


def form_quote(text: str) -> str:
    """One name or value, form-encoded."""
    return quote_plus(text, safe="*-._", errors="replace").replace("~", "%7E")


def _parse_or_raise(text: str, base: str | None) -> UrlParts:
    context = None if base is None else parse(base)
    parts = None if base is not None and context is None else parse(text, context)
    if parts is None:
        raise js_error("TypeError", "Invalid URL string.")
    return parts
