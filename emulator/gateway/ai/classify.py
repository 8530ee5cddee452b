"""From an HTTP request to the ModelRequest that recordings are matched against (ai-binding.md 1.1 and 7.3 step 1). Pure."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import replace
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from emulator.gateway.ai.canonical import Kind, ModelRequest, RawBody
from emulator.gateway.exchange import Headers, header

_SECRET_QUERY = frozenset({"key", "api_key", "apikey", "access_token", "token", "sig", "signature"})
_GATEWAY_HOST = "gateway.ai.cloudflare.com"
_AFFINITY = "x-session-affinity"
"""Asks for the server that has the prompt's beginning in its cache: passed on, no part of what a request means."""


class BadRequest(ValueError):
    """The request is not one that the binding's client sends; the text says what is wrong."""


def run_request(headers: Headers, body: bytes) -> ModelRequest:
    """`POST /run` and `POST /ai-gateway/run`: model in `cf-consn-model-id`, inputs and options in the body."""
    envelope = json_object(body)
    options = envelope.get("options") or {}
    if not isinstance(options, dict):
        raise BadRequest("`options` must be an object")
    if "inputs" not in envelope:
        raise BadRequest("required properties at '/' are 'inputs'")
    gateway = options.get("gateway")
    if gateway is not None and not isinstance(gateway, dict):
        raise BadRequest("`options.gateway` must be an object")
    rest = {name: value for name, value in options.items() if name != "gateway"}
    affinity = {_AFFINITY: value} if (value := header(headers, _AFFINITY)) is not None else {}
    return ModelRequest(Kind.RUN, model_of(headers), envelope["inputs"], affinity, gateway=gateway, options=rest)


def stream_input_request(headers: Headers, query: str, body: bytes) -> ModelRequest:
    """`POST /run?...&userInputs=...` with a raw stream as body: options in the query, the other inputs in `userInputs`."""
    options: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    options.pop("version", None)
    try:
        inputs = json.loads(options.pop("userInputs", "{}"))
    except ValueError as error:
        raise BadRequest(f"`userInputs` is not JSON: {error}") from None
    media_type = header(headers, "content-type") or ""
    described = {"inputs": inputs, "stream": parsed_body(media_type, body)}
    return ModelRequest(Kind.STREAM_INPUT, model_of(headers), described, options=options, raw=RawBody(media_type, body))


def websocket_request(headers: Headers, query: str) -> ModelRequest:
    """`GET /run?version=3&body=...` with an upgrade: `body` is what `run_request` has as its body."""
    asked = run_request(headers, dict(parse_qsl(query)).get("body", "").encode())
    return replace(asked, kind=Kind.WEBSOCKET, gateway=None)


def universal_request(gateway_id: str, headers: Headers, body: bytes) -> ModelRequest:
    """`POST /ai-gateway/universal/run/{id}`: an array of `{provider, endpoint, headers, query}`."""
    try:
        entries = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise BadRequest("the body must be an array of {provider, endpoint, headers, query}")
    aig = {name.lower(): value for name, value in headers if name.lower().startswith("cf-aig-")}
    return ModelRequest(Kind.UNIVERSAL, f"universal/{gateway_id}", entries, headers=aig, gateway={"id": gateway_id})


def http_target(method: str, url: str) -> tuple[Kind, str]:
    """Kind and target of an outbound request: method and URL with a sorted query, without secrets; the account and gateway of
    AI Gateway's public address are folded away."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    host = f"[{host}]" if ":" in host else host
    if parts.port is not None and parts.port != {"http": 80, "https": 443}.get(parts.scheme):
        host = f"{host}:{parts.port}"
    path, kind = parts.path or "/", Kind.HTTP
    if host == _GATEWAY_HOST:
        kind = Kind.GATEWAY_HTTP
        path = re.sub(r"^/v1/[^/]+/[^/]+", "/v1/*/*", path)
    query = urlencode(sorted(pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0].lower() not in _SECRET_QUERY))
    return kind, f"{method.upper()} {parts.scheme}://{host}{path}{'?' + query if query else ''}"


def http_request(method: str, url: str, headers: Headers, body: bytes) -> ModelRequest:
    """An outbound request of user code."""
    kind, target = http_target(method, url)
    folded = {name.lower(): value for name, value in headers}
    return ModelRequest(kind, target, parsed_body(folded.get("content-type", ""), body), headers=folded)


def shown_url(url: str) -> str:
    """A URL fit for logs: no user info, secret query values masked."""
    parts = urlsplit(url)
    query = urlencode([(name, "***" if name.lower() in _SECRET_QUERY else value) for name, value in parse_qsl(parts.query, True)], safe="*")
    return parts._replace(netloc=parts.netloc.rpartition("@")[2], query=query, fragment="").geturl()


def model_of(headers: Headers) -> str:
    """The model id of a `run` request; a `prefix:` in front of it (option `prefix`) is stripped."""
    name = header(headers, "cf-consn-model-id")
    if not name:
        raise BadRequest("missing header cf-consn-model-id")
    before, colon, after = name.partition(":")
    return after if colon and "/" in after and "/" not in before else name


def json_object(body: bytes) -> dict[str, Any]:
    """The body as a JSON object. Raises BadRequest."""
    try:
        value = json.loads(body)
    except ValueError as error:
        raise BadRequest(f"the body is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise BadRequest(f"the body must be a JSON object, found {type(value).__name__}")
    return value


def parsed_body(content_type: str, body: bytes) -> Any:
    """A body as recordings store it: parsed JSON; form-data as its parts (the boundary does not matter); text; otherwise type,
    size and hash. None when empty."""
    if not body:
        return None
    media_type = content_type.split(";")[0].strip().lower()
    if media_type == "multipart/form-data":
        return _parts(content_type, body)
    if media_type.endswith("json") or body[:1] in b"{[":
        try:
            return json.loads(body)
        except ValueError:
            pass  # not JSON after all: described below like any other body
    if media_type.startswith("text/") or media_type == "application/x-www-form-urlencoded":
        return body.decode("utf-8", "replace")
    return {"media_type": media_type, "bytes": len(body), "sha256": hashlib.sha256(body).hexdigest()}


def _parts(content_type: str, body: bytes) -> Any:
    message = BytesParser(policy=HTTP).parsebytes(b"content-type: " + content_type.encode() + b"\r\n\r\n" + body)
    return [
        {
            "name": part.get_param("name", header="content-disposition"),
            "filename": part.get_filename(),
            "body": parsed_body(part.get("content-type", "text/plain"), _part_bytes(part)),
        }
        for part in message.iter_parts()
    ]


def _part_bytes(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    return payload if isinstance(payload, bytes) else b""
