"""What Ollama's answers and stream lines say, as deltas (ai-binding.md 4.2). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from emulator.gateway.ai.canonical import compact
from emulator.gateway.ai.translation.deltas import Delta, Done, Failed, Finish, Reasoning, Started, Text, ToolArguments, ToolStart, Usage
from emulator.gateway.ai.upstream_errors import Upstream, in_stream, no_event


class LineReader:
    """One answer of `/api/chat` or `/api/generate`: many lines when streamed, else one. See stream_body.Reader."""

    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._kept = b""
        self._started = False
        self._calls = 0

    def feed(self, chunk: bytes) -> Iterable[Sequence[Delta]]:
        """One list of deltas for each line that `chunk` completes. A line that is no JSON fails the stream."""
        *lines, self._kept = (self._kept + chunk).split(b"\n")
        for line in lines:
            if not line.strip():
                continue
            try:
                deltas = self.deltas(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                deltas = [Failed(*no_event(self._upstream, line.decode("utf-8", "replace")))]
            yield deltas

    def deltas(self, line: Mapping[str, Any]) -> list[Delta]:
        """What one parsed line says, or a whole answer. Raises KeyError, TypeError or AttributeError when it is none."""
        if "error" in line:
            return [Failed(*in_stream(self._upstream, line))]
        deltas: list[Delta] = []
        if not self._started:
            self._started = True
            deltas.append(Started(created_s=_seconds(line.get("created_at"))))
        message = line["message"] if "response" not in line else {"content": line["response"], "thinking": line.get("thinking")}
        if message.get("thinking"):
            deltas.append(Reasoning(message["thinking"]))
        if message.get("content"):
            deltas.append(Text(message["content"]))
        for call in message.get("tool_calls") or ():
            deltas.append(ToolStart(self._calls, call.get("id") or None, call["function"]["name"]))
            deltas.append(ToolArguments(self._calls, compact(call["function"].get("arguments") or {})))
            self._calls += 1
        if line.get("done"):
            deltas.append(Finish(self._finish(line.get("done_reason"))))
            deltas.append(Usage(line.get("prompt_eval_count") or 0, line.get("eval_count") or 0))
            deltas.append(Done())
        return deltas

    def _finish(self, reason: Any) -> str:
        if reason == "length":
            return "length"
        return "tool_calls" if self._calls else "stop"


def _seconds(created_at: Any) -> int | None:
    """RFC 3339 with nanoseconds."""
    try:
        return int(datetime.fromisoformat(str(created_at)).timestamp())
    except ValueError:
        return None
