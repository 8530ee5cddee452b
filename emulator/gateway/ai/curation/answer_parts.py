"""Where the text, the reasoning and the tool calls stand in an answer's JSON, in every dialect that recordings hold. Pure.

The dialects: Workers AI's legacy shape, OpenAI chat and Responses, Anthropic Messages, Ollama, Gemini; each whole, and as one event of a
stream. Sources: ai-binding.md 1.5 and 4.2, and the providers' API references.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

Path = tuple[str | int, ...]


class PartKind(Enum):
    """What a part says."""

    TEXT = "text"
    REASONING = "reasoning"
    TOOL = "tool"
    """A tool call begins, or stands whole; `text` is its name."""
    ARGUMENTS = "arguments"
    """JSON text, or a piece of it, of the arguments of the call of the same `call`."""
    FINISH = "finish"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Part:
    """`path` leads to the value in the JSON. `call` tells the items of one answer apart, most of all its tool calls, whose own id is `id`.
    A `repeated` part says again, in a later event, what deltas said before. Arguments that are no text but JSON have it as `value`."""

    kind: PartKind
    path: Path
    text: str
    call: str = ""
    id: str | None = None
    repeated: bool = False
    value: Any = None


def parts_of(answer: Any) -> Iterator[Part]:
    """The parts of a whole answer or of one event, in order; none of something in no known dialect."""
    if not isinstance(answer, dict):
        return
    for name in ("error", "errors"):
        if answer.get(name):
            yield Part(PartKind.ERROR, (name,), _error_text(answer[name]))
            break
    if isinstance(answer.get("choices"), list):
        yield from _chat(answer["choices"])
    elif isinstance(answer.get("type"), str) and answer["type"].startswith("response."):
        yield from _responses_event(answer)
    elif isinstance(answer.get("output"), list):
        yield from _responses_items(answer["output"], ("output",), repeated=False)
    elif answer.get("type") in _ANTHROPIC_EVENTS:
        yield from _anthropic_event(answer)
    elif answer.get("type") == "message" and isinstance(answer.get("content"), list):
        yield from _anthropic_blocks(answer["content"])
        yield from _finish(answer, ("stop_reason",))
    elif isinstance(answer.get("candidates"), list):
        yield from _gemini(answer["candidates"])
    elif isinstance(answer.get("message"), dict):
        yield from _message(answer["message"], ("message",))
        yield from _finish(answer, ("done_reason",))
    elif isinstance(answer.get("result"), dict):
        for part in parts_of(answer["result"]):  # the REST envelope, and the Run API's (ai-binding.md 1.5, 3.1)
            yield Part(part.kind, ("result", *part.path), part.text, part.call, part.id, part.repeated, part.value)
    else:
        yield from _legacy(answer)


def with_value(answer: Any, path: Path, value: Any) -> Any:
    """A copy of `answer` in which `value` stands at `path`."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if isinstance(answer, list):
        return [with_value(member, rest, value) if index == first else member for index, member in enumerate(answer)]
    return {name: with_value(member, rest, value) if name == first else member for name, member in answer.items()}


def _legacy(answer: dict[str, Any]) -> Iterator[Part]:
    if isinstance(answer.get("response"), str):
        yield Part(PartKind.TEXT, ("response",), answer["response"])
    elif isinstance(answer.get("response"), dict | list):
        yield Part(PartKind.TEXT, ("response",), "", value=answer["response"])  # JSON mode
    yield from _tool_calls(answer.get("tool_calls"), ())
    for name in ("text", "translated_text", "summary", "description"):
        if isinstance(answer.get(name), str):
            yield Part(PartKind.TEXT, (name,), answer[name])
            return


def _chat(choices: list[Any]) -> Iterator[Part]:
    for index, choice in enumerate(choices[:1]):
        if not isinstance(choice, dict):
            return
        for name in ("delta", "message"):
            if isinstance(choice.get(name), dict):
                yield from _message(choice[name], ("choices", index, name))
        if isinstance(choice.get("text"), str):
            yield Part(PartKind.TEXT, ("choices", index, "text"), choice["text"])
        if isinstance(choice.get("finish_reason"), str):
            yield Part(PartKind.FINISH, ("choices", index, "finish_reason"), choice["finish_reason"])


def _message(message: dict[str, Any], at: Path) -> Iterator[Part]:
    for name in ("reasoning_content", "reasoning", "thinking"):
        if isinstance(message.get(name), str) and message[name]:
            yield Part(PartKind.REASONING, (*at, name), message[name])
    if isinstance(message.get("content"), str):
        yield Part(PartKind.TEXT, (*at, "content"), message["content"])
    elif isinstance(message.get("refusal"), str):
        yield Part(PartKind.TEXT, (*at, "refusal"), message["refusal"])
    yield from _tool_calls(message.get("tool_calls"), at)


def _tool_calls(calls: Any, at: Path) -> Iterator[Part]:
    """Flat (`name`, `arguments`), or inside `function`; arguments are JSON text, or JSON."""
    for position, call in enumerate(calls if isinstance(calls, list) else ()):
        if not isinstance(call, dict):
            continue
        here: Path = (*at, "tool_calls", position)
        function, place = (call["function"], (*here, "function")) if isinstance(call.get("function"), dict) else (call, here)
        name = str(call.get("index", position))
        if function.get("name"):
            yield Part(PartKind.TOOL, (*place, "name"), str(function["name"]), name, call.get("id"))
        yield from _arguments(function, "arguments", place, name)


def _arguments(holder: dict[str, Any], field: str, at: Path, call: str, *, repeated: bool = False) -> Iterator[Part]:
    value = holder.get(field)
    if isinstance(value, str):
        yield Part(PartKind.ARGUMENTS, (*at, field), value, call, repeated=repeated)
    elif value not in (None, {}):
        yield Part(PartKind.ARGUMENTS, (*at, field), "", call, repeated=repeated, value=value)


_ANTHROPIC_EVENTS = frozenset(
    {"message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping", "error"}
)


def _anthropic_event(event: dict[str, Any]) -> Iterator[Part]:
    call = str(event.get("index", ""))
    if isinstance(event.get("content_block"), dict):
        yield from _anthropic_block(event["content_block"], ("content_block",), call)
    delta = event.get("delta")
    if not isinstance(delta, dict):
        return
    for name, kind in (("text", PartKind.TEXT), ("thinking", PartKind.REASONING), ("partial_json", PartKind.ARGUMENTS)):
        if isinstance(delta.get(name), str):
            yield Part(kind, ("delta", name), delta[name], call)
    yield from _finish(event, ("delta", "stop_reason"))


def _anthropic_blocks(blocks: list[Any]) -> Iterator[Part]:
    for index, block in enumerate(blocks):
        if isinstance(block, dict):
            yield from _anthropic_block(block, ("content", index), str(index))


def _anthropic_block(block: dict[str, Any], at: Path, call: str) -> Iterator[Part]:
    if block.get("type") == "text":
        yield Part(PartKind.TEXT, (*at, "text"), str(block.get("text", "")), call)
    elif block.get("type") == "thinking":
        yield Part(PartKind.REASONING, (*at, "thinking"), str(block.get("thinking", "")))
    elif block.get("type") in ("tool_use", "server_tool_use"):
        yield Part(PartKind.TOOL, (*at, "name"), str(block.get("name", "")), call, block.get("id"))
        yield from _arguments(block, "input", at, call)


_RESPONSES_DELTAS = {
    "response.output_text.delta": PartKind.TEXT,
    "response.refusal.delta": PartKind.TEXT,
    "response.reasoning_text.delta": PartKind.REASONING,
    "response.reasoning_summary_text.delta": PartKind.REASONING,
    "response.function_call_arguments.delta": PartKind.ARGUMENTS,
}
_RESPONSES_DONE = {
    "response.output_text.done": (PartKind.TEXT, "text"),
    "response.function_call_arguments.done": (PartKind.ARGUMENTS, "arguments"),
    "response.reasoning_summary_text.done": (PartKind.REASONING, "text"),
}


def _responses_event(event: dict[str, Any]) -> Iterator[Part]:
    kind, call = event["type"], str(event.get("output_index", ""))
    if kind in _RESPONSES_DELTAS and isinstance(event.get("delta"), str):
        yield Part(_RESPONSES_DELTAS[kind], ("delta",), event["delta"], call)
    elif kind in _RESPONSES_DONE:
        what, field = _RESPONSES_DONE[kind]
        if isinstance(event.get(field), str):
            yield Part(what, (field,), event[field], call, repeated=True)
    elif kind == "response.content_part.done" and isinstance(event.get("part"), dict):
        yield from _responses_content(event["part"], ("part",), call, repeated=True)
    elif kind == "response.output_item.added" and isinstance(event.get("item"), dict):
        item = event["item"]
        if item.get("type") == "function_call":
            yield Part(PartKind.TOOL, ("item", "name"), str(item.get("name", "")), call, item.get("call_id"))
    elif kind == "response.output_item.done" and isinstance(event.get("item"), dict):
        yield from _responses_item(event["item"], ("item",), call, repeated=True)
    elif isinstance(event.get("response"), dict):
        yield from _responses_state(kind, event["response"])


def _responses_state(kind: str, response: dict[str, Any]) -> Iterator[Part]:
    """`response.created`, `response.completed` and their like carry the whole response as it then is."""
    if response.get("error"):
        yield Part(PartKind.ERROR, ("response", "error"), _error_text(response["error"]))
    if isinstance(response.get("output"), list):
        yield from _responses_items(response["output"], ("response", "output"), repeated=True)
    if kind in ("response.completed", "response.incomplete", "response.failed"):
        yield Part(PartKind.FINISH, ("response", "status"), str(response.get("status", kind.removeprefix("response."))))


def _responses_items(items: list[Any], at: Path, *, repeated: bool) -> Iterator[Part]:
    for index, item in enumerate(items):
        if isinstance(item, dict):
            yield from _responses_item(item, (*at, index), str(index), repeated=repeated)


def _responses_item(item: dict[str, Any], at: Path, call: str, *, repeated: bool) -> Iterator[Part]:
    if item.get("type") == "message" and isinstance(item.get("content"), list):
        for index, content in enumerate(item["content"]):
            yield from _responses_content(content, (*at, "content", index), call, repeated=repeated)
    elif item.get("type") == "function_call":
        yield Part(PartKind.TOOL, (*at, "name"), str(item.get("name", "")), call, item.get("call_id"), repeated)
        yield from _arguments(item, "arguments", at, call, repeated=repeated)
    elif item.get("type") == "reasoning":
        for index, summary in enumerate(item.get("summary") or ()):
            if isinstance(summary, dict) and isinstance(summary.get("text"), str):
                yield Part(PartKind.REASONING, (*at, "summary", index, "text"), summary["text"], repeated=repeated)


def _responses_content(content: Any, at: Path, call: str, *, repeated: bool) -> Iterator[Part]:
    for name in ("text", "refusal"):
        if isinstance(content, dict) and isinstance(content.get(name), str):
            yield Part(PartKind.TEXT, (*at, name), content[name], call, repeated=repeated)


def _gemini(candidates: list[Any]) -> Iterator[Part]:
    candidate = candidates[0] if candidates and isinstance(candidates[0], dict) else {}
    content = candidate.get("content")
    for index, part in enumerate(content.get("parts") or () if isinstance(content, dict) else ()):
        at: Path = ("candidates", 0, "content", "parts", index)
        if isinstance(part, dict) and isinstance(part.get("text"), str):
            yield Part(PartKind.REASONING if part.get("thought") else PartKind.TEXT, (*at, "text"), part["text"])
        elif isinstance(part, dict) and isinstance(part.get("functionCall"), dict):
            call = part["functionCall"]
            yield Part(PartKind.TOOL, (*at, "functionCall", "name"), str(call.get("name", "")), str(index), call.get("id"))
            yield from _arguments(call, "args", (*at, "functionCall"), str(index))
    yield from _finish(candidate, ("finishReason",), ("candidates", 0))


def _finish(holder: dict[str, Any], path: Path, at: Path = ()) -> Iterator[Part]:
    value: Any = holder
    for step in path:
        value = value.get(step) if isinstance(value, dict) and isinstance(step, str) else None
    if isinstance(value, str):
        yield Part(PartKind.FINISH, (*at, *path), value)


def _error_text(error: Any) -> str:
    if isinstance(error, list):  # Cloudflare's gateway, and Gemini's compatible endpoint
        error = error[0] if error else ""
    if isinstance(error, dict):
        return str(error.get("message") or error.get("description") or error)
    return str(error)
