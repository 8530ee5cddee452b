"""A folder of assets on disk, read at each request, because it is being edited."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from emulator.config import Notice
from emulator.config.document import shown
from emulator.core.asset_rules import Complaint, Rules, read_headers, read_redirects
from emulator.core.ignore_patterns import IgnorePatterns
from emulator.gateway.content_types import content_type
from emulator.gateway.exchange import Headers, Request, Response

CHUNK = 64 * 1024
AT_ONCE = 32 * 1024
"""Files up to this size are read sooner than a thread is asked to."""
INLINE = 256 * 1024
"""Files up to this size are answered in one piece."""
REDIRECTS, HEADERS, IGNORE = "_redirects", "_headers", ".assetsignore"

Warn = Callable[[Notice], None]
_Version = tuple[int, int]
"""Modification time in ns and size: what tells a file from its earlier self."""
_NEVER_READ: _Version = (-1, -1)


@dataclass(slots=True, frozen=True)
class _File:
    path: Path
    version: _Version

    @property
    def etag(self) -> str:
        return f'"{self.version[0]:x}-{self.version[1]:x}"'

    @property
    def size(self) -> int:
        return self.version[1]


class AssetFolder:
    """The files of one folder, as an `AssetFiles`. `warn` hears of lines in `_redirects` and `_headers` that have no effect."""

    def __init__(self, folder: Path, warn: Warn, *, html: bool = True) -> None:
        """`html`: whether paths are mapped to HTML files (`html_handling` is not `none`)."""
        root = os.path.realpath(folder)
        self._prefix = root.rstrip(os.sep) + os.sep
        self._warn = warn
        self._rules = RuleFiles(Path(root), warn, html=html)

    @property
    def rules(self) -> Rules:
        """What `_redirects` and `_headers` say now."""
        return self._rules.rules

    def exists(self, path: str) -> bool:
        """Whether a regular file below the folder has this path, and is not left out by `.assetsignore`."""
        return self._look(path) is not None

    async def respond(self, request: Request, path: str, status: int) -> Response:
        """The file's bytes, or 304 for a client that has them."""
        file = self._look(path)
        if file is None:  # deleted meanwhile
            return Response(404)
        headers: Headers = [("etag", file.etag)]
        kind = content_type(file.path.name)
        if kind is not None:
            headers.append(("content-type", kind))
        if request.header("authorization") is None and request.header("range") is None:
            headers.append(("cache-control", "public, max-age=0, must-revalidate"))
        if (request.header("if-none-match") or "").removeprefix("W/") == file.etag:
            return Response(304, headers)
        headers.append(("content-length", str(file.size)))
        if request.method == "HEAD":
            return Response(status, headers)
        try:
            return Response(status, headers, await _content(file))
        except OSError as error:
            self._warn(Notice(f"an asset cannot be read: {(error.strerror or str(error)).lower()}", shown(file.path)))
            return Response(500)

    def _look(self, path: str) -> _File | None:
        """The file at a path. Symbolic links may not lead out of the folder."""
        name = path.lstrip("/")
        # Most paths that are asked for are no files: this comes first, because it is quick.
        if not name or path.endswith("/") or _version(f"{self._prefix}{name}") is None or self._rules.hides(name):
            return None
        real = os.path.realpath(f"{self._prefix}{name}")
        version = _version(real) if real.startswith(self._prefix) else None
        return _File(Path(real), version) if version else None


class RuleFiles:
    """`_redirects`, `_headers` and `.assetsignore` of a folder, each read again when it has changed."""

    def __init__(self, folder: Path, warn: Warn, *, html: bool) -> None:
        self._folder = folder
        self._paths = {name: str(folder / name) for name in (REDIRECTS, HEADERS, IGNORE)}
        self._warn = warn
        self._html = html
        self._versions: dict[str, _Version | None] = {}
        self._kept = Rules()
        self._ignored = IgnorePatterns(())

    @property
    def rules(self) -> Rules:
        """What they say now."""
        if self._changed(REDIRECTS, HEADERS):
            redirects, wrong_redirects = read_redirects(self._text(REDIRECTS), html=self._html)
            headers, wrong_headers = read_headers(self._text(HEADERS))
            self._kept = Rules(redirects, headers)
            self._complain(REDIRECTS, wrong_redirects)
            self._complain(HEADERS, wrong_headers)
        return self._kept

    def hides(self, name: str) -> bool:
        """Whether a file, by its path relative to the folder, is no asset."""
        if self._changed(IGNORE):
            always = (f"/{IGNORE}", f"/{REDIRECTS}", f"/{HEADERS}")
            self._ignored = IgnorePatterns((*always, *self._text(IGNORE).split("\n")))
        return self._ignored.ignores(name)

    def _changed(self, *names: str) -> bool:
        versions = [_version(self._paths[name]) for name in names]
        changed = versions != [self._versions.get(name, _NEVER_READ) for name in names]
        self._versions.update(zip(names, versions, strict=True))
        return changed

    def _text(self, name: str) -> str:
        try:
            return (self._folder / name).read_text("utf-8", "replace")
        except (FileNotFoundError, IsADirectoryError):
            return ""

    def _complain(self, name: str, complaints: tuple[Complaint, ...]) -> None:
        for one in complaints:
            self._warn(Notice(f"this line has no effect: {one.what}", f"{shown(self._folder / name)}:{one.line}"))


def _version(path: str) -> _Version | None:
    """None when there is no regular file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):  # ValueError: a NUL in the path
        return None
    return (status.st_mtime_ns, status.st_size) if stat.S_ISREG(status.st_mode) else None


async def _content(file: _File) -> bytes | AsyncIterator[bytes]:
    """A file's bytes, at once when they are few. Raises OSError."""
    if file.size <= AT_ONCE:
        return file.path.read_bytes()
    if file.size <= INLINE:
        return await asyncio.to_thread(file.path.read_bytes)
    return _chunks(await asyncio.to_thread(file.path.open, "rb"), file.size)


async def _chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """The file in pieces, and not more than was announced, should it grow meanwhile."""
    with file:
        while size > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
