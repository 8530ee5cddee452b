"""The conversation as typed turns, for protocols whose messages are not OpenAI's (ai-binding.md 4.1). Pure. Built on messages.py."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.translation.media import media_type
from emulator.gateway.ai.translation.messages import conversation, json_schema, tool_definitions
from emulator.gateway.ai.upstream_errors import untranslatable


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: `data` is base64 without white space, or None when only its `url` is known. `media_type` None: unknown."""

    media_type: str | None
    data: str | None
    url: str | None = None


@dataclass(frozen=True, slots=True)
class Signed:
    """A block of thinking with Anthropic's signature, which only Anthropic can read again."""

    block: Mapping[str, Any]


Part = str | Image | Signed


@dataclass(frozen=True, slots=True)
class ToolCall:
    """`arguments` is the parsed object."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Turn:
    """`role` is `system`, `user`, `assistant` or `tool`. A tool's turn says in `call_id` and `name` which call it answers."""

    role: str
    parts: tuple[Part, ...]
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    call_id: str = ""
    name: str = ""

    @property
    def text(self) -> str:
        """The text parts, one line each."""
        return "\n".join(part for part in self.parts if isinstance(part, str))


@dataclass(frozen=True, slots=True)
class Tool:
    """`parameters` is a JSON Schema of an object."""

    name: str
    description: str | None
    parameters: Mapping[str, Any]
    strict: bool


def turns(inputs: Mapping[str, Any], warnings: list[str]) -> list[Turn]:
    """The conversation. Raises Refused 5006 with the path of what cannot be read."""
    names: dict[str, str] = {}
    return [_turn(message, f"/messages/{index}", names, warnings) for index, message in enumerate(conversation(inputs))]


def tools(inputs: Mapping[str, Any], backend: str) -> list[Tool]:
    """The tools. Raises Refused 5006 for one without a name, and for embedded functions."""
    return [_tool(tool, f"/tools/{index}") for index, tool in enumerate(tool_definitions(inputs, backend))]


def wanted_json(inputs: Mapping[str, Any]) -> Mapping[str, Any] | bool:
    """What JSON mode asks for: a schema, True for any JSON object, False for free text. Raises Refused 5006."""
    if isinstance(inputs.get("guided_json"), Mapping):
        return dict(inputs["guided_json"])
    wanted = inputs.get("response_format")
    if found := json_schema(wanted):
        return found[0]
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if wanted is not None and kind not in ("json_object", "text"):
        raise untranslatable("Bad input: '/response_format' must be json_schema with a schema, json_object or text")
    return bool(kind == "json_object")


def stops(inputs: Mapping[str, Any]) -> list[str]:
    """The stop sequences; `stop` may be one text or several. Raises Refused 5006."""
    given = inputs.get("stop")
    texts = [given] if isinstance(given, str) else given or []
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise untranslatable("Bad input: '/stop' must be a text or an array of texts")
    return texts


def named_tool(choice: Any) -> str | None:
    """The tool that `tool_choice` names, as `{type: "function", function: {name}}` or `{name}`; None when it names none."""
    if not isinstance(choice, Mapping):
        return None
    function = choice.get("function")
    name = (function if isinstance(function, Mapping) else choice).get("name")
    return name if isinstance(name, str) else None


def _turn(message: Mapping[str, Any], path: str, names: dict[str, str], warnings: list[str]) -> Turn:
    """`names` remembers which tool each call id called."""
    role = message.get("role", "user")
    if message.get("name") is not None and role != "tool":
        warnings.append(f"{path}/name dropped: this protocol has no names of speakers")
    parts = _parts(message.get("content"), f"{path}/content")
    match role:
        case "system" | "developer":
            return Turn("system", parts)
        case "user":
            return Turn("user", parts)
        case "assistant":
            calls = tuple(_call(call, f"{path}/tool_calls/{index}", warnings) for index, call in enumerate(message.get("tool_calls") or ()))
            names |= {call.id: call.name for call in calls}
            reasoning = message.get("reasoning_content") or message.get("reasoning")
            return Turn("assistant", parts, calls, reasoning if isinstance(reasoning, str) else "")
        case "tool":
            if message.get("tool_call_id") is None:
                raise untranslatable(f"Bad input: '{path}' answers a tool call, and no call before it is open")
            call_id = str(message["tool_call_id"])
            return Turn("tool", parts, call_id=call_id, name=str(message.get("name") or names.get(call_id, "")))
    raise untranslatable(f"Bad input: '{path}/role' must be system, user, assistant or tool, found {str(role)[:80]!r}")


def _call(call: Mapping[str, Any], path: str, warnings: list[str]) -> ToolCall:
    function = call["function"]
    if not isinstance(function["name"], str):
        raise untranslatable(f"Bad input: required properties at '{path}/function' are 'name'")
    text = function["arguments"]
    try:
        arguments = json.loads(text) if text else {}
    except ValueError:
        arguments = text
    if not isinstance(arguments, Mapping):
        warnings.append(f"{path}: the arguments are no JSON object; they are sent as {{invalid_arguments: ...}}")
        arguments = {"invalid_arguments": arguments}
    return ToolCall(str(call["id"]), function["name"], arguments)


def _parts(content: Any, path: str) -> tuple[Part, ...]:
    if content is None or content == "":
        return ()
    if isinstance(content, str):
        return (content,)
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise untranslatable(f"Bad input: Type mismatch of '{path}', 'string' or 'array' expected")
    return tuple(_part(part, f"{path}/{index}") for index, part in enumerate(content) if part != {"type": "text", "text": ""})


def _part(part: Any, path: str) -> Part:
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind == "text" and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind == "image_url":
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            return _image(url, f"{path}/image_url")
    if kind in ("thinking", "redacted_thinking") and (part.get("signature") or part.get("data")):
        return Signed(part)
    raise untranslatable(f"Bad input: '{path}' is content that this backend cannot take (type {str(kind)[:40]!r})")


def _image(url: str, path: str) -> Image:
    if not url.startswith("data:"):
        return Image(None, None, url)
    declared, _, text = url.removeprefix("data:").partition(";base64,")
    data = re.sub(r"\s", "", text)
    try:
        head = base64.b64decode(data[:64], validate=True)
    except binascii.Error:
        head = b""
    if not head:
        raise untranslatable(f"Bad input: '{path}' is a data URL without base64", code=5004)
    return Image(media_type(head, declared.split(";")[0].lower()) or None, data)


def _tool(tool: Mapping[str, Any], path: str) -> Tool:
    function = tool.get("function")
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise untranslatable(f"Bad input: required properties at '{path}/function' are 'name'")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise untranslatable(f"Bad input: Type mismatch of '{path}/function/parameters', 'object' expected")
    description = function.get("description")
    schema = {"type": "object", "properties": {}, **(parameters or {})}
    return Tool(function["name"], description if isinstance(description, str) else None, schema, function.get("strict") is True)
