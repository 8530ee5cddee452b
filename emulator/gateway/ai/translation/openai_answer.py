"""Text answers of OpenAI-compatible servers (ai-binding.md 4.2). Pure.

For a model that answers in chat shape the document passes on nearly as it is, so that what only the provider knows (log
probabilities, refusals, further choices) stays; for a legacy model it goes through deltas.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.sse import SseEvent, SseParser
from emulator.gateway.ai.translation.deltas import (
    Delta,
    Done,
    Failed,
    Finish,
    Reasoning,
    Started,
    Text,
    ToolArguments,
    ToolStart,
    Usage,
)
from emulator.gateway.ai.translation.emission import Emission, error_event, usage_document
from emulator.gateway.ai.translation.openai_calls import CallExtras, CallNumbers, finish_reason
from emulator.gateway.ai.upstream_errors import Upstream, in_stream, no_event

_DONE = "[DONE]"


def usage_of(document: Any) -> Usage | None:
    """Tokens of an OpenAI `usage` object."""
    if not isinstance(document, dict):
        return None
    prompt_details, completion_details = document.get("prompt_tokens_details"), document.get("completion_tokens_details")
    return Usage(
        prompt=_count(document, "prompt_tokens"),
        completion=_count(document, "completion_tokens"),
        cached=_count(prompt_details, "cached_tokens"),
        reasoning=_count(completion_details, "reasoning_tokens"),
    )


def _count(document: Any, name: str) -> int:
    value = document.get(name) if isinstance(document, dict) else None
    return value if isinstance(value, int) else 0


def event_document(event: SseEvent, upstream: Upstream) -> dict[str, Any] | Failed | None:
    """The JSON of a stream event; Failed when it is none, or reports an error; None for a comment."""
    if event.data is None:
        return None
    try:
        document = json.loads(event.data)
    except ValueError:
        return Failed(*no_event(upstream, event.data))
    if isinstance(document, list) and len(document) == 1:
        document = document[0]
    if isinstance(document, dict) and document.get("error"):
        return Failed(*in_stream(upstream, document))
    if not isinstance(document, dict) or not is_completion(document):
        return Failed(*no_event(upstream, event.data))
    return document


def is_completion(document: dict[str, Any]) -> bool:
    """Whether what is read of a completion, or of a chunk of one, has the right form."""
    choices = document.get("choices") or []
    return isinstance(choices, list) and all(isinstance(choice, dict) and _is_choice(choice) for choice in choices)


def _is_choice(choice: dict[str, Any]) -> bool:
    texts = all(isinstance(choice.get(name), str | None) for name in ("text", "finish_reason"))
    return texts and isinstance(choice.get("index", 0), int) and all(_is_message(choice.get(name)) for name in ("delta", "message"))


def _is_message(message: Any) -> bool:
    if message is None:
        return True
    calls = message.get("tool_calls") if isinstance(message, dict) else False
    if calls is None:
        return True
    return isinstance(calls, list) and all(isinstance(call, dict) and isinstance(call.get("index", 0), int | None) for call in calls)


class ChatReader:
    """A stream of chat completion (or plain completion) chunks as deltas."""

    def __init__(self, emission: Emission, upstream: Upstream, extras: CallExtras) -> None:
        self._parser = SseParser()
        self._upstream = upstream
        self._calls = CallNumbers(emission, extras)
        self._started = False
        self._usage: Usage | None = None

    def feed(self, chunk: bytes) -> Iterator[list[Delta]]:
        """See Reader."""
        for event in self._parser.feed(chunk):
            if event.data == _DONE:
                yield [*self._held_usage(), Done()]
                continue
            document = event_document(event, self._upstream)
            if isinstance(document, Failed):
                yield [document]
            elif document is not None:
                yield self._deltas(document)

    def _deltas(self, document: dict[str, Any]) -> list[Delta]:
        choices = document.get("choices") or []
        deltas: list[Delta] = []
        if choices and not self._started:
            self._started = True
            deltas.append(_started(document))
        finished = False
        for choice in choices[:1]:
            said = choice.get("delta") or {"content": choice.get("text")}
            deltas += message_deltas(said, self._calls)
            if reason := finish_reason(choice.get("finish_reason"), called=self._calls.any):
                finished = True
                deltas.append(Finish(reason))
        # Some servers count with every chunk; only the last count is wanted.
        self._usage = usage_of(document.get("usage")) or self._usage
        return [*deltas, *self._held_usage()] if finished or not choices else deltas

    def _held_usage(self) -> list[Delta]:
        usage, self._usage = self._usage, None
        return [] if usage is None else [usage]


def _started(document: dict[str, Any]) -> Started:
    created = document.get("created")
    return Started(document.get("id") or None, created if isinstance(created, int) else None)


def message_deltas(message: dict[str, Any], calls: CallNumbers) -> list[Delta]:
    """What a message, or the delta of one, says."""
    deltas: list[Delta] = []
    if reasoning := message.get("reasoning_content") or message.get("reasoning"):
        deltas.append(Reasoning(str(reasoning)))
    if text := message.get("content") or message.get("refusal"):
        deltas.append(Text(content_text(text)))
    for call in message.get("tool_calls") or []:
        piece = calls.piece(call)
        if piece.begins:
            deltas.append(ToolStart(piece.index, piece.id, piece.name, piece.extra))
        if piece.arguments:
            deltas.append(ToolArguments(piece.index, piece.arguments))
    return deltas


def content_text(content: Any) -> str:
    """The text of a message's content, also of one in parts."""
    if isinstance(content, list):
        return "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return str(content)


def answer_deltas(document: dict[str, Any], emission: Emission, extras: CallExtras) -> list[Delta]:
    """A whole chat completion, or plain completion."""
    calls = CallNumbers(emission, extras)
    deltas: list[Delta] = [_started(document)]
    for choice in (document.get("choices") or [])[:1]:
        deltas += message_deltas(choice.get("message") or {"content": choice.get("text")}, calls)
        if reason := finish_reason(choice.get("finish_reason"), called=calls.any):
            deltas.append(Finish(reason))
    usage = usage_of(document.get("usage"))
    return deltas if usage is None else [*deltas, usage]


class ChatRewriter:
    """A stream of chunks for a model in chat shape: the model's name, tool calls, reasoning and finish reason put right, the rest as it
    came. Comments (keep-alives) pass."""

    def __init__(self, emission: Emission, upstream: Upstream, extras: CallExtras) -> None:
        self.finished = False
        self._parser = SseParser()
        self._emission = emission
        self._upstream = upstream
        self._extras = extras
        self._calls: dict[int, CallNumbers] = {}

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """See Rewriter."""
        for event in self._parser.feed(chunk):
            document = None if event.data == _DONE else event_document(event, self._upstream)
            self.finished = event.data == _DONE or isinstance(document, Failed)
            if isinstance(document, Failed):
                yield error_event(document)
            elif document is None:
                yield event.raw
            else:
                self._rewrite(document)
                yield f"data: {compact(document)}\n\n".encode()
            if self.finished:
                return

    def _rewrite(self, document: dict[str, Any]) -> None:
        document["model"] = self._emission.model.id
        for choice in document.get("choices") or []:
            place = choice.get("index", 0)
            calls = self._calls.setdefault(place, CallNumbers(self._emission, self._extras))
            if isinstance(choice.get("delta"), dict):
                _rename_reasoning(choice["delta"])
                if choice["delta"].get("tool_calls"):
                    choice["delta"]["tool_calls"] = [_streamed_call(call, calls) for call in choice["delta"]["tool_calls"]]
            choice["finish_reason"] = finish_reason(choice.get("finish_reason"), called=calls.any)


def _streamed_call(call: dict[str, Any], calls: CallNumbers) -> dict[str, Any]:
    piece = calls.piece(call)
    if not piece.begins:
        return {**piece.extra, "index": piece.index, "function": {"arguments": piece.arguments}}
    function = {"name": piece.name, "arguments": piece.arguments}
    return {**piece.extra, "index": piece.index, "id": piece.id, "type": "function", "function": function}


def chat_answer(document: dict[str, Any], emission: Emission, extras: CallExtras) -> dict[str, Any]:
    """A whole chat completion for a model in chat shape, put right in place."""
    document["model"] = emission.model.id
    for choice in document.get("choices") or []:
        calls = CallNumbers(emission, extras)
        message = choice.get("message")
        if isinstance(message, dict):
            _rename_reasoning(message)
            message.setdefault("content", None)
            if message.get("tool_calls"):
                message["tool_calls"] = [_whole_call(call, calls) for call in message["tool_calls"]]
        choice["finish_reason"] = finish_reason(choice.get("finish_reason") or "stop", called=calls.any)
    usage = usage_of(document.get("usage"))
    if usage is not None:
        document["usage"] = {**document["usage"], **usage_document(usage, chat_shape=True)}
    return document


def _whole_call(call: dict[str, Any], calls: CallNumbers) -> dict[str, Any]:
    piece = calls.piece({name: value for name, value in call.items() if name != "index"})
    return {**piece.extra, "id": piece.id, "type": "function", "function": {"name": piece.name, "arguments": piece.arguments}}


def _rename_reasoning(message: dict[str, Any]) -> None:
    if "reasoning" in message:
        reasoning = message.pop("reasoning")
        message.setdefault("reasoning_content", reasoning)
