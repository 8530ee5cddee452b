"""What answers in front of the Worker in a project with Vite: Vite itself, then its pages, by the platform's rules for assets.

The order is that of the Cloudflare plugin for Vite, whose place this takes: first `run_worker_first`; then what Vite has (modules,
styles, public files); then HTML files, found as the platform finds them and transformed by Vite; then what stands for missing files;
then the Worker. `assets.directory` counts for nothing here: it is where a build would put its files. Unlike that plugin, `_redirects` and
`_headers` of the public folder are obeyed for pages, and `OPTIONS` reaches the Worker, both as on the platform.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from emulator.config import Assets, HtmlHandling, NotFound, Notice
from emulator.core.asset_rules import Rules
from emulator.core.routing import AssetRoutes, Route
from emulator.errors import EmuError
from emulator.gateway.asset_folder import AssetFolder, Warn
from emulator.gateway.assets import AssetService
from emulator.gateway.exchange import Request, Response
from emulator.gateway.front.front import Front, Serving
from emulator.gateway.front.process import ViteLost
from emulator.gateway.journal import Journal

NO_KEYS = Assets(directory=None, binding=None, not_found=NotFound.NONE, html=HtmlHandling.AUTO, worker_first=False)
"""What a wrangler file without `assets` means."""
QUIET_S = 0.5
"""Requests to Vite are one entry of the journal when none has followed for so long."""


class FrontAssets:
    """The front end, as what may answer before the Worker (http.EdgeAssets) and as the `ASSETS` binding."""

    def __init__(self, front: Front, assets: Assets, warn: Warn, journal: Journal, *, navigation: bool) -> None:
        """`navigation` as for AssetService."""
        self._front = front
        self._assets = assets
        self._warn = warn
        self._navigation = navigation
        self._routes = AssetRoutes(assets.worker_first)
        self._tally = _Tally(journal)
        self._pages: tuple[Serving, AssetService] | None = None
        self._warned = False

    def is_workers(self, path: str) -> bool:
        """Whether the Worker runs first for a path."""
        return self._routes.of(path.partition("?")[0]) is Route.WORKER

    async def at_edge(self, request: Request) -> Response | None:
        """The answer in front of a Worker, or None when the Worker shall answer: also to WebSockets, whatever the path."""
        if request.header("upgrade") is not None:
            self._warn_of_socket(urlsplit(request.url).path)
            return None
        return await self._answer(request, edge=True)

    async def serve(self, request: Request) -> Response:
        """The answer as the binding gives it, 404 when there is none."""
        # Vite answers to hosts that it knows; the Worker's URL may name any.
        headers = [pair for pair in request.headers if pair[0].lower() != "host"]
        inside = Request(request.method, request.url, [*headers, ("host", "localhost")])
        return await self._answer(inside, edge=False) or Response(404)

    def _warn_of_socket(self, path: str) -> None:
        """Deployed, what stands for missing files answers every path that is not the Worker's by `run_worker_first`."""
        if (
            self._assets.not_found is NotFound.NONE
            or not self._routes.patterns
            or self._routes.of(path) is not Route.EITHER
            or self._warned
        ):
            return
        self._warned = True
        what = f"a WebSocket to {path} reaches the Worker here; deployed, the assets would answer it"
        self._warn(Notice(what, hint='add its path to "assets.run_worker_first"'))

    async def _answer(self, request: Request, *, edge: bool) -> Response | None:
        try:
            serving = await self._front.serving()
            response = await self._ask(serving, request)
            if response is not None:
                return response
            return await self._ask_pages(serving, request, edge=edge)
        except EmuError as error:
            # A program that asks for something else must not wait for the front end to be repaired.
            wants_page = request.header("sec-fetch-mode") == "navigate" or "text/html" in (request.header("accept") or "")
            return _broken(error) if wants_page or not edge else None
        except ViteLost:
            return Response(
                503, [("content-type", "text/plain; charset=utf-8"), ("retry-after", "1")], b"The front end is starting again.\n"
            )

    async def _ask(self, serving: Serving, request: Request) -> Response | None:
        """Vite's own answer."""
        if request.method not in ("GET", "HEAD"):
            return None
        try:
            response = await serving.vite.ask(request)
        except ViteLost:
            # It was replaced just now: whoever came after it answers.
            response = await (await self._front.serving()).vite.ask(request)
        if response is not None:
            response.noted = True
            self._tally.count(response.status)
        return response

    async def _ask_pages(self, serving: Serving, request: Request, *, edge: bool) -> Response | None:
        if self._pages is None or self._pages[0] is not serving:
            files = _Pages(serving, self._warn, html=self._assets.html is not HtmlHandling.NONE)
            self._pages = serving, AssetService(self._assets, files, navigation=self._navigation)
        pages = self._pages[1]
        return await (pages.at_edge(request) if edge else pages.serve(request))


class _Pages:
    """The HTML files of a Vite project, as AssetFiles: those of its root, transformed, and those of its public folder, as they are."""

    def __init__(self, serving: Serving, warn: Warn, *, html: bool) -> None:
        facts = serving.facts
        self._vite = serving.vite
        self._root = facts.root
        self._public_path = ""
        self._public: AssetFolder | None = None
        if facts.public is not None and facts.public.is_dir():
            self._public = AssetFolder(facts.public, warn, html=html)
            if facts.public.is_relative_to(facts.root):
                self._public_path = f"/{facts.public.relative_to(facts.root).as_posix()}/"

    @property
    def rules(self) -> Rules:
        return self._public.rules if self._public else Rules()

    def exists(self, path: str) -> bool:
        return path.endswith(".html") and (self._is_public(path) or self._is_root(path))

    async def respond(self, request: Request, path: str, status: int) -> Response:
        if self._public is not None and self._is_public(path):
            return await self._public.respond(request, path, status)
        response = await self._vite.ask(request, page=path)
        if response is None:
            return Response(404)
        return Response(status if response.status == 200 else response.status, response.headers, response.body)

    def _is_public(self, path: str) -> bool:
        return self._public is not None and self._public.exists(path)

    def _is_root(self, path: str) -> bool:
        if ".." in path.split("/") or "\0" in path or (self._public_path and path.startswith(self._public_path)):
            return False
        return (self._root / path.lstrip("/")).is_file()


@dataclass(slots=True)
class _Tally:
    """Folds the requests that Vite answers, a hundred for one page, into one entry."""

    journal: Journal
    requests: int = 0
    failed: int = 0
    began_s: float = 0.0
    last_s: float = 0.0
    timer: asyncio.TimerHandle | None = None

    def count(self, status: int) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self.began_s = self.began_s if self.requests else now
        self.requests, self.failed, self.last_s = self.requests + 1, self.failed + (status >= 400), now
        if self.timer is None:
            self.timer = loop.call_later(QUIET_S, self._look)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        rest = self.last_s + QUIET_S - loop.time()
        if rest > 0.001:
            self.timer = loop.call_later(rest, self._look)
            return
        self.journal.add("front", requests=self.requests, failed=self.failed, ms=round((self.last_s - self.began_s) * 1000))
        self.requests = self.failed = 0
        self.timer = None


def _broken(error: EmuError) -> Response:
    """The page that says why there is no front end."""
    page = (
        "<!doctype html><meta charset=utf-8><title>No front end</title>"
        "<style>body{font:14px/1.5 system-ui;margin:3rem;max-width:60rem}pre{white-space:pre-wrap}</style>"
        f"<h1>The front end does not run</h1><pre>{escape(error.render())}</pre><p>Reload this page when it is repaired."
    )
    return Response(503, [("content-type", "text/html; charset=utf-8"), ("cache-control", "no-store")], page.encode())
