"""Text generation: `run` inputs to OpenAI's chat completions (ai-binding.md 4.1). Pure.

What a server cannot take is dropped or clamped, and each time a warning says so; what would change the meaning is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from emulator.gateway.ai.backends.addresses import GEMINI_HOST, OPENAI_HOST
from emulator.gateway.ai.translation.messages import conversation, in_envelope, json_schema, refuse_lora, tool_definitions
from emulator.gateway.ai.upstream_errors import untranslatable


class Flavour(Enum):
    """Who speaks. OpenAI and Gemini refuse fields they do not know; others (vLLM, llama.cpp, LM Studio, proxies) take more than OpenAI."""

    OPENAI = "OpenAI"
    GEMINI = "Gemini"
    COMPATIBLE = "compatible"

    @classmethod
    def of(cls, host: str) -> Flavour:
        """By the host of the base URL."""
        return {OPENAI_HOST: cls.OPENAI, GEMINI_HOST: cls.GEMINI}.get(host.lower(), cls.COMPATIBLE)


@dataclass(slots=True)
class Translated:
    """A request to send below the base URL, and what was lost on the way."""

    path: str
    body: dict[str, Any]
    warnings: list[str] = field(default_factory=list)


_READ = frozenset({"messages", "prompt", "raw", "image", "tools", "functions", "lora", "max_tokens", "response_format", "stream"})
"""Inputs that have a rule of their own below."""
_COMMON = frozenset(
    {
        "frequency_penalty", "presence_penalty", "seed", "stop", "temperature", "top_p", "tool_choice", "parallel_tool_calls",
        "reasoning_effort", "n", "max_completion_tokens", "stream_options",
    }
)  # fmt: skip
_OPENAI_ONLY = frozenset(
    {
        "audio", "logit_bias", "logprobs", "metadata", "modalities", "prediction", "prompt_cache_key", "safety_identifier", "service_tier",
        "store", "top_logprobs", "user", "verbosity", "web_search_options",
    }
)  # fmt: skip
_GEMINI_ONLY = frozenset({"extra_body"})
_REASONING = re.compile(r"(^|/)(o\d|gpt-[5-9]|gpt-\d\d)")
_REASONING_FIELDS = ("reasoning", "reasoning_content")
_NO_SCHEMA_NAME = re.compile(r"[^A-Za-z0-9_-]+")


def text_request(inputs: Mapping[str, Any], model: str, flavour: Flavour, backend: str) -> Translated:
    """The request for text. Raises Refused for what cannot be expressed: raw prompts (but for vLLM), LoRA, embedded functions."""
    refuse_lora(inputs, backend)
    if "requests" in inputs:
        raise untranslatable(f"batches (`requests`) exist on Workers AI only, and backend {backend!r} has none")
    if inputs.get("raw") and isinstance(inputs.get("prompt"), str):
        if flavour is not Flavour.COMPATIBLE:
            raise untranslatable(
                f"a raw prompt has no counterpart in {flavour.value}'s API; leave `raw` out, or route it to vLLM or Ollama"
            )
        translated = Translated("/completions", {"model": model, "prompt": inputs["prompt"]})
    else:
        translated = Translated("/chat/completions", {"model": model, "messages": conversation(inputs)})
        _adapt_messages(translated, flavour)
        if tools := tool_definitions(inputs, backend):
            translated.body["tools"] = tools
    _pass_parameters(translated, inputs, flavour)
    _limit_tokens(translated, inputs, model)
    _name_schema(translated, inputs.get("response_format"))
    if inputs.get("stream"):
        translated.body["stream"] = True
        asked = inputs.get("stream_options")
        translated.body["stream_options"] = {**(asked if isinstance(asked, dict) else {}), "include_usage": True}
    return translated


def _adapt_messages(translated: Translated, flavour: Flavour) -> None:
    dropped = False
    for message in translated.body["messages"]:
        if message.get("role") == "tool":
            message.pop("name", None)
        if flavour is not Flavour.COMPATIBLE:
            for name in _REASONING_FIELDS:
                dropped |= message.pop(name, None) is not None
    if dropped:
        translated.warnings.append(f"reasoning of earlier answers dropped: {flavour.value} takes none back")


def _pass_parameters(translated: Translated, inputs: Mapping[str, Any], flavour: Flavour) -> None:
    known = _COMMON | (_OPENAI_ONLY if flavour is Flavour.OPENAI else _GEMINI_ONLY)
    for name, value in inputs.items():
        if name in _READ or value is None:
            continue
        if flavour is not Flavour.COMPATIBLE and name not in known:
            translated.warnings.append(f"{name} dropped: {flavour.value} has no such parameter")
        elif name != "stream_options":
            translated.body[name] = value
    if "reasoning_effort" in inputs and inputs["reasoning_effort"] is None:
        translated.warnings.append("reasoning_effort null dropped: the model's own default applies")
    temperature = translated.body.get("temperature")
    if isinstance(temperature, int | float) and temperature > 2:
        translated.body["temperature"] = 2
        translated.warnings.append(f"temperature {temperature:g} clamped to 2")


def _limit_tokens(translated: Translated, inputs: Mapping[str, Any], model: str) -> None:
    if inputs.get("max_tokens") is not None:
        name = "max_completion_tokens" if _REASONING.search(model) else "max_tokens"
        translated.body.setdefault(name, inputs["max_tokens"])


def _name_schema(translated: Translated, response_format: Any) -> None:
    if response_format is None:
        return
    bare = json_schema(response_format)
    if bare is not None and not in_envelope(response_format["json_schema"]):
        schema, title = bare
        name = _NO_SCHEMA_NAME.sub("_", title)[:64]
        response_format = {"type": "json_schema", "json_schema": {"name": name, "schema": schema, "strict": _is_strict(schema)}}
    translated.body["response_format"] = response_format


_SCHEMA_MAPS = ("properties", "$defs", "definitions")
_SCHEMA_PARTS = ("items", "anyOf", "allOf", "oneOf", "prefixItems")


def _is_strict(schema: Any) -> bool:
    """Whether OpenAI's strict mode takes the schema: every object closed, every property required. Else it would refuse it."""
    if isinstance(schema, list):
        return all(_is_strict(item) for item in schema)
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object" or "properties" in schema:
        required = set(schema.get("required", ()))
        if schema.get("additionalProperties") is not False or required != set(schema.get("properties", ())):
            return False
    named = [part for name in _SCHEMA_MAPS if isinstance(schema.get(name), dict) for part in schema[name].values()]
    return all(_is_strict(part) for part in [*named, *(schema[name] for name in _SCHEMA_PARTS if name in schema)])
