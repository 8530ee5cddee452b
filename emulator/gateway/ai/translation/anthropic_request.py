"""From `run` inputs to a body of Anthropic's Messages API (ai-binding.md 4.1). Pure; every drop and every clamp is a warning."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.translation.anthropic_models import Claude, claude_of
from emulator.gateway.ai.translation.anthropic_schema import Unsuitable, suitable
from emulator.gateway.ai.translation.conversation import (
    Image,
    Message,
    Signed,
    Tool,
    forced_tool,
    messages_of,
    refuse_lora,
    schema_of,
    stops_of,
    tools_of,
)
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
_NO_LOSS = {"n": 1, "logprobs": False, "store": False, "frequency_penalty": 0, "presence_penalty": 0, "repetition_penalty": 1}
"""Values that ask for what happens anyhow."""


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """`json_tool`: the answer is the input of the tool of that name."""

    body: dict[str, Any]
    json_tool: str | None
    warnings: list[str]


def messages_request(inputs: Mapping[str, Any], model: str, *, chat_shape: bool) -> MessagesRequest:
    """The request for `inputs` to Anthropic's `model`. `chat_shape` says of the model that the user named that it is none of the
    legacy ones, which stop after 256 tokens. Raises Refused: raw prompts and unreadable inputs 5006, LoRA 5005."""
    if inputs.get("raw"):
        raise untranslatable("`raw` prompts have no counterpart in the Messages API, which always applies its chat template")
    refuse_lora(inputs, "Anthropic")
    translation = _Translation(inputs, model, claude_of(model), chat_shape)
    translation.everything()
    return MessagesRequest(translation.body, translation.json_tool, translation.warnings)


class _Translation:
    """One request while it is put together. The order of the steps matters: later ones look at what earlier ones chose."""

    def __init__(self, inputs: Mapping[str, Any], model: str, claude: Claude, chat_shape: bool) -> None:
        self.body: dict[str, Any] = {"model": model}
        self.warnings: list[str] = []
        self.json_tool: str | None = None
        self._inputs = inputs
        self._claude = claude
        self._chat_shape = chat_shape
        self._system: list[str] = []

    def everything(self) -> None:
        messages = messages_of(self._inputs, self.warnings)
        tools = tools_of(self._inputs)
        self._max_tokens()
        self._messages(messages)
        self._tools(tools)
        self._tool_choice(tools)
        self._json_mode(tools)
        self._thinking(messages)
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
            self._warn(f"`max_tokens` was not given and Anthropic requires it: {asked} is sent")
        self.body["max_tokens"] = self._within_output(asked or LEGACY_MAX_TOKENS)

    def _within_output(self, tokens: Any) -> Any:
        most = self._claude.max_output
        if most is None or not isinstance(tokens, int) or tokens <= most:
            return tokens
        self._warn(f"`max_tokens` {tokens} was clamped to {most}, the most that {self.body['model']} writes")
        return most

    def _messages(self, messages: Sequence[Message]) -> None:
        sent: list[dict[str, Any]] = []
        results: list[dict[str, Any]] = []
        for message in messages:
            if message.role == "system":
                if sent:
                    self._warn("a system message between other messages was moved to the front: Anthropic has one `system`")
                self._system += [message.text] if message.text else []
                continue
            if message.role == "tool":
                if not results:
                    sent.append({"role": "user", "content": results})
                results.append(_tool_result(message))
                continue
            results = []
            blocks = self._assistant(message) if message.role == "assistant" else [_block(part) for part in message.parts]
            if not blocks:
                self._warn(f"an empty {message.role} message was left out: Anthropic refuses empty content")
                continue
            sent.append({"role": message.role, "content": _short(blocks)})
        if not sent:
            raise untranslatable("Bad input: there is no message with content besides the system's")
        if sent[0]["role"] != "user":
            sent.insert(0, {"role": "user", "content": "Begin."})
            self._warn("the conversation begins with the assistant, which Anthropic refuses: a user message `Begin.` was put before it")
        self.body["messages"] = sent

    def _assistant(self, message: Message) -> list[dict[str, Any]]:
        if message.reasoning:
            self._warn("the assistant's earlier reasoning was left out: Anthropic takes back only thinking that it signed")
        blocks = [_block(part) for part in message.parts]
        for call in message.calls:
            blocks.append({"type": "tool_use", "id": _id(call.id), "name": call.name, "input": dict(call.arguments)})
        return blocks

    def _tools(self, tools: Sequence[Tool]) -> None:
        if not tools:
            return
        sent = []
        for tool in tools:
            made: dict[str, Any] = {"name": tool.name, "input_schema": dict(tool.parameters)}
            if tool.description is not None:
                made["description"] = tool.description
            if tool.strict and self._claude.json_schema:
                made["strict"] = True
            elif tool.strict:
                self._warn(f"`strict` of tool {tool.name!r} was left out: {self.body['model']} has no strict tools")
            sent.append(made)
        self.body["tools"] = sent

    def _tool_choice(self, tools: Sequence[Tool]) -> None:
        choice, parallel = self._inputs.get("tool_choice"), self._inputs.get("parallel_tool_calls")
        if not tools:
            if choice not in (None, "auto", "none"):
                self._warn("`tool_choice` was left out: there are no tools")
            return
        named = forced_tool(choice)
        made: dict[str, Any] | None = None
        if named is not None:
            made = {"type": "tool", "name": named}
        elif choice == "required":
            made = {"type": "any"}
        elif choice in ("none", "auto"):
            made = {"type": choice}
        elif choice is not None:
            raise untranslatable("Bad input: '/tool_choice' must be 'auto', 'none', 'required' or {type: 'function', function: {name}}")
        if made is not None and made["type"] in ("any", "tool") and not self._claude.forced_tool:
            self._warn(f"`tool_choice` became auto: {self.body['model']} cannot be forced to call a tool")
            made = {"type": "auto"}
        if parallel is False and (made is None or made["type"] != "none"):
            made = {**(made or {"type": "auto"}), "disable_parallel_tool_use": True}
        if made is not None:
            self.body["tool_choice"] = made

    def _json_mode(self, tools: Sequence[Tool]) -> None:
        schema = schema_of(self._inputs)
        if isinstance(schema, bool):
            if schema:
                self._system.append("Respond with one JSON object and nothing else: no other text, no code fence.")
                self._warn("`response_format` json_object became an instruction in the system prompt: Anthropic has no such mode")
            return
        if self._claude.json_schema and self._structured(schema):
            return
        if self._forced():
            self._warn("`response_format` was left out: `tool_choice` already forces a tool call")
        elif self._claude.forced_tool and schema.get("type") == "object" and all(tool.name != JSON_TOOL for tool in tools):
            self._by_tool(schema, bool(tools))
        else:
            self._system.append(f"Respond with JSON that fits this JSON Schema, and with nothing else: {compact(dict(schema))}")
            self._warn("`response_format` json_schema became an instruction in the system prompt, which the model may break")

    def _structured(self, schema: Mapping[str, Any]) -> bool:
        try:
            narrowed, dropped = suitable(schema)
        except Unsuitable as reason:
            self._warn(f"`response_format` json_schema does not suit Anthropic's structured outputs: {reason}")
            return False
        self.body["output_config"] = {"format": {"type": "json_schema", "schema": narrowed}}
        self._warn("`response_format` json_schema is sent as output_config.format")
        if dropped:
            self._warn(f"structured outputs do not know these parts of the schema, which were left out: {', '.join(dropped)}")
        return True

    def _by_tool(self, schema: Mapping[str, Any], beside_others: bool) -> None:
        tool = {"name": JSON_TOOL, "description": "Respond with a JSON object.", "input_schema": dict(schema)}
        self.body["tools"] = [*self.body.get("tools", ()), tool]
        self.body["tool_choice"] = {"type": "any"} if beside_others and not self._no_tools() else {"type": "tool", "name": JSON_TOOL}
        self.body["tool_choice"]["disable_parallel_tool_use"] = True
        self.json_tool = JSON_TOOL
        self._warn(f"`response_format` json_schema is sent as the forced tool {JSON_TOOL!r}, whose input becomes the answer")

    def _no_tools(self) -> bool:
        return bool(self.body.get("tool_choice", {}).get("type") == "none")

    def _forced(self) -> bool:
        return self.body.get("tool_choice", {}).get("type") in ("any", "tool")

    def _thinking(self, messages: Sequence[Message]) -> None:
        template = self._inputs.get("chat_template_kwargs")
        wanted = template.get("enable_thinking", template.get("thinking")) if isinstance(template, Mapping) else None
        if isinstance(template, Mapping) and (others := sorted(template.keys() - {"enable_thinking", "thinking"})):
            self._warn(f"`chat_template_kwargs` {', '.join(others)} has no counterpart in the Messages API and was left out")
        effort = self._inputs.get("reasoning_effort")
        if wanted is False or effort == "none" or ("reasoning_effort" in self._inputs and effort is None):
            self._rest()
        elif effort is not None or wanted:
            self._think(effort, messages)

    def _rest(self) -> None:
        if self._claude.between_tools:
            self.body["thinking"] = {"type": "between_tools"}
            self._warn(f"{self.body['model']} cannot be kept from thinking: it thinks between tools only")
        elif not self._claude.rests:
            self._configure("effort", "low")
            self._warn(f"{self.body['model']} cannot be kept from thinking: effort low is sent")
        elif self._claude.adaptive:
            self.body["thinking"] = {"type": "disabled"}

    def _think(self, asked: Any, messages: Sequence[Message]) -> None:
        effort = _EFFORTS.get(asked, asked)
        if effort not in (None, *_BUDGETS):
            raise untranslatable("Bad input: '/reasoning_effort' must be 'low', 'medium', 'high' or null")
        if effort != asked:
            self._warn(f"`reasoning_effort` {asked} became {effort}")
        if self._claude.adaptive:
            self.body["thinking"] = {"type": "adaptive", "display": "summarized"}
            if effort is not None:
                self._configure("effort", effort)
        elif not self._claude.budget:
            self._warn(f"`reasoning_effort` was left out: {self.body['model']} does not think aloud")
        elif self._forced():
            self._warn("`reasoning_effort` was left out: a model that is forced to call a tool cannot think first")
        elif _in_unsigned_loop(messages):
            self._warn(
                "`reasoning_effort` was left out: Anthropic wants its signed thinking back after a tool call, and Workers AI has none"
            )
        else:
            budget = _BUDGETS[effort or "medium"]
            self.body["max_tokens"] = self._within_output(self.body["max_tokens"] + budget)
            self.body["thinking"] = {"type": "enabled", "budget_tokens": min(budget, self.body["max_tokens"] - 1)}
            self._warn(f"thinking is sent as a budget of {budget} tokens, which was added to `max_tokens`")

    def _configure(self, name: str, value: Any) -> None:
        self.body["output_config"] = {**self.body.get("output_config", {}), name: value}

    def _sampling(self) -> None:
        given = {name: self._inputs[name] for name in ("temperature", "top_p", "top_k") if self._inputs.get(name) is not None}
        if not given:
            return
        if not self._claude.sampling:
            self._warn(f"{_listed(given)} left out: {self.body['model']} takes no sampling parameters")
            return
        if self.body.get("thinking", {}).get("type") in ("enabled", "adaptive"):
            self._warn(f"{_listed(given)} left out: not taken together with thinking")
            return
        if "temperature" in given and "top_p" in given:
            del given["top_p"]
            self._warn("`top_p` was left out: Anthropic takes it or `temperature`, not both")
        temperature = given.get("temperature")
        if isinstance(temperature, int | float) and temperature > 1:
            given["temperature"] = 1
            self._warn(f"`temperature` {temperature:g} was clamped to 1, the most that Anthropic takes")
        self.body |= given

    def _the_rest(self) -> None:
        stops = stops_of(self._inputs)
        if blank := [stop for stop in stops if not stop.strip()]:
            self._warn(f"{len(blank)} stop sequences of white space were left out: Anthropic refuses them")
        if kept := [stop for stop in stops if stop.strip()]:
            self.body["stop_sequences"] = kept
        if isinstance(self._inputs.get("user"), str):
            self.body["metadata"] = {"user_id": self._inputs["user"]}
        for name in sorted(self._inputs.keys() - _READ):
            value = self._inputs[name]
            if value is not None and value != _NO_LOSS.get(name):
                self._warn(f"`{name}` has no counterpart in the Messages API and was left out")


def _block(part: str | Image | Signed) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    if isinstance(part, Signed):
        return dict(part.block)
    if part.data is None:
        return {"type": "image", "source": {"type": "url", "url": part.url}}
    if part.media_type not in _PICTURES:
        raise untranslatable(f"Anthropic takes JPEG, PNG, GIF and WebP pictures, not {part.media_type or 'this one'}")
    return {"type": "image", "source": {"type": "base64", "media_type": part.media_type, "data": part.data}}


def _tool_result(message: Message) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": _id(message.call_id), "content": _short([_block(part) for part in message.parts])}


def _short(blocks: list[dict[str, Any]]) -> Any:
    """One text, or none, is sent as the text itself."""
    if not blocks:
        return ""
    return blocks[0]["text"] if len(blocks) == 1 and blocks[0]["type"] == "text" else blocks


def _id(call_id: str) -> str:
    """Anthropic's ids are made of letters, digits, `_` and `-`."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", call_id)


def _in_unsigned_loop(messages: Sequence[Message]) -> bool:
    """Whether the last turn is a tool loop whose calls came without signed thinking."""
    for message in reversed(messages):
        if message.role == "user":
            return False
        if message.role == "assistant" and message.calls:
            return not any(isinstance(part, Signed) for part in message.parts)
    return False


def _listed(given: Mapping[str, Any]) -> str:
    return ", ".join(f"`{name}`" for name in given) + (" was" if len(given) == 1 else " were")
