"""Workers AI's REST API: `POST /client/v4/accounts/<account>/ai/run/<model>`, from its public documentation and ai-binding.md 1.4, 1.5.

JSON results come in the `{"result", "success", "errors", "messages"}` envelope; streams, pictures and sound do not. The JSON is written
with spaces and numbers that a second writing would change (`1.50`, `1e-07`), so that a test sees whether bytes pass untouched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

from . import mind
from .base import Answer, FakeServer, Refusal, Seen, event, event_stream
from .media import MP3, PNG
from .mind import Asked, Tool, Turn
from .openai import FakeOpenAi, chat_asked

ACCOUNT = "0123456789abcdef0123456789abcdef"
_CHAT_SHAPE = re.compile(r"glm-|kimi|gpt-oss|gemma-4|nemotron|qwen3")
_PADDING = "abcdefghijklmnop"


class FakeWorkersAi(FakeServer):
    """`base_url` stands for https://api.cloudflare.com/client/v4. Only `account` exists; models with `missing` in their name do not."""

    def __init__(self, *, key: str | None = None, account: str = ACCOUNT) -> None:
        super().__init__(key=key)
        self.account = account
        self._chat = FakeOpenAi(flavour="vllm")

    @property
    def base_url(self) -> str:
        return f"{self.url}/client/v4"

    def answer(self, seen: Seen, turn: Turn | None) -> Answer:
        """See FakeServer."""
        if self.key is not None and seen.headers.get("authorization") != f"Bearer {self.key}":
            raise Refusal(401, "Authentication error", "10000")
        if seen.method == "GET" and seen.path == f"/client/v4/accounts/{self.account}/ai/models/search":
            many = int(seen.query.get("per_page", "50"))
            start = (int(seen.query.get("page", "1")) - 1) * many
            names = [f"@cf/fake/model-{number}" for number in range(130)][start : start + many]
            return _result([{"id": f"id of {name}", "name": name, "task": {"name": "Text Generation"}} for name in names])
        if seen.method == "GET" and seen.path == f"/client/v4/accounts/{self.account}/ai/models/schema":
            return _result({"input": {"type": "object", "title": seen.query["model"]}, "output": {"type": "object"}})
        found = re.fullmatch(rf"/client/v4/accounts/{self.account}/ai/run(?:/(.+))?", unquote(seen.path))
        if found is None or seen.method != "POST":
            raise Refusal(404, f"No route for that URI: {seen.path}", "7000")
        model, inputs = found[1], self._inputs(seen)
        if model is None:
            model, inputs = inputs["model"], inputs["input"]
        if "missing" in model:
            raise Refusal(400, f"No such model {model} or task", "5007")
        neurons = {"cf-ai-neurons": "1.25"}
        answer = self._run(model, inputs, seen.query, turn)
        return Answer(answer.status, answer.content_type, answer.chunks, {**answer.headers, **neurons}, answer.streamed)

    def error(self, refusal: Refusal) -> Answer:
        """See FakeServer."""
        code = int(refusal.code or 3043)
        text = refusal.message if code in (7000, 10000) else f"AiError: AiError: {refusal.message} (7d0a0a6c-4f6e-4d3f-9d0e-8f3c5c0f9e11)"
        document = {"errors": [{"message": text, "code": code}], "success": False, "result": {}, "messages": []}
        return Answer(refusal.status, "application/json", [json.dumps(document).encode()])

    def _inputs(self, seen: Seen) -> Any:
        if not seen.headers.get("content-type", "").startswith("application/json"):
            return {"audio": list(seen.body[:1])}
        return seen.json

    def _run(self, model: str, inputs: dict[str, Any], query: dict[str, str], turn: Turn | None) -> Answer:
        if query.get("queueRequest") == "true":
            request_id = hashlib.sha256(json.dumps(inputs).encode()).hexdigest()[:32]
            return _result({"status": "queued", "model": model, "request_id": request_id})
        if "contexts" in inputs:
            return _result({"response": [{"id": index, "score": 1 / (index + 1)} for index in range(len(inputs["contexts"]))]})
        if "bge" in model or "embed" in model:
            texts = [inputs["text"]] if isinstance(inputs["text"], str) else inputs["text"]
            rows = ", ".join("[1.50, 1e-07, -0.25]" for _ in texts)
            return _raw_result(f'{{"shape": [{len(texts)}, 3], "data": [{rows}], "pooling": "mean"}}')
        if "flux" in model:
            return _result({"image": base64.b64encode(PNG).decode()})
        if "diffusion" in model:
            return Answer(200, "image/png", [PNG])
        if "aura" in model:
            return Answer(200, "audio/mpeg", [MP3[:300], MP3[300:]], streamed=True)
        if "whisper" in model:
            return _result({"text": "Hello from the fake.", "word_count": 4, "words": [], "vtt": "WEBVTT\n\n"})
        if _CHAT_SHAPE.search(model) or not model.startswith("@"):
            return self._chat_shape(model, inputs, turn)
        return _legacy(inputs, turn)

    def _chat_shape(self, model: str, inputs: dict[str, Any], turn: Turn | None) -> Answer:
        if "input" in inputs:
            answer = self._chat.responses({**inputs, "model": model}, turn)
        else:
            messages = inputs.get("messages") or [{"role": "user", "content": inputs.get("prompt", "")}]
            body = {**inputs, "model": model, "messages": messages}
            if inputs.get("stream"):  # Workers AI always counts
                body["stream_options"] = {"include_usage": True}
            answer = self._chat.chat(body, turn or mind.answer(_asked(inputs)))
        return answer if answer.streamed else _raw_result(answer.chunks[0].decode())


def _legacy(inputs: dict[str, Any], turn: Turn | None) -> Answer:
    if "messages" not in inputs and "prompt" not in inputs:
        raise Refusal(400, "Bad input: Error: required properties at '/' are 'prompt'", "5006")
    turn = turn or mind.answer(_asked(inputs))
    usage = {
        "prompt_tokens": turn.prompt_tokens,
        "completion_tokens": turn.spent,
        "total_tokens": turn.prompt_tokens + turn.spent,
    }
    if inputs.get("stream"):
        chunks = [event({"response": piece, "p": _PADDING[: index % 16]}) for index, piece in enumerate(turn.pieces)]
        chunks += [event({"response": "", "tool_calls": [piece]}) for piece in _call_pieces(turn)]
        return event_stream([*chunks, event({"response": "", "usage": usage}), b"data: [DONE]\n\n"])
    result: dict[str, Any] = {"response": turn.text, "tool_calls": [], "usage": usage}
    if turn.calls:
        result |= {"response": None, "tool_calls": [{"name": call.name, "arguments": call.arguments} for call in turn.calls]}
    elif (inputs.get("response_format") or {}).get("type") in ("json_schema", "json_object"):
        result["response"] = json.loads(turn.text)
    return _result(result)


def _call_pieces(turn: Turn) -> Iterator[dict[str, Any]]:
    """As workers-ai-provider reads them: start, arguments, and a piece of nulls at the end of each call."""
    for index, call in enumerate(turn.calls):
        call_id = call.id or f"call_{hashlib.sha256(f'{index}{call}'.encode()).hexdigest()[:24]}"
        yield {"id": call_id, "type": "function", "index": index, "function": {"name": call.name}}
        yield {"index": index, "function": {"arguments": json.dumps(call.arguments)}}
        yield {"id": None, "type": None, "index": index, "function": {"name": None, "arguments": ""}}


def _asked(inputs: dict[str, Any]) -> Asked:
    if "messages" not in inputs:
        return Asked([inputs["prompt"]], inputs["prompt"])
    wanted = (inputs.get("response_format") or {}).get("json_schema")
    tools = [tool.get("function", tool) for tool in inputs.get("tools") or []]
    asked = chat_asked({name: value for name, value in inputs.items() if name not in ("tools", "response_format")})
    return Asked(
        asked.texts,
        asked.user,
        asked.tool_result,
        [Tool(tool["name"], tool.get("parameters") or {}) for tool in tools],
        asked.forced,
        wanted,
    )


def _result(result: Any) -> Answer:
    return _raw_result(json.dumps(result))


def _raw_result(result: str) -> Answer:
    text = f'{{"result": {result},\n "success": true, "errors": [], "messages": []}}'
    return Answer(200, "application/json", [text.encode()])
