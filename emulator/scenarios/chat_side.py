"""What a client of kind `chat` does by itself, as the SDK's WebSocketChatTransport does (agents-protocol.md 8): it asks to resume on each
new connection, acknowledges offers, and reads the transcript when a turn has ended without it. Its ids are the same in every run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from emulator.scenarios.chat_turn import ChatTurn, Ended, ReadTranscript, Send, Step

RECONNECT_MS = 3_000
"""partysocket's first wait before it reconnects (agents-protocol.md 2.6); each later one is 1.3 times as long, at most 10 s."""
RECONNECT_GROWS = 1.3
RECONNECT_MOST_MS = 10_000


class ChatSide:
    """`send` sends a frame soon, `read_transcript` fetches the stored messages soon and gives them to `transcript`."""

    def __init__(self, name: str, send: Callable[[dict[str, Any]], None], read_transcript: Callable[[], None]) -> None:
        self._name = name
        self._send = send
        self._read_transcript = read_transcript
        self._turns = 0
        self.turn: ChatTurn | None = None
        self.ended: Ended | None = None
        """How the newest turn ended, as it looks now: the agent may take it up again after its clients have reconnected."""
        self._acknowledged: set[Any] = set()
        self.texts: list[str] = []
        """The answers of all turns that ended."""

    @property
    def ids(self) -> tuple[str, str, str]:
        """Request, message and probe of the newest turn."""
        number = self._turns
        return f"{self._name}-request-{number}", f"{self._name}-message-{number}", f"{self._name}-probe-{number}"

    @property
    def waits(self) -> bool:
        """Whether a turn is under way."""
        return self.turn is not None and self.ended is None

    @property
    def may_come_back(self) -> bool:
        """Whether the newest turn has ended, but may have another end."""
        return self.ended is not None and self.ended.recoverable

    def begin(self, text: str, history: Sequence[Any]) -> dict[str, Any]:
        """The frame that begins a turn."""
        self._turns += 1
        self.ended = None
        self.turn = ChatTurn(*self.ids, text, history)
        return self.turn.opening()

    def connected(self) -> None:
        """A new connection is open."""
        self._acknowledged.clear()
        if self.turn is not None and self._listens:
            self._send(self.turn.resume())
        else:
            self._send({"type": "cf_agent_stream_resume_request", "probeId": self.ids[2]})

    def receive(self, text: str) -> None:
        """A text frame has come."""
        try:
            frame = json.loads(text)
        except ValueError:
            return
        if not isinstance(frame, dict):
            return
        if self.turn is not None and self._listens:
            self._follow(self.turn.receive(frame))
        elif frame.get("type") == "cf_agent_stream_resuming" and frame.get("id") not in self._acknowledged:
            # Offers come twice, on connect and as the answer to the resume request; two acknowledgements bring two replays.
            self._acknowledged.add(frame.get("id"))
            self._send({"type": "cf_agent_stream_resume_ack", "id": frame.get("id")})

    def transcript(self, messages: Sequence[Any]) -> None:
        """The stored messages, as they were asked for."""
        if self.turn is not None and self._listens:
            self._follow(self.turn.finish_from(messages))

    @property
    def _listens(self) -> bool:
        return self.waits or self.may_come_back

    def _follow(self, steps: Iterable[Step]) -> None:
        for step in list(steps):
            if isinstance(step, Send):
                self._send(step.frame)
            elif isinstance(step, ReadTranscript):
                self._read_transcript()
            elif isinstance(step, Ended):
                assert self.turn is not None
                if self.may_come_back:
                    self.texts.pop()
                self.ended = step
                self.texts.append(self.turn.said)


def reconnect_ms(attempt: int) -> int:
    """How long partysocket waits before it reconnects for the `attempt`th time in a row, from 1."""
    return min(RECONNECT_MOST_MS, round(RECONNECT_MS * RECONNECT_GROWS ** (attempt - 1)))


def is_final(code: int) -> bool:
    """Whether clients stay away after this close code (agents-protocol.md 2.4)."""
    return code == 1008 or 4000 <= code <= 4999
