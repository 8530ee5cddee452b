"""Asynchronous batches: `run(model, {requests: [...]}, {queueRequest: true})`, then `run(model, {request_id})` until the answers are there
(ai-binding.md 1.2 "queueRequest").

Workers AI has a queue of its own. For every other model the requests of a batch are run here, one after the other, in the background.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai import envelopes
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, compact, key_of
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

MOST_BYTES = 10_000_000
"""Of one batch's requests."""
QUEUED_S = 0.2
"""How long a batch waits in the queue, at the pace of a real model."""
_MOST_KEPT = 200

Ask = Callable[[ModelRequest], Awaitable[Reply]]


@dataclass(slots=True)
class _Batch:
    """`status` is `queued`, `running`, then None."""

    status: str | None = "queued"
    rows: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, int] = field(default_factory=dict)


class Batches:
    """The last 200. `pacer` gives the clock of the queue, at each batch. Close it to give up what is not done."""

    def __init__(self, pacer: Callable[[], Pacer]) -> None:
        self._pacer = pacer
        self._kept: OrderedDict[str, _Batch] = OrderedDict()
        self._count = 0
        self._running: set[asyncio.Task[None]] = set()

    def concerns(self, asked: ModelRequest) -> bool:
        """Whether this is a batch, or asks for the answers of one."""
        return asked.kind is Kind.RUN and isinstance(asked.body, dict) and ("request_id" in asked.body or "requests" in asked.body)

    async def answer(self, asked: ModelRequest, ask: Ask) -> Reply:
        """`ask` runs one request of the batch."""
        if "request_id" in asked.body:
            return self._collected(asked.body["request_id"])
        requests = asked.body["requests"]
        if not isinstance(requests, list) or not requests:
            return _refused(400, 5006, "Bad input: Error: required properties at '/' are 'requests'")
        if len(compact(requests).encode()) > MOST_BYTES:
            return _refused(413, 3006, f"Request is too large: a batch may have {MOST_BYTES} bytes")
        batch = _Batch()
        if not (asked.options or {}).get("queueRequest"):
            await _run(batch, asked, requests, ask)
            return Reply(_done(batch), Source.STUB)
        ident = self._ident(asked)
        self._kept[ident] = batch
        while len(self._kept) > _MOST_KEPT:
            self._kept.popitem(last=False)
        task = asyncio.get_running_loop().create_task(self._in_background(batch, asked, requests, ask))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return Reply(envelopes.json_response({"status": "queued", "model": asked.target, "request_id": ident}), Source.STUB)

    async def close(self) -> None:
        """End all that runs."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _in_background(self, batch: _Batch, asked: ModelRequest, requests: list[Any], ask: Ask) -> None:
        pacer = self._pacer()
        await pacer.sleep(QUEUED_S / pacer.speed.factor if pacer.speed.factor else 0)
        batch.status = "running"
        await _run(batch, asked, requests, ask)

    def _collected(self, ident: Any) -> Reply:
        batch = self._kept.get(ident) if isinstance(ident, str) else None
        if batch is None:
            return _refused(400, 5007, f"no batch was queued as {ident!r}")
        return Reply(_done(batch) if batch.status is None else envelopes.json_response({"status": batch.status}), Source.STUB)

    def _ident(self, asked: ModelRequest) -> str:
        """The same in every run, and another for each batch."""
        self._count += 1
        digest = hashlib.sha256(f"{self._count} {key_of(canonical(asked))}".encode()).digest()
        return str(uuid.UUID(bytes=digest[:16], version=4))


async def _run(batch: _Batch, asked: ModelRequest, requests: list[Any], ask: Ask) -> None:
    for index, inputs in enumerate(requests):
        batch.rows.append(await _row(batch, index, asked.target, inputs, ask))
    batch.status = None


async def _row(batch: _Batch, index: int, model: str, inputs: Any, ask: Ask) -> dict[str, Any]:
    if not isinstance(inputs, dict):
        return {"id": index, "success": False, "error": "Bad input: Error: Type mismatch of '/', 'object' expected"}
    reference = {"external_reference": inputs["external_reference"]} if "external_reference" in inputs else {}
    plain = {name: value for name, value in inputs.items() if name not in ("stream", "external_reference")}
    reply = await ask(ModelRequest(Kind.RUN, model, plain))
    response = reply.response
    body = response.body if isinstance(response.body, bytes) else b"".join([chunk async for chunk in response.body])
    if response.status >= 400 or response.header("content-type") != "application/json":
        return {"id": index, "success": False, "error": _error(response, body, model), **reference}
    result = json.loads(body)
    _add(batch.usage, result.get("usage") if isinstance(result, dict) else None)
    return {"id": index, "result": result, "success": True, **reference}


def _add(total: dict[str, int], usage: Any) -> None:
    if isinstance(usage, Mapping):
        for name, count in usage.items():
            if isinstance(count, int):
                total[name] = total.get(name, 0) + count


def _error(response: Response, body: bytes, model: str) -> str:
    if response.status < 400:
        return f"{model} does not answer batches"
    try:
        document = json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")
    listed = document.get("errors") if isinstance(document, dict) else None
    return str(listed[0].get("message")) if listed and isinstance(listed[0], dict) else body.decode("utf-8", "replace")


def _done(batch: _Batch) -> Response:
    return envelopes.json_response({"responses": batch.rows, **({"usage": batch.usage} if batch.usage else {})})


def _refused(status: int, code: int, text: str) -> Reply:
    return Reply(envelopes.run_error(status, code, f"AiError: AiError: {text}"), Source.NONE)
