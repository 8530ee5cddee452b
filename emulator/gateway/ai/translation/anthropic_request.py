"""From `run` inputs to a body of Anthropic's Messages API (ai-binding.md 4.1). Pure; every drop and every clamp is a warning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.translation import turns as said
from emulator.gateway.ai.translation.anthropic_models import Claude, Thinking, claude_of
from emulator.gateway.ai.translation.anthropic_schema import Unsuitable, suitable
from emulator.gateway.ai.translation.messages import refuse_lora
from emulator.gateway.ai.translation.turns import Image, Part, Signed, Tool, Turn
from emulator.gateway.ai.upstream_errors import untranslatable

JSON_TOOL = "json"
"""The tool that a model without structured outputs is forced to call; its input is the answer."""
LEGACY_MAX_TOKENS = 256
"""What a legacy Workers AI model stops at when nobody says (ai-binding.md 4.1)."""
CHAT_MAX_TOKENS = 4096
_BUDGETS = {"low": 1024, "medium": 4096, "high": 16_384}
_EFFORTS = {"minimal": "low", "xhigh": "high", "max": "high"}
_PICTURES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_READ = frozenset(
    {"messages", "prompt", "image", "raw", "stream", "stream_options", "lora", "functions", "tools", "tool_choice", "parallel_tool_calls"}
    | {"max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "stop", "response_format", "guided_json", "user"}
    | {"reasoning_effort", "chat_template_kwargs"}
)
_AS_EVER: Mapping[str, Any] = {"n": 1, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1}
"""Values that ask for what happens anyhow."""


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """`json_tool`: the answer is the input of the tool of that name. `told_json`: JSON was only asked for in words."""

    body: dict[str, Any]
    json_tool: str | None
    told_json: bool
    warnings: list[str]


def messages_request(inputs: Mapping[str, Any], model: str, backend: str, *, chat_shape: bool) -> MessagesRequest:
    """The request for `inputs` to Anthropic's `model`. `chat_shape` says of the model that the user named that it is none of the
    legacy ones, which stop after 256 tokens. Raises Refused: raw prompts and unreadable inputs 5006, LoRA 5005."""
    if inputs.get("raw"):
        raise untranslatable("a raw prompt has no counterpart in the Messages API, which always applies its chat template")
    refuse_lora(inputs, backend)
    translation = _Translation(inputs, model, claude_of(model), chat_shape)
    translation.everything(backend)
    return MessagesRequest(translation.body, translation.json_tool, translation.told_json, translation.warnings)


class _Translation:
    """One request while it is put together. The order of the steps matters: later ones look at what earlier ones chose."""

    def __init__(self, inputs: Mapping[str, Any], model: str, claude: Claude, chat_shape: bool) -> None:
        self.body: dict[str, Any] = {"model": model}
        self.warnings: list[str] = []
        self.json_tool: str | None = None
        self.told_json = False
        self._inputs = inputs
        self._claude = claude
        self._chat_shape = chat_shape
        self._system: list[str] = []

    def everything(self, backend: str) -> None:
        turns = said.turns(self._inputs, self.warnings)
        tools = said.tools(self._inputs, backend)
        self._max_tokens()
        self._messages(turns)
        self._tools(tools)
        self._tool_choice(tools)
        self._json_mode(tools)
        self._thinking(turns)
        self._sampling()
        self._the_rest()
        if self._system:
            self.body["system"] = "\n\n".join(self._system)
        if self._inputs.get("stream"):
            self.body["stream"] = True

    def _warn(self, text: str) -> None:
        self.warnings.append(text)

    def _max_tokens(self) -> None:
        asked = self._inputs.get("max_completion_tokens") or self._inputs.get("max_tokens")
        if asked is None and self._chat_shape:
            asked = CHAT_MAX_TOKENS
            self._warn(f"max_tokens set to {asked}: it was not given, and Anthropic requires it")
        self.body["max_tokens"] = self._within_output(asked or LEGACY_MAX_TOKENS)

    def _within_output(self, tokens: Any) -> Any:
        most = self._claude.max_output
        if most is None or not isinstance(tokens, int) or tokens <= most:
            return tokens
        self._warn(f"max_tokens {tokens} clamped to {most}, the most that {self.body['model']} writes")
        return most

    def _messages(self, turns: Sequence[Turn]) -> None:
        sent: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for turn in turns:
            if turn.role == "system":
                if sent and turn.text:
                    self._warn("a system message between other messages moved to the front: Anthropic has one system prompt")
                self._system += [turn.text] if turn.text else []
                if any(isinstance(part, Image) for part in turn.parts):
                    self._warn("a picture of a system message dropped: Anthropic's system prompt is text")
            elif turn.role == "tool":
                if not results:
                    sent.append({"role": "user", "content": results})
                results.append(_tool_result(turn))
            else:
                results = []
                blocks = _blocks(turn)
                if turn.role == "assistant":
                    blocks += self._calls(turn)
                if blocks:
                    sent.append({"role": turn.role, "content": _short(blocks)})
                else:
                    self._warn(f"an empty {turn.role} message dropped: Anthropic refuses content without text")
        if not sent:
            raise untranslatable("Bad input: there is no message with content besides the system's")
        if sent[0]["role"] != "user":
            sent.insert(0, {"role": "user", "content": "Begin."})
            self._warn("a user message 'Begin.' added in front: Anthropic refuses a conversation that the assistant begins")
        last = sent[-1]
        if last["role"] == "assistant" and isinstance(last["content"], str) and last["content"] != last["content"].rstrip():
            last["content"] = last["content"].rstrip()
            self._warn("white space at the end of the last message dropped: Anthropic refuses it in an answer that it is to continue")
        self.body["messages"] = sent

    def _calls(self, turn: Turn) -> list[dict[str, Any]]:
        if turn.reasoning:
            self._warn("reasoning of earlier answers dropped: Anthropic takes back only thinking that it signed")
        return [{"type": "tool_use", "id": _id(call.id), "name": call.name, "input": dict(call.arguments)} for call in turn.calls]

    def _tools(self, tools: Sequence[Tool]) -> None:
        sent = []
        for tool in tools:
            made: dict[str, Any] = {"name": tool.name, "input_schema": dict(tool.parameters)}
            if tool.description is not None:
                made["description"] = tool.description
            if tool.strict and self._claude.json_schema:
                made["strict"] = True
            elif tool.strict:
                self._warn(f"strict of tool {tool.name!r} dropped: {self.body['model']} has no strict tools")
            sent.append(made)
        if sent:
            self.body["tools"] = sent

    def _tool_choice(self, tools: Sequence[Tool]) -> None:
        choice = self._inputs.get("tool_choice")
        if not tools:
            if choice not in (None, "auto", "none"):
                self._warn("tool_choice dropped: there are no tools")
            return
        made: dict[str, Any] | None = None
        if (named := said.named_tool(choice)) is not None:
            made = {"type": "tool", "name": named}
        elif choice == "required":
            made = {"type": "any"}
        elif choice in ("none", "auto"):
            made = {"type": choice}
        elif choice is not None:
            raise untranslatable("Bad input: '/tool_choice' must be auto, none, required or {type: 'function', function: {name}}")
        if made is not None and made["type"] in ("any", "tool") and not self._claude.forced_tool:
            self._warn(f"tool_choice set to auto: {self.body['model']} cannot be forced to call a tool")
            made = {"type": "auto"}
        if self._inputs.get("parallel_tool_calls") is False and (made is None or made["type"] != "none"):
            made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": True}
        if made is not None:
            self.body["tool_choice"] = made

    def _json_mode(self, tools: Sequence[Tool]) -> None:
        schema = said.wanted_json(self._inputs)
        if isinstance(schema, bool):
            if schema:
                self._tell("Respond with one JSON object and nothing else: no other text, no code fence.")
                self._warn("response_format json_object sent as an instruction in the system prompt: Anthropic has no such mode")
        elif self._claude.json_schema and self._structured(schema):
            return
        elif self._forced():
            self._warn("response_format dropped: tool_choice already forces a tool call")
        elif self._claude.forced_tool and schema.get("type") == "object" and all(tool.name != JSON_TOOL for tool in tools):
            self._by_tool(schema, beside_others=bool(tools) and self._choice() != "none")
        else:
            self._tell(f"Respond with JSON that fits this JSON Schema, and with nothing else: {compact(dict(schema))}")
            self._warn("response_format json_schema sent as an instruction in the system prompt, which the model may break")

    def _tell(self, instruction: str) -> None:
        self._system.append(instruction)
        self.told_json = True

    def _structured(self, schema: Mapping[str, Any]) -> bool:
        try:
            narrowed, dropped = suitable(schema)
        except Unsuitable as reason:
            self._warn(f"response_format json_schema does not suit Anthropic's structured outputs: {reason}")
            return False
        self.body["output_config"] = {"format": {"type": "json_schema", "schema": narrowed}}
        self._warn("response_format json_schema sent as output_config.format")
        if dropped:
            self._warn(f"{', '.join(dropped)} of the schema dropped: Anthropic's structured outputs do not know them")
        return True

    def _by_tool(self, schema: Mapping[str, Any], *, beside_others: bool) -> None:
        tool = {"name": JSON_TOOL, "description": "Respond with a JSON object.", "input_schema": dict(schema)}
        self.body["tools"] = [*self.body.get("tools", ()), tool]
        choice: dict[str, Any] = {"type": "any"} if beside_others else {"type": "tool", "name": JSON_TOOL}
        self.body["tool_choice"] = {**choice, "disable_parallel_tool_use": True}
        self.json_tool = JSON_TOOL
        self._warn(f"response_format json_schema sent as the forced tool {JSON_TOOL!r}, whose input becomes the answer")

    def _choice(self) -> Any:
        return self.body.get("tool_choice", {}).get("type")

    def _forced(self) -> bool:
        return self._choice() in ("any", "tool")

    def _thinking(self, turns: Sequence[Turn]) -> None:
        template = self._inputs.get("chat_template_kwargs")
        template = template if isinstance(template, Mapping) else {}
        wanted = template.get("enable_thinking", template.get("thinking"))
        for name in sorted(template.keys() - {"enable_thinking", "thinking"}):
            self._warn(f"chat_template_kwargs.{name} dropped: Anthropic has no such parameter")
        effort = self._inputs.get("reasoning_effort")
        if wanted is False or effort == "none" or ("reasoning_effort" in self._inputs and effort is None):
            self._rest()
        elif effort is not None or wanted:
            self._think(effort, turns)

    def _rest(self) -> None:
        if self._claude.between_tools:
            self.body["thinking"] = {"type": "between_tools"}
            self._warn(f"thinking set to between_tools: {self.body['model']} cannot be kept from thinking")
        elif not self._claude.rests:
            self._configure("effort", "low")
            self._warn(f"effort set to low: {self.body['model']} cannot be kept from thinking")
        elif self._claude.thinking is Thinking.ADAPTIVE:
            self.body["thinking"] = {"type": "disabled"}

    def _think(self, asked: Any, turns: Sequence[Turn]) -> None:
        effort = _EFFORTS.get(asked, asked) if isinstance(asked, str) else asked
        if effort is not None and effort not in tuple(_BUDGETS):
            raise untranslatable("Bad input: '/reasoning_effort' must be low, medium, high or null")
        if effort != asked:
            self._warn(f"reasoning_effort {asked} clamped to {effort}")
        if self._claude.thinking is Thinking.ADAPTIVE:
            self.body["thinking"] = {"type": "adaptive", "display": "summarized"}
            if effort is not None:
                self._configure("effort", effort)
        elif self._claude.thinking is Thinking.NONE:
            self._warn(f"reasoning_effort dropped: {self.body['model']} does not think aloud")
        elif self._forced():
            self._warn("reasoning_effort dropped: a model that is forced to call a tool cannot think first")
        elif _in_unsigned_loop(turns):
            self._warn(
                "reasoning_effort dropped: after a tool call Anthropic wants its signed thinking back, which Workers AI does not keep"
            )
        else:
            budget = _BUDGETS[effort or "medium"]
            self.body["max_tokens"] = self._within_output(self.body["max_tokens"] + budget)
            self.body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, self.body["max_tokens"] - 1)}
            self._warn(f"thinking sent as a budget of {budget} tokens, which was added to max_tokens")

    def _configure(self, name: str, value: Any) -> None:
        self.body["output_config"] = {**self.body.get("output_config", {}), name: value}

    def _sampling(self) -> None:
        given = {name: self._inputs[name] for name in ("temperature", "top_p", "top_k") if self._inputs.get(name) is not None}
        if not given:
            return
        if not self._claude.sampling:
            self._warn(f"{', '.join(given)} dropped: {self.body['model']} takes no sampling parameters")
            return
        if self.body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            self._warn(f"{', '.join(given)} dropped: not taken together with thinking")
            return
        if "temperature" in given and "top_p" in given:
            del given["top_p"]
            self._warn("top_p dropped: Anthropic takes it or temperature, not both")
        temperature = given.get("temperature")
        if isinstance(temperature, int | float) and temperature > 1:
            given["temperature"] = 1
            self._warn(f"temperature {temperature:g} clamped to 1")
        self.body |= given

    def _the_rest(self) -> None:
        stops = said.stops(self._inputs)
        if kept := [stop for stop in stops if stop.strip()]:
            self.body["stop_sequences"] = kept
        if len(kept) < len(stops):
            self._warn(f"{len(stops) - len(kept)} stop sequences of white space dropped: Anthropic refuses them")
        if isinstance(self._inputs.get("user"), str):
            self.body["metadata"] = {"user_id": self._inputs["user"]}
        for name in sorted(self._inputs.keys() - _READ):
            value = self._inputs[name]
            if value not in (None, False) and value != _AS_EVER.get(name):
                self._warn(f"{name} dropped: Anthropic has no such parameter")


def _blocks(turn: Turn) -> list[dict[str, Any]]:
    """The content, without texts of nothing but white space, which models like to write before a call and Anthropic refuses."""
    return [_block(part) for part in turn.parts if not isinstance(part, str) or part.strip()]


def _block(part: Part) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Signed):
        return dict(part.block)
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    return {"type": "image", "source": {"type": "base64", "media_type": _picture_type(part), "data": part.data}}


def _picture_type(image: Image) -> str:
    if image.media_type not in _PICTURES:
        raise untranslatable(f"Anthropic takes JPEG, PNG, GIF and WebP pictures, not {image.media_type or 'this one'}")
    return image.media_type


def _tool_result(turn: Turn) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": _id(turn.call_id), "content": _short([_block(part) for part in turn.parts])}


def _short(blocks: list[dict[str, Any]]) -> Any:
    """One text, or none, is sent as the text itself."""
    if not blocks:
        return ""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks


def _id(call_id: str) -> str:
    """Anthropic's ids are made of letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", call_id)


def _in_unsigned_loop(turns: Sequence[Turn]) -> bool:
    """Whether the last turn is a tool loop whose calls came without signed thinking."""
    for turn in reversed(turns):
        if turn.role == "user":
            return False
        if turn.role == "assistant" and turn.calls:
            return not any(isinstance(part, Signed) for part in turn.parts)
    return False
