"""ReadableStream, WritableStream and TransformStream: order, backpressure, errors, cancellation."""

from __future__ import annotations

import asyncio

import pytest

from emulator.hosts.python.surface.buffers import ArrayBuffer, Uint8Array
from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.convert import create_proxy
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.readable import ReadableStream
from emulator.hosts.python.surface.text import TextDecoder, TextEncoder
from emulator.hosts.python.surface.values import JsObject, constructor_of
from emulator.hosts.python.surface.writable import FixedLengthStream, IdentityTransformStream, TransformStream, WritableStream

readable = constructor_of(ReadableStream).new
writable = constructor_of(WritableStream).new
transform = constructor_of(TransformStream).new


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def collect(stream) -> list:
    return [chunk async for chunk in stream]


async def test_start_enqueues_and_closes():
    def start(controller):
        controller.enqueue("a")
        controller.enqueue("b")
        controller.close()

    assert await collect(readable(start=start)) == ["a", "b"]


async def test_pull_follows_demand():
    pulled = []

    def pull(controller):
        pulled.append(len(pulled))
        controller.enqueue(pulled[-1])

    reader = readable(pull=create_proxy(pull)).getReader()
    await turns()
    assert pulled == [0]  # one chunk ahead: the default high water mark
    assert (await reader.read()).value == 0
    await turns()
    assert pulled == [0, 1]
    lazy = readable(JsObject({"pull": pull}), JsObject({"highWaterMark": 0}))
    await turns()
    assert len(pulled) == 2
    assert (await lazy.getReader().read()).value == 2


async def test_read_results_and_locks():
    stream = readable(start=lambda controller: controller.close())
    reader = stream.getReader()
    assert stream.locked is True
    with pytest.raises(JsException, match="locked"):
        stream.getReader()
    result = await reader.read()
    assert (result.done, result.value) == (True, None)
    await reader.closed
    reader.releaseLock()
    assert stream.locked is False
    with pytest.raises(JsException, match="released"):
        reader.read()


async def test_failing_pull_breaks_the_stream():
    async def pull(controller):
        raise ValueError("broken")

    stream = readable(pull=pull)
    with pytest.raises(ValueError, match="broken"):
        await collect(stream)


async def test_controller_error_reaches_waiting_reader():
    held = []
    reader = readable(start=held.append).getReader()
    waiting = reader.read()
    held[0].error(js_error("RangeError", "stop"))
    with pytest.raises(JsException, match="RangeError: stop"):
        await waiting
    with pytest.raises(JsException, match="RangeError: stop"):
        await reader.closed


async def test_cancel_tells_the_source_why():
    reasons = []
    stream = readable(cancel=reasons.append)
    await stream.cancel("enough")
    assert reasons == ["enough"]
    assert await collect(stream) == []


async def test_leaving_an_iteration_cancels():
    reasons = []
    stream = readable(pull=lambda controller: controller.enqueue(1), cancel=reasons.append)
    iterator = aiter(stream)
    assert await anext(iterator) == 1
    await iterator.aclose()
    assert len(reasons) == 1


async def test_tee_gives_both_everything():
    count = iter(range(3))

    def pull(controller):
        number = next(count, None)
        if number is None:
            controller.close()
        else:
            controller.enqueue(number)

    left, right = readable(pull=pull).tee()
    assert await asyncio.gather(collect(left), collect(right)) == [[0, 1, 2], [0, 1, 2]]


async def test_tee_cancels_the_source_when_both_do():
    reasons = []
    left, right = readable(pull=lambda controller: None, cancel=reasons.append).tee()
    first = left.cancel("a")
    await turns()
    assert reasons == []
    await right.cancel("b")
    await first
    assert len(reasons) == 1


async def test_byte_stream_and_byob():
    stream = readable(start=lambda controller: (controller.enqueue(Uint8Array(b"abcdef")), controller.close()), type="bytes")
    reader = stream.getReader(mode="byob")
    first = await reader.read(Uint8Array(bytearray(4)))
    second = await reader.read(Uint8Array(bytearray(4)))
    third = await reader.read(Uint8Array(bytearray(4)))
    assert (first.value.to_bytes(), second.value.to_bytes(), third.done) == (b"abcd", b"ef", True)
    with pytest.raises(JsException, match="ArrayBuffer"):
        readable(start=lambda controller: controller.enqueue("text"), type="bytes")


async def test_from_python_iterables():
    async def generate():
        yield 1
        await asyncio.sleep(0)
        yield 2

    assert await collect(constructor_of(ReadableStream).from_(generate())) == [1, 2]
    assert await collect(constructor_of(ReadableStream).from_([3, 4])) == [3, 4]


async def test_writes_arrive_in_order_one_at_a_time():
    seen, busy = [], 0

    async def write(chunk, controller):
        nonlocal busy
        busy += 1
        assert busy == 1
        await asyncio.sleep(0)
        seen.append(chunk)
        busy -= 1

    writer = writable(write=write, close=lambda: seen.append("closed")).getWriter()
    writes = [writer.write(number) for number in range(3)]
    assert writer.desiredSize == 0
    await writer.close()
    assert seen == [0, 1, 2, "closed"]
    for promise in writes:
        await promise
    with pytest.raises(JsException, match="closed"):
        await writer.write(1)


async def test_ready_is_backpressure():
    gate = asyncio.Event()
    writer = writable(write=lambda chunk, controller: gate.wait()).getWriter()
    await writer.ready
    first = writer.write(1)
    waiting = asyncio.ensure_future(writer.ready)
    await turns()
    assert not waiting.done()
    gate.set()
    await first
    await waiting


async def test_sink_failure_reaches_every_writer():
    async def write(chunk, controller):
        raise ValueError("full")

    writer = writable(write=write).getWriter()
    with pytest.raises(ValueError, match="full"):
        await writer.write(1)
    with pytest.raises(ValueError, match="full"):
        await writer.write(2)
    with pytest.raises(ValueError, match="full"):
        await writer.closed


async def test_transform_write_waits_for_the_reader():
    stream = transform()
    writer = stream.writable.getWriter()
    write = asyncio.ensure_future(writer.write("a"))
    await turns()
    assert not write.done()
    reader = stream.readable.getReader()
    assert (await reader.read()).value == "a"
    await write
    second, end = writer.write("b"), writer.close()
    assert (await reader.read()).value == "b"
    assert (await reader.read()).done is True
    await second
    await end


async def test_transformer_and_flush():
    def step(chunk, controller):
        controller.enqueue(chunk.upper())
        controller.enqueue("-")

    stream = transform(transform=step, flush=lambda controller: controller.enqueue("end"))
    source = ReadableStream.from_(["a", "b"])
    assert await collect(source.pipeThrough(stream)) == ["A", "-", "B", "-", "end"]


async def test_cancelling_the_readable_side_stops_writers():
    stream = transform()
    writer = stream.writable.getWriter()
    write = writer.write("a")
    await turns()
    await stream.readable.cancel("gone")
    with pytest.raises(JsException):
        await write
    with pytest.raises(JsException):
        await writer.write("b")


async def test_identity_and_fixed_length_are_for_bytes():
    identity = IdentityTransformStream()
    writer = identity.writable.getWriter()
    reader = identity.readable.getReader()
    read = reader.read()
    with pytest.raises(JsException, match="used as a byte stream"):
        await writer.write("text")
    with pytest.raises(JsException, match="used as a byte stream"):
        await read
    fixed = FixedLengthStream(3)
    fixed_writer = fixed.writable.getWriter()
    read = fixed.readable.getReader().read()
    await fixed_writer.write(ArrayBuffer(b"ab"))
    assert (await read).value.byteLength == 2
    with pytest.raises(JsException, match="expected bytes"):
        await fixed_writer.close()


async def test_pipe_to_passes_errors_on():
    async def pull(controller):
        raise ValueError("source")

    aborted = []
    target = writable(abort=aborted.append)
    with pytest.raises(ValueError, match="source"):
        await readable(pull=pull).pipeTo(target)
    assert len(aborted) == 1


def test_text_codecs():
    assert TextEncoder().encode("é\ud800").to_bytes() == "é\ufffd".encode()
    decoder = TextDecoder()
    first = decoder.decode(Uint8Array(b"\xc3"), JsObject({"stream": True}))
    assert first + decoder.decode(Uint8Array(b"\xa9")) == "é"
    with pytest.raises(JsException, match="TypeError"):
        TextDecoder("utf-8", JsObject({"fatal": True})).decode(Uint8Array(b"\xff"))
    with pytest.raises(JsException, match="RangeError"):
        TextDecoder("nonsense")
    assert JsArray([TextDecoder().encoding])[0] == "utf-8"
