"""`_redirects` and `_headers`: the platform's rule files in a folder of assets. Reading them, and asking them.

    /old/:page/*  /new/:page/:splat  301          a line of _redirects: from, to, status (302)
    /docs/*                                       a block of _headers: a path and what is set, or removed, on its responses
      X-Robots-Tag: noindex
      ! ETag

`*` matches anything and is `:splat` in the target; `:name` matches within one segment. What is wrong in a file is told and left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, urlsplit, urlunsplit

STATUSES = (200, 301, 302, 303, 307, 308)
"""200 is a rewrite: another file of the folder answers under this path."""

_LINE = 2000
_MOST_STATIC, _MOST_DYNAMIC, _MOST_HEADERS = 2000, 100, 100
_NAME = re.compile(r":([A-Za-z]\w*)")
_HOST = re.compile(r"https://+([^/]+)/?(.*)", re.DOTALL)
_IS_PATH = re.compile(r"\S+://|/")
_TO_INDEX = re.compile(r"/index(\.html)?$")


@dataclass(frozen=True, slots=True)
class Complaint:
    """A line (from 1) that has no effect, and why."""

    line: int
    what: str


@dataclass(frozen=True, slots=True)
class RedirectRule:
    """`pattern` is None when `source` is compared as it is."""

    source: str
    target: str
    status: int
    pattern: re.Pattern[str] | None = None


@dataclass(frozen=True, slots=True)
class HeaderRule:
    """What a response to a matching path gets (`sets`, names in lower case) and loses."""

    source: str
    pattern: re.Pattern[str]
    sets: tuple[tuple[str, str], ...]
    removes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rules:
    """What both files say."""

    redirects: tuple[RedirectRule, ...] = ()
    headers: tuple[HeaderRule, ...] = ()

    def redirect(self, path: str) -> tuple[int, str] | None:
        """Status and target of the rule for a path, placeholders filled in. Rules without placeholders come first."""
        for rule in self.redirects:
            if rule.pattern is None and rule.source == path:
                return rule.status, rule.target
        for rule in self.redirects:
            found = rule.pattern.fullmatch(path) if rule.pattern else None
            if found:
                target = _filled(rule.target, found).strip()
                return rule.status, target if re.match(r"\w+://", target) else re.sub("/+", "/", target)
        return None

    def decorate(self, host: str, path: str, headers: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """The headers of a response to a path, after the rules: the first that sets a name replaces it, later ones add."""
        whole = f"https://{host.partition(':')[0]}{path}"
        fresh: set[str] = set()
        for rule in self.headers:
            found = rule.pattern.fullmatch(whole if rule.source.startswith("https://") else path)
            if found is None:
                continue
            gone = {name.lower() for name in rule.removes}
            headers = [pair for pair in headers if pair[0].lower() not in gone]
            for name, value in rule.sets:
                if name not in fresh:
                    headers = [pair for pair in headers if pair[0].lower() != name]
                    fresh.add(name)
                headers.append((name, _filled(value, found).strip()))
        return headers


def location(target: str, origin: str, path: str, query: str) -> str:
    """The `Location` of a redirect. `origin` is the request's, such as `http://localhost:8787`; its `query` goes along unless the target
    has one; a target on the same origin becomes relative."""
    parts = urlsplit(target)
    scheme, host = (parts.scheme, parts.netloc) if parts.scheme else ("", "")
    if f"{scheme}://{host}" == origin:
        scheme = host = ""
    there = parts.path if parts.path.startswith("/") or not parts.path else path.rpartition("/")[0] + "/" + parts.path
    return urlunsplit((scheme, host, there or "/", parts.query or query, parts.fragment))


# -- _redirects


def read_redirects(text: str, *, html: bool) -> tuple[tuple[RedirectRule, ...], tuple[Complaint, ...]]:
    """The rules of a `_redirects` file. `html`: whether paths are mapped to HTML files, so that a rule to `/index.html` would come
    back to itself."""
    rules: list[RedirectRule] = []
    complaints: list[Complaint] = []
    seen: set[str] = set()
    static = dynamic = 0
    for number, line in _lines(text, complaints):
        words = re.sub(r"\s+#.*$", "", line).split()
        if len(words) not in (2, 3):
            complaints.append(Complaint(number, f"2 or 3 words are expected: from, to and status; there are {len(words)}"))
            continue
        try:
            source, target = _path(words[0], relative=True), _target(words[1])
            status = _status(words[2] if len(words) == 3 else "302")
            _refuse_loop(source, target, status, html=html)
            pattern = _pattern(source)
        except ValueError as error:
            complaints.append(Complaint(number, str(error)))
            continue
        if source in seen:
            complaints.append(Complaint(number, f"there is a rule for {source} above"))
            continue
        # Behind the first pattern everything is asked in order, so plain paths there count, and are asked, as patterns.
        is_static = dynamic == 0 and not ("*" in source or _NAME.search(source))
        static, dynamic = static + is_static, dynamic + (not is_static)
        if static > _MOST_STATIC or dynamic > _MOST_DYNAMIC:
            most = _MOST_STATIC if is_static else _MOST_DYNAMIC
            complaints.append(Complaint(number, f"only {most} rules {'without' if is_static else 'with or behind'} placeholders are taken"))
            break
        seen.add(source)
        rules.append(RedirectRule(source, target, status, None if is_static else pattern))
    return tuple(rules), tuple(complaints)


def _status(word: str) -> int:
    if not word.isdigit() or int(word) not in STATUSES:
        raise ValueError(f"the status must be one of {', '.join(map(str, STATUSES))}, and is {word}")
    return int(word)


def _refuse_loop(source: str, target: str, status: int, *, html: bool) -> None:
    if _HOST.match(target):
        if status == 200:
            raise ValueError(f"a rewrite (200) leads to a path of the same folder, not to {target}")
    elif _TO_INDEX.search(target) and (source.endswith("/*") or (source.endswith("/") and html)):
        raise ValueError("this rule would lead to itself for ever: the platform takes index.html off paths")


# -- _headers


def read_headers(text: str) -> tuple[tuple[HeaderRule, ...], tuple[Complaint, ...]]:
    """The rules of a `_headers` file."""
    rules: list[HeaderRule] = []
    complaints: list[Complaint] = []
    blocks: list[tuple[int, re.Pattern[str] | None, str, dict[str, str], list[str]]] = []
    for number, line in _lines(text, complaints):
        if _IS_PATH.match(line):
            pattern, source = None, line
            try:
                source = _header_path(line)
                pattern = _pattern(source)
            except ValueError as error:
                complaints.append(Complaint(number, str(error)))
            blocks.append((number, pattern, source, {}, []))
        elif not blocks:
            complaints.append(Complaint(number, "a path that begins with / is expected before the first header"))
        elif blocks[-1][1] is not None:
            wrong = _take_header(line, *blocks[-1][3:])
            if wrong:
                complaints.append(Complaint(number, wrong))
    for number, pattern, source, sets, removes in blocks:
        if pattern is None:
            continue
        if not sets and not removes:
            complaints.append(Complaint(number, "this path has no headers"))
        elif len(rules) == _MOST_HEADERS:
            complaints.append(Complaint(number, f"only {_MOST_HEADERS} rules are taken"))
            break
        else:
            rules.append(HeaderRule(source, pattern, tuple(sets.items()), tuple(removes)))
    return tuple(rules), tuple(complaints)


def _take_header(line: str, sets: dict[str, str], removes: list[str]) -> str | None:
    """Add one line to its block; gives what is wrong with it."""
    name, colon, value = line.partition(":")
    if not colon:
        if not line.startswith("! "):
            return "a header is written as name: value"
        removes.append(line[2:])
        return None
    name, value = name.strip().lower(), value.strip()
    if not name or not value or " " in name:
        return "a header has a name without spaces, and a value"
    sets[name] = f"{sets[name]}, {value}" if name in sets else value
    return None


def _header_path(line: str) -> str:
    path = _path(line, relative=False)
    if path.count("*") > 1:
        raise ValueError(f"only one * is allowed in a path; give the others names, such as :project: {path}")
    if "*" in path and re.search(r":splat(?!\w)", path):
        raise ValueError(f"* is :splat already: {path}")
    return path


# -- both


def _lines(text: str, complaints: list[Complaint]) -> list[tuple[int, str]]:
    """Lines with something on them, stripped, with their numbers."""
    found = []
    for number, line in enumerate(text.split("\n"), 1):
        line = line.strip()
        if len(line) > _LINE:
            complaints.append(Complaint(number, f"the line is longer than {_LINE} characters"))
        elif line and not line.startswith("#"):
            found.append((number, line))
    return found


def _path(word: str, *, relative: bool) -> str:
    """A path to compare requests with, or `https://host/path`. Raises ValueError."""
    whole = _HOST.match(word)
    if whole:
        if relative:
            raise ValueError(f"a redirect begins at a path, not at {word}")
        if re.search(r":\d+$", whole[1]):
            raise ValueError(f"a port cannot be given: {word}")
        return f"https://{whole[1]}{_encoded('/' + whole[2])}"
    if not word.startswith("/"):
        if not relative:
            raise ValueError(f"a path begins with /, a URL with https://: {word}")
        word = "/" + word
    return _encoded(word.partition("#")[0].partition("?")[0])


def _target(word: str) -> str:
    """A redirect's target. Raises ValueError."""
    whole = _HOST.match(word)
    if whole:
        return f"https://{whole[1]}{_encoded('/' + whole[2])}"
    if not word.startswith("/"):
        raise ValueError(f"the target begins with / or https://: {word}")
    return _encoded(word)


def _encoded(path: str) -> str:
    return quote(path, safe="".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>`{}'))


def _pattern(source: str) -> re.Pattern[str]:
    """What a rule's source matches; in the host of a URL a name ends at a dot as well. Raises ValueError."""
    whole = re.fullmatch(r"(https://[^/]+)(/.*)", source, re.DOTALL)
    host, path = (whole[1], whole[2]) if whole else ("", source)
    try:
        return re.compile(_regex(host, "[^/.]+") + _regex(path, "[^/]+"), re.DOTALL)
    except re.error:
        raise ValueError(f"a placeholder is there twice: {source}") from None


def _regex(text: str, segment: str) -> str:
    parts = []
    for index, part in enumerate(re.split(r"(\*|:[A-Za-z]\w*)", text)):
        if index % 2 == 0:
            parts.append(re.escape(part))
        else:
            parts.append("(?P<splat>.*)" if part == "*" else f"(?P<{part[1:]}>{segment})")
    return "".join(parts)


def _filled(text: str, found: re.Match[str]) -> str:
    for name, value in found.groupdict().items():
        text = text.replace(f":{name}", value)
    return text
