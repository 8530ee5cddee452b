"""Which file of a folder of assets a URL path means, as the platform decides it (tests/gateway/assets_recorded.json holds what it does).

Every HTML file has one canonical path, which depends on `html_handling`; its other names redirect there. `exists` is asked for absolute,
decoded paths such as `/blog/index.html`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

Exists = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Serve:
    """The file answers."""

    file: str


@dataclass(frozen=True, slots=True)
class Redirect:
    """The file has another path."""

    path: str


# Per handling and per ending of a path: the files to look for, in this order, each with the path it should have; None is "as asked".
# {p} is the path, {s} is the path without its ending. The steps of the ending "" are the last ones of every path.
_Steps = tuple[tuple[str, str | None], ...]
_ENDINGS = ("/index", "/index.html", "/", ".html")
_HANDLING: dict[str, dict[str, _Steps]] = {
    "auto-trailing-slash": {
        "/index": (("{p}", None), ("{s}/index.html", "{s}/"), ("{s}.html", "{s}")),
        "/index.html": (("{p}", "{s}/"), ("{s}.html", "{s}")),
        "/": (("{s}/index.html", None), ("{s}.html", "{s}")),
        ".html": (("{p}", "{s}"), ("{s}/index.html", "{s}/")),
        "": (("{p}", None), ("{p}.html", None), ("{p}/index.html", "{p}/")),
    },
    "force-trailing-slash": {
        "/index": (("{p}", None), ("{s}/index.html", "{s}/"), ("{s}.html", "{s}/")),
        "/index.html": (("{p}", "{s}/"), ("{s}.html", "{s}/")),
        "/": (("{s}/index.html", None), ("{s}.html", None)),
        ".html": (("{p}", "{s}/"), ("{p}", None), ("{s}/index.html", "{s}/")),
        "": (("{p}", None), ("{p}.html", "{p}/"), ("{p}/index.html", "{p}/")),
    },
    "drop-trailing-slash": {
        "/index": (("{p}", None), ("{s}.html", "{s}"), ("{s}/index.html", "{s}")),
        "/index.html": (("{p}", "{s}"), ("{p}", None), ("{s}.html", "{s}")),
        "/": (("{s}.html", "{s}"), ("{s}/index.html", "{s}")),
        ".html": (("{p}", "{s}"), ("{s}/index.html", "{s}")),
        "": (("{p}", None), ("{p}.html", None), ("{p}/index.html", None)),
    },
    "none": {"": (("{p}", None),)},
}


def find(path: str, html: str, exists: Exists) -> Serve | Redirect | None:
    """What a decoded path means under this `html_handling`; None when there is no such file."""
    for file, home in _steps(path, html):
        if not exists(file):
            continue
        if home is None or home == path:
            return Serve(file)
        if not exists(home) and _served(home, html, exists) == file:
            return Redirect(home)
    return None


def _served(path: str, html: str, exists: Exists) -> str | None:
    """The file that is served at a path, redirects aside."""
    return next((file for file, home in _steps(path, html) if home in (None, path) and exists(file)), None)


def _steps(path: str, html: str) -> list[tuple[str, str | None]]:
    handling = _HANDLING[html]
    ending = next((one for one in _ENDINGS if path.endswith(one) and one in handling), None)
    steps = handling[""] if ending is None else handling[ending] + handling[""]
    stem = path.removesuffix(ending or "")
    found = []
    for file, home in steps:
        name = file.format(p=path, s=stem)
        place = home if home is None else home.format(p=path, s=stem)
        if place == "":  # above the root there is nothing but the root
            if name != "/index.html":
                continue
            place = "/"
        found.append((name, place))
    return found


def nearest_404(path: str, exists: Exists) -> str | None:
    """The `404.html` of the folder that the path is in, or of the nearest one above."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        if exists(f"{folder}/404.html"):
            return f"{folder}/404.html"
    return None


# -- spelling

_PLAIN = re.compile(r"(?:/(?!\.)[\w.~-]*)+", re.ASCII)
"""A path that is spelled as it is named; most are."""
_UNTOUCHED = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"#<>?`{}')
_BROKEN = re.compile(r"%(?![0-9A-Fa-f]{2})")
_DOT = re.compile(r"\.|%2e", re.IGNORECASE)


def normal(path: str) -> str:
    """A request's path as a URL has it: backslashes turned, what must be encoded encoded, `.` and `..` resolved."""
    if _PLAIN.fullmatch(path):
        return path
    segments: list[str] = []
    # From the edge one character is one byte.
    encoding = "latin-1" if all(character < "\u0100" for character in path) else "utf-8"
    parts = quote(path.replace("\\", "/"), safe=_UNTOUCHED, encoding=encoding, errors="replace").split("/")[1:]
    for index, part in enumerate(parts):
        dots = len(_DOT.findall(part)) if _DOT.sub("", part) == "" else 0
        if dots == 2 and segments:
            segments.pop()
        if dots not in (1, 2):
            segments.append(part)
        elif index == len(parts) - 1:
            segments.append("")
    return "/" + "/".join(segments)


def decode(path: str) -> str:
    """The name that a normal path spells. A segment that is not UTF-8, percent-encoded, stays as it is; repeated slashes are one."""
    if "%" not in path and "//" not in path:
        return path
    return re.sub("/+", "/", "/".join(map(_decoded, path.split("/"))))


def _decoded(segment: str) -> str:
    if _BROKEN.search(segment):
        return segment
    try:
        return unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError:
        return segment


def encode(path: str) -> str:
    """The canonical spelling of a name in a URL."""
    if _PLAIN.fullmatch(path):
        return path
    return "/".join(quote(segment, safe="-_.!~*'()", errors="surrogatepass") for segment in path.split("/"))
