"""One chat turn as a client sees it (agents-protocol.md 8.1 to 8.6): frames in, steps out. No sockets, no clock.

The requester hears its answer as a stream of chunks, ended by a `done` frame. When the connection drops, the turn goes on without us;
on the next one we ask to resume, acknowledge the offer, and get every chunk again from the first. Chunks that were shown already are
skipped by their number. When the turn ended meanwhile there is nothing to resume, and the transcript has the answer.

When the agent's process dies in mid-turn and comes back, the turn goes on, or begins again, under another id (8.9), perhaps only after
we were told that there is nothing to resume, or were shown what was stored of it as an end. Then the turn is lost, or aborted, as it
seems, until a stream ends and the transcript has our answer. The SDK's clients show such streams too. The text of a turn that went on
without us is read from the transcript once it has ended.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Frame = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """More of the answer. `new_block` when it starts another paragraph of it."""

    text: str
    new_block: bool = False


@dataclass(frozen=True, slots=True)
class ToolUse:
    """The agent used a tool."""

    name: str
    arguments: Any


@dataclass(frozen=True, slots=True)
class Send:
    """A frame that must be sent now."""

    frame: Frame


@dataclass(frozen=True, slots=True)
class ReadTranscript:
    """The stream is over without us: fetch the messages and give them to `finish_from`."""


@dataclass(frozen=True, slots=True)
class Ended:
    """`outcome` is `completed`, `aborted`, `error`, `skipped` or `lost`; `error` says why it was no success. `waiting` names the tools that
    wait for a person's approval, or for a page to run them. `recoverable`: nobody works on it now, but the agent may take it up again; a
    caller that still listens then hears of another end."""

    outcome: str
    error: str | None = None
    waiting: tuple[str, ...] = ()
    recoverable: bool = False


Step = Text | ToolUse | Send | ReadTranscript | Ended


class ChatTurn:
    """A turn from its request to its end. `request` and `message_id` are ids that the client chooses, `probe` marks its resume requests."""

    def __init__(self, request: str, message_id: str, probe: str, text: str, history: Sequence[Any]) -> None:
        self.request = request
        self.said = ""
        self._message_id = message_id
        self._probe = probe
        self._messages = [*history, {"id": message_id, "role": "user", "parts": [{"type": "text", "text": text}]}]
        self._shown = 0
        self._replayed = 0
        self._numbered = False
        self._resuming = False
        self._behind = False
        self._missed = False
        self._lost = False
        self._orphaned = False
        self._recovering = False
        self._acknowledged: set[str] = set()
        self._block_ended = False
        self._error: str | None = None
        self._tools: dict[str, str] = {}

    def opening(self) -> Frame:
        """The frame that starts the turn."""
        body = json.dumps({"messages": self._messages, "trigger": "submit-message"})
        return {"type": "cf_agent_use_chat_request", "id": self.request, "init": {"method": "POST", "body": body}}

    def resume(self) -> Frame:
        """The frame to send first on every later connection."""
        self._resuming = True
        self._replayed = 0
        self._acknowledged.clear()
        return {"type": "cf_agent_stream_resume_request", "probeId": self._probe}

    def cancel(self) -> Frame:
        """The frame that stops the turn; an end with outcome `aborted` follows."""
        return {"type": "cf_agent_chat_request_cancel", "id": self.request}

    def receive(self, frame: Mapping[str, Any]) -> Iterator[Step]:
        """What one frame from the agent means for this turn. Frames of other turns mean nothing."""
        kind = frame.get("type")
        if kind == "cf_agent_use_chat_response" and (frame.get("id") == self.request or frame.get("continuation")):
            if frame.get("id") != self.request:
                self.request = str(frame.get("id"))
                self._missed = True
            yield from self._response(frame)
        elif kind == "cf_agent_use_chat_response" and (self._lost or self._recovering) and frame.get("done"):
            yield ReadTranscript()  # whose turn that was, the transcript tells
        elif kind == "cf_agent_chat_recovering" and frame.get("recovering") and frame.get("id") == self.request:
            self._recovering = True
        elif kind == "cf_agent_stream_resuming":
            offered = str(frame.get("id"))
            if offered not in self._acknowledged:
                self._acknowledged.add(offered)
                if self._resuming:
                    # A turn that was recovered goes on under another id (8.9), and counts its chunks anew.
                    self._missed = self._missed or (offered != self.request and self._shown > 0)
                    self.request = offered
                else:
                    self._behind = True
                # Also when it is no turn of ours: until then the agent sends this connection no chunks at all.
                yield Send({"type": "cf_agent_stream_resume_ack", "id": offered})
        elif kind == "cf_agent_stream_resume_none" and self._resuming:
            yield ReadTranscript()

    def finish_from(self, messages: Sequence[Any]) -> Iterator[Step]:
        """The rest of the answer from the stored transcript, or the request again when it never arrived."""
        ours = next((index for index, message in enumerate(messages) if message.get("id") == self._message_id), None)
        if ours is None:
            self._resuming = False
            yield Send(self.opening())
            return
        answers = [message for message in messages[ours + 1 :] if message.get("role") == "assistant"]
        if answers and self._orphaned and any(part.get("state") == "streaming" for part in answers[0].get("parts", ())):
            return  # what we were shown already
        if not answers:
            if not self._lost:
                self._lost = True
                yield Ended("lost", "the connection broke and the agent stored no answer", recoverable=True)
            return
        text = "".join(part.get("text", "") for part in answers[0].get("parts", ()) if part.get("type") == "text")
        rest = text.removeprefix(self.said)
        if rest:
            yield self._say(rest, new_block=rest == text and bool(self.said))
        yield Ended("completed")

    def _response(self, frame: Mapping[str, Any]) -> Iterator[Step]:
        body = frame.get("body") or ""
        if frame.get("error"):
            self._error = body or "the agent gave no reason"
        elif body and frame.get("done"):
            yield Ended(frame.get("outcome") or "completed", None if self.said else body)
            return
        elif body and self._is_new(frame) and not self._missed:
            yield from self._chunk(body)
        if frame.get("done") and frame.get("outcome") != "recovering":
            if not self._error and not frame.get("outcome") and (self._missed or (self._behind and not self.said)):
                yield ReadTranscript()
                return
            outcome = frame.get("outcome") or ("error" if self._error else "completed")
            # So ends the replay of a stream that nobody writes any more (8.5).
            self._orphaned = outcome == "aborted" and bool(frame.get("replay"))
            self._missed = self._missed or self._orphaned
            yield Ended(outcome, self._error, tuple(self._tools.values()), recoverable=self._orphaned)

    def _is_new(self, frame: Mapping[str, Any]) -> bool:
        """Whether this chunk was not shown yet. Servers older than ai-chat 0.12 do not number them, so they are counted."""
        number, replay = frame.get("seq"), bool(frame.get("replay"))
        if isinstance(number, int):
            self._numbered = True
        elif self._numbered:
            return not replay  # too large to be stored, so it has no number and never comes again
        elif replay:
            number, self._replayed = self._replayed, self._replayed + 1
        else:
            number = self._shown
        if number < self._shown:
            return False
        # Chunks before our acknowledgement went to the others only: the whole answer is read when it is there.
        self._missed = self._missed or (self._behind and number > self._shown)
        self._shown = number + 1
        return True

    def _chunk(self, body: str) -> Iterator[Step]:
        try:
            chunk = json.loads(body)
        except ValueError:
            return  # not a UI message chunk; other clients ignore it too
        match chunk.get("type"):
            case "text-start":
                self._block_ended = bool(self.said)
            case "text-delta":
                yield self._say(str(chunk.get("delta", "")), new_block=self._block_ended)
            case "tool-input-available":
                self._tools[str(chunk.get("toolCallId"))] = str(chunk.get("toolName"))
                yield ToolUse(str(chunk.get("toolName")), chunk.get("input"))
            case "tool-output-available" | "tool-output-error" | "tool-output-denied":
                self._tools.pop(str(chunk.get("toolCallId")), None)
            case "error":
                self._error = str(chunk.get("errorText") or "the agent gave no reason")

    def _say(self, text: str, *, new_block: bool) -> Text:
        self.said += text
        self._block_ended = False
        return Text(text, new_block)
