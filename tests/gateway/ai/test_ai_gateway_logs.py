"""Log entries, cost, ids, headers, which gateways exist (ai-binding.md 3.2, 3.3)."""

from __future__ import annotations

import pytest

from emulator.config.ai import GatewayConfig
from emulator.gateway.ai.ai_gateway.logs import GatewayLogs, log_id
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

from .gateway_bench import JSON, WALL_MS, Bench, Stream, answer, entry, error, events, lost, run_request, streamed, universal

USAGE = {"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30}
AI_GATEWAY_LOG = {
    *("id", "provider", "model", "path", "duration", "request_type", "request_content_type", "status_code", "response_content_type"),
    *("success", "cached", "tokens_in", "tokens_out", "metadata", "step", "cost", "custom_cost", "request_size", "request_head"),
    *("request_head_complete", "response_size", "response_head", "response_head_complete", "created_at"),
}


async def test_every_field_of_the_services_entry():
    b = Bench()
    model = b.model(50, answer("hello", usage=USAGE))
    got = await b.run({"prompt": "hi"}, model, metadata={"user": "u"}, eventId="e1")
    row = b.row(got)
    assert set(row) >= AI_GATEWAY_LOG
    expected = {
        "id": got.headers["cf-aig-log-id"],
        "provider": "workers-ai",
        "model": "@cf/meta/llama-3.1-8b-instruct",
        "path": "/ai-gateway/run",
        "duration": 50,
        "status_code": 200,
        "response_content_type": "application/json",
        "success": True,
        "cached": False,
        "tokens_in": 10,
        "tokens_out": 20,
        "metadata": {"user": "u"},
        "step": 0,
        "custom_cost": False,
        "request_head": '{"prompt": "hi"}',
        "request_head_complete": True,
        "request_size": 16,
        "response_head": got.body.decode(),
        "response_size": len(got.body),
        "response_head_complete": True,
        "created_at": "2023-11-14T22:14:00.000Z",
        "event_id": "e1",
        "source": "backend",
    }
    assert {name: row[name] for name in expected} == expected
    assert row["cost"] == pytest.approx((10 * 0.282 + 20 * 0.827) / 1e6)
    assert (got.outcome.tokens_in, got.outcome.tokens_out, got.outcome.cost_usd) == (10, 20, row["cost"])


async def test_headers_of_an_answer():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(answer()), name="openai/gpt-4o", eventId="e1")
    names = [name for name, _ in got.reply.response.headers]
    assert names == [
        *("content-type", "cf-aig-log-id", "cf-aig-request-id", "cf-aig-cache-status", "cf-aig-step", "cf-aig-provider", "cf-aig-model"),
        "cf-aig-event-id",
    ]
    assert (got.headers["cf-aig-provider"], got.headers["cf-aig-model"], got.headers["cf-aig-event-id"]) == (
        "openai",
        "openai/gpt-4o",
        "e1",
    )


async def test_what_the_caller_names_cannot_break_a_header():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(answer()), name="a/b\r\nx: 1", eventId="\u00e9\u4e2d\n")
    assert (got.headers["cf-aig-model"], got.headers["cf-aig-event-id"]) == ("a/b??x: 1", "\u00e9??")
    assert b.row(got)["event_id"] == "\u00e9\u4e2d\n"


async def test_the_outcome_ends_with_the_answer_and_not_with_a_step_before_it():
    b = Bench()
    reply, outcome = await b.start(universal(entry("a"), entry("b")), b.model(error(500), streamed(events("x", usage=USAGE))))
    assert (outcome.ended, outcome.tokens_in) == (False, None)
    stream = reply.response.body
    assert not isinstance(stream, bytes)
    _ = [chunk async for chunk in stream]
    assert (outcome.ended, outcome.tokens_in, outcome.step) == (True, 10, 1)


async def test_the_entry_is_written_when_the_stream_has_ended():
    b = Bench()
    reply, outcome = await b.start(run_request({"prompt": "hi", "stream": True}), b.model(streamed(events("a", "b", usage=USAGE))))
    assert b.gateway.get_log("g", outcome.log_id) is None
    stream = reply.response.body
    assert not isinstance(stream, bytes)
    assert [chunk async for chunk in stream] == events("a", "b", usage=USAGE)
    row = b.row(outcome.log_id)
    assert (row["request_type"], row["tokens_out"], row["response_size"]) == ("stream", 20, sum(map(len, events("a", "b", usage=USAGE))))


async def test_a_broken_stream_is_no_success():
    b = Bench()
    reply, outcome = await b.start(
        run_request({"prompt": "hi", "stream": True}), b.model(streamed(Stream(events("a", done=False), breaks=lost())))
    )
    stream = reply.response.body
    assert not isinstance(stream, bytes)
    with pytest.raises(Exception, match="connection refused"):
        _ = [chunk async for chunk in stream]
    assert (b.row(outcome.log_id)["status_code"], b.row(outcome.log_id)["success"]) == (200, False)


async def test_streamed_entries_may_come_late():
    b = Bench(GatewayConfig("g", log_delay_ms=500))
    got = await b.run({"prompt": "hi", "stream": True}, b.model(streamed(events("a"))))
    at_once = await b.run({"prompt": "hi"}, b.model(answer()))
    assert b.row(at_once)["success"]
    b.clock.ms = 499
    assert b.gateway.get_log("g", got.outcome.log_id) is None
    assert b.gateway.patch_log("g", got.outcome.log_id, {"feedback": 1}) is False
    b.clock.ms = 500
    assert b.row(got)["success"]
    assert b.gateway.patch_log("g", got.outcome.log_id, {"feedback": 1})


async def test_log_collection():
    off = Bench(GatewayConfig("g", collect_log=False))
    silent = await off.run({"prompt": "hi"}, off.model(answer()))
    assert off.gateway.get_log("g", silent.headers["cf-aig-log-id"]) is None
    wanted = await off.run({"prompt": "hi"}, off.model(answer()), collectLog=True)
    assert off.row(wanted)["success"]
    on = Bench()
    assert on.gateway.get_log("g", (await on.run({"prompt": "hi"}, on.model(answer()), collectLog=False)).outcome.log_id) is None


async def test_an_entry_without_payload():
    b = Bench()
    got = await b.ask(universal(entry()), b.model(answer(usage=USAGE)), headers={"cf-aig-collect-log-payload": "false"})
    row = b.row(got)
    assert (row["request_head"], row["response_head"], row["response_head_complete"]) == (None, None, False)
    assert (row["tokens_in"], row["response_size"]) == (10, len(got.body))


async def test_long_bodies_are_cut():
    b = Bench()
    row = b.row(await b.run({"prompt": "x" * 600}, b.model(answer("y" * 600))))
    assert (len(row["request_head"]), row["request_head_complete"]) == (512, False)
    assert (len(row["response_head"]), row["response_head_complete"]) == (512, False)


@pytest.mark.parametrize(
    ("header", "cost"),
    [
        ('{"per_token_in":0.5,"per_token_out":0.25}', 10 * 0.5 + 20 * 0.25),
        ('{"total_cost":3}', 3.0),
    ],
)
async def test_a_custom_cost(header, cost):
    b = Bench()
    got = await b.ask(universal(entry("unheard-of", headers={"cf-aig-custom-cost": header})), b.model(answer(usage=USAGE)))
    assert (b.row(got)["cost"], b.row(got)["custom_cost"]) == (cost, True)


async def test_an_unknown_price_is_zero_in_the_log_and_none_in_the_outcome():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(answer(usage=USAGE)), name="nobody/knows")
    assert (b.row(got)["cost"], got.outcome.cost_usd) == (0, None)


async def test_usage_known_beforehand_is_taken():
    b = Bench()
    reply = Reply(Response(200, list(JSON), b'{"response":"x"}'), Source.RECORDING, recording="default/x", usage=USAGE)
    row = b.row(await b.run({"prompt": "hi"}, b.model(reply)))
    assert (row["tokens_in"], row["recording"], row["source"]) == (10, "default/x", "recording")


async def test_lists_status_and_reset():
    b = Bench(GatewayConfig("g"), GatewayConfig("h"))
    for number in range(3):
        await b.run({"prompt": str(number)}, b.model(answer()))
    await b.run({"prompt": "x"}, b.model(answer()), gateway="h")
    assert [row["gateway"] for row in b.gateway.list_logs()] == ["h", "g", "g", "g"]
    assert [row["request_head"] for row in b.gateway.list_logs("g", limit=2)] == ['{"prompt": "2"}', '{"prompt": "1"}']
    assert [(row["gateway"], row["configured"], row["requests"], row["logs"]) for row in b.gateway.status()] == [
        ("g", True, 3, 3),
        ("h", True, 1, 1),
    ]
    b.gateway.reset("g")
    assert [(row["gateway"], row["requests"], row["logs"]) for row in b.gateway.status()] == [("g", 0, 0), ("h", 1, 1)]
    b.gateway.reset()
    assert b.gateway.list_logs() == []


def test_the_oldest_entry_goes_first():
    logs = GatewayLogs(limit=2)
    for number in "abc":
        logs.add("g", {"id": number})
    assert [logs.get("g", number) is not None for number in "abc"] == [False, True, True]


def test_ids_look_like_the_services_and_later_steps_follow():
    first = log_id(WALL_MS, bytes(10))
    assert (len(first), first.isalnum(), first.isupper()) == (26, True, True)
    assert log_id(WALL_MS, bytes(10), 1) > first
    assert log_id(WALL_MS + 1, bytes(10)) > log_id(WALL_MS, b"\xff" * 10)


async def test_without_declared_gateways_every_id_works():
    b = Bench()
    assert (await b.run({"prompt": "hi"}, b.model(answer()), gateway="{gateway_id}")).status == 200


async def test_with_declared_gateways_a_misspelt_one_is_2001_and_default_makes_itself():
    b = Bench(GatewayConfig("production"))
    model = b.model(answer, forever=True)
    unknown = await b.run({"prompt": "hi"}, model, gateway="prodcution")
    assert (unknown.status, unknown.json["internalCode"], unknown.json["name"], model.calls) == (400, 2001, "AiGatewayError", [])
    assert unknown.json["description"].startswith("Please configure AI Gateway in the Cloudflare dashboard")
    assert "it has: production" in unknown.json["description"]
    assert unknown.outcome.refusal is not None
    assert (await b.run({"prompt": "hi"}, model, gateway="default")).status == 200
    assert (await b.run({"prompt": "hi"}, model, gateway="production")).status == 200


async def test_the_public_address_names_provider_and_model():
    b = Bench()
    request = ModelRequest(
        Kind.GATEWAY_HTTP,
        "POST https://gateway.ai.cloudflare.com/v1/*/*/google-ai-studio/v1beta/models/gemini-2.5-flash:generateContent?alt=sse",
        {"contents": []},
        {"x-goog-api-key": "secret", "cf-aig-metadata": '{"a":1}'},
    )
    got = await b.ask(request, b.model(answer()))
    row = b.row(got)
    assert (row["provider"], row["model"], row["metadata"]) == ("google-ai-studio", "gemini-2.5-flash", {"a": 1})
    assert "secret" not in repr(row)
