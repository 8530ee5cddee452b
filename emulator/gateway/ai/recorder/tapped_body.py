"""A body that passes untouched and is noted behind its reader's back: a chunk is noted when the next one is asked for."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from enum import Enum

from emulator.gateway.ai.cassettes.decoding import event_of, parsed_event
from emulator.gateway.ai.recorder.spool import Spool

_LAST_EVENT = 256 * 1024
_LAST_TYPES = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed"})


class Outcome(Enum):
    """How a body ended."""

    COMPLETE = "complete"
    LEFT = "left"
    """The reader did not want the rest."""
    BROKEN = "broken"


Ended = Callable[[Outcome, Exception | None], None]
"""Called once; with what broke it."""


class TappedBody:
    """`passed_ms` tells the time since the request."""

    def __init__(self, source: AsyncIterator[bytes], spool: Spool, passed_ms: Callable[[], int], ended: Ended) -> None:
        self._source = source
        self._spool = spool
        self._passed_ms = passed_ms
        self._ended: Ended | None = ended
        self._latest: tuple[int, bytes] | None = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            self._note()
            chunk = await anext(self._source)
        except StopAsyncIteration:
            self._end(Outcome.COMPLETE, None)
            raise
        except asyncio.CancelledError:
            self._end(self._as_left(), None)
            raise
        except Exception as error:
            self._end(Outcome.BROKEN, error)
            raise
        self._latest = (self._passed_ms(), chunk)
        return chunk

    async def aclose(self) -> None:
        """Nobody listens any more."""
        close = getattr(self._source, "aclose", None)
        if close is not None:
            await close()
        if self._ended is not None:
            self._note()
            self._end(self._as_left(), None)

    def _note(self) -> None:
        if self._latest is not None:
            (t_ms, chunk), self._latest = self._latest, None
            self._spool.add(t_ms, chunk)

    def _as_left(self) -> Outcome:
        return Outcome.COMPLETE if says_no_more(self._spool.last(_LAST_EVENT)) else Outcome.LEFT

    def _end(self, outcome: Outcome, failure: Exception | None) -> None:
        if self._ended is not None:
            ended, self._ended = self._ended, None
            ended(outcome, failure)


def says_no_more(data: bytes) -> bool:
    """Whether a stream is over by its own words. Some clients close it then without waiting for its end: it was heard in full."""
    text = data.decode("utf-8", "replace").replace("\r\n", "\n")
    if not text.endswith("\n\n"):
        return False
    event = event_of("sse", (text.rstrip("\n").rpartition("\n\n")[2] + "\n\n").encode(), 0)
    value = parsed_event("sse", event)
    return event.get("text") == "[DONE]" or (isinstance(value, dict) and value.get("type") in _LAST_TYPES)
