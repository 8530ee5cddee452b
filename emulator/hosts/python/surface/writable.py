"""WritableStream and the transforms between the two kinds."""

from __future__ import annotations

from collections import deque
from typing import Any

from .buffers import JsBuffer
from .convert import is_function
from .errors import js_error
from .promise import JsPromise, as_exception
from .readable import ReadableStream
from .values import JsProxy, option


class WritableStream(JsProxy):
    """Chunks go to the sink one after another; `writer.ready` tells when there is room again."""

    __slots__ = (
        "__weakref__",
        "_abort",
        "_busy",
        "_close",
        "_error",
        "_high_water",
        "_queue",
        "_ready",
        "_state",
        "_write",
        "_writer",
        "closed",
    )
    _js_name = "WritableStream"

    def __init__(
        self,
        write: Any = None,
        close: Any = None,
        abort: Any = None,
        *,
        high_water: float = 1,
    ) -> None:
        self._write = write
        self._close = close
        self._abort = abort
        self._high_water = high_water
        self._queue: deque[tuple[str, Any, JsPromise]] = deque()
        self._busy = False
        self._state = "writable"  # writable -> closing -> closed, or errored
        self._error: BaseException | None = None
        self._writer: Writer | None = None
        self._ready = JsPromise.resolved()
        self.closed = JsPromise()
        self.closed.mark_handled()

    @classmethod
    def _js_new(cls, sink: Any = None, strategy: Any = None) -> WritableStream:
        write, close, abort, start = (option(sink, name) for name in ("write", "close", "abort", "start"))
        stream = cls(write, close, abort, high_water=float(option(strategy, "highWaterMark", 1)))
        if is_function(start):
            stream._busy = True
            JsPromise.resolve(start(WritableController(stream)))._react(stream._stepped)
        return stream

    @property
    def locked(self) -> bool:
        return self._writer is not None

    def getWriter(self) -> Writer:
        if self._writer is not None:
            raise js_error("TypeError", "This WritableStream is currently locked to a writer.")
        return Writer(self)

    def abort(self, reason: Any = None) -> JsPromise:
        """Drops what is queued and tells the sink why."""
        if self._state in ("closed", "errored"):
            return JsPromise.resolved()
        self.fail(js_error("AbortError", "The stream was aborted") if reason is None else reason)
        if not is_function(self._abort):
            return JsPromise.resolved()
        return JsPromise.attempt(self._abort, reason)

    def close(self) -> JsPromise:
        return self.put("close", None)

    def put(self, kind: str, chunk: Any) -> JsPromise:
        """Queues a write or the close; the promise settles when the sink has taken it."""
        if self._state == "errored":
            return JsPromise.rejected(self._error)
        if self._state != "writable":
            return JsPromise.rejected(js_error("TypeError", "This WritableStream has been closed."))
        done = JsPromise()
        self._queue.append((kind, chunk, done))
        if kind == "close":
            self._state = "closing"
        elif self.desired_size() == 0 and self._ready.done:
            self._ready = JsPromise()
            self._ready.mark_handled()
        self._step()
        return done

    def desired_size(self) -> float:
        """Room before `ready` makes writers wait."""
        return max(0, self._high_water - len(self._queue) - self._busy)

    def fail(self, error: Any) -> None:
        """Breaks the stream for writers, now and later."""
        if self._state in ("closed", "errored"):
            return
        self._state = "errored"
        self._error = as_exception(error)
        while self._queue:
            self._queue.popleft()[2].fail(self._error)
        self._ready.settle()
        self._ready = JsPromise.rejected(self._error)
        self._ready.mark_handled()
        self.closed.fail(self._error)

    def _step(self) -> None:
        if self._busy or not self._queue:
            return
        kind, chunk, done = self._queue.popleft()
        self._busy = True
        if kind == "close":
            attempt = JsPromise.attempt(self._close) if is_function(self._close) else JsPromise.resolved()
        elif is_function(self._write):
            attempt = JsPromise.attempt(self._write, chunk, WritableController(self))
        else:
            attempt = JsPromise.resolved()
        attempt._react(lambda outcome: self._taken(kind, outcome, done))

    def _taken(self, kind: str, outcome: tuple[bool, Any], done: JsPromise) -> None:
        if not outcome[0]:
            done.fail(outcome[1])
        elif self._state == "errored":
            done.fail(self._error)
        else:
            if kind == "close":
                self._state = "closed"
                self.closed.settle()
            done.settle()
        self._stepped(outcome)

    def _stepped(self, outcome: tuple[bool, Any]) -> None:
        self._busy = False
        if not outcome[0]:
            self.fail(outcome[1])
        if self.desired_size() > 0:
            self._ready.settle()
        self._step()


class WritableController(JsProxy):
    """What a sink is given."""

    __slots__ = ("_stream",)
    _js_name = "WritableStreamDefaultController"

    def __init__(self, stream: WritableStream) -> None:
        self._stream = stream

    def error(self, reason: Any = None) -> None:
        self._stream.fail(reason)


class Writer(JsProxy):
    """The holder of a writable stream's lock."""

    __slots__ = ("_stream",)
    _js_name = "WritableStreamDefaultWriter"

    def __init__(self, stream: WritableStream) -> None:
        self._stream: WritableStream | None = stream
        stream._writer = self

    @property
    def ready(self) -> JsPromise:
        return self._held()._ready

    @property
    def closed(self) -> JsPromise:
        return self._held().closed

    @property
    def desiredSize(self) -> Any:
        return self._held().desired_size()

    def write(self, chunk: Any = None) -> JsPromise:
        return self._held().put("write", chunk)

    def close(self) -> JsPromise:
        return self._held().put("close", None)

    def abort(self, reason: Any = None) -> JsPromise:
        return self._held().abort(reason)

    def releaseLock(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream._writer = None

    def _held(self) -> WritableStream:
        if self._stream is None:
            raise js_error("TypeError", "This WritableStream writer has been released.")
        return self._stream


class TransformStream(JsProxy):
    """What is written comes out of `readable`, transformed. A write waits until the reader asks for more."""

    __slots__ = ("__weakref__", "_flush", "_room", "_transform", "readable", "writable")
    _js_name = "TransformStream"

    def __init__(self, transformer: Any = None, writable_strategy: Any = None, readable_strategy: Any = None) -> None:
        self._transform = option(transformer, "transform")
        self._flush = option(transformer, "flush")
        self._room = JsPromise()
        high_water = float(option(readable_strategy, "highWaterMark", 0))
        self.readable = ReadableStream(self._wanted, self._cancelled, high_water=high_water)
        self.writable = WritableStream(
            self._write, self._close, self._aborted, high_water=float(option(writable_strategy, "highWaterMark", 1))
        )
        start = option(transformer, "start")
        if is_function(start):
            start(TransformController(self))
        self.readable._started = True
        if high_water > 0:
            self._room.settle()

    def _wanted(self, _controller: Any) -> None:
        self._room.settle()

    async def _write(self, chunk: Any, _controller: Any) -> None:
        await self._room
        try:
            if is_function(self._transform):
                await JsPromise.resolve(self._transform(chunk, TransformController(self)))
            else:
                self.pass_on(chunk)
        except Exception as error:
            self.readable.fail(error)
            raise
        if not self.readable._wants_chunk() and self.readable._state == "readable":
            self._room = JsPromise()

    async def _close(self) -> None:
        try:
            if is_function(self._flush):
                await JsPromise.resolve(self._flush(TransformController(self)))
        except Exception as error:
            self.readable.fail(error)
            raise
        if self.readable._state == "readable" and not self.readable._closing:
            self.readable.close()

    def pass_on(self, chunk: Any) -> None:
        """To the readable side."""
        self.readable.enqueue(chunk)

    def _aborted(self, reason: Any) -> None:
        self.readable.fail(reason)

    def _cancelled(self, reason: Any) -> None:
        self.writable.fail(js_error("TypeError", "The readable side was cancelled.") if reason is None else reason)
        self._room.settle()


class IdentityTransformStream(TransformStream):
    """Bytes in, the same bytes out."""

    __slots__ = ()
    _js_name = "IdentityTransformStream"

    def __init__(self, _options: Any = None) -> None:
        super().__init__()

    def pass_on(self, chunk: Any) -> None:
        if not isinstance(chunk, JsBuffer):
            raise js_error(
                "TypeError",
                "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView "
                "type on its writable side. If you wish to write a string, you'll probably want to explicitly UTF-8-encode it "
                "with TextEncoder.",
            )
        super().pass_on(chunk)


class FixedLengthStream(IdentityTransformStream):
    """An identity transform that must carry exactly `expected` bytes."""

    __slots__ = ("_left",)
    _js_name = "FixedLengthStream"

    def __init__(self, expected: int, _options: Any = None) -> None:
        super().__init__()
        self._left = int(expected)

    def pass_on(self, chunk: Any) -> None:
        super().pass_on(chunk)
        self._left -= chunk.byteLength
        if self._left < 0:
            raise js_error("TypeError", "Attempt to write too many bytes through a FixedLengthStream.")

    async def _close(self) -> None:
        if self._left > 0:
            error = js_error("TypeError", "FixedLengthStream did not see all expected bytes before close().")
            self.readable.fail(error)
            raise error
        await super()._close()


class TransformController(JsProxy):
    """What a transformer is given."""

    __slots__ = ("_stream",)
    _js_name = "TransformStreamDefaultController"

    def __init__(self, stream: TransformStream) -> None:
        self._stream = stream

    @property
    def desiredSize(self) -> Any:
        return self._stream.readable.desired_size()

    def enqueue(self, chunk: Any = None) -> None:
        self._stream.pass_on(chunk)

    def error(self, reason: Any = None) -> None:
        self._stream.readable.fail(reason)
        self._stream.writable.fail(reason)

    def terminate(self) -> None:
        self._stream.readable.close()
        self._stream.writable.fail(js_error("TypeError", "The transform was terminated."))
