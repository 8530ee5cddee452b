"""What every fake provider answers, whatever its protocol: the same question gets the same text, tool call and token counts. Pure.

The rules, so that a test can ask for what it wants:

- a tool is called when `tool_choice` forces it, or when the last user message has the tool's name in it (both tools named: both called);
- after a tool's result the text is `The tool said: <result>`;
- with a JSON schema the text is the smallest document that fits it;
- a user message with the word `think` in it is answered after some reasoning;
- everything else is answered with `You said: <last user message>`.

Text comes in pieces of one word. `prompt` tokens are the words of all messages, `completion` tokens the pieces of the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Call:
    """A tool call; `id` None leaves it to the protocol."""

    name: str
    arguments: dict[str, Any]
    id: str | None = None


@dataclass(frozen=True)
class Turn:
    """One answer. `finish` in OpenAI's words; None follows from the calls."""

    pieces: Sequence[str] = ()
    reasoning: Sequence[str] = ()
    calls: Sequence[Call] = ()
    finish: str | None = None
    prompt_tokens: int = 1
    cached_tokens: int = 0
    completion_tokens: int | None = None

    @property
    def text(self) -> str:
        return "".join(self.pieces)

    @property
    def reason(self) -> str:
        return self.finish or ("tool_calls" if self.calls else "stop")

    @property
    def spent(self) -> int:
        if self.completion_tokens is not None:
            return self.completion_tokens
        return max(1, len(self.pieces) + len(self.reasoning) + sum(len(words(json.dumps(call.arguments))) for call in self.calls))


@dataclass(frozen=True)
class Tool:
    """A tool that may be called."""

    name: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """A request in no protocol. `texts` are those of all messages; `forced` is a tool's name, or `*` for any."""

    texts: Sequence[str]
    user: str
    tool_result: str | None = None
    tools: Sequence[Tool] = ()
    forced: str | None = None
    schema: dict[str, Any] | None = None


def says(text: str, **more: Any) -> Turn:
    """A turn with this text, in pieces of one word."""
    return Turn(pieces(text), **more)


def answer(asked: Asked) -> Turn:
    """The turn that the rules above give."""
    prompt = sum(len(words(text)) for text in asked.texts) or 1
    calls = _calls(asked)
    if calls:
        return Turn(calls=calls, prompt_tokens=prompt)
    if asked.tool_result is not None:
        return says(f"The tool said: {asked.tool_result}", prompt_tokens=prompt)
    reasoning = pieces("Let me see.") if re.search(r"\bthink\b", asked.user) else ()
    text = json.dumps(example(asked.schema)) if asked.schema is not None else f"You said: {asked.user}"
    return says(text, reasoning=reasoning, prompt_tokens=prompt)


def pieces(text: str) -> list[str]:
    """One word each, with the space before it."""
    return re.findall(r"\s*\S+", text)


def words(text: str) -> list[str]:
    return text.split()


def example(schema: Any) -> Any:
    """A small value that fits a plain JSON Schema; texts are `example`, numbers 1."""
    if not isinstance(schema, dict):
        return None
    if "const" in schema or schema.get("enum"):
        return schema.get("const", (schema.get("enum") or [None])[0])
    for name in ("anyOf", "oneOf", "allOf"):
        if schema.get(name):
            return example(schema[name][0])
    match schema.get("type"):
        case "object" | None:
            return {name: example(part) for name, part in schema.get("properties", {}).items()}
        case "array":
            return [example(schema.get("items", {"type": "string"}))]
        case "integer" | "number":
            return max(1, schema.get("minimum", 1))
        case "boolean":
            return True
        case _:
            return "example"


def _calls(asked: Asked) -> list[Call]:
    if asked.tool_result is not None:
        return []
    if asked.forced == "*":
        return [_call(asked.tools[0])]
    return [_call(tool) for tool in asked.tools if tool.name == asked.forced or (asked.forced is None and tool.name in asked.user)]


def _call(tool: Tool) -> Call:
    arguments = example(tool.parameters)
    return Call(tool.name, arguments if isinstance(arguments, dict) else {})
