"""Static assets (durable-objects.md 10.2): files over HTTP, at the edge before the Worker and as the `ASSETS` binding.

Which file a path means is decided here, by the rules of core/asset_paths.py, core/asset_rules.py and core/routing.py; where files are
and how they answer is the business of an `AssetFiles`: a folder (asset_folder.py), or the project's Vite (front_assets.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from emulator.config import Assets, NotFound
from emulator.core import asset_paths, asset_rules
from emulator.core.asset_paths import Redirect, Serve
from emulator.core.asset_rules import Rules
from emulator.core.routing import AssetRoutes, Route
from emulator.gateway.exchange import Request, Response


class AssetFiles(Protocol):
    """Where the files are."""

    @property
    def rules(self) -> Rules:
        """`_redirects` and `_headers` as they are now."""

    def exists(self, path: str) -> bool:
        """Whether there is a file at an absolute, decoded path such as `/blog/index.html`."""

    async def respond(self, request: Request, path: str, status: int) -> Response:
        """The file as the answer to a GET or HEAD. A conditional request may get 304."""


@dataclass(frozen=True, slots=True)
class _File:
    path: str
    status: int


class AssetService:
    """The project's assets as the platform serves them. `navigation`: whether a browser's navigation to a missing path gets what
    stands for missing files, the single page or the 404 page (compatibility flag assets_navigation_prefers_asset_serving)."""

    def __init__(self, assets: Assets, files: AssetFiles, *, navigation: bool = True) -> None:
        self._assets = assets
        self._files = files
        self._navigation = navigation
        self._routes = AssetRoutes(assets.worker_first)

    def is_workers(self, path: str) -> bool:
        """Whether the Worker runs first for a path (as in the request line, query and all): no need to ask `at_edge`."""
        return self._routes.of(path.partition("?")[0]) is Route.WORKER

    async def serve(self, request: Request) -> Response:
        """The answer to one request, as the binding gives it; 404 when there is none, 405 when it is neither GET nor HEAD."""
        return await self._respond(request, self._decide(request, missing=True))

    async def at_edge(self, request: Request) -> Response | None:
        """The answer in front of a Worker, or None when the Worker shall answer."""
        path = _path(request)
        route = self._routes.of(path)
        if route is Route.WORKER:
            return None
        if route is Route.ASSETS:
            return await self.serve(request)
        # What stands for missing files would hide the Worker: so only where the wrangler file's patterns say which paths are the Worker's,
        # and for navigations.
        missing = self._routes.patterns or (self._navigation and request.header("sec-fetch-mode") == "navigate")
        decision = self._decide(request, missing=missing)
        return None if decision is None else await self._respond(request, decision)

    # -- which file

    def _decide(self, request: Request, *, missing: bool) -> Response | _File | None:
        """A file, or a response without one; None when no asset answers. `missing`: whether something may stand for a missing file."""
        parts = urlsplit(request.url)
        path = _path(request)
        rule = self._files.rules.redirect(path)
        if rule is not None:
            status, target = rule
            if status != 200:
                place = asset_rules.location(target, f"{parts.scheme}://{parts.netloc}", path, parts.query)
                return Response(status, [("location", place)])
            path, missing = asset_paths.normal(target.partition("?")[0].partition("#")[0]), True
        name = asset_paths.decode(path)
        found = asset_paths.find(name, self._assets.html.value, self._files.exists)
        decision = self._missing(name) if found is None and missing else _File(found.file, 200) if isinstance(found, Serve) else None
        if decision is None and not isinstance(found, Redirect):
            return Response(404) if rule is not None else None
        if request.method not in ("GET", "HEAD"):
            return Response(405)
        # Every file has one spelling: a path that is written otherwise is redirected.
        home = asset_paths.encode(found.path if isinstance(found, Redirect) else name)
        if home != path:
            return Response(307, [("location", home + (f"?{parts.query}" if parts.query else ""))])
        return decision

    def _missing(self, name: str) -> _File | None:
        if self._assets.not_found is NotFound.SINGLE_PAGE and self._files.exists("/index.html"):
            return _File("/index.html", 200)
        if self._assets.not_found is NotFound.PAGE_404:
            page = asset_paths.nearest_404(name, self._files.exists)
            return _File(page, 404) if page else None
        return None

    # -- the answer

    async def _respond(self, request: Request, decision: Response | _File | None) -> Response:
        if isinstance(decision, _File):
            response = await self._files.respond(request, decision.path, decision.status)
        else:
            response = decision or Response(404)
        response.headers = self._files.rules.decorate(urlsplit(request.url).netloc, _path(request), response.headers)
        return response


def _path(request: Request) -> str:
    return asset_paths.normal(urlsplit(request.url).path)
