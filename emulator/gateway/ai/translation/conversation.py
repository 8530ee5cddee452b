"""What the inputs of a text model say, in one form for the protocols that are not OpenAI's (ai-binding.md 2.1, 4.1). Pure.

Inputs come in many spellings: `prompt` or `messages`, tools flat or wrapped, arguments as text or as an object, pictures as data URLs
or as arrays of bytes, results of tools with an id, with a name, or with neither. Here they become one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from emulator.gateway.ai.upstream_errors import untranslatable

_DATA_URL = re.compile(r"data:(?P<type>[^;,]*)(?:;[^;,]*)*?(?P<base64>;base64)?,(?P<data>.*)", re.DOTALL)
_MAGIC = ((b"\x89PNG", "image/png"), (b"\xff\xd8\xff", "image/jpeg"), (b"GIF8", "image/gif"))


@dataclass(frozen=True, slots=True)
class Image:
    """A picture: `data` is base64 without line ends, or None when only its `url` is known. `media_type` None: unknown."""

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
    """`id` is the caller's, or `call_<n>` (the n-th call of the conversation) when the caller gave none."""

    id: str
    name: str
    arguments: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Message:
    """`role` is `system`, `user`, `assistant` or `tool`. A tool's message says in `call_id` and `name` which call it answers."""

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

    @property
    def images(self) -> list[Image]:
        """The pictures, in order."""
        return [part for part in self.parts if isinstance(part, Image)]


@dataclass(frozen=True, slots=True)
class Tool:
    """`parameters` is a JSON Schema of an object."""

    name: str
    description: str | None
    parameters: Mapping[str, Any]
    strict: bool = False


def messages_of(inputs: Mapping[str, Any], warnings: list[str]) -> list[Message]:
    """The conversation. Every call has an id, every result the id and name of its call. Raises Refused 5006 with the path of what
    cannot be read."""
    given = inputs.get("messages")
    if given is None:
        prompt = inputs.get("prompt")
        if not isinstance(prompt, str):
            raise untranslatable("Bad input: required properties at '/' are 'messages'")
        given = [{"role": "user", "content": prompt}]
    if not isinstance(given, list) or not given:
        raise untranslatable("Bad input: '/messages' must be an array with at least one message")
    reader = _Reader(warnings)
    messages = [reader.message(message, f"/messages/{index}") for index, message in enumerate(given)]
    if inputs.get("image") is not None:
        messages = _with_image(messages, _legacy_image(inputs["image"]))
    return messages


def tools_of(inputs: Mapping[str, Any]) -> list[Tool]:
    """The tools, flat (`{name, description, parameters}`) or wrapped (`{type: "function", function}`). Raises Refused 5006, also for
    embedded functions (`functions: [{name, code}]`), which only Workers AI itself can run."""
    if inputs.get("functions"):
        raise untranslatable("embedded functions (`functions: [{name, code}]`) run inside Workers AI only; pass them as `tools`")
    tools = inputs.get("tools") or []
    if not isinstance(tools, list):
        raise untranslatable("Bad input: Type mismatch of '/tools', 'array' expected")
    return [_tool(tool, f"/tools/{index}") for index, tool in enumerate(tools)]


def schema_of(inputs: Mapping[str, Any]) -> Mapping[str, Any] | bool:
    """What JSON mode asks for: a JSON Schema (bare, as the Workers AI provider sends it, or in OpenAI's envelope), True for any JSON
    object, False for free text. Raises Refused 5006."""
    guided = inputs.get("guided_json")
    if isinstance(guided, Mapping):
        return guided
    wanted = inputs.get("response_format")
    if wanted is None:
        return False
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind == "json_schema":
        schema = wanted.get("json_schema")
        if isinstance(schema, Mapping) and isinstance(schema.get("schema"), Mapping) and "type" not in schema:
            schema = schema["schema"]
        if not isinstance(schema, Mapping):
            raise untranslatable("Bad input: '/response_format/json_schema' must be a JSON Schema")
        return schema
    if kind not in ("json_object", "text"):
        raise untranslatable("Bad input: '/response_format/type' must be 'json_schema', 'json_object' or 'text'")
    return bool(kind == "json_object")


def stops_of(inputs: Mapping[str, Any]) -> list[str]:
    """The stop sequences; `stop` may be one text or several."""
    stop = inputs.get("stop")
    if stop is None:
        return []
    texts = [stop] if isinstance(stop, str) else stop
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise untranslatable("Bad input: '/stop' must be a text or an array of texts")
    return texts


def forced_tool(choice: Any) -> str | None:
    """The tool that `tool_choice` names, as `{type: "function", function: {name}}` or `{name}`; None when it names none."""
    if not isinstance(choice, Mapping):
        return None
    function = choice.get("function")
    name = (function if isinstance(function, Mapping) else choice).get("name")
    return name if isinstance(name, str) else None


def refuse_lora(inputs: Mapping[str, Any], backend: str) -> None:
    """Raises Refused 405/5005 when a LoRA adapter is asked for: adapters live at Cloudflare."""
    if inputs.get("lora"):
        raise untranslatable(f"LoRA unsupported: {backend} cannot apply the adapter {str(inputs['lora'])[:80]!r}", code=5005)


class _Reader:
    """Reads messages in order and pairs results with calls."""

    def __init__(self, warnings: list[str]) -> None:
        self._warnings = warnings
        self._open: list[ToolCall] = []
        self._calls = 0

    def message(self, message: Any, path: str) -> Message:
        if not isinstance(message, Mapping):
            raise untranslatable(f"Bad input: Type mismatch of '{path}', 'object' expected")
        role = message.get("role", "user")
        parts = _parts(message.get("content"), f"{path}/content")
        match role:
            case "system" | "developer":
                return Message("system", parts)
            case "user":
                return Message("user", parts)
            case "assistant":
                reasoning = message.get("reasoning_content") or message.get("reasoning")
                calls = tuple(self._call(call, f"{path}/tool_calls/{index}") for index, call in enumerate(message.get("tool_calls") or ()))
                return Message("assistant", parts, calls, reasoning if isinstance(reasoning, str) else "")
            case "tool":
                return self._result(message, parts, path)
        raise untranslatable(f"Bad input: '{path}/role' must be system, user, assistant or tool, found {str(role)[:80]!r}")

    def _call(self, call: Any, path: str) -> ToolCall:
        function = call.get("function", call) if isinstance(call, Mapping) else None
        if not isinstance(function, Mapping) or not isinstance(name := function.get("name"), str) or not name:
            raise untranslatable(f"Bad input: required properties at '{path}/function' are 'name'")
        self._calls += 1
        made = ToolCall(str(call.get("id") or f"call_{self._calls}"), name, self._arguments(function.get("arguments"), path))
        self._open.append(made)
        return made

    def _arguments(self, given: Any, path: str) -> Mapping[str, Any]:
        if isinstance(given, Mapping):
            return given
        if given is None or given == "":
            return {}
        try:
            parsed = json.loads(given) if isinstance(given, str) else given
        except ValueError:
            parsed = given
        if isinstance(parsed, Mapping):
            return parsed
        self._warnings.append(f"{path}: the arguments are no JSON object; they are sent as {{invalid_arguments: ...}}")
        return {"invalid_arguments": given}

    def _result(self, message: Mapping[str, Any], parts: tuple[Part, ...], path: str) -> Message:
        call_id, name = message.get("tool_call_id"), message.get("name") or message.get("tool_name")
        known = [call for call in self._open if (call.id == call_id if call_id else name in (None, call.name))]
        if not known and not call_id:
            raise untranslatable(f"Bad input: '{path}' answers no tool call: no call before it is open{f' for {name!r}' if name else ''}")
        if known:
            self._open.remove(known[0])
        return Message("tool", parts, call_id=str(call_id or known[0].id), name=str(name or (known[0].name if known else "")))


def _parts(content: Any, path: str) -> tuple[Part, ...]:
    if content is None:
        return ()
    if isinstance(content, str):
        return (content,) if content else ()
    if isinstance(content, Mapping):
        content = [content]
    if not isinstance(content, list):
        raise untranslatable(f"Bad input: Type mismatch of '{path}', 'string' or 'array' expected")
    return tuple(_part(part, f"{path}/{index}") for index, part in enumerate(content) if part != {"type": "text", "text": ""})


def _part(part: Any, path: str) -> Part:
    if isinstance(part, str):
        return part
    kind = part.get("type") if isinstance(part, Mapping) else None
    if kind in ("text", "input_text", "output_text") and isinstance(part.get("text"), str):
        return str(part["text"])
    if kind in ("image_url", "input_image"):
        image = part.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        if isinstance(url, str):
            return _image_at(url, f"{path}/image_url")
    if kind in ("thinking", "redacted_thinking") and (part.get("signature") or part.get("data")):
        return Signed(part)
    raise untranslatable(f"Bad input: '{path}' is content that this backend cannot take (type {str(kind)[:40]!r})")


def _image_at(url: str, path: str) -> Image:
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return Image(None, None, url)
    if not found["base64"]:
        raise untranslatable(f"Bad input: '{path}' is a data URL that is not base64")
    data = re.sub(r"\s", "", found["data"])
    try:
        head = base64.b64decode(data[:64], validate=True)
    except binascii.Error:
        raise untranslatable(f"Bad input: '{path}' is not base64", code=5004) from None
    return Image(_media_type(head) or found["type"].lower() or None, data)


def _legacy_image(image: Any) -> Image:
    """The old field `image` beside the messages: an array of bytes, or base64."""
    if isinstance(image, str):
        return _image_at(image if image.startswith("data:") else f"data:;base64,{image}", "/image")
    try:
        data = bytes(image)
    except (TypeError, ValueError):
        raise untranslatable("Bad input: '/image' must be an array of bytes or base64 text", code=5004) from None
    return Image(_media_type(data), base64.b64encode(data).decode())


def _media_type(head: bytes) -> str | None:
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if head.startswith(magic)), None)


def _with_image(messages: list[Message], image: Image) -> list[Message]:
    last = max((index for index, message in enumerate(messages) if message.role == "user"), default=None)
    if last is None:
        raise untranslatable("Bad input: '/image' belongs to a user message, and there is none")
    messages[last] = replace(messages[last], parts=(*messages[last].parts, image))
    return messages


def _tool(tool: Any, path: str) -> Tool:
    function = tool.get("function", tool) if isinstance(tool, Mapping) else None
    if not isinstance(function, Mapping) or not isinstance(function.get("name"), str):
        raise untranslatable(f"Bad input: required properties at '{path}' are 'name'")
    parameters = function.get("parameters")
    if parameters is not None and not isinstance(parameters, Mapping):
        raise untranslatable(f"Bad input: Type mismatch of '{path}/parameters', 'object' expected")
    description = function.get("description")
    schema = {"type": "object", "properties": {}, **(parameters or {})}
    return Tool(function["name"], description if isinstance(description, str) else None, schema, function.get("strict") is True)
