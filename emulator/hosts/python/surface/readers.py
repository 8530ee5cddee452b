"""Both ends of a ReadableStream: the controller its source holds, and the readers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .buffers import JsBuffer, TypedArray, Uint8Array
from .errors import js_error
from .promise import JsPromise
from .values import JsObject, JsProxy

if TYPE_CHECKING:
    from .readable import ReadableStream

END: Final = object()  # what a read gives when the stream is closed


class ReadableController(JsProxy):
    """What `start` and `pull` of an underlying source are given."""

    __slots__ = ("_stream",)

    def __init__(self, stream: ReadableStream) -> None:
        self._stream = stream

    _js_name = "ReadableStreamDefaultController"

    @property
    def desiredSize(self) -> Any:
        return self._stream.desired_size()

    @property
    def byobRequest(self) -> None:
        """Sources always enqueue; there is no buffer of the reader's to fill."""
        return

    def enqueue(self, chunk: Any = None) -> None:
        self._stream.enqueue(chunk)

    def close(self) -> None:
        self._stream.close()

    def error(self, reason: Any = None) -> None:
        self._stream.fail(reason)


class Reader(JsProxy):
    """The holder of a stream's lock."""

    __slots__ = ("_stream", "closed")
    _js_name = "ReadableStreamDefaultReader"

    def __init__(self, stream: ReadableStream) -> None:
        self._stream: ReadableStream | None = stream
        stream._reader = self
        self.closed = JsPromise()
        self.closed.mark_handled()
        if stream._state == "closed":
            self.closed.settle()
        elif stream._state == "errored":
            self.settle_closed(stream._error)

    def settle_closed(self, error: BaseException | None) -> None:
        if error is None:
            self.closed.settle()
        else:
            self.closed.fail(error)

    def read(self) -> JsPromise:
        """A promise of `{done, value}`."""
        taken = self._held().take()
        result = JsPromise()
        taken._react(lambda outcome: result.settle(read_result(outcome[1])) if outcome[0] else result.fail(outcome[1]))
        return result

    def cancel(self, reason: Any = None) -> JsPromise:
        return self._held().drop(reason)

    def releaseLock(self) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        stream._reader = None
        error = js_error("TypeError", "This reader has been released.")
        while stream._requests:
            stream._requests.popleft().fail(error)
        if not self.closed.done:
            self.closed.fail(error)

    def _held(self) -> ReadableStream:
        if self._stream is None:
            raise js_error("TypeError", "This ReadableStream reader has been released.")
        return self._stream


class ByobReader(Reader):
    """Reads into the caller's view: `read(view)` gives a view of the same buffer with what fitted."""

    __slots__ = ()
    _js_name = "ReadableStreamBYOBReader"

    def read(self, view: TypedArray) -> JsPromise:  # type: ignore[override]
        return JsPromise.from_awaitable(self._read(view))

    async def _read(self, view: TypedArray) -> JsObject:
        stream = self._held()
        chunk = await stream.take()
        if chunk is END:
            return JsObject({"done": True, "value": view.subarray(0, 0)})
        data = chunk_bytes(chunk)
        room = view.byteLength
        if len(data) > room:
            stream._queue.appendleft((Uint8Array(data[room:]), len(data) - room))
            stream._size += len(data) - room
            if stream._state == "closed":  # what did not fit is still to be read
                stream._state, stream._closing = "readable", True
            data = data[:room]
        start = view.byteOffset
        view.buffer.writable()[start : start + len(data)] = data
        return JsObject({"done": False, "value": view.subarray(0, len(data) // view.BYTES_PER_ELEMENT)})


def read_result(chunk: Any) -> JsObject:
    return JsObject({"done": True, "value": None} if chunk is END else {"done": False, "value": chunk})


def chunk_bytes(chunk: Any) -> bytes:
    """A chunk of a body as bytes; TypeError for anything but a buffer, as the platform says it."""
    if isinstance(chunk, JsBuffer):
        return chunk.to_bytes()
    raise js_error("TypeError", "This ReadableStream did not return bytes.")
