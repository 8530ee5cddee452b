"""Records the cassettes of this sample with the real tool: `pip install vcrpy`, then `python record_vcr.py`.

The server is a stand-in on this machine, and answers as OpenAI's chat completions do (gzip where the client takes it, server-sent
events); the cassettes name the public address, which `before_record_request` puts in.
"""

from __future__ import annotations

import gzip
import http.server
import json
import threading
from pathlib import Path
from typing import Any

import openai
import project_vcr
import vcr

CASSETTES = Path(__file__).parent / "cassettes"
HEAD = {"id": "chatcmpl-abc123", "created": 1764000000, "model": "gpt-4o-2024-08-06"}


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    failed = False

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        messages = asked.get("messages", [])
        user = next((message["content"] for message in reversed(messages) if message["role"] == "user"), "")
        if user == "overload" and not Provider.failed:
            Provider.failed = True
            self._send(500, {"error": {"message": "The server is overloaded", "type": "server_error", "code": None}}, pack=False)
        elif self.path.endswith("/embeddings"):
            row = {"object": "embedding", "index": 0, "embedding": [0.1, 0.2, 0.3]}
            self._send(200, {"object": "list", "data": [row], "model": asked["model"], "usage": {"prompt_tokens": 2, "total_tokens": 2}})
        elif asked.get("stream"):
            self._stream(["Grüße", " from", " the", " stream."])
        else:
            self._answer(asked, messages, user)

    def _answer(self, asked: dict[str, Any], messages: list[Any], user: str) -> None:
        message: dict[str, Any] = {"role": "assistant", "content": f"You said: {user}", "refusal": None}
        if messages[-1]["role"] == "tool":
            message["content"] = f"It is {messages[-1]['content']}"
        elif asked.get("tools"):
            function = {"name": "get_weather", "arguments": '{"city":"Paris"}'}
            message |= {"content": None, "tool_calls": [{"id": "call_Xy12Zab34", "type": "function", "function": function}]}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        usage = {"prompt_tokens": 9, "completion_tokens": 4, "total_tokens": 13}
        self._send(200, {**HEAD, "object": "chat.completion", "choices": [choice], "usage": usage})

    def _stream(self, texts: list[str]) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.send_header("set-cookie", "__cf_bm=not-a-real-cookie; path=/")
        self.end_headers()
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}, *({"content": text} for text in texts), {}]
        for number, delta in enumerate(deltas):
            choice = {"index": 0, "delta": delta, "finish_reason": "stop" if number == len(deltas) - 1 else None}
            self._event(
                json.dumps({**HEAD, "object": "chat.completion.chunk", "choices": [choice]}, ensure_ascii=False, separators=(",", ":"))
            )
        self._event("[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _event(self, text: str) -> None:
        data = f"data: {text}\n\n".encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))

    def _send(self, status: int, body: Any, *, pack: bool = True) -> None:
        data = json.dumps(body).encode()
        pack = pack and "gzip" in self.headers.get("accept-encoding", "")
        data = gzip.compress(data) if pack else data
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if pack:
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        self.wfile.write(data)


def main() -> None:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}/v1"

    def public(request: Any) -> Any:
        request.uri = request.uri.replace(base, "https://api.openai.com/v1")
        return request

    recorder = vcr.VCR(record_mode="all", filter_headers=["authorization"], before_record_request=public)
    for name, test in project_vcr.TESTS.items():
        with recorder.use_cassette(str(CASSETTES / f"{name}.yaml")):
            test(openai.OpenAI(api_key="none", base_url=base, max_retries=0))
    server.shutdown()


if __name__ == "__main__":
    main()
