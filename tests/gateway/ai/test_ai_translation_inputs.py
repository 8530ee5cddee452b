"""Inputs of any form at all: each protocol either makes a request of them or refuses them in Workers AI's words; none breaks."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.gateway.ai.translation import ollama_request, openai_request
from emulator.gateway.ai.translation.anthropic_native import native_part
from emulator.gateway.ai.translation.anthropic_request import messages_request
from emulator.gateway.ai.upstream_errors import Refused

WORDS = ["", "a", "user", "assistant", "tool", "system", "text", "image_url", "object", "json_schema", "data:image/png;base64,AAAA", "{}"]
SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, width=16) | st.sampled_from(WORDS)
KEYS = st.sampled_from(
    [
        *["role", "content", "type", "text", "image_url", "url", "tool_calls", "tool_call_id", "id", "name", "function", "arguments"],
        *["parameters", "schema", "json_schema", "properties", "items", "anyOf", "oneOf", "$ref", "$defs", "additionalProperties"],
        *["minItems", "enable_thinking"],
    ]
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=12)
FIELDS = [
    *["prompt", "image", "raw", "stream", "tools", "functions", "tool_choice", "max_tokens", "temperature", "stop", "response_format"],
    *["guided_json", "user", "reasoning_effort", "chat_template_kwargs", "text", "seed"],
]
MESSAGES = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "tool", "system"]) | SCALARS},
        optional={"content": VALUES, "tool_calls": st.lists(VALUES, max_size=2), "tool_call_id": SCALARS, "name": SCALARS},
    ),
    max_size=4,
)
INPUTS = st.fixed_dictionaries({}, optional={"messages": MESSAGES | VALUES, **dict.fromkeys(FIELDS, VALUES)})

TRANSLATIONS: dict[str, Callable[[dict[str, Any]], object]] = {
    "anthropic, which takes everything": lambda inputs: messages_request(inputs, "claude-opus-4-6", "backend", chat_shape=True),
    "anthropic, the oldest": lambda inputs: messages_request(inputs, "claude-3-haiku-20240307", "backend", chat_shape=False),
    "anthropic, its own words": lambda inputs: native_part("anthropic/claude-opus-4.6", inputs, None),
    "ollama": lambda inputs: ollama_request.text_request(inputs, "qwen3:8b", "backend"),
    "ollama, vectors": lambda inputs: ollama_request.embed_request(inputs, "nomic-embed-text"),
    "openai": lambda inputs: openai_request.text_request(inputs, "gpt-4o", openai_request.Flavour.OPENAI, "backend"),
}


@pytest.mark.parametrize("name", TRANSLATIONS)
@settings(max_examples=60, deadline=None)
@given(inputs=INPUTS)
def test_no_input_breaks_a_translation(name: str, inputs: dict[str, Any]):
    with contextlib.suppress(Refused):
        TRANSLATIONS[name](inputs)
