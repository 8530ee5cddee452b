"""What tests of the recorder share: a recorder over a fixtures folder with a clock of its own, and answers in any pieces."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from emulator.config import AiMode
from emulator.config.ai import RedactRule
from emulator.errors import EmuError
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.library import Library
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.recorder.recorder import Recorder, Summary
from emulator.gateway.ai.recorder.redaction import Redaction
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Headers, Response

MODEL = "@cf/test/model"
SSE = [("content-type", "text/event-stream")]
JSON = [("content-type", "application/json")]


def asked(text: str = "hi", **more: Any) -> ModelRequest:
    return ModelRequest(Kind.RUN, MODEL, {"messages": [{"role": "user", "content": text}], **more})


@dataclass
class Tape:
    """`ms` is the monotonic clock; each chunk of an answer takes 10 of them."""

    root: Path
    secrets: dict[str, str] = field(default_factory=dict)
    rules: Sequence[RedactRule] = ()
    ms: float = 1000.0
    now: datetime = datetime(2026, 11, 22, 11, 2, 3, tzinfo=UTC)
    problems: list[EmuError] = field(default_factory=list)
    stored: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recorder = self.another()

    def another(self) -> Recorder:
        return Recorder(
            self.root,
            Redaction(lambda: self.secrets, self.rules),
            now=lambda: self.now,
            now_ms=lambda: self.ms,
            report=self.problems.append,
            stored=self.stored.append,
        )

    def reply(self, body: bytes | Iterable[bytes], headers: Headers, status: int = 200, *, failure: Exception | None = None) -> Reply:
        content = body if isinstance(body, bytes) else self._pieces(body, failure)
        return Reply(Response(status, list(headers), content), Source.BACKEND, backend="fake")

    async def _pieces(self, pieces: Iterable[bytes], failure: Exception | None) -> AsyncIterator[bytes]:
        for piece in pieces:
            self.ms += 10
            yield piece
        if failure is not None:
            raise failure

    def tap(
        self, request: ModelRequest, reply: Reply, *, cassette: str = "default", recorder: Recorder | None = None, **more: Any
    ) -> Reply:
        return (recorder or self.recorder).tap(request, reply, cassette=cassette, t0_ms=self.ms, **more)

    async def hear(
        self,
        request: ModelRequest,
        said: bytes | Iterable[bytes],
        headers: Headers = JSON,
        status: int = 200,
        **more: Any,
    ) -> list[bytes]:
        """One call, read to its end, and a turn of the loop, in which it is staged; the chunks."""
        content = self.tap(request, self.reply(said, headers, status), **more).response.body
        heard = [content] if isinstance(content, bytes) else [chunk async for chunk in content]
        await asyncio.sleep(0)
        return heard

    def files(self, cassette: str = "default") -> dict[str, bytes]:
        """Every file of a cassette by its relative name."""
        folder = self.root / "ai" / cassette
        return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file()}

    def everything(self) -> bytes:
        """All bytes below the fixtures folder, names too."""
        return b"\n".join(str(file.relative_to(self.root)).encode() + file.read_bytes() for file in self.root.rglob("*") if file.is_file())

    def recordings(self, cassette: str = "default") -> list[Recording]:
        shelf = Library([self.root], recheck_ms=0).shelf()
        assert shelf.broken == (), [error.render() for error in shelf.broken]
        return [recording for recording in shelf.recordings if recording.cassette == cassette]

    def bytes_of(self, recording: Recording) -> bytes:
        answer = recording.answer()
        return answer.body if answer.chunks is None else b"".join(chunk.data for chunk in answer.chunks)


def events(*values: str) -> list[bytes]:
    """SSE chunks, one event each, closed by [DONE]."""
    return [f"data: {value}\n\n".encode() for value in (*values, "[DONE]")]


async def record(
    tape: Tape, *texts: str, answer: str = "a", cassette: str = "default", recorder: Recorder | None = None, prune: bool = False
) -> Summary:
    """A session in mode record, in which each text is asked for once and answered alike."""
    recorder = recorder or tape.recorder
    recorder.begin(AiMode.RECORD)
    for text in texts:
        await tape.hear(asked(text), json.dumps({"response": answer}).encode(), cassette=cassette, recorder=recorder)
    return recorder.commit(prune=prune)


def said(tape: Tape, cassette: str = "default") -> dict[str, list[object]]:
    """What the recordings answer to each text, in order."""
    found: dict[str, list[object]] = {}
    for recording in tape.recordings(cassette):
        found.setdefault(recording.request.body["messages"][0]["content"], []).append(recording.response["json"]["response"])
    return found


def leftovers(tape: Tape) -> list[str]:
    """Folders of sessions that are not over, or were cut off."""
    return [path.name for path in (tape.root / "ai").iterdir() if path.name.startswith(".")]
