"""How much of a call to an `anthropic/*` model passes in Anthropic's own words (ai-binding.md 1.5). Pure.

AI Gateway runs these models on inputs of two formats. Clients that know name the format in the option `openaiEndpoint`; for others the
inputs themselves tell. Asked in Messages format, the service converts nothing, neither way. Asked as chat completions, it answers
chat completions; but its streams are Anthropic's events all the same, which the `agents` package documents from live captures.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any

from emulator.gateway.ai.upstream_errors import untranslatable

_CHAT_FIELDS = frozenset(
    {"prompt", "functions", "response_format", "max_completion_tokens", "reasoning_effort", "frequency_penalty", "presence_penalty"}
    | {"stop", "n", "logit_bias", "logprobs", "seed", "stream_options", "parallel_tool_calls", "raw", "lora", "chat_template_kwargs"}
)
_MESSAGES_FIELDS = frozenset({"system", "tools", "tool_choice", "thinking", "stop_sequences", "output_config", "metadata", "top_k"})
_CHAT_PARTS = frozenset({"image_url", "input_audio", "refusal"})


class Native(Enum):
    """What is left as it is."""

    NOTHING = "nothing"
    STREAM = "stream"
    """The stream of the answer; the request is translated."""
    ALL = "all"


def native_part(model_id: str, inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> Native:
    """For a call of `model_id`, as the user wrote it. Raises Refused 5006 for the Responses format."""
    if not model_id.startswith("anthropic/"):
        return Native.NOTHING
    endpoint = (options or {}).get("openaiEndpoint")
    if endpoint == "/v1/responses":
        raise untranslatable(f"{model_id} takes the Messages format or chat completions, not the Responses format")
    if endpoint == "/v1/messages" or (endpoint is None and is_messages_shaped(inputs)):
        return Native.ALL
    return Native.STREAM if endpoint == "/v1/chat/completions" and inputs.get("stream") else Native.NOTHING


def fits_both(inputs: Mapping[str, Any], options: Mapping[str, Any] | None) -> bool:
    """Whether nothing tells which format was meant: plain texts, and no field that one of both has alone."""
    if (options or {}).get("openaiEndpoint") is not None or not is_messages_shaped(inputs) or inputs.keys() & _MESSAGES_FIELDS:
        return False
    return all(isinstance(message["content"], str) for message in inputs["messages"])


def is_messages_shaped(inputs: Mapping[str, Any]) -> bool:
    """Whether the Messages API could take the inputs as they are. What both formats could take counts as Messages: the real service
    passes it on."""
    messages, tools = inputs.get("messages"), inputs.get("tools") or []
    if not isinstance(messages, list) or not isinstance(tools, list) or not isinstance(inputs.get("max_tokens"), int):
        return False
    if any(inputs.get(name) is not None for name in _CHAT_FIELDS) or isinstance(inputs.get("tool_choice"), str):
        return False
    chat_tools = any(not isinstance(tool, Mapping) or tool.get("type") == "function" or "parameters" in tool for tool in tools)
    return not chat_tools and all(_is_messages_message(message) for message in messages)


def _is_messages_message(message: Any) -> bool:
    if not isinstance(message, Mapping) or message.get("role") not in ("user", "assistant") or "tool_calls" in message:
        return False
    content = message.get("content")
    if isinstance(content, str):
        return True
    return isinstance(content, list) and all(isinstance(part, Mapping) and part.get("type") not in _CHAT_PARTS for part in content)
