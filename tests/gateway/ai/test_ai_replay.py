"""Replay: bytes, chunk boundaries and rhythm (A1, A30, A31, A40 of ai-binding.md 9)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json

import pytest

from emulator.config.speed import Speed
from emulator.gateway.ai.answers import Answer, Chunk, StreamEnd
from emulator.gateway.ai.replay import Pacer, play
from emulator.gateway.failures import NetworkFailure

from .conftest import FakeClock, read

SSE = {"content-type": "text/event-stream"}
EVENTS = [{"t": 0, "json": {"response": "He"}}, {"t": 120, "json": {"response": "llo"}}, {"t": 240, "text": "[DONE]"}]
BYTES = b'data: {"response":"He"}\n\ndata: {"response":"llo"}\n\ndata: [DONE]\n\n'


def streamed(cassettes, events, **stream):
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "hi", "stream": True}}
    response = {"status": 200, "headers": SSE, "stream": {"framing": "sse", "events": events, **stream}}
    return cassettes.write("00-stream", {"request": request, "response": response})


async def ask(bench):
    return await bench.run({"prompt": "hi", "stream": True})


async def test_a_stream_keeps_its_bytes_its_chunks_and_its_rhythm(bench, cassettes):
    streamed(cassettes, EVENTS, sha256=hashlib.sha256(BYTES).hexdigest())
    b = bench(speed="1x")
    seen = []
    response = await ask(b)
    async for chunk in response.body:
        seen.append((b.clock.ms, chunk))
    assert [at for at, _ in seen] == [0, 120, 240]
    assert b"".join(chunk for _, chunk in seen) == BYTES


async def test_the_schedule_is_absolute_so_a_slow_reader_does_not_stretch_it(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench(speed="1x")
    at = []
    async for _ in (await ask(b)).body:
        at.append(b.clock.ms)
        b.clock.ms += 90
    assert at == [0, 120, 240]


async def test_a_factor_divides_every_time(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench(speed="4x")
    at = [b.clock.ms async for _ in (await ask(b)).body]
    assert at == [0, 30, 60]


async def test_instant_waits_for_nothing_and_yields_once_per_chunk(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench()
    assert await read(await ask(b)) == BYTES
    assert b.clock.slept_ms == [0, 0, 0]


async def test_transport_chunks_are_kept_even_inside_a_code_point(bench, cassettes):
    events = [{"t": 5, "json": {"response": "\u00e9"}}]
    data = 'data: {"response":"\u00e9"}\n\n'.encode()
    cut = data.index("\u00e9".encode()) + 1
    streamed(cassettes, events, chunks=[[5, cut], [9, len(data) - cut]], sha256=hashlib.sha256(data).hexdigest())
    chunks = [chunk async for chunk in (await ask(bench())).body]
    assert chunks == [data[:cut], data[cut:]]


async def test_an_edited_event_is_delivered_event_by_event(bench, cassettes):
    edited = [EVENTS[0], {"t": 120, "json": {"response": "LLO"}}, EVENTS[2]]
    streamed(cassettes, edited, chunks=[[240, len(BYTES)]], sha256=hashlib.sha256(BYTES).hexdigest())
    b = bench()
    chunks = [chunk async for chunk in (await ask(b)).body]
    assert chunks == [b'data: {"response":"He"}\n\n', b'data: {"response":"LLO"}\n\n', b"data: [DONE]\n\n"]
    assert next(b.playback.library.shelf().recordings).edited()


@pytest.mark.parametrize("raw", ['data: {"response": "He"}\n\n', 'data:{"response":"He"}\r\n\r\n', ": ping\n\n"])
async def test_a_providers_own_spacing_survives_through_raw(bench, cassettes, raw):
    streamed(cassettes, [{"t": 0, "raw": raw}], sha256=hashlib.sha256(raw.encode()).hexdigest())
    assert await read(await ask(bench())) == raw.encode()


async def test_named_events_ids_and_lines_are_framed(bench, cassettes):
    streamed(cassettes, [{"t": 0, "event": "ping", "id": "7", "text": "a\nb"}])
    assert await read(await ask(bench())) == b"event: ping\nid: 7\ndata: a\ndata: b\n\n"


async def test_other_framings(bench, cassettes):
    lines = {"framing": "ndjson", "events": [{"t": 0, "json": {"a": 1}}, {"t": 0, "json": {"b": 2}}]}
    raw = {"framing": "bytes", "events": [{"t": 0, "b64": base64.b64encode(b"\xff\x00").decode()}, {"t": 0, "text": "x"}]}
    for name, stream in (("ndjson", lines), ("bytes", raw)):
        request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": name}}
        cassettes.write(f"00-{name}", {"request": request, "response": {"status": 200, "stream": stream}})
    b = bench()
    assert await read(await b.run({"prompt": "ndjson"})) == b'{"a":1}\n{"b":2}\n'
    assert await read(await b.run({"prompt": "bytes"})) == b"\xff\x00x"


async def test_a_torn_recording_tears_after_its_last_chunk_and_a_cut_one_just_ends(bench, cassettes):
    path = streamed(cassettes, EVENTS[:1], end="reset")
    b = bench(speed="instant")
    body = aiter((await ask(b)).body)
    assert await anext(body) == b'data: {"response":"He"}\n\n'
    with pytest.raises(NetworkFailure) as failure:
        await anext(body)
    assert (failure.value.user_message, failure.value.retryable) == ("Network connection lost.", True)
    assert (b.events[-1]["problem"], b.events[-1]["code"]) == ("the recording ends with a torn connection", "E601")
    document = json.loads(path.read_text())
    document["response"]["stream"]["end"] = "eof"
    path.write_text(json.dumps(document))
    assert await read(await ask(b)) == b'data: {"response":"He"}\n\n'


async def test_binary_bodies_come_bit_exact_from_blobs(bench, cassettes):
    data = bytes(range(256)) * 100
    folder = cassettes.folder() / "blobs"
    folder.mkdir()
    (folder / "pixel.png").write_bytes(data)
    blob = {"file": "blobs/pixel.png", "sha256": hashlib.sha256(data).hexdigest(), "media_type": "image/png", "bytes": len(data)}
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "a pixel"}}
    cassettes.write("00-image", {"request": request, "response": {"status": 200, "blob": blob}})
    response = await bench().run({"prompt": "a pixel"})
    assert response.header("content-type") == "image/png"
    assert await read(response) == data


async def test_the_first_byte_of_a_plain_answer_waits_too(bench, cassettes):
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "slow"}}
    cassettes.write("00-slow", {"request": request, "response": {"status": 200, "t": 800, "json": {"response": "ok"}}})
    b = bench(speed="2x")
    await b.run({"prompt": "slow"})
    assert b.clock.ms == 400


async def test_headers_that_belong_to_one_connection_are_not_replayed(bench, cassettes):
    headers = {"content-length": "999", "content-encoding": "gzip", "transfer-encoding": "chunked", "x-kept": "yes"}
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "h"}}
    cassettes.write("00-h", {"request": request, "response": {"status": 200, "headers": headers, "json": {}}})
    names = {name for name, _ in (await bench().run({"prompt": "h"})).headers}
    assert names == {"x-kept", "content-type", "cf-ai-req-id"}


async def test_a_reader_that_leaves_is_reported_once_with_what_it_read(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench()
    response = await ask(b)
    await anext(aiter(response.body))
    await response.body.aclose()
    await response.body.aclose()
    assert [(event["chunks"], event["problem"]) for event in b.events] == [(1, None)]


async def test_a_reader_that_never_starts_is_reported_too(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench()
    await (await ask(b)).body.aclose()
    assert [event["chunks"] for event in b.events] == [0]


async def test_a_cancelled_reader_is_not_a_failure(bench, cassettes):
    streamed(cassettes, EVENTS)
    b = bench()
    response = await ask(b)
    reader = asyncio.ensure_future(anext(aiter(response.body)))
    await asyncio.sleep(0)
    reader.cancel()
    await asyncio.wait([reader])
    await response.body.aclose()
    assert [event["problem"] for event in b.events] == [None]


async def test_instant_yields_between_chunks_so_others_run():
    answer = Answer(200, chunks=tuple(Chunk(0, b"x") for _ in range(50)))
    turns, reading = 0, True

    async def others():
        nonlocal turns
        while reading:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(others())
    await read(await play(answer, Pacer(Speed(None))))
    reading = False
    await task
    assert turns >= 50


async def test_play_takes_the_start_of_the_request_when_given():
    clock = FakeClock()
    clock.ms = 100
    answer = Answer(200, chunks=(Chunk(150, b"x"),), end=StreamEnd.COMPLETE)
    await read(await play(answer, Pacer(Speed(1.0), clock.now_ms, clock.sleep), started_ms=0))
    assert clock.ms == 150


@pytest.mark.parametrize(("text", "shown"), [("instant", "instant"), ("1x", "1x"), ("2.5x", "2.5x")])
def test_speeds(text, shown):
    assert str(Speed.parse(text)) == shown


@pytest.mark.parametrize("text", ["", "fast", "0x", "-1x", "infx", "nanx", "profile:", "profile:tps=0", "profile:fast=1"])
def test_what_is_no_speed(text):
    with pytest.raises(ValueError, match="a factor such as"):
        Speed.parse(text)
