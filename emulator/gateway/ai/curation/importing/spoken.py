"""A scripted answer as OpenAI chat, OpenAI Responses and Anthropic Messages say it, whole and as the events of a stream. Pure.

Sources: the providers' API references; ai-binding.md 4.2 for finish reasons.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_CREATED_S = 1735689600


class Dialect(StrEnum):
    """Whose words an answer is in."""

    CHAT = "chat"
    RESPONSES = "responses"
    ANTHROPIC = "anthropic"

    @property
    def endpoint(self) -> str:
        """The end of the address that speaks it."""
        return {Dialect.CHAT: "chat/completions", Dialect.RESPONSES: "responses", Dialect.ANTHROPIC: "messages"}[self]


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of an answer: text, or a tool call with its arguments as JSON text."""

    text: str = ""
    tool: str | None = None
    arguments: str = ""
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """What is said, in order. `seed` makes ids that are the same at every import. `finish` is in OpenAI's words; None follows from the
    blocks."""

    blocks: tuple[Block, ...]
    seed: str
    model: str
    reasoning: str = ""
    finish: str | None = None
    usage: Mapping[str, int] = field(default_factory=dict)
    chunk_size: int = 20

    @property
    def text(self) -> str:
        """All text."""
        return "".join(block.text for block in self.blocks)

    @property
    def calls(self) -> tuple[Block, ...]:
        """The tool calls."""
        return tuple(block for block in self.blocks if block.tool is not None)

    @property
    def why(self) -> str:
        """The finish reason."""
        return self.finish or ("tool_calls" if self.calls else "stop")

    def tokens(self) -> tuple[int, int]:
        """Prompt and completion, guessed where the script does not say."""
        names = (("prompt_tokens", "input_tokens"), ("completion_tokens", "output_tokens"))
        said = len(self.text) + sum(len(call.arguments) for call in self.calls)
        given = [next((self.usage[name] for name in pair if isinstance(self.usage.get(name), int)), None) for pair in names]
        return given[0] if given[0] is not None else 1, given[1] if given[1] is not None else max(1, said // 4)

    def id_of(self, prefix: str, index: int = 0) -> str:
        """An id of this answer."""
        return prefix + hashlib.sha256(f"{self.seed}:{prefix}:{index}".encode()).hexdigest()[:24]

    def call_id(self, index: int, prefix: str) -> str:
        """The id of tool call `index`."""
        return self.calls[index].id or self.id_of(prefix, index)

    def pieces(self, text: str) -> list[str]:
        """A text as the chunks of a stream."""
        return [text[at : at + self.chunk_size] for at in range(0, len(text), self.chunk_size)]


def whole(script: Script, dialect: Dialect) -> dict[str, Any]:
    """The answer at once."""
    return {Dialect.CHAT: _chat, Dialect.RESPONSES: _responses, Dialect.ANTHROPIC: _anthropic}[dialect](script)


def events(script: Script, dialect: Dialect) -> list[dict[str, Any]]:
    """The answer as stream events, as recordings have them, without times: `{"json"}`, `{"event", "json"}` or `{"text": "[DONE]"}`."""
    if dialect is Dialect.CHAT:
        return [*({"json": chunk} for chunk in _chat_chunks(script)), {"text": "[DONE]"}]
    found = _responses_events(script) if dialect is Dialect.RESPONSES else _anthropic_events(script)
    return [{"event": event["type"], "json": event} for event in found]


# -- OpenAI chat


def _chat(script: Script) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": script.text or (None if script.calls else ""), "refusal": None}
    if script.reasoning:
        message["reasoning_content"] = script.reasoning
    if script.calls:
        message["tool_calls"] = [_chat_call(script, index, call) for index, call in enumerate(script.calls)]
    prompt, completion = script.tokens()
    return {
        **_chat_head(script, "chat.completion"),
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": script.why}],
        "usage": {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion},
    }


def _chat_head(script: Script, kind: str) -> dict[str, Any]:
    return {"id": script.id_of("chatcmpl-"), "object": kind, "created": _CREATED_S, "model": script.model}


def _chat_call(script: Script, index: int, call: Block) -> dict[str, Any]:
    function = {"name": call.tool, "arguments": call.arguments}
    return {"id": script.call_id(index, "call_"), "type": "function", "function": function}


def _chat_chunks(script: Script) -> Iterator[dict[str, Any]]:
    head = _chat_head(script, "chat.completion.chunk")

    def chunk(delta: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        return {**head, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": "" if script.text or not script.calls else None})
    for piece in script.pieces(script.reasoning):
        yield chunk({"reasoning_content": piece})
    index = 0
    for block in script.blocks:
        for piece in script.pieces(block.text):
            yield chunk({"content": piece})
        if block.tool is not None:
            opened = _chat_call(script, index, Block(tool=block.tool))
            yield chunk({"tool_calls": [{"index": index, **opened}]})
            for piece in script.pieces(block.arguments):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
            index += 1
    yield chunk({}, script.why)


# -- OpenAI Responses


_DETAILS = {"input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}


def _responses(script: Script, *, done: bool = True) -> dict[str, Any]:
    prompt, completion = script.tokens()
    usage = {"input_tokens": prompt, "output_tokens": completion, "total_tokens": prompt + completion}
    status = "incomplete" if script.why == "length" else "completed"
    return {
        "id": script.id_of("resp_"),
        "object": "response",
        "created_at": _CREATED_S,
        "status": status if done else "in_progress",
        "incomplete_details": {"reason": "max_output_tokens"} if done and status == "incomplete" else None,
        "error": None,
        "model": script.model,
        "output": [item for item, _ in _responses_items(script)] if done else [],
        "parallel_tool_calls": True,
        "tool_choice": "auto",
        "tools": [],
        "usage": {**usage, **_DETAILS} if done else None,
    }


def _responses_items(script: Script) -> Iterator[tuple[dict[str, Any], Block]]:
    if script.reasoning:
        summary = [{"type": "summary_text", "text": script.reasoning}]
        yield {"id": script.id_of("rs_"), "type": "reasoning", "summary": summary}, Block(text=script.reasoning)
    calls = 0
    for number, block in enumerate(script.blocks):
        if block.tool is None:
            content = [{"type": "output_text", "text": block.text, "annotations": [], "logprobs": []}]
            item = {"id": script.id_of("msg_", number), "type": "message", "role": "assistant", "status": "completed", "content": content}
        else:
            call = {"call_id": script.call_id(calls, "call_"), "name": block.tool, "arguments": block.arguments}
            item = {"id": script.id_of("fc_", number), "type": "function_call", "status": "completed", **call}
            calls += 1
        yield item, block


def _responses_events(script: Script) -> Iterator[dict[str, Any]]:
    plain: list[dict[str, Any]] = [
        {"type": "response.created", "response": _responses(script, done=False)},
        {"type": "response.in_progress", "response": _responses(script, done=False)},
    ]
    for index, (item, block) in enumerate(_responses_items(script)):
        plain += _responses_item_events(script, index, item, block)
    final = _responses(script)
    plain.append({"type": f"response.{final['status']}", "response": final})
    for number, event in enumerate(plain):
        yield {**event, "sequence_number": number}


_EMPTY_ITEMS: dict[str, dict[str, Any]] = {"message": {"content": []}, "function_call": {"arguments": ""}, "reasoning": {"summary": []}}


def _responses_item_events(script: Script, index: int, item: dict[str, Any], block: Block) -> Iterator[dict[str, Any]]:
    place = {"item_id": item["id"], "output_index": index}
    begun = {**item, **_EMPTY_ITEMS[item["type"]], **({} if item["type"] == "reasoning" else {"status": "in_progress"})}
    yield {"type": "response.output_item.added", "output_index": index, "item": begun}
    if item["type"] == "function_call":
        for piece in script.pieces(block.arguments):
            yield {"type": "response.function_call_arguments.delta", **place, "delta": piece}
        yield {"type": "response.function_call_arguments.done", **place, "name": block.tool, "arguments": block.arguments}
    elif item["type"] == "reasoning":
        part = {**place, "summary_index": 0}
        yield {"type": "response.reasoning_summary_part.added", **part, "part": {"type": "summary_text", "text": ""}}
        for piece in script.pieces(block.text):
            yield {"type": "response.reasoning_summary_text.delta", **part, "delta": piece}
        yield {"type": "response.reasoning_summary_text.done", **part, "text": block.text}
        yield {"type": "response.reasoning_summary_part.done", **part, "part": item["summary"][0]}
    else:
        part = {**place, "content_index": 0}
        yield {"type": "response.content_part.added", **part, "part": {**item["content"][0], "text": ""}}
        for piece in script.pieces(block.text):
            yield {"type": "response.output_text.delta", **part, "delta": piece, "logprobs": []}
        yield {"type": "response.output_text.done", **part, "text": block.text, "logprobs": []}
        yield {"type": "response.content_part.done", **part, "part": item["content"][0]}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


# -- Anthropic

_STOP = {"stop": "end_turn", "tool_calls": "tool_use", "length": "max_tokens", "content_filter": "refusal"}


def _anthropic(script: Script) -> dict[str, Any]:
    prompt, completion = script.tokens()
    return {
        "id": script.id_of("msg_"),
        "type": "message",
        "role": "assistant",
        "model": script.model,
        "content": [block for block, _ in _anthropic_blocks(script)],
        "stop_reason": _STOP.get(script.why, script.why),
        "stop_sequence": None,
        "usage": {"input_tokens": prompt, "output_tokens": completion},
    }


def _anthropic_blocks(script: Script) -> Iterator[tuple[dict[str, Any], Block]]:
    if script.reasoning:
        yield {"type": "thinking", "thinking": script.reasoning, "signature": ""}, Block(text=script.reasoning)
    calls = 0
    for block in script.blocks:
        if block.tool is None:
            yield {"type": "text", "text": block.text}, block
        else:
            yield {"type": "tool_use", "id": script.call_id(calls, "toolu_"), "name": block.tool, "input": _value(block.arguments)}, block
            calls += 1


def _value(arguments: str) -> Any:
    try:
        return json.loads(arguments or "{}")
    except ValueError:
        return {}


def _anthropic_events(script: Script) -> Iterator[dict[str, Any]]:
    whole_message = _anthropic(script)
    usage = {**whole_message["usage"], "output_tokens": 1}
    yield {"type": "message_start", "message": {**whole_message, "content": [], "stop_reason": None, "usage": usage}}
    for index, (content, block) in enumerate(_anthropic_blocks(script)):
        yield {"type": "content_block_start", "index": index, "content_block": {**content, **_EMPTY_BLOCKS[content["type"]]}}
        kind, name = _ANTHROPIC_DELTAS[content["type"]]
        for piece in script.pieces(block.arguments if block.tool is not None else block.text):
            yield {"type": "content_block_delta", "index": index, "delta": {"type": kind, name: piece}}
        yield {"type": "content_block_stop", "index": index}
    stop = {"stop_reason": whole_message["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": stop, "usage": {"output_tokens": whole_message["usage"]["output_tokens"]}}
    yield {"type": "message_stop"}


_EMPTY_BLOCKS: dict[str, dict[str, Any]] = {"text": {"text": ""}, "thinking": {"thinking": ""}, "tool_use": {"input": {}}}
_ANTHROPIC_DELTAS = {
    "text": ("text_delta", "text"),
    "thinking": ("thinking_delta", "thinking"),
    "tool_use": ("input_json_delta", "partial_json"),
}
