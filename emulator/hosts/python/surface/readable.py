"""ReadableStream: default and byte sources, backpressure, tee, piping, async iteration.

User code makes one from an underlying source object; the host from an object with `async read() -> bytes | None`
and `async cancel(reason)` (`ReadableStream.from_source`), or from bytes it knows in full (`from_bytes`). The
host drains any of them with `chunks()`.
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Protocol

from .buffers import JsBuffer, Uint8Array
from .containers import JsArray
from .convert import is_function
from .errors import js_error
from .promise import JsPromise, as_exception
from .readers import END, ByobReader, ReadableController, Reader, chunk_bytes
from .values import JsProxy, iterate, js_string, option, takes_options


class ByteSource(Protocol):
    """Bytes arriving from the network."""

    async def read(self) -> bytes | None:
        """The next chunk, None at the end; raises when the connection breaks."""

    async def cancel(self, reason: Any) -> None:
        """Nobody will read the rest."""


class ReadableStream(JsProxy):
    """A stream of chunks. At most one reader; `disturbed` once anything was read or cancelled."""

    __slots__ = (
        "__weakref__",
        "_cancel",
        "_closing",
        "_error",
        "_high_water",
        "_pull",
        "_pull_again",
        "_pulling",
        "_queue",
        "_reader",
        "_requests",
        "_size",
        "_size_of",
        "_started",
        "_state",
        "bytes_only",
        "disturbed",
        "whole",
    )
    _js_name = "ReadableStream"
    _js_statics = ("from_",)

    def __init__(
        self,
        pull: Any = None,
        cancel: Any = None,
        *,
        high_water: float = 1,
        size_of: Callable[[Any], float] | None = None,
        bytes_only: bool = False,
    ) -> None:
        """Starts pulling only when `start` is called."""
        self._pull = pull
        self._cancel = cancel
        self._high_water = high_water
        self._size_of = size_of
        self.bytes_only = bytes_only
        self._queue: deque[tuple[Any, float]] = deque()
        self._size: float = 0
        self._requests: deque[JsPromise] = deque()
        self._reader: Reader | None = None
        self._state = "readable"
        self._error: BaseException | None = None
        self._started = self._pulling = self._pull_again = self._closing = self.disturbed = False
        self.whole: bytes | None = None
        """All of the stream when it is known and nobody has read any of it."""

    @classmethod
    def _js_new(cls, source: Any = None, strategy: Any = None) -> ReadableStream:
        byte_stream = option(source, "type") == "bytes"
        pull, cancel, start = (option(source, name) for name in ("pull", "cancel", "start"))
        size_of = option(strategy, "size")
        high_water = option(strategy, "highWaterMark", 0 if byte_stream else 1)
        stream = cls(pull, cancel, high_water=float(high_water), size_of=size_of, bytes_only=byte_stream)
        controller = ReadableController(stream)
        if is_function(start):
            outcome = JsPromise.resolve(start(controller))
            outcome._react(lambda result: stream.start() if result[0] else stream.fail(result[1]))
        else:
            stream.start()
        return stream

    @classmethod
    def from_source(cls, source: ByteSource) -> ReadableStream:
        """Bytes pulled from the host one chunk per read."""

        async def pull(controller: ReadableController) -> None:
            chunk = await source.read()
            if chunk is None:
                controller.close()
            else:
                controller.enqueue(Uint8Array(chunk))

        stream = cls(pull, source.cancel, high_water=0, bytes_only=True)
        stream._started = True
        return stream

    @classmethod
    def from_bytes(cls, data: bytes) -> ReadableStream:
        """A stream of one chunk known in full."""
        stream = cls(high_water=0, bytes_only=True)
        stream.whole = data
        stream._started = stream._closing = True
        if data:
            stream._queue.append((Uint8Array(data), len(data)))
            stream._size = len(data)
        else:
            stream._state = "closed"
        return stream

    @classmethod
    def from_(cls, source: Any) -> ReadableStream:
        """`ReadableStream.from(iterable)`, sync or async."""
        if hasattr(source, "__aiter__"):
            steps = aiter(source)

            async def pull(controller: ReadableController) -> None:
                try:
                    controller.enqueue(await anext(steps))
                except StopAsyncIteration:
                    controller.close()

            stream = cls(pull, lambda _reason: steps.aclose() if hasattr(steps, "aclose") else None, high_water=0)
        else:
            items: Iterator[Any] = iterate(source)

            def pull_next(controller: ReadableController) -> None:
                item = next(items, END)
                if item is END:
                    controller.close()
                else:
                    controller.enqueue(item)

            stream = cls(pull_next, high_water=0)
        stream.start()
        return stream

    # -- the source's side

    def start(self) -> None:
        """The source is ready: the first pull follows on the next turn of the loop."""
        self._started = True
        if self._wants_chunk():
            asyncio.get_running_loop().call_soon(self._pull_if_wanted)

    def desired_size(self) -> float | None:
        """Room in the queue; None when errored, 0 when closed."""
        if self._state == "errored":
            return None
        return 0 if self._state == "closed" else self._high_water - self._size

    def enqueue(self, chunk: Any) -> None:
        if self._closing or self._state != "readable":
            raise js_error("TypeError", "Unable to enqueue: the stream is closed or errored.")
        if self.bytes_only and not isinstance(chunk, JsBuffer):
            raise js_error("TypeError", "A byte stream takes only ArrayBuffers and views of them.")
        if self._requests:
            self._requests.popleft().settle(chunk)
        else:
            size = chunk.byteLength if self.bytes_only else 1 if self._size_of is None else self._size_of(chunk)
            self._queue.append((chunk, size))
            self._size += size
        self._pull_if_wanted()

    def close(self) -> None:
        if self._closing or self._state != "readable":
            raise js_error("TypeError", "The stream is already closed or errored.")
        self._closing = True
        if not self._queue:
            self._end()

    def fail(self, error: Any) -> None:
        """Breaks the stream: what is queued is lost, readers get `error`."""
        if self._state != "readable":
            return
        self._state = "errored"
        self._error = as_exception(error)
        self._queue.clear()
        self._size = 0
        while self._requests:
            self._requests.popleft().fail(self._error)
        if self._reader is not None:
            self._reader.settle_closed(self._error)

    def _end(self) -> None:
        self._state = "closed"
        while self._requests:
            self._requests.popleft().settle(END)
        if self._reader is not None:
            self._reader.settle_closed(None)

    def _wants_chunk(self) -> bool:
        if self._state != "readable" or self._closing or not self._started or not is_function(self._pull):
            return False
        return bool(self._requests) or self._size < self._high_water

    def _pull_if_wanted(self) -> None:
        if not self._wants_chunk():
            return
        if self._pulling:
            self._pull_again = True
            return
        self._pulling = True
        JsPromise.attempt(self._pull, ReadableController(self))._react(self._pulled)

    def _pulled(self, outcome: tuple[bool, Any]) -> None:
        self._pulling = False
        if not outcome[0]:
            self.fail(outcome[1])
        elif self._pull_again:
            self._pull_again = False
            self._pull_if_wanted()

    # -- the reader's side

    def take(self) -> JsPromise:
        """The next chunk, or END; one per call, in order."""
        self.disturbed = True
        self.whole = None
        if self._queue:
            chunk, size = self._queue.popleft()
            self._size -= size
            if self._closing and not self._queue:
                self._end()
            else:
                self._pull_if_wanted()
            return JsPromise.resolved(chunk)
        if self._state == "errored":
            return JsPromise.rejected(self._error)
        if self._state == "closed":
            return JsPromise.resolved(END)
        request = JsPromise()
        self._requests.append(request)
        self._pull_if_wanted()
        return request

    def drop(self, reason: Any = None) -> JsPromise:
        """Cancels whoever holds the lock; the source's own cancel decides the outcome."""
        self.disturbed = True
        self.whole = None
        if self._state == "errored":
            return JsPromise.rejected(self._error)
        if self._state == "closed":
            return JsPromise.resolved()
        self._queue.clear()
        self._size = 0
        self._end()
        if not is_function(self._cancel):
            return JsPromise.resolved()
        done = JsPromise()
        JsPromise.attempt(self._cancel, reason)._react(lambda result: done.settle() if result[0] else done.fail(result[1]))
        return done

    async def chunks(self) -> AsyncIterator[bytes]:
        """The bytes of the stream, pulled as the host asks; closing the iterator cancels the stream.

        Raises TypeError (JsException) when a chunk is no buffer.
        """
        reader = self.getReader()
        ended = False
        try:
            while (chunk := await self.take()) is not END:
                yield chunk_bytes(chunk)
            ended = True
        finally:
            reader.releaseLock()
            if not ended:
                self.drop().mark_handled()

    @property
    def locked(self) -> bool:
        return self._reader is not None

    @takes_options
    def getReader(self, options: Any = None) -> Reader:
        if self._reader is not None:
            raise js_error("TypeError", "This ReadableStream is currently locked to a reader.")
        mode = option(options, "mode")
        if mode is not None and mode != "byob":
            raise js_error("TypeError", f"Invalid reader mode: {js_string(mode)}")
        return ByobReader(self) if mode == "byob" else Reader(self)

    def cancel(self, reason: Any = None) -> JsPromise:
        if self._reader is not None:
            return JsPromise.rejected(js_error("TypeError", "This ReadableStream is currently locked to a reader."))
        return self.drop(reason)

    def tee(self) -> JsArray:
        """Two streams of the same chunks; the source is cancelled when both are."""
        if self.whole is not None and not self.locked:
            data = self.whole
            self._lock_for_ever()
            return JsArray([ReadableStream.from_bytes(data), ReadableStream.from_bytes(data)])
        self.getReader()
        reading = False
        branches: list[ReadableStream] = []
        cancelled: list[bool] = [False, False]
        over = JsPromise()

        def pull(_controller: ReadableController) -> None:
            nonlocal reading
            if not reading:
                reading = True
                self.take()._react(arrived)

        def arrived(outcome: tuple[bool, Any]) -> None:
            nonlocal reading
            reading = False
            for branch, gone in zip(branches, cancelled, strict=True):
                if gone:
                    continue
                if not outcome[0]:
                    branch.fail(outcome[1])
                elif outcome[1] is END:
                    branch.close()
                else:
                    branch.enqueue(outcome[1])

        def cancel(index: int, reason: Any) -> JsPromise:
            cancelled[index] = True
            if all(cancelled):
                self.drop(reason)._react(over._take)
            return over

        for index in (0, 1):
            branch = ReadableStream(pull, functools.partial(cancel, index), high_water=0, bytes_only=self.bytes_only)
            branch._started = True
            branches.append(branch)
        return JsArray(list(branches))

    @takes_options
    def pipeThrough(self, pair: Any, options: Any = None) -> Any:
        self.pipeTo(pair.writable, options).mark_handled()
        return pair.readable

    def pipeTo(self, destination: Any, options: Any = None) -> JsPromise:
        """Moves all chunks into a WritableStream, then closes it (`preventClose`, `preventAbort`, `preventCancel`)."""
        return JsPromise.from_awaitable(self._pipe(destination, options))

    async def _pipe(self, destination: Any, options: Any) -> None:
        reader, writer = self.getReader(), destination.getWriter()
        try:
            while True:
                try:
                    chunk = await self.take()
                except Exception as error:
                    if not option(options, "preventAbort", False):
                        await writer.abort(error)
                    raise
                if chunk is END:
                    break
                try:
                    await writer.ready
                    writer.write(chunk).mark_handled()
                except Exception as error:
                    if not option(options, "preventCancel", False):
                        await self.drop(error)
                    raise
            if not option(options, "preventClose", False):
                await writer.close()
        finally:
            reader.releaseLock()
            writer.releaseLock()

    def values(self, _options: Any = None) -> AsyncIterator[Any]:
        return aiter(self)

    async def __aiter__(self) -> AsyncIterator[Any]:
        reader = self.getReader()
        ended = False
        try:
            while (chunk := await self.take()) is not END:
                yield chunk
            ended = True
        finally:
            reader.releaseLock()
            if not ended:
                self.drop().mark_handled()

    def _lock_for_ever(self) -> None:
        """The stream's content moved elsewhere."""
        self.disturbed = True
        self.whole = None
        self.getReader()
