"""The emulator's own paths: the control API (design 4.5) and `scheduled` by hand. openapi.json describes it; a test holds the two
together. What its verbs do is in verbs/.

It is for this machine only: the Host must name us, a browser must not ask for a page of another origin, and on a bind that others can
reach a token is needed.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.web_request import BaseRequest

from emulator.core.routing import CONTROL, INSPECTOR, SCHEDULED
from emulator.errors import EmuError, InternalError, UsageError
from emulator.gateway.dispatcher import NoHost, Overloaded
from emulator.gateway.journal import Journal
from emulator.gateway.verbs.all import Verbs
from emulator.gateway.verbs.route import Call, Route, Streamed
from emulator.gateway.verbs.statuses import status_of
from emulator.wire.exchange import LinkLost, RemoteError

MAX_BODY = 4 * 1024 * 1024
_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
_ELSEWHERE = frozenset(("cross-site", "same-site"))
"""Other ports of this machine are `same-site`: they are other pages as well."""


class Control:
    """Answers reserved paths. `token` is None when none is needed."""

    def __init__(self, verbs: Verbs, journal: Journal, *, ip: str, token: str | None, enabled: bool) -> None:
        """`ip` is the address we listen on; with `enabled` False only `scheduled` is there."""
        self._verbs = verbs
        self._journal = journal
        self._names = _LOOPBACK_NAMES | {ip, f"[{ip}]"}
        self.token = token
        self._enabled = enabled
        self.routes = list(verbs.routes())
        self._whole: set[asyncio.Future[Any]] = set()

    async def handle(self, request: BaseRequest) -> web.StreamResponse:
        """Answer one request to a reserved path."""
        path, _, query_text = request.raw_path.partition("?")
        query = {name: values[0] for name, values in parse_qs(query_text, keep_blank_values=True).items()}
        refusal = self._refusal(request, query)
        if refusal is not None:
            return refusal
        if path == SCHEDULED:
            return await self._scheduled(query)
        if not self._enabled:
            return _error(UsageError("E221", "the control API is switched off", hint="start without --no-inspector"))
        if not path.startswith(CONTROL):
            # An address with a scheme is none of ours either: it may name another server.
            shown = path in (INSPECTOR, INSPECTOR.rstrip("/")) and request.method in ("GET", "HEAD")
            return self._index() if shown else _not_found(path)
        return await self._run(request, path.removeprefix(CONTROL), query)

    # -- who may ask

    def _refusal(self, request: BaseRequest, query: dict[str, str]) -> web.Response | None:
        hosts = request.headers.getall("Host", [])
        # Of two nobody knows which one a proxy in between has looked at.
        host = hosts[0] if len(hosts) == 1 else ""
        name = re.sub(r":\d+$", "", host).lower()
        if self.token is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("token", "")
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), self.token.encode()):
                return _error(UsageError("E222", "a token is needed here", hint="it was printed when the server started"))
        elif name not in self._names:
            # A page elsewhere whose name was made to point at this machine (DNS rebinding) sends its own name.
            return _error(UsageError("E223", f"the Host {name!r} is not this server", hint="use localhost"))
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}".lower():
            return _error(UsageError("E224", f"pages of {origin} may not control this server"))
        # Images, scripts and links of a page elsewhere come without Origin; a browser says so all the same.
        if request.headers.get("Sec-Fetch-Site", "").lower() in _ELSEWHERE:
            return _error(UsageError("E224", "pages of other sites may not control this server", hint="type the address yourself"))
        return None

    # -- what is asked

    async def _run(self, request: BaseRequest, below: str, query: dict[str, str]) -> web.StreamResponse:
        segments, allowed = below.split("/"), []
        for route in self.routes:
            parts = route.match(segments)
            if parts is None:
                continue
            allowed.append(route.method)
            if route.method == request.method:
                return await self._answer(route, {name: unquote(value) for name, value in parts.items()}, query, request)
        if allowed:
            return _error(UsageError("E226", f"{request.method} is not possible here", hint=f"use {' or '.join(allowed)}"))
        return _not_found(below)

    async def _answer(self, route: Route, parts: dict[str, str], query: dict[str, str], request: BaseRequest) -> web.StreamResponse:
        try:
            call = Call(parts, query, await _json(request), request.headers)
            if route.method != "GET":
                self._journal.verb(route.method, unquote(request.path.removeprefix(CONTROL)), call.body)
            answer = await (self._to_its_end(route, call) if route.whole else route.verb(call))
        except EmuError as error:
            return _error(error)
        except RemoteError as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E451", **_words(error.fields)}}, status=500)
        except NoHost as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E411", **_words(error.error)}}, status=503)
        except (LinkLost, Overloaded) as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E402", "what": str(error)}}, status=503)
        except Exception as error:
            what = f"{route.method} {route.path}: {type(error).__name__}: {error}"
            self._journal.add("internal", text=what)
            return _error(InternalError("E900", what, hint="this is a fault of agents-emu: please report it"))
        if isinstance(answer, Streamed):
            return await _stream(request, answer)
        return web.json_response(answer, dumps=_dumps)

    async def _to_its_end(self, route: Route, call: Call) -> Any:
        task = asyncio.ensure_future(route.verb(call))
        self._whole.add(task)
        task.add_done_callback(self._ended)
        return await asyncio.shield(task)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._whole.discard(task)
        if not task.cancelled():
            task.exception()  # nobody's news when its client has left

    async def _scheduled(self, query: dict[str, str]) -> web.Response:
        """Run the `scheduled` handler once, as `wrangler dev` does: 200 `ok`, 500 `exception`."""
        try:
            await self._verbs.hosts.scheduled(query.get("cron", ""), query.get("time"))
            outcome, status = "ok", 200
        except RemoteError as error:
            self._journal.add("exception", where="scheduled", error=error.fields)
            outcome, status = "exception", 500
        except (NoHost, LinkLost, Overloaded):
            outcome, status = "exception", 503
        if query.get("format") == "json":
            return web.json_response({"outcome": outcome, "noRetry": False}, status=status)
        return web.Response(text=outcome, status=status)

    def _index(self) -> web.Response:
        rows = "".join(f"<tr><td>{route.method}<td>{html.escape(CONTROL + route.path)}" for route in self.routes)
        text = (
            "<!doctype html><meta charset=utf-8><title>agents-emu</title>"
            "<style>body{font:14px system-ui;margin:2rem}td{padding:.1rem 1rem .1rem 0;font-family:monospace}</style>"
            f"<h1>agents-emu</h1><p>The control API of this server:<table>{rows}</table>"
        )
        return web.Response(text=text, content_type="text/html")


async def _json(request: BaseRequest) -> dict[str, Any]:
    if not request.body_exists:
        return {}
    size, chunks = 0, []
    async for chunk in request.content.iter_any():
        size += len(chunk)
        if size > MAX_BODY:
            raise UsageError("E227", f"the body is longer than {MAX_BODY} bytes")
        chunks.append(chunk)
    try:
        value = json.loads(b"".join(chunks) or b"{}", parse_constant=_no_number)
    except RecursionError:
        raise UsageError("E227", "the body is nested too deep") from None
    except ValueError as error:
        raise UsageError("E227", f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("E227", "the body must be a JSON object")
    return value


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no number of JSON")


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _words(fields: dict[str, Any]) -> dict[str, Any]:
    return {"what": f"{fields.get('name', 'Error')}: {fields.get('message', '')}", "stack": fields.get("stack")}


def _error(error: EmuError) -> web.Response:
    fields = {"culprit": error.culprit.value, "code": error.code, "what": error.what, "where": error.where, "hint": error.hint}
    return web.json_response({"error": {**fields, "usage": isinstance(error, UsageError)}}, status=status_of(error.code))


def _not_found(path: str) -> web.Response:
    return _error(UsageError("E225", f"there is nothing at {path}", hint="GET /cdn-cgi/emu/ lists what there is"))


async def _stream(request: BaseRequest, answer: Streamed) -> web.StreamResponse:
    response = web.StreamResponse(headers={"content-type": answer.content_type, "cache-control": "no-store"})
    await response.prepare(request)
    async with contextlib.aclosing(answer.chunks) as chunks:
        async for chunk in chunks:
            await response.write(chunk)
    await response.write_eof()
    return response
