"""The emulator's own paths: the control API (design 4.5) and `scheduled` by hand. openapi.json describes it; a test holds the two
together. What its verbs do is in verbs.py.

It is for this machine only: the Host must name us, a browser must not ask for a page of another origin, and on a bind that others can
reach a token is needed.
"""

from __future__ import annotations

import asyncio
import hmac
import html
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from aiohttp import web
from aiohttp.web_request import BaseRequest

from emulator.core.routing import CONTROL, SCHEDULED
from emulator.errors import EmuError, UsageError
from emulator.gateway import journal as journals
from emulator.gateway.dispatcher import NoHost, Overloaded
from emulator.gateway.journal import Entry, Journal
from emulator.gateway.verbs import Verbs
from emulator.wire.exchange import LinkLost, RemoteError

MAX_BODY = 4 * 1024 * 1024
_LOOPBACK_NAMES = frozenset(("localhost", "127.0.0.1", "[::1]"))
_ELSEWHERE = frozenset(("cross-site", "same-site"))
"""Other ports of this machine are `same-site`: they are other pages as well."""
_STATUSES = {"E228": 404, "E244": 409, "E245": 409, "E405": 503}
"""Of what is not there, of a session that another holds, and of a host that cannot answer now; all other refusals are 400."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request to a verb: the path's parts by name, the query's first values, the JSON body (empty without one)."""

    parts: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]


Verb = Callable[[Call], Awaitable[Any]]


@dataclass(frozen=True, slots=True)
class Route:
    """`path` is below the control API's root, its `{names}` as in openapi.json."""

    method: str
    path: str
    verb: Verb
    pattern: re.Pattern[str]


class Control:
    """Answers reserved paths. `token` is None when none is needed."""

    def __init__(self, verbs: Verbs, journal: Journal, *, ip: str, token: str | None, enabled: bool) -> None:
        """`ip` is the address we listen on; with `enabled` False only `scheduled` is there."""
        self._verbs = verbs
        self._journal = journal
        self._names = _LOOPBACK_NAMES | {ip, f"[{ip}]"}
        self.token = token
        self._enabled = enabled
        self.routes = [
            _route("GET", "objects", lambda call: verbs.objects()),
            _route(
                "POST", "objects/{class}/{name}/evict", lambda call: verbs.evict(*_object(call), str(call.body.get("sockets", "hibernate")))
            ),
            _route("POST", "objects/{class}/{name}/hibernate", lambda call: verbs.evict(*_object(call), "hibernate")),
            _route("POST", "objects/{class}/{name}/abort", lambda call: verbs.abort(*_object(call), call.body.get("reason"))),
            _route("GET", "objects/{class}/{name}/awake", lambda call: verbs.awake(*_object(call))),
            _route("POST", "objects/{class}/{name}/call", lambda call: verbs.call(*_object(call), call.body)),
            _route("GET", "sockets", lambda call: verbs.sockets()),
            _route("POST", "sockets/{id}/drop", lambda call: verbs.drop(call.parts["id"], call.body)),
            _route("POST", "hosts/{kind}/crash", lambda call: verbs.crash(call.parts["kind"])),
            _route("POST", "hosts/{kind}/restart", lambda call: verbs.restart(call.parts["kind"])),
            _route("POST", "deploy", lambda call: verbs.deploy()),
            _route("GET", "alarms", lambda call: verbs.alarms()),
            _route("POST", "alarms/{class}/{name}/fire", lambda call: verbs.fire(*_object(call))),
            _route("GET", "ai/session", lambda call: verbs.ai.session()),
            _route("POST", "ai/session", lambda call: verbs.ai.set_session(call.body)),
            _route("GET", "ai/session/holds/{token}", lambda call: verbs.ai.keep_session(call.parts["token"])),
            _route("GET", "ai/calls", lambda call: verbs.ai.calls()),
            _route("GET", "ai/calls/{id}", lambda call: verbs.ai.explain(call.parts["id"])),
            _route("GET", "ai/cost", lambda call: verbs.ai.cost()),
            _route("GET", "ai/check", lambda call: verbs.ai.check()),
            _route("POST", "ai/refresh", lambda call: verbs.ai.refresh(call.body)),
            _route("POST", "ai/preview", lambda call: verbs.ai.preview(call.body)),
            _route("GET", "ai/routes", lambda call: verbs.ai.routes()),
            _route("GET", "ai/faults", lambda call: verbs.ai.faults()),
            _route("POST", "ai/faults", lambda call: verbs.ai.add_fault(call.body)),
            _route("DELETE", "ai/faults", lambda call: verbs.ai.clear_faults()),
            _route("DELETE", "ai/faults/{fault}", lambda call: verbs.ai.clear_faults(call.parts["fault"])),
            _route("GET", "ai/gateways", lambda call: verbs.ai.gateways()),
            _route("GET", "ai/gateways/{id}/logs", lambda call: verbs.ai.gateway_logs(call.parts["id"], call.query.get("limit", "50"))),
            _route("GET", "ai/gateways/{id}/logs/{log}", lambda call: verbs.ai.gateway_log(call.parts["id"], call.parts["log"])),
            _route("POST", "ai/gateways/{id}/reset", lambda call: verbs.ai.reset_gateway(call.parts["id"])),
        ]

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
            return _error(404, UsageError("E221", "the control API is switched off", hint="start without --no-inspector"))
        if not path.startswith(CONTROL):
            return self._index() if request.method in ("GET", "HEAD") else _not_found(path)
        below = path.removeprefix(CONTROL)
        if below == "journal" and request.method == "GET":
            return await self._read_journal(request, query)
        return await self._run(request, below, query)

    # -- who may ask

    def _refusal(self, request: BaseRequest, query: dict[str, str]) -> web.Response | None:
        host = request.headers.get("Host", "")
        name = re.sub(r":\d+$", "", host).lower()
        if self.token is not None:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ") or query.get("token", "")
            if not hmac.compare_digest(given.encode(), self.token.encode()):
                return _error(401, UsageError("E222", "a token is needed here", hint="it was printed when the server started"))
        elif name not in self._names:
            # A page elsewhere whose name was made to point at this machine (DNS rebinding) sends its own name.
            return _error(403, UsageError("E223", f"the Host {name!r} is not this server", hint="use localhost"))
        origin = request.headers.get("Origin")
        if origin is not None and origin.lower() != f"http://{host}".lower():
            return _error(403, UsageError("E224", f"pages of {origin} may not control this server"))
        # Images, scripts and links of a page elsewhere come without Origin; a browser says so all the same.
        if request.headers.get("Sec-Fetch-Site", "").lower() in _ELSEWHERE:
            return _error(403, UsageError("E224", "pages of other sites may not control this server", hint="type the address yourself"))
        return None

    # -- what is asked

    async def _run(self, request: BaseRequest, below: str, query: dict[str, str]) -> web.Response:
        allowed = []
        for route in self.routes:
            found = route.pattern.fullmatch(below)
            if found is None:
                continue
            allowed.append(route.method)
            if route.method == request.method:
                parts = {name: unquote(value) for name, value in found.groupdict().items()}
                return await self._answer(route, parts, query, request)
        if allowed:
            error = UsageError("E226", f"{request.method} is not possible here", hint=f"use {' or '.join(allowed)}")
            return _error(405, error)
        return _not_found(below)

    async def _answer(self, route: Route, parts: dict[str, str], query: dict[str, str], request: BaseRequest) -> web.Response:
        try:
            return web.json_response(await route.verb(Call(parts, query, await _json(request))), dumps=_dumps)
        except EmuError as error:
            return _error(_STATUSES.get(error.code, 400), error)
        except RemoteError as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E451", **_words(error.fields)}}, status=500)
        except NoHost as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E411", **_words(error.error)}}, status=503)
        except (LinkLost, Overloaded) as error:
            return web.json_response({"error": {"culprit": "user code", "code": "E402", "what": str(error)}}, status=503)

    async def _scheduled(self, query: dict[str, str]) -> web.Response:
        """Run the `scheduled` handler once, as `wrangler dev` does: 200 `ok`, 500 `exception`."""
        try:
            await self._verbs.scheduled(query.get("cron", ""), query.get("time"))
            outcome, status = "ok", 200
        except RemoteError as error:
            self._journal.add("exception", where="scheduled", error=error.fields)
            outcome, status = "exception", 500
        except (NoHost, LinkLost, Overloaded):
            outcome, status = "exception", 503
        if query.get("format") == "json":
            return web.json_response({"outcome": outcome, "noRetry": False}, status=status)
        return web.Response(text=outcome, status=status)

    async def _read_journal(self, request: BaseRequest, query: dict[str, str]) -> web.StreamResponse:
        """Entries after `since` as NDJSON; as server-sent events, and then all that follow, when asked for."""
        try:
            since = int(query.get("since", 0))
        except ValueError:
            return _error(400, UsageError("E227", "since must be a number"))
        wanted = query.get("object")
        if "text/event-stream" not in request.headers.get("Accept", ""):
            lines = [journals.encode(entry) for entry in self._journal.since(since) if _is_about(entry, wanted)]
            return web.Response(text="".join(lines), content_type="application/x-ndjson")
        response = web.StreamResponse(headers={"content-type": "text/event-stream", "cache-control": "no-store"})
        await response.prepare(request)
        queue: asyncio.Queue[Entry] = asyncio.Queue(maxsize=journals.RING)
        # A reader that falls this far behind loses entries; their numbers show it the gap.
        end = self._journal.subscribe(lambda entry: None if queue.full() else queue.put_nowait(entry))
        try:
            for entry in self._journal.since(since):
                if _is_about(entry, wanted):
                    await response.write(_event(entry))
            while True:
                entry = await queue.get()
                if _is_about(entry, wanted):
                    await response.write(_event(entry))
        finally:
            end()

    def _index(self) -> web.Response:
        rows = "".join(
            f"<tr><td>{route.method}<td>{html.escape(CONTROL + route.path)}" for route in (*self.routes, _route("GET", "journal", _none))
        )
        text = (
            "<!doctype html><meta charset=utf-8><title>agents-emu</title>"
            "<style>body{font:14px system-ui;margin:2rem}td{padding:.1rem 1rem .1rem 0;font-family:monospace}</style>"
            f"<h1>agents-emu</h1><p>The control API of this server:<table>{rows}</table>"
        )
        return web.Response(text=text, content_type="text/html")


async def _none(call: Call) -> None:
    """The journal is answered by the Control itself."""


def _route(method: str, path: str, verb: Verb) -> Route:
    pattern = re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path).replace("(?P<class>", "(?P<class_>")
    return Route(method, path, verb, re.compile(pattern))


def _object(call: Call) -> tuple[str, str]:
    return call.parts["class_"], call.parts["name"]


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
        value = json.loads(b"".join(chunks) or b"{}")
    except ValueError as error:
        raise UsageError("E227", f"the body is no JSON: {error}") from None
    if not isinstance(value, dict):
        raise UsageError("E227", "the body must be a JSON object")
    return value


def _dumps(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _words(fields: dict[str, Any]) -> dict[str, Any]:
    return {"what": f"{fields.get('name', 'Error')}: {fields.get('message', '')}", "stack": fields.get("stack")}


def _error(status: int, error: EmuError) -> web.Response:
    fields = {"culprit": error.culprit.value, "code": error.code, "what": error.what, "where": error.where, "hint": error.hint}
    return web.json_response({"error": {**fields, "usage": isinstance(error, UsageError)}}, status=status)


def _not_found(path: str) -> web.Response:
    return _error(404, UsageError("E225", f"there is nothing at {path}", hint="GET /cdn-cgi/emu/ lists what there is"))


def _is_about(entry: Entry, wanted: str | None) -> bool:
    if wanted is None:
        return True
    about = entry.get("object") or entry
    return bool(isinstance(about, dict) and f"{about.get('class')}/{about.get('name')}" == wanted)


def _event(entry: Entry) -> bytes:
    return f"id: {entry['seq']}\ndata: {journals.encode(entry)}\n".encode()
