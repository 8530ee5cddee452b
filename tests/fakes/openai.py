"""OpenAI's API, and with `flavour` vLLM's or Gemini's compatible one, from their public documentation.

`openai` refuses what OpenAI refuses: unknown parameters, `max_tokens` for reasoning models, a nameless schema, a temperature above 2,
tool calls without results. `vllm` takes more parameters, gives `reasoning_content`, and has `/completions` (raw prompts) and `/rerank`.
`gemini` answers below /v1beta/openai, signs its tool calls in `extra_content` and wants that back, and writes errors in an array of one.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import struct
from collections.abc import Iterator
from email.parser import BytesParser
from email.policy import HTTP
from typing import Any

from . import mind, openai_responses
from .base import Answer, FakeServer, Refusal, Seen, event, event_stream, json_answer
from .media import MP3, PNG
from .mind import Asked, Tool, Turn

CREATED = 1_763_800_000
_CHAT = frozenset(
    {
        "messages", "model", "audio", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs",
        "max_completion_tokens", "max_tokens", "metadata", "modalities", "n", "parallel_tool_calls", "prediction", "presence_penalty",
        "prompt_cache_key", "reasoning_effort", "response_format", "safety_identifier", "seed", "service_tier", "stop", "store", "stream",
        "stream_options", "temperature", "tool_choice", "tools", "top_logprobs", "top_p", "user", "verbosity", "web_search_options",
    }
)  # fmt: skip
_REASONING = re.compile(r"^(o\d|gpt-[5-9])")


class FakeOpenAi(FakeServer):
    """`base_url` is what a client is given. Models that begin with `missing` do not exist."""

    def __init__(self, *, key: str | None = None, flavour: str = "openai") -> None:
        super().__init__(key=key)
        self.flavour = flavour
        self.prefix = "/v1beta/openai" if flavour == "gemini" else "/v1"

    @property
    def base_url(self) -> str:
        return self.url + self.prefix

    def answer(self, seen: Seen, turn: Turn | None) -> Answer:
        """See FakeServer."""
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            given = seen.headers.get("authorization", "").removeprefix("Bearer ")
            raise Refusal(
                401, f"Incorrect API key provided: {given[:4]}***. You can find your API key at the account page.", "invalid_api_key"
            )
        endpoint = seen.path.removeprefix(self.prefix)
        if (seen.method, endpoint) == ("GET", "/models"):
            return json_answer({"object": "list", "data": [{"id": "gpt-4o", "object": "model", "created": CREATED, "owned_by": "fake"}]})
        if endpoint in ("/audio/transcriptions", "/audio/translations"):
            return _transcription(seen)
        handlers = {
            "/chat/completions": self.chat,
            "/responses": self.responses,
            "/embeddings": _embeddings,
            "/images/generations": self._images,
            "/audio/speech": _speech,
        }
        if self.flavour == "vllm":
            handlers |= {"/completions": self._completions, "/rerank": _rerank}
        if endpoint not in handlers or seen.method != "POST":
            raise Refusal(404, f"Invalid URL ({seen.method} {seen.path})")
        try:
            body = seen.json
        except ValueError:
            raise Refusal(400, "We could not parse the JSON body of your request.") from None
        if str(body.get("model", "")).startswith("missing"):
            raise Refusal(404, f"The model `{body['model']}` does not exist or you do not have access to it.", "model_not_found")
        return handlers[endpoint](body, turn)

    def error(self, refusal: Refusal) -> Answer:
        """See FakeServer."""
        if self.flavour == "gemini":
            status = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED"}
            error = {"code": refusal.status, "message": refusal.message, "status": status.get(refusal.status, "INTERNAL")}
            return json_answer([{"error": error}], refusal.status)
        kinds = {401: "invalid_request_error", 429: "requests", 500: "server_error", 503: "server_error"}
        kind = refusal.kind or (
            refusal.code if refusal.code == "insufficient_quota" else kinds.get(refusal.status, "invalid_request_error")
        )
        error = {"message": refusal.message, "type": kind, "param": None, "code": refusal.code}
        return json_answer({"error": error}, refusal.status)

    def chat(self, body: dict[str, Any], turn: Turn | None) -> Answer:
        """`POST /chat/completions`. Raises Refusal."""
        if self.flavour == "openai":
            _refuse_unknown(body)
        self._check_messages(body.get("messages"))
        turn = turn or mind.answer(chat_asked(body))
        head = {"id": _id("chatcmpl-", body), "created": CREATED, "model": body["model"], "system_fingerprint": "fp_fake"}
        if body.get("stream"):
            usage = bool((body.get("stream_options") or {}).get("include_usage"))
            return event_stream([*self._chat_events(head, turn, usage), b"data: [DONE]\n\n"])
        message: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None, "annotations": []}
        if turn.reasoning and self.flavour == "vllm":
            message["reasoning_content"] = "".join(turn.reasoning)
        if turn.calls:
            message["tool_calls"] = [self._call(head, index, call) for index, call in enumerate(turn.calls)]
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish(turn)}
        return json_answer({**head, "object": "chat.completion", "choices": [choice], "usage": _usage(turn)})

    def _chat_events(self, head: dict[str, Any], turn: Turn, usage: bool) -> Iterator[bytes]:
        def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
            return event({**head, "object": "chat.completion.chunk", "choices": [choice], **({"usage": None} if usage else {})})

        yield chunk({"role": "assistant", "content": "" if not turn.calls else None, "refusal": None})
        if self.flavour == "vllm":
            yield from (chunk({"reasoning_content": piece}) for piece in turn.reasoning)
        yield from (chunk({"content": piece}) for piece in turn.pieces)
        for index, call in enumerate(turn.calls):
            whole = self._call(head, index, call)
            if self.flavour == "gemini":  # whole calls, all numbered 0
                yield chunk({"tool_calls": [{"index": 0, **whole}]})
                continue
            yield chunk({"tool_calls": [{"index": index, **whole, "function": {"name": call.name, "arguments": ""}}]})
            for piece in _argument_pieces(whole["function"]["arguments"]):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield chunk({}, self._finish(turn))
        if usage:
            yield event({**head, "object": "chat.completion.chunk", "choices": [], "usage": _usage(turn)})

    def _call(self, head: dict[str, Any], index: int, call: mind.Call) -> dict[str, Any]:
        call_id = call.id or f"call_{hashlib.sha256(f'{head["id"]}{index}'.encode()).hexdigest()[:24]}"
        signed = {"extra_content": {"google": {"thought_signature": _signature(call.name)}}} if self.flavour == "gemini" else {}
        return {"id": call_id, "type": "function", "function": {"name": call.name, "arguments": json.dumps(call.arguments)}, **signed}

    def _finish(self, turn: Turn) -> str:
        return "stop" if self.flavour == "gemini" and turn.calls else turn.reason

    def _check_messages(self, messages: Any) -> None:
        if not isinstance(messages, list) or not messages:
            raise Refusal(400, "Missing required parameter: 'messages'.", "missing_required_parameter")
        for index, message in enumerate(messages):
            for call in message.get("tool_calls") or []:
                answered = [later.get("tool_call_id") for later in messages[index + 1 :] if later["role"] == "tool"]
                if call["id"] not in answered:
                    raise Refusal(
                        400,
                        "An assistant message with 'tool_calls' must be followed by tool messages responding to each 'tool_call_id'. "
                        f"The following tool_call_ids did not have response messages: {call['id']}",
                    )
                if not isinstance(call["function"]["arguments"], str):
                    raise Refusal(400, f"Invalid type for 'messages[{index}].tool_calls[0].function.arguments': expected a string")
                signature = call.get("extra_content", {}).get("google", {}).get("thought_signature")
                if self.flavour == "gemini" and signature != _signature(call["function"]["name"]):
                    raise Refusal(400, "Function call is missing a thought_signature in functionCall parts.")

    def responses(self, body: dict[str, Any], turn: Turn | None) -> Answer:
        """`POST /responses`."""
        turn = turn or mind.answer(openai_responses.asked(body))
        response_id = _id("", body)
        if body.get("stream"):
            return event_stream(list(openai_responses.events(body, turn, response_id)))
        return json_answer(openai_responses.document(body, turn, response_id))

    def _completions(self, body: dict[str, Any], turn: Turn | None) -> Answer:
        turn = turn or mind.answer(Asked([body["prompt"]], body["prompt"]))
        head = {"id": _id("cmpl-", body), "object": "text_completion", "created": CREATED, "model": body["model"]}
        if not body.get("stream"):
            choice = {"index": 0, "text": turn.text, "logprobs": None, "finish_reason": turn.reason}
            return json_answer({**head, "choices": [choice], "usage": _usage(turn)})
        chunks = [event({**head, "choices": [{"index": 0, "text": piece, "finish_reason": None}]}) for piece in turn.pieces]
        chunks.append(event({**head, "choices": [{"index": 0, "text": "", "finish_reason": turn.reason}]}))
        if (body.get("stream_options") or {}).get("include_usage"):
            chunks.append(event({**head, "choices": [], "usage": _usage(turn)}))
        return event_stream([*chunks, b"data: [DONE]\n\n"])

    def _images(self, body: dict[str, Any], turn: Turn | None) -> Answer:
        if self.flavour == "openai" and body["model"].startswith("gpt-image") and "response_format" in body:
            raise Refusal(400, "Unknown parameter: 'response_format'.", "unknown_parameter")
        if body.get("response_format") == "url" or ("response_format" not in body and body["model"].startswith("dall-e")):
            return json_answer({"created": CREATED, "data": [{"url": f"{self.url}/picture.png"}]})
        return json_answer({"created": CREATED, "data": [{"b64_json": base64.b64encode(PNG).decode()}]})


def chat_asked(body: dict[str, Any]) -> Asked:
    """A chat completion request in no protocol."""
    messages = body["messages"]
    texts = [_text(message.get("content")) for message in messages]
    users = [_text(message.get("content")) for message in messages if message["role"] == "user"]
    choice = body.get("tool_choice")
    forced = choice["function"]["name"] if isinstance(choice, dict) else ("*" if choice == "required" else None)
    tools = [Tool(tool["function"]["name"], tool["function"].get("parameters") or {}) for tool in body.get("tools") or []]
    wanted = body.get("response_format") or {}
    return Asked(
        texts,
        users[-1] if users else "",
        texts[-1] if messages[-1]["role"] == "tool" else None,
        tools if choice != "none" else [],
        forced,
        (wanted.get("json_schema") or {}).get("schema") or ({"type": "object"} if wanted.get("type") == "json_object" else None),
    )


def _text(content: Any) -> str:
    if isinstance(content, list):
        return " ".join(part.get("text", "[picture]") for part in content)
    return content or ""


def _refuse_unknown(body: dict[str, Any]) -> None:
    for name in body:
        if name not in _CHAT:
            raise Refusal(400, f"Unrecognized request argument supplied: {name}")
    if (body.get("temperature") or 0) > 2:
        message = f"Invalid 'temperature': decimal above maximum value. Expected a value <= 2, but got {body['temperature']} instead."
        raise Refusal(400, message, "decimal_above_max_value")
    if "max_tokens" in body and _REASONING.match(body["model"]):
        message = "Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead."
        raise Refusal(400, message, "unsupported_parameter")
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema" and not (wanted.get("json_schema") or {}).get("name"):
        raise Refusal(400, "Missing required parameter: 'response_format.json_schema.name'.", "missing_required_parameter")
    if any("function" not in tool for tool in body.get("tools") or []):
        raise Refusal(400, "Missing required parameter: 'tools[0].function'.", "missing_required_parameter")


def _usage(turn: Turn) -> dict[str, Any]:
    return {
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.spent,
        "total_tokens": turn.prompt_tokens + turn.spent,
        "prompt_tokens_details": {"cached_tokens": turn.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": len(turn.reasoning), "audio_tokens": 0},
    }


def _id(prefix: str, body: dict[str, Any]) -> str:
    return prefix + hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:24]


def _signature(name: str) -> str:
    return base64.b64encode(f"signed:{name}".encode()).decode()


def _argument_pieces(text: str) -> list[str]:
    return [text[at : at + 5] for at in range(0, len(text), 5)]


def _embeddings(body: dict[str, Any], turn: Turn | None) -> Answer:
    texts = [body["input"]] if isinstance(body["input"], str) else body["input"]
    count = body.get("dimensions", 8)
    rows: list[dict[str, Any]] = []
    for index, text in enumerate(texts):
        vector = [byte / 255 for byte in hashlib.shake_256(str(text).encode()).digest(count)]
        packed = base64.b64encode(struct.pack(f"<{count}f", *vector)).decode()
        encoded = packed if body.get("encoding_format") == "base64" else vector
        rows.append({"object": "embedding", "index": index, "embedding": encoded})
    tokens = sum(len(str(text).split()) for text in texts)
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return json_answer({"object": "list", "model": body["model"], "data": rows, "usage": usage})


def _speech(body: dict[str, Any], turn: Turn | None) -> Answer:
    if not body.get("voice"):
        raise Refusal(400, "Missing required parameter: 'voice'.", "missing_required_parameter")
    kind = {"mp3": "audio/mpeg", "wav": "audio/wav", "opus": "audio/ogg", "pcm": "audio/pcm"}[body.get("response_format", "mp3")]
    return Answer(200, kind, [MP3[at : at + 100] for at in range(0, len(MP3), 100)], streamed=True)


def _rerank(body: dict[str, Any], turn: Turn | None) -> Answer:
    wanted = set(body["query"].lower().split())
    scored = [
        {"index": index, "document": {"text": text}, "relevance_score": len(wanted & set(text.lower().split())) / len(wanted)}
        for index, text in enumerate(body["documents"])
    ]
    scored.sort(key=lambda row: -row["relevance_score"])
    return json_answer({"id": "rerank-fake", "model": body["model"], "results": scored[: body.get("top_n", len(scored))]})


def _transcription(seen: Seen) -> Answer:
    """Hears `Hello from the fake.` in anything."""
    head = f"content-type: {seen.headers['content-type']}\r\n\r\n".encode()
    parts = {
        part.get_param("name", header="content-disposition"): part
        for part in BytesParser(policy=HTTP).parsebytes(head + seen.body).iter_parts()
    }
    if "file" not in parts or not parts["file"].get_filename():
        raise Refusal(400, "Missing required parameter: 'file'.", "missing_required_parameter")
    if "model" not in parts:
        raise Refusal(400, "you must provide a model parameter")
    heard = "Hello from the fake."
    if "response_format" not in parts or parts["response_format"].get_content().strip() == "json":
        return json_answer({"text": heard})
    timed = [{"word": word, "start": index * 0.5, "end": index * 0.5 + 0.4} for index, word in enumerate(heard.split())]
    segment = {"id": 0, "seek": 0, "start": 0.0, "end": 1.9, "text": f" {heard}", "tokens": [1], "temperature": 0.0}
    document = {"task": "transcribe", "language": "english", "duration": 2.0, "text": heard}
    return json_answer({**document, "words": timed, "segments": [segment]})
