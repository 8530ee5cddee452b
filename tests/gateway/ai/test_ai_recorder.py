"""What is stored of an answer, byte for byte, and what never is (A2, A30, A31, A37, A40)."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.classify import http_request
from emulator.gateway.ai.recorder.spool import Spool
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response
from emulator.gateway.failures import NetworkFailure

from .recording_tape import JSON, MODEL, SSE, Tape, asked, events


@pytest.fixture
def tape(tmp_path: Path) -> Tape:
    tape = Tape(tmp_path / "fixtures")
    tape.recorder.begin(AiMode.NEW)
    return tape


async def test_a_stream_is_replayed_with_its_bytes_splits_and_times(tape):
    chunks = [b'data: {"response":"He', b'llo"}\n\ndata: {"resp', b'onse":"x"}\n\n', b"data: [DONE]\n\n"]
    assert await tape.hear(asked(stream=True), chunks, SSE) == chunks
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert [(chunk.t_ms, chunk.data) for chunk in recording.answer().chunks] == list(zip((10, 20, 30, 40), chunks, strict=True))
    assert not recording.edited()
    events = recording.response["stream"]["events"]
    assert events[0] == {"t": 20, "json": {"response": "Hello"}}  # when its last byte came


async def test_each_event_has_a_line_of_its_own_and_the_file_is_sorted(tape):
    await tape.hear(asked(stream=True), events('{"response":"a"}', '{"response":"b"}'), SSE)
    tape.recorder.commit()
    (name,) = (name for name in tape.files() if name != "cassette.json")
    text = tape.files()[name].decode()
    assert '\n        {"t": 10, "json": {"response": "a"}},\n        {"t": 20, "json": {"response": "b"}},\n' in text
    assert text.endswith("}\n") and "\r" not in text
    document = json.loads(text)
    assert list(document) == sorted(document) and list(document["request"]) == sorted(document["request"])
    assert name == f"{document['id']}.json" == f"00-binding.run-model-{document['match']['key'][:8]}.json"
    assert document["recorded"]["at"] == "2026-11-22T11:02:03.000Z"


@pytest.mark.parametrize(
    "text",
    [
        '{"response": "He"}',
        '{"response":"He"}',
        '{"b":1,"a":2}',
        '{"a":1.0,"b":1e3,"c":12345678901234567890}',
        '{"a":"\\u00e9 \\/"}',
        '{"a":1,"a":2}',
        '{"a":NaN}',
        '{"a":"\\ud800"}',
        '[ {"x" : 1 } ]',
        '{\n  "id": "x",\n  "list": [\n    1\n  ]\n}',
        "not JSON",
        '"just text"',
        "null",
        "",
    ],
)
async def test_json_in_whatever_layout_comes_back_byte_for_byte(tape, text):
    data = text.encode()
    await tape.hear(asked("whole"), data)
    await tape.hear(asked("pieces"), [data[:3], data[3:]])
    await tape.hear(asked("event"), [b"data: " + data + b"\n\n"], SSE)
    await tape.hear(asked("line"), [data + b"\n"], [("content-type", "application/x-ndjson")])
    tape.recorder.commit()
    by_text = {recording.request.body["messages"][0]["content"]: tape.bytes_of(recording) for recording in tape.recordings()}
    assert by_text == {"whole": data, "pieces": data, "event": b"data: " + data + b"\n\n", "line": data + b"\n"}


async def test_json_stays_readable_when_the_layout_is_a_usual_one(tape):
    for layout, text in (("compact", '{"a":[1]}'), ("spaced", '{"a": [1]}'), ("indented", '{\n  "a": [\n    1\n  ]\n}')):
        await tape.hear(asked(layout), text.encode())
    tape.recorder.commit()
    responses = [recording.response for recording in tape.recordings()]
    assert all(response["json"] == {"a": [1]} for response in responses)
    assert sorted(response.get("layout", "compact") for response in responses) == ["compact", "indented", "spaced"]


async def test_binary_bodies_become_blobs_and_come_back_bit_for_bit(tape):
    png, song = b"\x89PNG\r\n\x1a\n" + bytes(range(256)), [bytes([255, 251]) + bytes(700), b"\x00\x01\xff"]
    await tape.hear(asked("draw"), png, [("content-type", "image/png")])
    await tape.hear(asked("sing"), song, [("content-type", "audio/mpeg")])
    tape.recorder.commit()
    draw, sing = sorted(tape.recordings(), key=lambda recording: recording.request.body["messages"][0]["content"])
    assert draw.answer().body == png
    assert [chunk.data for chunk in sing.answer().chunks] == song
    names = [name for name in tape.files() if name.startswith("blobs/")]
    assert sorted(names) == sorted(
        [f"blobs/{hashlib.sha256(png).hexdigest()[:16]}.png", f"blobs/{hashlib.sha256(b''.join(song)).hexdigest()[:16]}.mp3"]
    )


async def test_a_split_inside_a_code_point_is_kept(tape):
    data = 'data: {"response":"🌧"}\n\n'.encode()
    chunks = [data[:20], data[20:]]
    with pytest.raises(UnicodeDecodeError):
        chunks[0].decode()
    await tape.hear(asked(stream=True), chunks, SSE)
    await tape.hear(asked("plain"), chunks, [("content-type", "text/plain")])
    tape.recorder.commit()
    for recording in tape.recordings():
        assert [chunk.data for chunk in recording.answer().chunks] == chunks


async def test_a_long_body_becomes_a_blob_and_a_long_request_too(tape):
    long = json.dumps({"text": "x" * 20_000}).encode()
    await tape.hear(asked("y" * 20_000), long)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert recording.answer().body == long
    assert recording.request.body == asked("y" * 20_000).body
    assert recording.match["key"] == recording.key(())
    assert len([name for name in tape.files() if name.startswith("blobs/")]) == 2


async def test_what_a_binary_request_was_is_kept(tape):
    raw = bytes(range(256))
    request = http_request("POST", "https://api.example.com/v1/audio", [("content-type", "audio/wav")], raw)
    await tape.hear(request, b'{"text":"hi"}', body=raw)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert recording.request.body == request.body
    assert any(name.endswith(".wav") and data == raw for name, data in tape.files().items())


async def test_form_data_is_kept_part_by_part(tape):
    body = b'--B\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--B--\r\n'
    request = http_request("POST", "https://api.example.com/v1/x", [("content-type", "multipart/form-data; boundary=B")], body)
    await tape.hear(request, b"{}", body=body)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert recording.request.body == [{"name": "model", "filename": None, "body": "whisper-1"}]


async def test_a_chunk_goes_to_the_reader_before_it_is_noted(tape, monkeypatch):
    noted: list[bytes] = []
    add = Spool.add
    monkeypatch.setattr(Spool, "add", lambda self, t_ms, chunk: (noted.append(chunk), add(self, t_ms, chunk))[1])
    body = tape.tap(asked(), tape.reply(events('{"response":"a"}', '{"response":"b"}'), SSE)).response.body
    first = await anext(body)
    assert noted == []
    await anext(body)
    assert noted == [first]
    assert not list(tape.root.rglob("*.json"))


async def test_a_whole_body_is_handed_on_before_anything_is_written(tape):
    reply = tape.tap(asked(), tape.reply(b"{}", JSON))
    assert reply.response.body == b"{}" and not tape.root.exists()
    await asyncio.sleep(0)
    assert list(tape.root.rglob("*.json"))


async def test_a_stream_that_its_reader_left_is_not_stored_and_its_source_is_closed(tape):
    closed = False

    async def source():
        nonlocal closed
        try:
            for chunk in events('{"response":"a"}', '{"response":"b"}'):
                yield chunk
        finally:
            closed = True

    body = tape.tap(asked(), Reply(Response(200, list(SSE), source()), Source.BACKEND)).response.body
    await anext(body)
    await body.aclose()
    assert closed
    assert tape.recorder.commit().written == []
    assert tape.problems == [] and not list(tape.root.rglob("*.json"))


@pytest.mark.parametrize(
    "last",
    [
        b"data: [DONE]\n\n",
        b'event: message_stop\ndata: {"type":"message_stop"}\n\n',
        b'event: response.completed\r\ndata: {"type":"response.completed","response":{"x":"' + b"y" * 5000 + b'"}}\r\n\r\n',
    ],
)
async def test_a_stream_left_after_its_last_words_was_heard_in_full(tape, last):
    chunks = [b'data: {"response":"a"}\n\n', last, b"never asked for"]
    body = tape.tap(asked(), tape.reply(chunks, SSE)).response.body
    await anext(body)
    await anext(body)
    await body.aclose()
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert [chunk.data for chunk in recording.answer().chunks] == chunks[:2]


async def test_a_reader_that_is_cancelled_has_left(tape):
    never = asyncio.Event()

    async def source():
        yield b'data: {"response":"a"}\n\n'
        await never.wait()

    body = tape.tap(asked(), Reply(Response(200, list(SSE), source()), Source.BACKEND)).response.body
    await anext(body)
    waiting = asyncio.ensure_future(anext(body))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert tape.recorder.commit().written == []


async def test_a_stream_that_broke_off_is_told_and_not_stored(tape):
    failure = NetworkFailure.lost("the server went away")
    body = tape.tap(asked(), tape.reply(events('{"response":"a"}'), SSE, failure=failure)).response.body
    with pytest.raises(NetworkFailure):
        [chunk async for chunk in body]
    summary = tape.recorder.commit()
    assert summary.written == [] and summary.committed
    (problem,) = summary.problems
    assert problem.code == "E509" and "went away" in problem.what and MODEL in problem.where
    assert tape.problems == [problem]


@pytest.mark.parametrize("source", [Source.RECORDING, Source.STUB, Source.CACHE, Source.FAULT, Source.NONE])
async def test_only_what_a_real_server_said_is_stored(tape, source):
    reply = Reply(Response(200, list(JSON), b"{}"), source)
    assert tape.tap(asked(), reply) is reply
    assert tape.recorder.commit().written == []


async def test_headers_of_an_answer_are_kept_by_a_list(tape):
    headers = [
        ("Content-Type", "application/json"),
        ("CF-AI-Neurons", "12"),
        ("Retry-After", "2"),
        ("Set-Cookie", "a=b"),
        ("X-Request-Id", "r1"),
    ]
    headers += [("Authorization", "x"), ("Link", "<a>"), ("link", "<b>"), ("Location", "https://x/?a=1&token=abc&b=2")]
    tape.recorder.begin(AiMode.RECORD)
    await tape.hear(asked(), b"{}", headers, 429)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    assert recording.response["headers"] == {
        "cf-ai-neurons": "12",
        "content-type": "application/json",
        "link": "<a>, <b>",
        "location": "https://x/?a=1&token={{secret:query}}&b=2",
        "retry-after": "2",
    }
    assert recording.response["status"] == 429


async def test_the_scope_and_sdk_headers_are_not_in_the_file(tape):
    request = http_request(
        "POST",
        "https://api.openai.com/v1/responses",
        [("x-emulator-scope", "t1"), ("user-agent", "OpenAI/JS 6"), ("x-stainless-retry-count", "0"), ("openai-beta", "x=1")],
        b'{"model":"gpt-4o"}',
    )
    await tape.hear(request, b"{}", cassette="t1")
    tape.recorder.commit()
    (recording,) = tape.recordings("t1")
    assert recording.request.headers == {"openai-beta": "x=1"}
    assert recording.id.startswith("00-http-gpt-4o-")
    for word in (b"stainless", b"user-agent", b"x-emulator-scope"):
        assert word not in tape.everything()


async def test_an_answer_in_an_unknown_coding_is_told_and_not_stored(tape):
    await tape.hear(asked(), b"\x28\xb5\x2f\xfd", [*JSON, ("content-encoding", "zstd")])
    assert [problem.code for problem in tape.recorder.commit().problems] == ["E509"]
    await tape.hear(asked(), b"{}", [*JSON, ("content-encoding", "gzip")])  # unpacked on its way in
    tape.recorder.commit()
    assert tape.recordings()[0].answer().body == b"{}"


async def test_an_answer_without_a_body(tape):
    await tape.hear(ModelRequest(Kind.HTTP, "DELETE https://api.example.com/x"), b"", [], 204)
    tape.recorder.commit()
    (recording,) = tape.recordings()
    answer = recording.answer()
    assert (answer.status, answer.headers, answer.body) == (204, [], b"")


async def test_usage_and_cost_go_with_it(tmp_path):
    tape = Tape(tmp_path)
    tape.recorder._price = lambda request, usage: usage["prompt_tokens"] / 1000
    tape.recorder.begin(AiMode.NEW)
    reply = tape.reply(b"{}", JSON)
    reply.usage = {"prompt_tokens": 5, "completion_tokens": 2}
    tape.tap(asked(), reply)
    tape.recorder.commit()
    document = json.loads(next(data for name, data in tape.files().items() if name != "cassette.json"))
    assert document["usage"] == {"prompt_tokens": 5, "completion_tokens": 2} and document["cost_usd"] == 0.005


async def test_an_edited_event_is_delivered_and_the_recording_counts_as_edited(tape):
    await tape.hear(asked(stream=True), [b'data: {"response":"a"}\n\ndata: {"resp', b'onse":"b"}\n\ndata: [DONE]\n\n'], SSE)
    (file,) = tape.recorder.commit().written
    file.write_text(file.read_text().replace('{"response": "a"}', '{"response": "edited"}'))
    (recording,) = tape.recordings()
    assert recording.edited()
    assert [chunk.data for chunk in recording.answer().chunks] == events('{"response":"edited"}', '{"response":"b"}')


async def test_fifty_megabytes_pass_with_flat_memory(tape):
    import tracemalloc

    piece = bytes(range(256)) * 256
    count = 50 * 1024 * 1024 // len(piece)
    digest = hashlib.sha256()
    body = tape.tap(asked("film"), tape.reply((piece for _ in range(count)), [("content-type", "video/mp4")])).response.body
    tracemalloc.start()
    async for chunk in body:
        digest.update(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    tape.recorder.commit()
    (recording,) = tape.recordings()
    answer = recording.answer()
    assert len(answer.chunks) == count
    assert hashlib.sha256(b"".join(chunk.data for chunk in answer.chunks)).hexdigest() == digest.hexdigest()


async def test_a_long_stream_of_tiny_chunks_keeps_few_splits():
    spool = Spool()
    for number in range(200_000):
        spool.add(number, b"x")
    assert len(spool.splits) <= 50_010 and sum(size for _, size in spool.splits) == 200_000
    spool.close()


async def test_a_full_disk_does_not_reach_the_reader(tape, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("emulator.gateway.ai.recorder.staging.write_atomically", full)
    assert await tape.hear(asked(), [b"{}"]) == [b"{}"]
    with pytest.raises(Exception, match="No space left") as error:
        tape.recorder.commit()
    assert error.value.code == "E508"
    monkeypatch.undo()
    monkeypatch.setattr(Spool, "add", lambda self, t_ms, chunk: setattr(self, "failure", OSError(28, "No space left on device")))
    assert await tape.hear(asked(), [b"{}"]) == [b"{}"]
    assert [problem.code for problem in tape.recorder.commit().problems] == ["E508"]
    assert tape.files() == {}
