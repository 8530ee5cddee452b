"""From `run` inputs to bodies of Ollama's own API (ai-binding.md 4.1). Pure; every drop is a warning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.translation import turns as said
from emulator.gateway.ai.translation.messages import refuse_lora
from emulator.gateway.ai.translation.turns import Image, Signed, Tool, Turn
from emulator.gateway.ai.upstream_errors import untranslatable

_OPTIONS = {
    "max_tokens": "num_predict",
    "max_completion_tokens": "num_predict",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "min_p": "min_p",
    "seed": "seed",
    "repetition_penalty": "repeat_penalty",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
}
"""Inputs by the name they have in `options`."""
_READ = frozenset(
    {"messages", "prompt", "image", "raw", "stream", "stream_options", "lora", "functions", "tools", "tool_choice", "parallel_tool_calls"}
    | {"stop", "response_format", "guided_json", "reasoning_effort", "chat_template_kwargs", *_OPTIONS}
)
_LEVELS = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max", "max": "max"}


@dataclass(slots=True)
class OllamaRequest:
    """`path` below the base URL."""

    path: str
    body: dict[str, Any]
    warnings: list[str]


def text_request(inputs: Mapping[str, Any], model: str, backend: str) -> OllamaRequest:
    """`/api/chat`, or `/api/generate` for a raw prompt. Raises Refused: unreadable inputs and embedded functions 5006, LoRA 5005."""
    refuse_lora(inputs, backend)
    request = OllamaRequest("/api/chat", {"model": model, "stream": bool(inputs.get("stream"))}, [])
    if inputs.get("raw"):
        _raw_prompt(request, inputs)
    else:
        request.body["messages"] = [_message(turn, request.warnings) for turn in said.turns(inputs, request.warnings)]
        _tools(request, inputs, said.tools(inputs, backend))
    schema = said.wanted_json(inputs)
    if schema is not False:
        request.body["format"] = "json" if schema is True else schema
    _think(request, inputs)
    _options(request, inputs)
    return request


def embed_request(inputs: Mapping[str, Any], model: str) -> OllamaRequest:
    """`/api/embed`. Raises Refused 5006 when there are no texts."""
    text = inputs.get("text")
    texts = [text] if isinstance(text, str) else text
    if not isinstance(texts, list) or not texts or not all(isinstance(one, str) for one in texts):
        raise untranslatable("Bad input: Error: required properties at '/' are 'text'")
    request = OllamaRequest("/api/embed", {"model": model, "input": texts}, [])
    if inputs.get("truncate_inputs") is not None:
        request.body["truncate"] = bool(inputs["truncate_inputs"])
    if inputs.get("pooling") is not None:
        request.warnings.append("pooling dropped: Ollama pools as the model's file says")
    for name in sorted(inputs.keys() - {"text", "truncate_inputs", "pooling"}):
        request.warnings.append(f"{name} dropped: Ollama's embeddings have no such parameter")
    return request


def _raw_prompt(request: OllamaRequest, inputs: Mapping[str, Any]) -> None:
    if not isinstance(inputs.get("prompt"), str):
        raise untranslatable("Bad input: Error: required properties at '/' are 'prompt'")
    request.path = "/api/generate"
    request.body |= {"prompt": inputs["prompt"], "raw": True}
    for name in ("messages", "tools", "image"):
        if inputs.get(name):
            request.warnings.append(f"{name} dropped: a raw prompt is sent alone")


def _message(turn: Turn, warnings: list[str]) -> dict[str, Any]:
    message: dict[str, Any] = {"role": turn.role, "content": turn.text}
    if any(isinstance(part, Signed) for part in turn.parts):
        warnings.append("signed thinking dropped: only Anthropic can read it")
    if images := [_picture(part) for part in turn.parts if isinstance(part, Image)]:
        message["images"] = images
    if turn.reasoning:
        message["thinking"] = turn.reasoning
    if turn.calls:
        message["tool_calls"] = [
            {"id": call.id, "function": {"index": index, "name": call.name, "arguments": dict(call.arguments)}}
            for index, call in enumerate(turn.calls)
        ]
    if turn.role == "tool":
        message |= {"tool_name": turn.name, "tool_call_id": turn.call_id}
    return message


def _picture(image: Image) -> str:
    if image.data is None:
        raise untranslatable(f"Ollama takes pictures as base64 only, and this one is at {str(image.url)[:80]}")
    return image.data


def _tools(request: OllamaRequest, inputs: Mapping[str, Any], tools: Sequence[Tool]) -> None:
    choice = inputs.get("tool_choice")
    if tools and choice == "none":
        request.warnings.append("tool_choice none: the tools were dropped, since Ollama has no tool_choice")
        return
    if choice not in (None, "auto", "none"):
        request.warnings.append("tool_choice dropped: Ollama cannot force a tool call")
    if tools and inputs.get("parallel_tool_calls") is False:
        request.warnings.append("parallel_tool_calls dropped: Ollama has no such parameter")
    for tool in tools:
        if tool.strict:
            request.warnings.append(f"strict of tool {tool.name!r} dropped: Ollama has no strict tools")
    if tools:
        request.body["tools"] = [
            {
                "type": "function",
                "function": {"name": tool.name, "description": tool.description or "", "parameters": dict(tool.parameters)},
            }
            for tool in tools
        ]


def _think(request: OllamaRequest, inputs: Mapping[str, Any]) -> None:
    template = inputs.get("chat_template_kwargs")
    template = template if isinstance(template, Mapping) else {}
    wanted = template.get("enable_thinking", template.get("thinking"))
    for name in sorted(template.keys() - {"enable_thinking", "thinking"}):
        request.warnings.append(f"chat_template_kwargs.{name} dropped: Ollama has no such parameter")
    effort = inputs.get("reasoning_effort")
    if effort is not None and effort != "none":
        if not isinstance(effort, str) or effort not in _LEVELS:
            raise untranslatable("Bad input: '/reasoning_effort' must be low, medium, high or null")
        request.body["think"] = _LEVELS[effort]
        if _LEVELS[effort] != effort:
            request.warnings.append(f"reasoning_effort {effort} clamped to {_LEVELS[effort]}")
    elif "reasoning_effort" in inputs:
        request.body["think"] = False
    elif isinstance(wanted, bool):
        request.body["think"] = wanted


def _options(request: OllamaRequest, inputs: Mapping[str, Any]) -> None:
    options = {target: inputs[name] for name, target in _OPTIONS.items() if inputs.get(name) is not None}
    if stops := said.stops(inputs):
        options["stop"] = stops
    if options:
        request.body["options"] = options
    for name in sorted(inputs.keys() - _READ):
        if inputs[name] not in (None, False) and (name, inputs[name]) != ("n", 1):
            request.warnings.append(f"{name} dropped: Ollama has no such parameter")
