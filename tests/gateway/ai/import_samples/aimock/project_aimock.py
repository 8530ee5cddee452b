"""The tests of a small project whose model calls aimock answers: each takes clients, and asserts what the project relies on.

They pass against the real tool: `llmock -f fixtures -f recorded` of @copilotkit/aimock 1.43. `recorded/` was written by its recorder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

MODEL = "gpt-4o"
TOOLS: list[Any] = [
    {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}}
]


@dataclass(frozen=True)
class Clients:
    openai: openai.OpenAI
    anthropic: anthropic.Anthropic

    def say(self, text: str, *before: Any) -> str | None:
        answer = self.openai.chat.completions.create(model=MODEL, messages=[*before, {"role": "user", "content": text}])
        return answer.choices[0].message.content


def greeting(clients: Clients) -> None:
    assert clients.say("oh, hello there") == "Hello! How can I help you today?"


def greeting_streamed(clients: Clients) -> None:
    chunks = clients.openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "hello"}], stream=True)
    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert texts == ["Hello! H", "ow can I", " help yo", "u today?"]


def greeting_by_responses(clients: Clients) -> None:
    assert clients.openai.responses.create(model=MODEL, input="hello").output_text == "Hello! How can I help you today?"
    with clients.openai.responses.stream(model=MODEL, input="hello") as stream:
        texts = [event.delta for event in stream if event.type == "response.output_text.delta"]
        assert "".join(texts) == stream.get_final_response().output_text == "Hello! How can I help you today?"


def tool_loop(clients: Clients) -> None:
    for streamed in (False, True):
        messages: list[Any] = [{"role": "user", "content": "what is the weather?"}]
        if streamed:
            with clients.openai.chat.completions.stream(model=MODEL, messages=messages, tools=TOOLS) as stream:
                message = stream.get_final_completion().choices[0].message
        else:
            message = clients.openai.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS).choices[0].message
        assert message.tool_calls
        call: Any = message.tool_calls[0]
        assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
        function = {"name": call.function.name, "arguments": call.function.arguments}
        said = {"role": "assistant", "tool_calls": [{"id": call.id, "type": "function", "function": function}]}
        messages += [said, {"role": "tool", "tool_call_id": call.id, "content": "12"}]
        answer = clients.openai.chat.completions.create(model=MODEL, messages=messages, tools=TOOLS)
        assert answer.choices[0].message.content == "It is 12 degrees in Paris."


def sequence(clients: Clients) -> None:
    assert [clients.say("a joke, please") for _ in range(4)] == ["First joke.", "Second joke.", "No more jokes.", "No more jokes."]


def rate_limit(clients: Clients) -> None:
    with pytest.raises(openai.RateLimitError, match="Slow down") as caught:
        clients.say("hurry")
    assert caught.value.code == "rate_limit_exceeded"


def system_message(clients: Clients) -> None:
    polite = {"role": "system", "content": "You are a polite assistant."}
    assert json.loads(clients.say("plan", polite) or "") == {"steps": ["please", "thanks"]}
    assert json.loads(clients.say("plan") or "") == {"steps": []}


def cut_off(clients: Clients) -> None:
    texts: list[str] = []
    with pytest.raises(Exception, match="onnection"):  # which class, depends on how far the answer came
        for chunk in clients.openai.chat.completions.create(model=MODEL, messages=[{"role": "user", "content": "cut me off"}], stream=True):
            texts.append(chunk.choices[0].delta.content or "")
    assert "end" not in "".join(texts)


def embedding(clients: Clients) -> None:
    answer = clients.openai.embeddings.create(model="text-embedding-3-small", input="say hello world", encoding_format="float")
    assert answer.data[0].embedding == [0.5, -0.25, 0.125]


def claude(clients: Clients) -> None:
    asked: Any = {"model": "claude-sonnet-5", "max_tokens": 100, "messages": [{"role": "user", "content": "hi"}]}
    whole = clients.anthropic.messages.create(**asked)
    assert [block.type for block in whole.content] == ["thinking", "text"]
    with clients.anthropic.messages.stream(**asked) as stream:
        assert stream.get_final_text() == "Bonjour."


def recorded(clients: Clients) -> None:
    """Answers that aimock's recorder noted, in two turns of one conversation."""
    first = clients.say("Name a colour")
    second = clients.say("And another", {"role": "user", "content": "Name a colour"}, {"role": "assistant", "content": first})
    assert (first, second) == ("You said: Name a colour", "You said: And another")


TESTS: dict[str, Callable[[Clients], None]] = {
    test.__name__: test
    for test in (
        greeting, greeting_streamed, greeting_by_responses, tool_loop, sequence, rate_limit, system_message, cut_off, embedding, claude,
        recorded,
    )
}  # fmt: skip
