"""What becomes known of one call while it is answered. Its last state is the report: for the terminal, the journal and `ai/calls`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.faults.book import Fault
from emulator.gateway.ai.faults.failed_calls import reason
from emulator.gateway.ai.reply import Reply, Source


@dataclass(slots=True)
class Call:
    """`started_ms` is the pacer's time, `body` the request's raw bytes. `scope` names the cassette of this call alone (ai-binding.md
    7.8). `attempts` counts upstream requests; `notice` is for people; `problem` and `code` tell a miss, a refusal or a break; `reason` is
    our own word for an error that stands for a backend's (failed_calls.py); `usage` is in the model's own words."""

    request: ModelRequest
    started_ms: float
    request_id: str
    body: bytes = b""
    scope: str | None = None
    source: Source = Source.NONE
    recording: str | None = None
    backend: str | None = None
    backend_model: str | None = None
    attempts: int = 0
    fault: str | None = None
    pending: Fault | None = None
    """A fault that has not acted yet: it changes the body on its way to user code."""
    warnings: list[str] = field(default_factory=list)
    notice: str | None = None
    problem: str | None = None
    code: str | None = None
    reason: str | None = None
    usage: Mapping[str, Any] | None = None
    cost_usd: float | None = None

    def learn(self, reply: Reply) -> None:
        """Take over what a reply says about its origin."""
        self.source = reply.source
        self.recording = reply.recording
        self.backend, self.backend_model = reply.backend, reply.backend_model
        self.warnings += [text for text in reply.warnings if text not in self.warnings]
        if reply.usage is not None:
            self.usage = reply.usage
        body = reply.response.body
        self.reason = reason(body) if reply.backend is not None and reply.response.status >= 400 and isinstance(body, bytes) else None

    def fields(self) -> dict[str, Any]:
        """What every report of a call has."""
        return {
            "source": str(self.source),
            "recording": self.recording,
            "backend": self.backend,
            "backend_model": self.backend_model,
            "attempts": self.attempts,
            "fault": self.fault,
            "warnings": self.warnings,
            "notice": self.notice,
            "problem": self.problem,
            "code": self.code,
            "reason": self.reason,
            "tokens": self.usage,
            "cost_usd": self.cost_usd,
            "request_id": self.request_id,
            "scope": self.scope,
        }
