"""The tests of a small project that keeps its model calls in vcrpy cassettes: each takes a client, and asserts what the project relies on.

`record_vcr.py` recorded the cassettes with vcrpy 9.4 while these ran against a server on this machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import openai

MODEL = "gpt-4o"
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
]


def plain(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}])
    assert answer.choices[0].message.content == "You said: hello"
    assert answer.usage is not None
    assert answer.usage.total_tokens == 13


def stream(client: openai.OpenAI) -> None:
    chunks = client.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "stream"}], stream=True)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]
    assert texts == ["Grüße", " from", " the", " stream."]


def tools(client: openai.OpenAI) -> None:
    messages: list[Any] = [{"role": "user", "content": "weather?"}]
    first = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
    assert first.tool_calls
    call = first.tool_calls[0]
    messages += [first.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "12 degrees"}]
    second = client.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
    assert second.choices[0].message.content == "It is 12 degrees"


def retry(client: openai.OpenAI) -> None:
    """The first attempt was answered with 500; the client asks again."""
    answer = client.with_options(max_retries=1).chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "overload"}])
    assert answer.choices[0].message.content == "You said: overload"


def embed(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input="hi", encoding_format="float")
    assert answer.data[0].embedding == [0.1, 0.2, 0.3]


TESTS: dict[str, Callable[[openai.OpenAI], None]] = {"plain": plain, "stream": stream, "tools": tools, "retry": retry, "embed": embed}
