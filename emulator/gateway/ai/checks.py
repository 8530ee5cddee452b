"""Mode `check`: a recording answers, its model is asked too, and what has changed in the answer's shape is kept (ai-binding.md 7.4).

Cassettes are not touched. An answer that streams is read to its end; of one that is longer than `_MOST_BYTES` the rest is not looked at.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from emulator.errors import EmuError
from emulator.gateway.ai.answers import Answer, Chunk
from emulator.gateway.ai.cassettes.drift import drift
from emulator.gateway.ai.cassettes.recording import Recording
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Response

_KEPT = 500
_AT_ONCE = 4
_MOST_BYTES = 16 * 1024 * 1024


class Checks:
    """Asks, compares, and keeps what differs. `compared` counts the recordings of this session that were."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, Any]] = {}
        self._compared: set[str] = set()
        self._session = object()
        self._few = asyncio.Semaphore(_AT_ONCE)
        self._running = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def compared(self) -> int:
        """How many recordings were compared."""
        return len(self._compared)

    async def compare(self, recording: Recording, outside: Callable[[], Awaitable[Reply]]) -> None:
        """Ask `outside` and note how its answer differs from the recording's. Never raises for what the model's server does."""
        differences: list[str] = []
        problem = None
        session = self._session
        self._running += 1
        self._idle.clear()
        try:
            async with self._few:
                reply = await outside()
                live = await _answer(reply.response)
            if reply.source.outside:
                differences = [str(change) for change in drift(recording.answer(), live)]
            else:
                problem = "no backend answers for this model: give one a key, or a route"
        except EmuError as error:
            problem = error.render()
        except Exception as error:  # nobody awaits this: what goes wrong is told here or nowhere
            problem = f"{type(error).__name__}: {error}"
        finally:
            self._running -= 1
            if not self._running:
                self._idle.set()
        if session is not self._session:
            return  # it belongs to one that is over
        self._compared |= set() if problem else {recording.name}
        if (differences or problem) and (len(self._rows) < _KEPT or recording.name in self._rows):
            row = {"recording": recording.name, "file": str(recording.file), "differences": differences, "problem": problem}
            self._rows[recording.name] = row

    async def settled(self, within_s: float) -> int:
        """Wait for the comparisons that run; how many still do."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._idle.wait()
        return self._running

    def clear(self) -> None:
        """A new session begins."""
        self._session = object()
        self._rows.clear()
        self._compared.clear()

    def report(self) -> list[dict[str, Any]]:
        """One row for each recording that is answered otherwise by now, or could not be compared, oldest first: `{recording, file,
        differences: [text], problem}`."""
        return list(self._rows.values())


async def _answer(response: Response) -> Answer:
    if isinstance(response.body, bytes):
        return Answer(response.status, response.headers, response.body)
    chunks, size = [], 0
    async for chunk in response.body:
        chunks.append(Chunk(0, chunk))
        size += len(chunk)
        if size > _MOST_BYTES:
            await response.aclose()
            break
    return Answer(response.status, response.headers, chunks=tuple(chunks))
