"""The chat protocol as raw frames: what a tab sends, and what it makes of the answers."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from harness.frames import Frame, RawSocket, is_type

RESPONSE = "cf_agent_use_chat_response"
MESSAGES = "cf_agent_chat_messages"
RESUMING = "cf_agent_stream_resuming"
RESUME_NONE = "cf_agent_stream_resume_none"
PENDING = "cf_agent_stream_pending"
CLEAR = "cf_agent_chat_clear"

_numbers = itertools.count(1)


def user(text: str, id: str | None = None) -> Frame:
    """A user's message."""
    return {"id": id or f"u{next(_numbers)}", "role": "user", "parts": [{"type": "text", "text": text}]}


def submit(id: str, messages: list[Frame], *, trigger: str = "submit-message", **body: Any) -> Frame:
    """The frame that starts a turn; `body` is what `on_chat_message` gets."""
    payload = json.dumps({"messages": messages, "trigger": trigger, **body})
    return {"type": "cf_agent_use_chat_request", "id": id, "init": {"method": "POST", "body": payload}}


def cancel(id: str) -> Frame:
    return {"type": "cf_agent_chat_request_cancel", "id": id}


def ask_for_stream(probe: str) -> Frame:
    return {"type": "cf_agent_stream_resume_request", "probeId": probe}


def take_stream(id: str) -> Frame:
    return {"type": "cf_agent_stream_resume_ack", "id": id}


def chunk(frame: Any) -> dict[str, Any] | None:
    """The UI message chunk that a response frame carries, if it carries one."""
    if not is_type(frame, RESPONSE) or frame.get("error") or not frame["body"]:
        return None
    return json.loads(frame["body"])


def kinds(frames: Iterable[Any]) -> list[str]:
    """What came, in short: kinds of chunks, `done`, `replayed` (the replay is complete), and kinds of other frames."""
    short = []
    for frame in frames:
        carried = chunk(frame)
        if carried is not None:
            short.append(carried["type"])
        elif is_type(frame, RESPONSE):
            short.append("error" if frame.get("error") else "done" if frame["done"] else "replayed")
        else:
            short.append(frame["type"] if isinstance(frame, dict) and "type" in frame else repr(frame))
    return short


def done(id: str) -> Any:
    """Whether a frame is the last one of request `id`."""
    return lambda frame: is_type(frame, RESPONSE) and frame["id"] == id and frame["done"] is True


@dataclass
class Listener:
    """Puts an answer together as a client must: by number, each chunk once. `twice` holds the numbers it was offered again live."""

    id: str
    chunks: dict[int, dict[str, Any]] = field(default_factory=dict)
    twice: list[int] = field(default_factory=list)
    ended: Frame | None = None

    def hear(self, frames: Iterable[Any]) -> Listener:
        for frame in frames:
            if not is_type(frame, RESPONSE) or frame["id"] != self.id:
                continue
            if frame["done"]:
                self.ended = frame
            carried = chunk(frame)
            if carried is None:
                continue
            seq = frame.get("seq", len(self.chunks))  # older servers do not number them
            if seq in self.chunks and not frame.get("replay"):
                self.twice.append(seq)
            self.chunks[seq] = carried
        return self

    @property
    def whole(self) -> bool:
        """No number is missing between the first chunk and the last."""
        return sorted(self.chunks) == list(range(len(self.chunks)))

    @property
    def text(self) -> str:
        return "".join(self.chunks[seq].get("delta", "") for seq in sorted(self.chunks))


async def resume(socket: RawSocket, probe: str = "probe") -> tuple[str | None, list[Any]]:
    """Ask for a stream and take the one that is offered: its request id (None: nothing is being said) and every frame so far."""
    await socket.send(ask_for_stream(probe))
    frames = await socket.until(lambda frame: is_type(frame, RESUMING, RESUME_NONE, PENDING) and frame.get("probeId") == probe)
    if frames[-1]["type"] == PENDING:  # the turn is about to stream, or to end: what it comes to is told without the probe
        frames += await socket.until(lambda frame: is_type(frame, RESUMING, RESUME_NONE))
    if frames[-1]["type"] == RESUME_NONE:
        return None, frames
    await socket.send(take_stream(frames[-1]["id"]))
    return frames[-1]["id"], frames
