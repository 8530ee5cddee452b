"""AutoRAG and AI Search, of which there is no index here: what recordings do not answer is refused in clear words (ai-binding.md 1.1).

Targets are `<instance>/<verb>`, of a search over several instances only the verb; both are hand-written easily:
`{"kind": "autorag", "target": "docs/search"}`. The binding's wire form of AutoRAG is `{"result": ...}`, that of AI Search, which on the
platform is RPC, the value itself. Pure.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from emulator.gateway.ai import envelopes
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.classify import json_object
from emulator.gateway.exchange import Response

NO_INDEX = "E641"
_PER_PAGE = 20


def search_request(kind: Kind, target: str, body: bytes) -> ModelRequest:
    """A search as recordings describe it. Raises BadRequest when the body is no JSON object."""
    return ModelRequest(kind, target, json_object(body))


def known_instances(kind: Kind, recordings: Iterable[Recording]) -> list[str]:
    """The instances that recordings answer for; those of patterns are not known by name."""
    targets = (recording.request.target for recording in recordings if recording.request.kind is kind)
    return sorted({target.partition("/")[0] for target in targets if "/" in target and not any(sign in target for sign in "*?[")})


def rags(names: Iterable[str]) -> Response:
    """The answer to `autorag().list()`."""
    return envelopes.result([{"id": name, "type": "emulated", "enable": True, "paused": False, "status": "ready"} for name in names])


def instances(names: Iterable[str], query: Mapping[str, str]) -> Response:
    """The answer to `aiSearch().list()`, filtered by `search`, paged by `page` and `per_page`. Raises ValueError when a number is none."""
    found = [name for name in names if query.get("search", "").lower() in name.lower()]
    page, per_page = int(query.get("page", 1)), int(query.get("per_page", _PER_PAGE))
    if page < 1 or per_page < 1:
        raise ValueError("page and per_page start at 1")
    rows: list[dict[str, Any]] = [{"id": name} for name in found[(page - 1) * per_page : page * per_page]]
    info = {"count": len(rows), "page": page, "per_page": per_page, "total_count": len(found)}
    return envelopes.json_response({"result": rows, "result_info": info})


def no_index(asked: ModelRequest) -> tuple[Response, str]:
    """The refusal and what it says."""
    name, _, verb = asked.target.rpartition("/")
    what = "AutoRAG" if asked.kind is Kind.AUTORAG else "AI Search"
    about = f"{what} {name!r} not found" if name else f"{what} has nothing to {verb}"
    shape = json.dumps({"kind": str(asked.kind), "target": asked.target})
    text = f"{about}: AI Search has no local index. A recording answers it: write one with the request {shape}"
    return envelopes.listed_error(404, 7002, text), text
