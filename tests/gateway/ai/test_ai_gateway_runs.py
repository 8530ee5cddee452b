"""Resumable streams (ai-binding.md 2.1; the server's side of A20)."""

from __future__ import annotations

import asyncio

import pytest

from emulator.config.ai import GatewayConfig
from emulator.gateway.ai.ai_gateway import run_ids
from emulator.gateway.ai.ai_gateway.run_ids import EXPIRY_MS, Run, RunReader
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Response

from .gateway_bench import MODEL, SSE, Bench, Stream, entry, events, lost, run_request, streamed, universal

TEN = events(*(f"t{number}" for number in range(9)))
ASKED = {"messages": [], "stream": True}


async def started(b: Bench, body: Stream, name: str = "openai/gpt-5") -> tuple[Reply, str]:
    reply, outcome = await b.start(run_request(ASKED, name=name), b.model(streamed(body)))
    assert outcome.run_id is not None
    assert dict(reply.response.headers)["cf-aig-run-id"] == outcome.run_id
    return reply, outcome.run_id


async def rest(response: Response) -> list[bytes]:
    assert not isinstance(response.body, bytes)
    return [chunk async for chunk in response.body]


async def test_a_dropped_stream_goes_on_where_it_was_left():
    b = Bench()
    body = Stream([*TEN[:6], 10_000, *TEN[6:]], b.clock)
    reply, run_id = await started(b, body)
    stream = reply.response.body
    assert not isinstance(stream, bytes)
    assert [await anext(stream) for _ in range(5)] == TEN[:5]
    await reply.response.aclose()
    resumed = await b.gateway.resume("g", run_id, 5)
    assert (resumed.status, dict(resumed.headers)["content-type"], dict(resumed.headers)["cf-aig-run-id"]) == (
        200,
        "text/event-stream",
        run_id,
    )
    assert await b.clock.run(rest(resumed)) == TEN[5:]
    assert (body.given, b.row(dict(reply.response.headers)["cf-aig-log-id"])["success"]) == (10, True)
    assert await rest(await b.gateway.resume("g", run_id, 0)) == TEN
    assert await rest(await b.gateway.resume("g", run_id, 9)) == TEN[9:]
    assert await rest(await b.gateway.resume("g", run_id, 10)) == []
    assert await rest(await b.gateway.resume("g", run_id, -3)) == TEN


async def test_events_are_counted_by_blank_lines_however_they_are_cut():
    b = Bench()
    whole = b"".join(TEN)
    _, run_id = await started(b, Stream([whole[at : at + 3] for at in range(0, len(whole), 3)]))
    await b.clock.settle()
    await b.clock.settle()
    for skipped in range(11):
        assert b"".join(await rest(await b.gateway.resume("g", run_id, skipped))) == b"".join(TEN[skipped:])


async def test_a_resume_ahead_of_the_model_waits():
    b = Bench()
    _, run_id = await started(b, Stream([TEN[0], 100, *TEN[1:]], b.clock))
    await b.clock.settle()
    assert await b.clock.run(rest(await b.gateway.resume("g", run_id, 3))) == TEN[3:]


async def test_a_run_expires_five_and_a_half_minutes_after_its_last_byte():
    b = Bench()
    _, run_id = await started(b, Stream([TEN[0], 100, *TEN[1:]], b.clock))
    await b.clock.run(rest(await b.gateway.resume("g", run_id, 0)))
    b.clock.ms = 100 + EXPIRY_MS - 1
    assert (await b.gateway.resume("g", run_id, 5)).status == 200
    b.clock.ms = 100 + EXPIRY_MS
    assert (await b.gateway.resume("g", run_id, 5)).status == 404


async def test_unknown_runs_and_the_runs_of_other_gateways():
    b = Bench()
    _, run_id = await started(b, Stream(TEN))
    assert (await b.gateway.resume("g", "unknown", 0)).status == 404
    assert (await b.gateway.resume("other", run_id, 0)).status == 404


async def test_a_reset_forgets_runs_while_present_readers_go_on():
    b = Bench()
    reply, run_id = await started(b, Stream([TEN[0], 100, *TEN[1:]], b.clock))
    b.gateway.reset("g")
    assert (await b.gateway.resume("g", run_id, 1)).status == 404
    assert await b.clock.run(rest(reply.response)) == TEN


async def test_a_model_that_breaks_breaks_every_reader_behind_what_came():
    b = Bench()
    reply, run_id = await started(b, Stream(TEN[:3], breaks=lost()))
    for response, expected in ((reply.response, TEN[:3]), (await b.gateway.resume("g", run_id, 2), TEN[2:3])):
        seen: list[bytes] = []
        with pytest.raises(Exception, match="connection refused"):
            async for chunk in response.body:  # type: ignore[union-attr]
                seen.append(chunk)
        assert seen == expected


@pytest.mark.parametrize(
    "asked",
    [
        run_request(ASKED, name=MODEL),
        universal(entry(), gateway="g"),
    ],
)
async def test_other_paths_have_no_run_id_and_end_with_their_caller(asked):
    b = Bench()
    body = Stream(TEN)
    reply, outcome = await b.start(asked, b.model(streamed(body)))
    assert outcome.run_id is None
    assert "cf-aig-run-id" not in dict(reply.response.headers)
    await reply.response.aclose()
    assert body.closed


async def test_dynamic_routes_have_no_run_id():
    elements = [
        {"id": "s", "type": "start", "outputs": {"next": {"elementId": "m"}}},
        {"id": "m", "type": "model", "properties": {"provider": "openai", "model": "x"}, "outputs": {"success": {"elementId": "e"}}},
        {"id": "e", "type": "end"},
    ]
    b = Bench(GatewayConfig("g", dynamic_routes={"r": {"elements": elements}}))
    got = await b.ask(run_request(ASKED, name="dynamic/r"), b.model(streamed(TEN)))
    assert (got.chunks, got.outcome.run_id) == (TEN, None)


async def test_errors_documents_and_hits_have_no_run_id():
    b = Bench()
    failing = Reply(Response(500, list(SSE), Stream(TEN)), streamed([]).source)
    _, outcome = await b.start(run_request(ASKED, name="openai/gpt-5"), b.model(failing))
    assert outcome.run_id is None
    asked = run_request(ASKED, name="openai/gpt-5", cacheTtl=60)
    first = await b.ask(asked, b.model(streamed(TEN)))
    hit = await b.ask(asked, b.model())
    assert (first.outcome.run_id is not None, hit.cache, hit.outcome.run_id) == (True, "HIT", None)


async def test_a_run_too_long_to_keep_goes_on_for_its_reader_and_cannot_be_resumed(monkeypatch):
    monkeypatch.setattr(run_ids, "MOST_BYTES", 1000)
    b = Bench()
    event = b"data: " + b"x" * 92 + b"\n\n"
    body = Stream([event] * 100)
    reply, run_id = await started(b, body)
    for _ in range(20):
        await b.clock.settle()
    assert 10 < body.given <= 12  # nobody reads: the model waits
    assert (await b.gateway.resume("g", run_id, 0)).status == 404
    assert await rest(reply.response) == [event] * 100


async def test_a_run_too_long_to_keep_ends_with_its_reader(monkeypatch):
    monkeypatch.setattr(run_ids, "MOST_BYTES", 1000)
    b = Bench()
    body = Stream([b"data: " + b"x" * 92 + b"\n\n"] * 100)
    reply, _ = await started(b, body)
    await b.clock.settle()
    await reply.response.aclose()
    await b.clock.settle()
    assert body.closed
    assert body.given < 20


async def test_the_oldest_run_is_forgotten_first(monkeypatch):
    monkeypatch.setattr(run_ids, "MOST_TOTAL_BYTES", 2 * sum(map(len, TEN)))
    b = Bench()
    ids = []
    for _ in range(4):
        reply, run_id = await started(b, Stream(TEN))
        await rest(reply.response)
        ids.append(run_id)
    assert [(await b.gateway.resume("g", run_id, 0)).status for run_id in ids] == [404, 200, 200, 200]


async def test_what_all_have_read_of_a_long_run_is_let_go(monkeypatch):
    monkeypatch.setattr(run_ids, "MOST_BYTES", 10)
    run = Run([], 0)
    reader = RunReader(run, 0)
    for _ in range(3):
        run.add(b"12345678", 0)
    assert run.lost
    assert not run.read_by_all()
    for _ in range(3):
        assert await anext(reader) == b"12345678"
    assert run.read_by_all()
    assert run.chunks == [b""] * 3


async def test_closing_stops_reading_from_models():
    b = Bench()
    body = Stream([TEN[0], 100, *TEN[1:]], b.clock)
    reply, _ = await started(b, body)
    await b.clock.settle()
    await b.gateway.close()
    assert body.closed
    assert await asyncio.wait_for(rest(reply.response), 5) == TEN[:1]
