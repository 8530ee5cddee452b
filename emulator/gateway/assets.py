"""Static assets (durable-objects.md 10.2): files of one folder over HTTP, at the edge before the Worker and as the `ASSETS` binding.

=====================  ==========================================================================================
html_handling          `/a` with a file `a.html` · `/b/` with a file `b/index.html` · `/a.html` asked for by its name
=====================  ==========================================================================================
auto-trailing-slash    serves it · serves it · redirects to `/a` (`/b/index.html` and `/b` to `/b/`)
force-trailing-slash   redirects to `/a/` · serves it · redirects to `/a/`
drop-trailing-slash    serves it · redirects to `/b` · redirects to `/a`
none                   does not · does not · serves it
=====================  ==========================================================================================
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote, unquote_to_bytes, urlsplit

from emulator.config import Assets, HtmlHandling, NotFound
from emulator.gateway.exchange import Headers, Request, Response

CHUNK = 64 * 1024
INLINE = 256 * 1024
"""Files up to this size are answered in one piece."""
_TYPES = mimetypes.MimeTypes()
for _type, _suffix in (
    ("text/javascript", ".js"),
    ("text/javascript", ".mjs"),
    ("application/wasm", ".wasm"),
    ("image/svg+xml", ".svg"),
    ("text/markdown", ".md"),
    ("font/woff2", ".woff2"),
    ("image/webp", ".webp"),
    ("application/manifest+json", ".webmanifest"),
):
    _TYPES.add_type(_type, _suffix)


@dataclass(slots=True, frozen=True)
class _File:
    path: Path
    size: int
    mtime_ns: int

    @property
    def etag(self) -> str:
        return f'"{self.mtime_ns:x}-{self.size:x}"'


class AssetService:
    """Serves the project's assets folder, read from disk at each request, because it is being edited."""

    def __init__(self, assets: Assets) -> None:
        assert assets.directory is not None
        self._assets = assets
        self._root = Path(os.path.realpath(assets.directory))

    async def serve(self, request: Request) -> Response:
        """The answer to one request (GET or HEAD; 405 else), as the binding gives it."""
        return (await self._answer(request))[0]

    async def at_edge(self, request: Request) -> Response | None:
        """The answer in front of a Worker, or None when the Worker shall answer. What stands for a missing file (the single page, the
        404 page) is only for a browser's navigation, as on the platform with `assets_navigation_prefers_asset_serving`."""
        response, exists = await self._answer(request)
        return response if exists or (response.body and request.header("sec-fetch-mode") == "navigate") else None

    async def _answer(self, request: Request) -> tuple[Response, bool]:
        """The response, and whether it stands for a file that exists."""
        if request.method not in ("GET", "HEAD"):
            return Response(405, [("allow", "GET, HEAD")]), False
        parts = urlsplit(request.url)
        path = unquote_to_bytes(parts.path.encode("latin-1", "replace")).decode("utf-8", "surrogateescape")
        found = self._route(path)
        if isinstance(found, str):
            location = quote(found, safe="/:@!$&'()*+,;=~") + (f"?{parts.query}" if parts.query else "")
            return Response(307, [("location", location)]), True
        if found is not None:
            return await self._file(request, found, 200), True
        return await self._not_found(request, path), False

    # -- which file

    def _route(self, path: str) -> _File | str | None:
        """The file for a path, the path to redirect to, or None."""
        mode = self._assets.html
        exact = self._look(path)
        if mode is HtmlHandling.NONE:
            return exact
        if exact is not None and not path.endswith(".html"):
            return exact
        if path.endswith("/index.html"):
            return self._canonical_folder(path.removesuffix("index.html")) if exact else None
        if path.endswith(".html"):
            stem = path.removesuffix(".html")
            return (stem + "/" if mode is HtmlHandling.FORCE else stem) if exact else None
        if path.endswith("/"):
            return self._with_slash(path, mode)
        page, index = self._look(path + ".html"), self._look(path + "/index.html")
        if mode is HtmlHandling.FORCE:
            return path + "/" if page or index else None
        if page is not None:
            return page
        if index is not None:
            return index if mode is HtmlHandling.DROP else path + "/"
        return None

    def _with_slash(self, path: str, mode: HtmlHandling) -> _File | str | None:
        index = self._look(path + "index.html")
        bare = path.rstrip("/")
        page = self._look(bare + ".html") if bare else None
        if mode is HtmlHandling.FORCE:
            return index or page
        if mode is HtmlHandling.DROP and bare:
            return bare if index or page else None
        if index is not None:
            return index
        return bare if page is not None else None

    def _canonical_folder(self, path: str) -> str:
        return path.rstrip("/") or "/" if self._assets.html is HtmlHandling.DROP else path

    def _look(self, path: str) -> _File | None:
        """A regular file below the folder. Symbolic links may not lead out of it."""
        if "\0" in path:
            return None
        real = Path(os.path.realpath(self._root / path.lstrip("/")))
        if not real.is_relative_to(self._root):
            return None
        try:
            status = real.stat()
        except (OSError, ValueError):
            return None
        return _File(real, status.st_size, status.st_mtime_ns) if stat.S_ISREG(status.st_mode) else None

    # -- the answer

    async def _not_found(self, request: Request, path: str) -> Response:
        if self._assets.not_found is NotFound.SINGLE_PAGE:
            page = self._look("/index.html")
            if page is not None:
                return await self._file(request, page, 200)
        if self._assets.not_found is NotFound.PAGE_404:
            page = self._nearest_404(path)
            if page is not None:
                return await self._file(request, page, 404)
        return Response(404)

    def _nearest_404(self, path: str) -> _File | None:
        folder = path
        while "/" in folder:
            folder = folder.rpartition("/")[0]
            page = self._look(folder + "/404.html")
            if page is not None:
                return page
        return None

    async def _file(self, request: Request, file: _File, status: int) -> Response:
        headers: Headers = [
            ("content-type", _content_type(file.path)),
            ("etag", file.etag),
            ("last-modified", formatdate(file.mtime_ns / 1e9, usegmt=True)),
            ("cache-control", "public, max-age=0, must-revalidate"),
        ]
        if status == 200 and file.etag in _etags(request.header("if-none-match")):
            return Response(304, [(name, value) for name, value in headers if name != "content-type"])
        headers.append(("content-length", str(file.size)))
        if request.method == "HEAD":
            return Response(status, headers)
        if file.size <= INLINE:
            return Response(status, headers, await asyncio.to_thread(file.path.read_bytes))
        return Response(status, headers, _chunks(await asyncio.to_thread(file.path.open, "rb"), file.size))


def _content_type(path: Path) -> str:
    kind = _TYPES.guess_type(path.name)[0] or "application/octet-stream"
    return f"{kind}; charset=utf-8" if kind.startswith("text/") else kind


def _etags(value: str | None) -> set[str]:
    return {part.strip().removeprefix("W/") for part in (value or "").split(",")}


async def _chunks(file: BinaryIO, size: int) -> AsyncIterator[bytes]:
    """The file in pieces, and not more than was announced, should it grow meanwhile."""
    with file:
        while size > 0 and (chunk := await asyncio.to_thread(file.read, min(CHUNK, size))):
            size -= len(chunk)
            yield chunk
