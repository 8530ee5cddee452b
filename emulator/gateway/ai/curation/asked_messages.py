"""What a model was asked, in one form for every dialect: messages, tools, and where in the conversation the request stands. Pure.

Understood are Workers AI's inputs, OpenAI chat, Responses and embeddings, Anthropic Messages, Ollama, Gemini, and the entries of AI
Gateway's universal endpoint.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is parsed JSON, or the text that is none."""

    name: str
    arguments: Any
    id: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """`role` is `system`, `user`, `assistant` or `tool`. `other` names what is neither text nor a tool call: `image`, `audio`, `file`."""

    role: str
    text: str = ""
    reasoning: str = ""
    calls: tuple[ToolCall, ...] = ()
    answers: str | None = None
    """The id of the tool call that this message has the result of."""
    other: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """`tools` are names. `input` is the text of a request that is no conversation: what is embedded, translated, spoken."""

    messages: tuple[Message, ...] = ()
    tools: tuple[str, ...] = ()
    input: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    """The rest of the body, as it is: temperature, stream, response_format."""

    def turn(self) -> dict[str, Any]:
        """Where the conversation stands, for `match.where`: `{user, system, input, assistants, after_tool, tools,
        stream, tool_result}`.

        `user` is the text of the last user message that has any, `system` all system texts, one on each line, `assistants` how many
        messages the model said before, `tools` the names on offer. `tool_result` is `{id, text}` when the last message is the result of a
        tool; `after_tool` tells whether any came since the last user message.
        """
        users = [index for index, message in enumerate(self.messages) if message.role == "user"]
        spoken = [self.messages[index].text for index in users if self.messages[index].text]
        last = self.messages[-1] if self.messages else None
        since = self.messages[users[-1] + 1 :] if users else self.messages
        turn: dict[str, Any] = {
            "user": spoken[-1] if spoken else None,
            "system": "\n".join(message.text for message in self.messages if message.role == "system"),
            "input": self.input or None,
            "assistants": sum(message.role == "assistant" for message in self.messages),
            "after_tool": any(message.role == "tool" for message in since),
            "tools": list(self.tools),
            "stream": self.settings.get("stream") is True,
        }
        if last is not None and last.role == "tool":
            turn["tool_result"] = {"id": last.answers, "text": last.text}
        return turn


_SPOKEN = frozenset({"messages", "system", "instructions", "input", "prompt", "tools", "contents", "systemInstruction", "functions"})


def asked_of(body: Any) -> Asked:
    """What `body` asks: a request's parsed JSON, or the entries of the universal endpoint, of which the first counts. Empty for a body in
    no known dialect."""
    if isinstance(body, list) and body and isinstance(body[0], dict) and "query" in body[0]:
        body = body[0]["query"]
    if not isinstance(body, dict):
        return Asked()
    messages = [*_system(body), *_messages(body)]
    settings = {name: value for name, value in body.items() if name not in _SPOKEN}
    text = "" if messages else _plain_input(body)
    return Asked(tuple(messages), tuple(_tools(body)), text, settings)


def _system(body: dict[str, Any]) -> Iterator[Message]:
    for name in ("system", "instructions", "systemInstruction"):
        value = body.get(name)
        if isinstance(value, dict):
            value = value.get("parts")
        text, _ = _content(value)
        if text:
            yield Message("system", text)


def _messages(body: dict[str, Any]) -> Iterator[Message]:
    for name in ("messages", "contents"):
        if isinstance(body.get(name), list):
            for message in body[name]:
                if isinstance(message, dict):
                    yield from _message(message)
            return
    if isinstance(body.get("prompt"), str):
        yield Message("user", body["prompt"])
    elif isinstance(body.get("input"), list) and all(isinstance(item, dict) for item in body["input"]):
        for item in body["input"]:
            yield from _responses_item(item)
    elif isinstance(body.get("input"), str) and not _is_embedding(body):
        yield Message("user", body["input"])


def _is_embedding(body: dict[str, Any]) -> bool:
    """`input` is also the Responses API's prompt; only the model's name, or a field of its own, tells them apart."""
    return "embed" in str(body.get("model", "")).lower() or "encoding_format" in body or "voice" in body


_ROLES = {"developer": "system", "model": "assistant", "function": "tool"}


def _message(message: dict[str, Any]) -> Iterator[Message]:
    role = _ROLES.get(str(message.get("role")), str(message.get("role") or "user"))
    content = message.get("content", message.get("parts"))
    results = [part for part in content if _is_result(part)] if isinstance(content, list) else []
    for part in results:
        held = part.get("functionResponse", part)
        text, other = _content(held.get("content", held.get("response")))
        yield Message("tool", text, answers=held.get("tool_use_id") or held.get("id") or held.get("name"), other=other)
    rest = [part for part in content if not _is_result(part)] if isinstance(content, list) else content
    if results and not rest:
        return
    text, other = _content(rest)
    calls = (*_calls(message.get("tool_calls")), *_blocks(rest))
    reasoning = next((str(message[name]) for name in ("reasoning_content", "reasoning", "thinking") if message.get(name)), "")
    answers = message.get("tool_call_id") or (message.get("name") if role == "tool" else None)
    yield Message(role, text, reasoning or _thinking(rest), calls, answers, (*other, *(("image",) * len(message.get("images") or ()))))


def _responses_item(item: dict[str, Any]) -> Iterator[Message]:
    kind = item.get("type", "message")
    if kind == "message":
        yield from _message(item)
    elif kind == "function_call":
        yield Message("assistant", calls=(ToolCall(str(item.get("name", "")), parsed(item.get("arguments")), item.get("call_id")),))
    elif kind == "function_call_output":
        text, other = _content(item.get("output"))
        yield Message("tool", text, answers=item.get("call_id"), other=other)
    elif kind == "reasoning":
        yield Message("assistant", reasoning=" ".join(str(part.get("text", "")) for part in item.get("summary") or ()))


def _is_result(part: Any) -> bool:
    return isinstance(part, dict) and (part.get("type") == "tool_result" or "functionResponse" in part)


def _content(content: Any) -> tuple[str, tuple[str, ...]]:
    """The text of a message's content, and the names of what is no text."""
    if isinstance(content, str):
        return content, ()
    if not isinstance(content, list):
        return ("" if content is None else json.dumps(content, ensure_ascii=False)), ()
    texts, other = [], []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict) and isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif isinstance(part, dict):
            kind = str(part.get("type") or next(iter(part), "?"))
            if kind not in ("tool_use", "thinking", "redacted_thinking", "functionCall"):
                other.append(kind.removeprefix("input_").removesuffix("_url"))
    return "".join(texts), tuple(other)


def _thinking(content: Any) -> str:
    parts = content if isinstance(content, list) else []
    return "".join(str(part.get("thinking", "")) for part in parts if isinstance(part, dict) and part.get("type") == "thinking")


def _calls(calls: Any) -> Iterator[ToolCall]:
    for call in calls if isinstance(calls, list) else ():
        if isinstance(call, dict):
            function = call["function"] if isinstance(call.get("function"), dict) else call
            yield ToolCall(str(function.get("name", "")), parsed(function.get("arguments")), call.get("id"))


def _blocks(content: Any) -> Iterator[ToolCall]:
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") == "tool_use":
            yield ToolCall(str(part.get("name", "")), part.get("input"), part.get("id"))
        elif isinstance(part, dict) and isinstance(part.get("functionCall"), dict):
            yield ToolCall(str(part["functionCall"].get("name", "")), part["functionCall"].get("args"), part["functionCall"].get("id"))


def parsed(arguments: Any) -> Any:
    """Arguments as JSON when they are JSON text."""
    if not isinstance(arguments, str):
        return arguments
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _tools(body: dict[str, Any]) -> Iterator[str]:
    for tool in body.get("tools") or () if isinstance(body.get("tools"), list) else ():
        if not isinstance(tool, dict):
            continue
        declared = tool.get("functionDeclarations")
        for one in declared if isinstance(declared, list) else (tool.get("function", tool),):
            name = one.get("name") if isinstance(one, dict) else None
            if isinstance(name, str):
                yield name


def _plain_input(body: dict[str, Any]) -> str:
    for name in ("text", "input", "input_text", "query"):
        value = body.get(name)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
            return " ".join(value)
    return ""
