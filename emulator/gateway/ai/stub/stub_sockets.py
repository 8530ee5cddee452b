"""The stub over a WebSocket: models that hear sound in pieces, models that speak as text comes (ai-binding.md 1.5, Deepgram's protocols).

Each piece of sound is one word of the stub's sentence; the sentence's end is the end of a turn. Equal frames get equal answers.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from emulator.gateway.ai.canonical import ModelRequest, compact, key_of
from emulator.gateway.ai.cassettes.frames import Inbox, Message, line
from emulator.gateway.ai.stub.stub_media import silent_mp3

SENTENCE = "This is the stub listening."
_WORDS = SENTENCE.split()
_WORD_S = 0.2


def stub_conversation(asked: ModelRequest, inbox: Inbox) -> AsyncIterator[bytes] | None:
    """The frames of a conversation with the model of `asked`; None for a model that holds none."""
    name = asked.target.rpartition("/")[2]
    ident = key_of({"target": asked.target, "body": asked.body})[:32]
    if name.startswith("aura"):
        return _spoken(inbox)
    if "deepgram/flux" in asked.target:
        return _heard(inbox, _Turns(ident))
    if name.startswith("nova") or "streaming" in name:
        return _heard(inbox, _Results(ident))
    return None


class _Turns:
    """Flux: `Update`, `StartOfTurn`, `EndOfTurn`."""

    def __init__(self, ident: str) -> None:
        self._ident = ident
        self._sequence = self._turn = self._heard = 0

    def sound(self) -> Iterator[dict[str, Any]]:
        self._heard += 1
        if self._heard == 1:
            yield self._event("StartOfTurn")
        yield self._event("Update")
        if self._heard == len(_WORDS):
            yield from self.over()

    def over(self) -> Iterator[dict[str, Any]]:
        if self._heard:
            yield self._event("EndOfTurn")
            self._turn += 1
            self._heard = 0

    def _event(self, name: str) -> dict[str, Any]:
        said = _WORDS[: self._heard]
        start = round(self._turn * len(_WORDS) * _WORD_S, 2)
        event = {
            "request_id": self._ident,
            "sequence_id": self._sequence,
            "event": name,
            "turn_index": self._turn,
            "audio_window_start": start,
            "audio_window_end": round(start + self._heard * _WORD_S, 2),
            "transcript": " ".join(said),
            "words": [{"word": word, "confidence": 1.0} for word in said],
            "end_of_turn_confidence": 1.0 if name == "EndOfTurn" else 0.1,
        }
        self._sequence += 1
        return event


class _Results:
    """Nova: `Results`, final at the end of the sentence, and `Metadata` at the very end."""

    def __init__(self, ident: str) -> None:
        self._ident = ident
        self._heard = 0

    def sound(self) -> Iterator[dict[str, Any]]:
        self._heard += 1
        final = self._heard == len(_WORDS)
        yield self._results(final)
        if final:
            self._heard = 0

    def over(self) -> Iterator[dict[str, Any]]:
        if self._heard:
            yield self._results(True)
            self._heard = 0
        yield {"type": "Metadata", "request_id": self._ident, "channels": 1}

    def _results(self, final: bool) -> dict[str, Any]:
        said = _WORDS[: self._heard]
        words = [
            {"word": word, "start": round(at * _WORD_S, 2), "end": round((at + 1) * _WORD_S, 2), "confidence": 1.0}
            for at, word in enumerate(said)
        ]
        heard = {"transcript": " ".join(said), "confidence": 1.0, "words": words}
        return {"type": "Results", "channel": {"alternatives": [heard]}, "is_final": final, "speech_final": final}


async def _heard(inbox: Inbox, model: _Turns | _Results) -> AsyncIterator[bytes]:
    while (message := await inbox.next()) is not None:
        yield line("out", message)
        if isinstance(message, bytes):
            said = model.sound()
        elif _type(message) in ("CloseStream", "Finalize"):
            said = model.over()
        else:
            continue  # KeepAlive, Configure
        for event in said:
            yield line("in", compact(event))
        if _type(message) == "CloseStream":
            return


async def _spoken(inbox: Inbox) -> AsyncIterator[bytes]:
    texts = count = 0
    while (message := await inbox.next()) is not None:
        yield line("out", message)
        match _type(message):
            case "Speak":
                texts += 1
            case "Flush":
                if texts:
                    yield line("in", silent_mp3())
                yield line("in", compact({"type": "Flushed", "sequence_id": count}))
                texts, count = 0, count + 1
            case "Clear":
                texts = 0
                yield line("in", compact({"type": "Cleared", "sequence_id": count}))
            case "Close":
                return


def _type(message: Message) -> str | None:
    """The `type` of a control message, None for all else."""
    if isinstance(message, bytes):
        return None
    try:
        value = json.loads(message)
    except ValueError:
        return None
    kind = value.get("type") if isinstance(value, dict) else None
    return kind if isinstance(kind, str) else None
