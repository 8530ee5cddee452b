"""Workers AI itself, by its REST API (ai-binding.md 3.1): the same words on both sides, so nothing is translated.

JSON answers lose their `{"result", "success", ...}` envelope, byte for byte; streams, pictures and sound pass as they come.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends.credentials import secret
from emulator.gateway.ai.backends.server import JSON_HEADERS, Server
from emulator.gateway.ai.canonical import Kind, ModelRequest, compact
from emulator.gateway.ai.cassettes.frames import MEDIA_TYPE, Inbox
from emulator.gateway.ai.json_slice import member
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.upstream_errors import Refused
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.late import late_import

_KEPT_HEADERS = ("cf-ai-neurons", "retry-after", "retry-after-ms")
_AFFINITY = "x-session-affinity"
_BAD_TOKEN = 10000
_CLIENT_SIDE = frozenset({"returnRawResponse", "websocket"})
"""Options that only the binding's client acts on."""


class WorkersAi(Server):
    """`POST <base_url>/accounts/<account>/ai/run/<model>`; models of other authors go to `.../ai/run` with the model in the body."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        try:
            return self.reply(await self._run(asked, model), model)
        except Refused as refused:
            return self.refusal(refused, model)

    async def converse(self, asked: ModelRequest, model: str, inbox: Inbox) -> Reply:
        """A conversation over a WebSocket: of status 101, with frames as its body (frames.py). The inputs are its query, as Cloudflare
        documents it."""
        # Importing aiohttp takes as long as starting everything else.
        await late_import("emulator.gateway.ai.far_conversation")
        from emulator.gateway.ai.far_conversation import Refusal, conversation

        try:
            key = self.key()
            account = quote(self.needed("account id", self.config.account), safe="")
            inputs = asked.body if isinstance(asked.body, dict) else {}
            query = urlencode([(name, _query_value(value)) for name, value in inputs.items() if value is not None])
            url = f"{self.base_url}/accounts/{account}/ai/run/{quote(model, safe='@/:')}" + (f"?{query}" if query else "")
            headers: Headers = [("authorization", f"Bearer {key}")] if key is not None else []
            frames = await conversation(f"ws{url.removeprefix('http')}", headers, inbox)
        except Refused as refused:
            return self.refusal(refused, model)
        except Refusal as refusal:
            return self.refusal(upstream_errors.from_status(self.upstream, model, refusal.status, [], b""), model)
        except NetworkFailure as failure:
            return self.refusal(upstream_errors.unreachable(self.upstream, failure.what), model)
        return self.reply(Response(101, [("content-type", MEDIA_TYPE)], frames), model)

    @property
    def key_present(self) -> bool:
        """Whether token and account are there."""
        return super().key_present and secret(self.config.account, self._lookup) is not None

    async def _run(self, asked: ModelRequest, model: str) -> Response:
        key = self.key()
        path = f"/accounts/{quote(self.needed('account id', self.config.account), safe='')}/ai/run"
        query = _query(asked.options or {})
        content_type, body = "application/json", b""
        if asked.kind is Kind.STREAM_INPUT and asked.raw is not None:
            content_type, body = asked.raw.content_type, asked.raw.data
            beside = asked.body["inputs"]
            query += [("userInputs", compact(beside))] if beside else []
        elif model.startswith("@"):
            body = compact(asked.body).encode()
        else:
            body = compact({"model": model, "input": asked.body}).encode()
        if model.startswith("@"):
            path += f"/{quote(model, safe='@/:')}"
        headers: Headers = [("content-type", content_type)]
        headers += [("authorization", f"Bearer {key}")] if key is not None else []
        headers += [(_AFFINITY, asked.headers[_AFFINITY])] if _AFFINITY in asked.headers else []
        return await self._opened(await self.ask(f"{path}?{urlencode(query)}" if query else path, headers, body, model=model))

    async def _opened(self, answer: Response) -> Response:
        content_type = answer.header("content-type") or ""
        kept = [(name.lower(), value) for name, value in answer.headers if name.lower() in _KEPT_HEADERS]
        if content_type.startswith("text/html"):
            raise upstream_errors.unusable(self.upstream, upstream_errors.described(content_type, await self.read(answer)))
        if content_type.split(";")[0].strip().lower() != "application/json":
            return Response(200, [("content-type", content_type or "application/octet-stream"), *kept], answer.body)
        data = await self.read(answer)
        text = data.decode("utf-8", "replace")
        if member(text, "success") == "false":
            raise _as_sent(400, kept, data)
        result = member(text, "result")
        if result is None and not _is_json(text):
            raise upstream_errors.unusable(self.upstream, upstream_errors.described("broken JSON", data))
        return Response(200, [*JSON_HEADERS, *kept], data if result is None else result.encode())

    def failure(self, model: str, response: Response, body: bytes) -> Refused:
        """Workers AI's own errors stay as they are, but for the ones about the token."""
        codes = _codes(body)
        if not codes or response.status == 401 or _BAD_TOKEN in codes:
            return super().failure(model, response, body)
        kept = [(name.lower(), value) for name, value in response.headers if name.lower() in _KEPT_HEADERS]
        return _as_sent(response.status, kept, body)


def _as_sent(status: int, kept: Headers, body: bytes) -> Refused:
    return Refused(Response(status, [*JSON_HEADERS, *kept], body), f"Workers AI answers {status}", answered=True)


def _codes(body: bytes) -> list[Any]:
    try:
        document = json.loads(body)
    except ValueError:
        return []
    errors = document.get("errors") if isinstance(document, dict) else None
    return [error.get("code") for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def _query(options: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Options as the binding's client writes them into a query: lists joined by commas."""
    return [(name, _query_value(value)) for name, value in options.items() if name not in _CLIENT_SIDE and value is not None]


def _query_value(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(_query_value(item) for item in value)
    return value if isinstance(value, str) else compact(value)
