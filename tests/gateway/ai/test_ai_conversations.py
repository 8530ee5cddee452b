"""Conversations with models over a WebSocket: frames as lines, the stub's protocols, recordings with a direction."""

from __future__ import annotations

import asyncio
import json
from urllib.parse import urlencode

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.cassettes.decoding import event_of, events_of
from emulator.gateway.ai.cassettes.encoding import encode_event
from emulator.gateway.ai.cassettes.frames import Inbox, Lines, line, message_of
from emulator.gateway.ai.stub.stub_sockets import stub_conversation
from emulator.gateway.exchange import Request

from .conftest import read_json

FLUX, NOVA, AURA = "@cf/deepgram/flux", "@cf/deepgram/nova-3", "@cf/deepgram/aura-1"


@pytest.mark.parametrize("message", ["plain", "{}", '{"a":1}', '{"a": 1}', "[1,2]", "", "1", "\ud800", "a\nb", b"", b"\x00\xff"])
def test_frames_come_back_as_they_were(message):
    data = line("in", message)
    (frame,) = Lines().feed(data)
    assert message_of(frame) == message
    event = event_of("websocket", data, 5)
    assert (event["t"], event["dir"]) == (5, "in")
    assert encode_event("websocket", event) == data


def test_lines_may_be_cut_anywhere():
    data = line("in", "one") + line("out", b"two")
    lines = Lines()
    frames = [frame for at in range(len(data)) for frame in lines.feed(data[at : at + 1])]
    assert [message_of(frame) for frame in frames] == ["one", b"two"]
    assert [event["dir"] for event in events_of("websocket", data, [(1, len(data))])] == ["in", "out"]
    with pytest.raises(ValueError, match="object"):
        list(Lines().feed(b"[]\n"))


async def test_an_inbox_is_read_and_counted_apart():
    inbox = Inbox()
    waiting = asyncio.create_task(inbox.heard(2))
    inbox.put("a")
    assert await inbox.next() == "a"
    inbox.put("b")
    assert await waiting
    inbox.close()
    assert await inbox.next() == "b"
    assert await inbox.next() is None
    assert not await inbox.heard(3)


async def said(model, *messages):
    inbox = Inbox()
    for message in messages:
        inbox.put(message)
    inbox.close()
    frames = stub_conversation(ModelRequest(Kind.WEBSOCKET, model, {}), inbox)
    found = [frame async for chunk in frames for frame in Lines().feed(chunk)]
    return [message_of(frame) for frame in found if frame["dir"] == "in"]


async def test_flux_hears_turns():
    heard = [json.loads(text) for text in await said(FLUX, *[b"\x00"] * 6, '{"type":"CloseStream"}')]
    assert [event["event"] for event in heard] == ["StartOfTurn", *["Update"] * 5, "EndOfTurn", "StartOfTurn", "Update", "EndOfTurn"]
    assert [event["turn_index"] for event in heard] == [0] * 7 + [1] * 3
    assert [event["sequence_id"] for event in heard] == list(range(10))
    assert heard[6]["transcript"] == "This is the stub listening."
    assert await said(FLUX, '{"type":"Configure"}', "nonsense") == []


async def test_nova_gives_results():
    heard = [json.loads(text) for text in await said(NOVA, b"\x00", b"\x00", '{"type":"Finalize"}', '{"type":"CloseStream"}')]
    assert [(event["type"], event.get("is_final")) for event in heard][:3] == [("Results", False), ("Results", False), ("Results", True)]
    assert heard[2]["channel"]["alternatives"][0]["transcript"] == "This is"


async def test_aura_speaks():
    heard = await said(AURA, '{"type":"Speak","text":"Hi"}', '{"type":"Flush"}', '{"type":"Flush"}', '{"type":"Clear"}', '{"type":"Close"}')
    assert isinstance(heard[0], bytes)
    assert [json.loads(text)["type"] for text in heard[1:]] == ["Flushed", "Flushed", "Cleared"]


async def test_other_models_hold_none():
    assert stub_conversation(ModelRequest(Kind.WEBSOCKET, "@cf/meta/llama-3.1-8b-instruct", {}), Inbox()) is None


async def converse(b, model, inputs, inbox):
    query = urlencode({"version": "3", "body": json.dumps({"inputs": inputs, "options": {"websocket": True}})})
    request = Request("GET", f"https://workers-binding.ai/run?{query}", [("cf-consn-model-id", model), ("upgrade", "websocket")])
    return await b.service.converse(request, inbox)


async def test_a_written_recording_answers(bench, cassettes):
    events = [{"t": 0, "json": {"event": "hello"}}, {"t": 5, "dir": "out", "text": "x"}, {"t": 9, "dir": "in", "b64": "AAE="}]
    cassettes.write(
        "00-talk",
        {
            "request": {"kind": "binding.websocket", "target": FLUX, "body": {"encoding": "linear16"}},
            "response": {"status": 101, "stream": {"framing": "websocket", "events": events}},
        },
    )
    b = bench(AiMode.REPLAY)
    inbox = Inbox()
    response = await converse(b, FLUX, {"encoding": "linear16"}, inbox)
    assert (response.status, inbox.replayed) == (101, True)
    lines = Lines()
    frames = [frame async for chunk in response.body for frame in lines.feed(chunk)]
    assert [(frame["dir"], message_of(frame)) for frame in frames] == [("in", '{"event":"hello"}'), ("out", "x"), ("in", b"\x00\x01")]
    assert (b.events[0]["call"], b.events[0]["status"], b.events[0]["recording"]) == ("binding.websocket", 101, "default/00-talk")


async def test_a_replay_without_a_recording_is_a_miss(bench):
    response = await converse(bench(AiMode.REPLAY), FLUX, {}, Inbox())
    error = await read_json(response)
    assert (response.status, error["internalCode"]) == (400, 9901)


async def test_a_request_that_no_client_sends(bench):
    b = bench(AiMode.AUTO)
    response = await b.service.converse(Request("GET", "https://workers-binding.ai/run?version=3", []), Inbox())
    assert response.status == 400
