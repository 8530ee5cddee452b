"""What the Messages API refuses, from Anthropic's public documentation and the texts of its errors. Pure.

Stricter than the real one in one thing: system messages between others, which models from Opus 4.8 on take, are refused for all.

A fake that takes everything proves nothing: these rules are what keeps a translation honest.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .base import Refusal

LATEST = "2026-10-21"
VERSIONS = ("2023-01-01", "2023-06-01", LATEST)
_FIELDS = frozenset(
    {"model", "messages", "max_tokens", "system", "temperature", "top_p", "top_k", "stop_sequences", "stream", "tools", "tool_choice"}
    | {"thinking", "output_config", "metadata", "service_tier", "container", "cache_control", "inference_geo", "speed", "diagnostics"}
)
_TOOL_FIELDS = frozenset(
    {"name", "description", "input_schema", "type", "strict", "cache_control", "eager_input_streaming", "input_examples"}
    | {"allowed_callers", "defer_loading"}
)
_BLOCKS = {
    "user": {"text", "image", "document", "tool_result"},
    "assistant": {"text", "thinking", "redacted_thinking", "tool_use"},
}
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_ID = re.compile(r"[a-zA-Z0-9_-]+")
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_NO_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minLength", "maxLength", "maxItems")


@dataclass(frozen=True)
class Kind:
    """One generation of models, as the fake knows them."""

    max_output: int
    structured: bool = True
    adaptive: bool = True
    budget: bool = True
    disabled: bool = True
    sampling: bool = False
    forced: bool = True


MODELS = {
    "claude-sonnet-5-5": Kind(128_000, budget=False, disabled=False, forced=False),
    "claude-opus-5-5": Kind(128_000, budget=False, disabled=False, forced=False),
    "claude-haiku-5-5": Kind(128_000, budget=False),
    "claude-opus-4-8": Kind(128_000, budget=False),
    "claude-opus-4-6": Kind(128_000, sampling=True),
    "claude-sonnet-4-5": Kind(64_000, adaptive=False, sampling=True),
    "claude-sonnet-4-20250514": Kind(64_000, structured=False, adaptive=False, sampling=True),
    "claude-3-haiku-20240307": Kind(4_096, structured=False, adaptive=False, budget=False, sampling=True),
}


def check_headers(headers: Mapping[str, str], key: str | None) -> str:
    """The version that is asked for. Raises Refusal. `key` None: any key will do, but there must be one."""
    given = headers.get("x-api-key") or headers.get("authorization", "").removeprefix("Bearer ")
    if not given:
        raise Refusal(401, "x-api-key header is required")
    if key is not None and given != key:
        raise Refusal(401, "invalid x-api-key")
    version = headers.get("anthropic-version")
    if version is None:
        raise Refusal(400, "anthropic-version: header is required")
    if version not in VERSIONS:
        raise Refusal(400, f'anthropic-version: "{version}" is not a valid version')
    return version


def check_body(body: Any, version: str = "2023-06-01") -> None:
    """Raises Refusal. The latest version has no sampling parameters any more."""
    if not isinstance(body, dict):
        raise Refusal(400, "Input should be a valid dictionary")
    for name in ("model", "messages", "max_tokens"):
        _require(name in body, f"{name}: Field required")
    for name in body:
        removed = version == LATEST and name in ("temperature", "top_p", "top_k")
        _require(name in _FIELDS and not removed, f"{name}: Extra inputs are not permitted")
    if body["model"] not in MODELS:
        raise Refusal(404, f"model: {body['model']}")
    kind = MODELS[body["model"]]
    _check_numbers(body, kind)
    _check_system(body.get("system", ""))
    _check_messages(body["messages"])
    _check_tools(body, kind)
    _check_thinking(body, kind)
    _check_output(body.get("output_config", {}), kind)
    for stop in body.get("stop_sequences") or ():
        _require(isinstance(stop, str) and stop.strip() != "", "stop_sequences: each stop sequence must contain non-whitespace")


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise Refusal(400, message)


def _check_numbers(body: Mapping[str, Any], kind: Kind) -> None:
    most = body["max_tokens"]
    _require(isinstance(most, int) and not isinstance(most, bool), "max_tokens: Input should be a valid integer")
    _require(most >= 1, "max_tokens: Input should be greater than or equal to 1")
    over = f"max_tokens: {most} > {kind.max_output}, which is the maximum allowed number of output tokens for {body['model']}"
    _require(most <= kind.max_output, over)
    for name, top in (("temperature", 1), ("top_p", 1), ("top_k", None)):
        value = body.get(name)
        if value is None:
            continue
        _require(kind.sampling, f"`{name}` is deprecated for this model.")
        _require(isinstance(value, int | float), f"{name}: Input should be a valid number")
        _require(value >= 0, f"{name}: Input should be greater than or equal to 0")
        _require(top is None or value <= top, f"{name}: Input should be less than or equal to {top}")
    both = "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
    _require(body.get("temperature") is None or body.get("top_p") is None, both)
    _require(isinstance(body.get("stream", False), bool), "stream: Input should be a valid boolean")


def _check_system(system: Any) -> None:
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    _require(isinstance(blocks, list), "system: Input should be a valid list")
    if not isinstance(system, str):
        for block in blocks:
            _require(block.get("type") == "text", "system: Input should be a text block")
            _require(bool(block.get("text")), "system: text content blocks must be non-empty")


def _check_messages(messages: Any) -> None:
    _require(isinstance(messages, list) and bool(messages), "messages: at least one message is required")
    for index, message in enumerate(messages):
        role = message.get("role")
        unexpected = (
            f'messages: Unexpected role "{role}". The Messages API accepts a top-level `system` parameter, '
            'not "system" as an input message role.'
        )
        _require(role != "system", unexpected)
        _require(role in _BLOCKS, f"messages.{index}.role: Input should be 'user' or 'assistant'")
        for name in message:
            _require(name in ("role", "content"), f"messages.{index}.{name}: Extra inputs are not permitted")
        final = index == len(messages) - 1 and role == "assistant"
        _check_content(message.get("content"), role, f"messages.{index}", may_be_empty=final)
    ending = messages[-1]["content"] if messages[-1]["role"] == "assistant" else ""
    trailing = isinstance(ending, str) and ending != ending.rstrip()
    _require(not trailing, "messages: final assistant content cannot end with trailing whitespace")
    _require(messages[0]["role"] == "user", 'messages: first message must use the "user" role')
    turns = list(turns_of(messages))
    for number, (role, blocks) in enumerate(turns):
        after = turns[number + 1][1] if number + 1 < len(turns) else []
        if role == "assistant":
            _check_answered(blocks, after, number, last=number == len(turns) - 1)
        else:
            _check_results(blocks, turns[number - 1][1] if number else [], number)


def turns_of(messages: list[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Consecutive messages of one role are one turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in messages:
        content = message["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if turns and turns[-1][0] == message["role"]:
            turns[-1][1].extend(blocks)
        else:
            turns.append((message["role"], list(blocks)))
    yield from turns


def _check_content(content: Any, role: str, path: str, *, may_be_empty: bool) -> None:
    _require(isinstance(content, str | list), f"{path}.content: Input should be a valid list")
    empty = f"{path}: all messages must have non-empty content except for the optional final assistant message"
    _require(bool(content) or may_be_empty, empty)
    if isinstance(content, str):
        _require(may_be_empty or content.strip() != "", "messages: text content blocks must contain non-whitespace text")
        return
    for index, block in enumerate(content):
        place = f"{path}.content.{index}"
        kind = block.get("type")
        _require(kind in _BLOCKS[role], f"{place}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
        _check_block(block, kind, place)


def _check_block(block: dict[str, Any], kind: str, place: str) -> None:
    match kind:
        case "text":
            _require(isinstance(block.get("text"), str) and block["text"] != "", "messages: text content blocks must be non-empty")
            _require(block["text"].strip() != "", "messages: text content blocks must contain non-whitespace text")
        case "image":
            _check_image(block.get("source") or {}, place)
        case "tool_use":
            _require(bool(_ID.fullmatch(str(block.get("id", "")))), f"{place}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
            _require(isinstance(block.get("name"), str), f"{place}.tool_use.name: Field required")
            _require(isinstance(block.get("input"), dict), f"{place}.tool_use.input: Input should be a valid dictionary")
        case "tool_result":
            _require(isinstance(block.get("tool_use_id"), str), f"{place}.tool_result.tool_use_id: Field required")
            extra = block.keys() - {"type", "tool_use_id", "content", "is_error", "cache_control"}
            _require(not extra, f"{place}.tool_result.{'.'.join(sorted(extra))}: Extra inputs are not permitted")
        case "thinking":
            _require(bool(block.get("signature")), f"{place}.thinking.signature: Field required")


def _check_image(source: dict[str, Any], place: str) -> None:
    if source.get("type") == "url":
        _require(str(source.get("url", "")).startswith("https://"), f"{place}.image.source.url: Only HTTPS URLs are supported.")
        return
    _require(source.get("type") == "base64", f"{place}.image.source: Input tag does not match 'base64' or 'url'")
    names = "'image/jpeg', 'image/png', 'image/gif' or 'image/webp'"
    _require(source.get("media_type") in _PICTURES, f"{place}.image.source.base64.media_type: Input should be {names}")
    try:
        base64.b64decode(source.get("data", ""), validate=True)
    except (binascii.Error, TypeError):
        raise Refusal(400, f"{place}.image.source.base64: invalid base64 data") from None


def _check_answered(blocks: list[dict[str, Any]], after: list[dict[str, Any]], number: int, *, last: bool) -> None:
    called = [block["id"] for block in blocks if block["type"] == "tool_use"]
    answered = {block["tool_use_id"] for block in after if block["type"] == "tool_result"}
    missing = [one for one in called if one not in answered]
    text = f"messages.{number}: `tool_use` ids were found without `tool_result` blocks immediately after: {', '.join(missing)}."
    _require(not missing, f"{text} Each `tool_use` block must have a corresponding `tool_result` block in the next message.")


def _check_results(blocks: list[dict[str, Any]], before: list[dict[str, Any]], number: int) -> None:
    called = {block["id"] for block in before if block["type"] == "tool_use"}
    seen_other = False
    for index, block in enumerate(blocks):
        if block["type"] != "tool_result":
            seen_other = True
            continue
        text = f"messages.{number}.content.{index}: unexpected `tool_use_id` found in `tool_result` blocks: {block['tool_use_id']}."
        _require(
            block["tool_use_id"] in called,
            f"{text} Each `tool_result` block must have a corresponding `tool_use` block in the previous message.",
        )
        _require(not seen_other, f"messages.{number}: tool_result blocks must come first in the content")
        called.discard(block["tool_use_id"])


def _check_tools(body: Mapping[str, Any], kind: Kind) -> None:
    tools = body.get("tools") or []
    for index, tool in enumerate(tools):
        place = f"tools.{index}.custom"
        for name in tool:
            _require(name in _TOOL_FIELDS, f"{place}.{name}: Extra inputs are not permitted")
        _require(
            bool(_TOOL_NAME.fullmatch(str(tool.get("name", "")))), f"{place}.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'"
        )
        _require(isinstance(tool.get("input_schema"), dict), f"{place}.input_schema: Field required")
        _require(tool["input_schema"].get("type") == "object", f"{place}.input_schema.type: Input should be 'object'")
        _require(not tool.get("strict") or kind.structured, f"{place}.strict: not supported by {body['model']}")
    _require(len({tool["name"] for tool in tools}) == len(tools), "tools: Tool names must be unique.")
    choice = body.get("tool_choice")
    if choice is None:
        return
    _require(bool(tools), "tool_choice: may only be specified while providing tools.")
    _require(isinstance(choice, dict), "tool_choice: Input should be a valid dictionary or object to extract fields from")
    named = choice.get("type")
    _require(named in ("auto", "any", "tool", "none"), "tool_choice: Input tag does not match 'auto', 'any', 'tool' or 'none'")
    if named == "tool":
        known = choice.get("name") in {tool["name"] for tool in tools}
        _require(known, f"Tool '{choice.get('name')}' not found in provided tools")
    _require(named in ("auto", "none") or kind.forced, f"tool_choice: forced tool use is not supported by {body['model']}")
    _require(not (named == "none" and "disable_parallel_tool_use" in choice), "tool_choice.none: Extra inputs are not permitted")


def _check_thinking(body: Mapping[str, Any], kind: Kind) -> None:
    thinking = body.get("thinking") or {"type": "unset"}
    match thinking.get("type"):
        case "enabled":
            _check_budget(body, thinking, kind)
        case "adaptive":
            _require(kind.adaptive, f"thinking: adaptive thinking is not supported on {body['model']}")
        case "disabled":
            _require(kind.disabled, f"thinking.disabled: not supported by {body['model']}, which always thinks")
        case "between_tools":
            _require(body["model"] == "claude-sonnet-5-5", f"thinking.between_tools: not supported by {body['model']}")
        case "unset":
            return
        case other:
            raise Refusal(400, f"thinking: Input tag '{other}' found using 'type' does not match any of the expected tags")
    if thinking["type"] in ("enabled", "adaptive"):
        _require(body.get("temperature") in (None, 1), "`temperature` may only be set to 1 when thinking is enabled or in adaptive mode.")
        _require(body.get("top_k") is None, "`top_k` must be unset when thinking is enabled or in adaptive mode.")


def _check_budget(body: Mapping[str, Any], thinking: Mapping[str, Any], kind: Kind) -> None:
    _require(kind.budget, f"thinking.enabled: not supported by {body['model']}; use thinking.type.adaptive")
    budget = thinking.get("budget_tokens")
    _require(isinstance(budget, int), "thinking.enabled.budget_tokens: Field required")
    _require(budget >= 1024, "thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
    _require(body["max_tokens"] > budget, "`max_tokens` must be greater than `thinking.budget_tokens`.")
    forced = (body.get("tool_choice") or {}).get("type") in ("any", "tool")
    _require(not forced, "Thinking may not be enabled when tool_choice forces tool use.")
    turns = list(turns_of(body["messages"]))
    if len(turns) > 1 and any(block["type"] == "tool_result" for block in turns[-1][1]):
        first = turns[-2][1][0]["type"]
        text = f"messages.{len(turns) - 2}.content.0.type: Expected `thinking` or `redacted_thinking`, but found `{first}`."
        _require(
            first in ("thinking", "redacted_thinking"),
            f"{text} When `thinking` is enabled, a final `assistant` message must start with a thinking block.",
        )


def _check_output(config: Mapping[str, Any], kind: Kind) -> None:
    for name in config:
        _require(name in ("effort", "format"), f"output_config.{name}: Extra inputs are not permitted")
    effort = config.get("effort")
    _require(effort in (None, "low", "medium", "high", "xhigh", "max"), "output_config.effort: Input should be 'low', 'medium' or 'high'")
    wanted = config.get("format")
    if wanted is not None:
        _require(kind.structured, "output_config.format: structured outputs are not supported by this model")
        _require(wanted.get("type") == "json_schema", "output_config.format.type: Input should be 'json_schema'")
        _require(isinstance(wanted.get("schema"), dict), "output_config.format.schema: Field required")
        _check_schema(wanted["schema"])


def _check_schema(schema: Any) -> None:
    if isinstance(schema, list):
        for one in schema:
            _check_schema(one)
    if not isinstance(schema, dict):
        return
    kind = schema.get("type")
    closed = kind != "object" or schema.get("additionalProperties") is False
    _require(closed, "output_config.format.schema: For 'object' type, 'additionalProperties' must be explicitly set to false")
    bounds = [name for name in _NO_BOUNDS if not isinstance(schema.get(name, {}), dict)]
    _require(not bounds, f"output_config.format.schema: For '{kind}' type, properties {', '.join(bounds)} are not supported")
    _require("oneOf" not in schema or isinstance(schema["oneOf"], dict), "output_config.format.schema: 'oneOf' is not supported")
    for name, value in schema.items():
        if name not in ("enum", "const", "default"):
            _check_schema(list(value.values()) if name in ("properties", "$defs", "definitions") else value)
