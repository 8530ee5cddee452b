"""The Responses API, which gpt-oss models take on the binding (`input` instead of `messages`; ai-binding.md 1.5). Passed on as it is; only
the model's name changes on the way. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.sse import SseEvent, SseParser


def responses_request(inputs: Mapping[str, Any], model: str) -> dict[str, Any]:
    """The request's body."""
    return {"model": model, **{name: value for name, value in inputs.items() if name != "model" and value is not None}}


def responses_answer(document: dict[str, Any], model_id: str) -> dict[str, Any]:
    """The response object with the name that was asked for."""
    return {**document, "model": model_id} if "model" in document else document


class ResponsesRewriter:
    """The stream of named events. Events that carry the whole response are written anew, the others pass byte for byte."""

    def __init__(self, model_id: str) -> None:
        self.finished = False
        self._parser = SseParser()
        self._model_id = model_id

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """See Rewriter."""
        for event in self._parser.feed(chunk):
            yield self._rewritten(event) or event.raw

    def _rewritten(self, event: SseEvent) -> bytes | None:
        if event.data is None or '"response"' not in event.data:
            return None
        try:
            document = json.loads(event.data)
        except ValueError:
            return None  # a broken event is for the reader to see
        if not isinstance(document, dict) or not isinstance(document.get("response"), dict):
            return None
        document["response"] = responses_answer(document["response"], self._model_id)
        name = f"event: {event.event}\n" if event.event else ""
        return f"{name}data: {compact(document)}\n\n".encode()
