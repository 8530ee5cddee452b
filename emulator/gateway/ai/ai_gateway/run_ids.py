"""Resumable streams: what a run has sent so far, kept for a caller whose connection breaks (ai-binding.md 2.1).

workers-ai-provider 4 uses them on one path only: `AI.run("author/model", ..., {gateway, returnRawResponse: true})` with a provider
plugin, when the answer has `cf-aig-run-id`. On a broken body it asks `.../run/{runId}/resume?from=N`, at most 5 times, where N counts the
`\\n\\n` it has passed on; 404 becomes `GatewayDelegateError` of kind `resume-expired`. The gateway path, `@cf/` models and dynamic
routes have no run id.

A run is read from its model at the model's own pace, also when its caller has gone: that is what can be resumed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

from emulator.gateway.ai.envelopes import listed_error
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.exchange import Headers, Response, close_body

EXPIRY_MS = 330_000
"""About 5.5 minutes, counted from the last byte the model sent."""
MOST_BYTES = 8 * 1024 * 1024
"""A longer run goes on but can no longer be resumed, so that memory stays flat."""
MOST_TOTAL_BYTES = 64 * 1024 * 1024
"""Of all kept runs together; the oldest are forgotten first when a new one begins."""
_MOST_RUNS = 200


class Run:
    """One stream: its chunks and where its events end."""

    def __init__(self, headers: Headers, now_ms: float) -> None:
        self.headers = headers
        self.touched_ms = now_ms
        self.lost = False
        self.ended = False
        self.failure: Exception | None = None
        self.chunks: list[bytes] = []
        self.event_ends: list[int] = []
        """Absolute offsets just behind each `\\n\\n`."""
        self.starts: list[int] = []
        """Absolute offset of each chunk."""
        self.size = 0
        self.readers: set[RunReader] = set()
        self._carry = b""
        self._changed = asyncio.Event()

    def add(self, chunk: bytes, now_ms: float) -> None:
        """A chunk that the model sent."""
        text = self._carry + chunk
        base, at = self.size - len(self._carry), 0
        while (found := text.find(b"\n\n", at)) >= 0:
            at = found + 2
            self.event_ends.append(base + at)
        self._carry = b"\n" if at < len(text) and text.endswith(b"\n") else b""
        self.starts.append(self.size)
        self.chunks.append(chunk)
        self.size += len(chunk)
        self.touched_ms = now_ms
        self.lost = self.lost or self.size > MOST_BYTES
        self.changed()

    def end(self, failure: Exception | None) -> None:
        """The model has ended, or broke off."""
        self.ended, self.failure = True, failure
        self.changed()

    def changed(self) -> None:
        """Wake whoever waits."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def wait(self) -> None:
        """Until something changes."""
        await self._changed.wait()

    def read_by_all(self) -> bool:
        """Whether no reader is behind. What all have read of a run that cannot be resumed is let go."""
        upto = min((reader.position for reader in self.readers), default=len(self.chunks))
        for index in range(upto - 1, -1, -1):
            if not self.chunks[index]:
                break
            self.chunks[index] = b""
        return upto == len(self.chunks)


class RunReader:
    """A run's bytes behind its first `skip` events, as chunks; live while the run goes on."""

    def __init__(self, run: Run, skip: int) -> None:
        self._run = run
        self._skip = skip
        self.position = 0
        run.readers.add(self)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        run = self._run
        while True:
            if self._skip > len(run.event_ends) and self.position < len(run.chunks):
                self.position = len(run.chunks)  # nothing of what there is lies behind the events to skip
                if run.lost:
                    run.changed()
            while self.position < len(run.chunks):
                offset = run.event_ends[self._skip - 1] if self._skip else 0
                index = self.position
                self.position += 1
                rest = run.chunks[index][max(0, offset - run.starts[index]) :]
                if run.lost:
                    run.changed()
                if rest:
                    return rest
            if run.ended:
                run.readers.discard(self)
                if run.failure is not None:
                    raise run.failure
                raise StopAsyncIteration
            await run.wait()

    async def aclose(self) -> None:
        """This caller has gone; the run goes on."""
        self._run.readers.discard(self)
        self._run.changed()


class RunKeeper:
    """The runs of all gateways."""

    def __init__(self, pacer: Pacer) -> None:
        self._pacer = pacer
        self._runs: dict[tuple[str, str], Run] = {}
        self._pumps: set[asyncio.Task[None]] = set()

    def keep(self, gateway: str, run_id: str, headers: Headers, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Read `body` to its end whatever happens to the caller, who gets the returned one."""
        self._forget_expired()
        while len(self._runs) >= _MOST_RUNS or sum(run.size for run in self._runs.values()) > MOST_TOTAL_BYTES:
            del self._runs[next(iter(self._runs))]
        run = Run(headers, self._pacer.now_ms())
        self._runs[gateway, run_id] = run
        reader = RunReader(run, 0)
        task = asyncio.get_running_loop().create_task(self._pump(run, body))
        self._pumps.add(task)
        task.add_done_callback(self._pumps.discard)
        return reader

    def resume(self, gateway: str, run_id: str, from_event: int) -> Response:
        """The stream behind its first `from_event` events; 404 when the run is unknown, expired or too long."""
        self._forget_expired()
        run = self._runs.get((gateway, run_id))
        if run is None or run.lost:
            return listed_error(404, 7404, f"Run {run_id} not found or expired")
        return Response(200, list(run.headers), RunReader(run, from_event))

    def clear(self, gateway: str | None = None) -> None:
        """Forget runs, as if they had expired; those that go on do so for their present readers."""
        for key in [key for key in self._runs if gateway in (None, key[0])]:
            del self._runs[key]

    async def close(self) -> None:
        """Stop reading from models."""
        self._runs.clear()
        for task in tuple(self._pumps):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    def _forget_expired(self) -> None:
        oldest = self._pacer.now_ms() - EXPIRY_MS
        for key in [key for key, run in self._runs.items() if run.touched_ms <= oldest]:
            del self._runs[key]

    async def _pump(self, run: Run, body: AsyncIterator[bytes]) -> None:
        failure: Exception | None = None
        try:
            async for chunk in body:
                run.add(chunk, self._pacer.now_ms())
                while run.lost and run.readers and not run.read_by_all():
                    await run.wait()
                if run.lost and not run.readers:
                    break
        except Exception as error:  # whatever broke the stream is the readers' to hear
            failure = error
        finally:
            await close_body(body)
            run.end(failure)
