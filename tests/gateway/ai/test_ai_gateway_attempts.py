"""Retries, the limit to the first byte, fallback (ai-binding.md 3.3; A15, A16)."""

from __future__ import annotations

import asyncio

import pytest

from emulator.config.ai import GatewayConfig
from emulator.gateway.ai.ai_gateway import attempts
from emulator.gateway.ai.ai_gateway.attempts import timeout_of, wait_ms
from emulator.gateway.ai.ai_gateway.settings import Backoff, Settings
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.envelopes import gateway_error
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

from .gateway_bench import JSON, SSE, Bench, Stream, answer, entry, error, events, lost, run_request, streamed, universal

RETRIES = {"maxAttempts": 3, "backoff": "exponential", "retryDelayMs": 100}


async def test_a15_two_errors_then_an_answer():
    b = Bench()
    model = b.model(error(500), error(500), answer("third"))
    got = await b.run({"prompt": "hi"}, model, retries=RETRIES)
    assert (got.status, got.json["response"], b.clock.ms) == (200, "third", 300)
    logged = b.row(got)["attempts"]
    assert [(one["attempt"], one["status"], one["waited_ms"], one["step"]) for one in logged] == [
        (1, 500, 0, 0),
        (2, 500, 100, 0),
        (3, 200, 200, 0),
    ]
    assert got.headers["cf-aig-step"] == "0"
    assert (got.outcome.refusal, got.outcome.attempts) == (None, logged)


@pytest.mark.parametrize(
    ("backoff", "waits"),
    [(Backoff.CONSTANT, [100, 100, 100, 100]), (Backoff.LINEAR, [100, 200, 300, 400]), (Backoff.EXPONENTIAL, [100, 200, 400, 800])],
)
def test_waits(backoff, waits):
    assert [wait_ms(backoff, 100, failed) for failed in range(1, 5)] == waits


async def test_the_last_error_is_the_answer():
    b = Bench()
    model = b.model(error(500), error(502), error(503))
    got = await b.run({"prompt": "hi"}, model, retries=RETRIES)
    assert (got.status, got.json["errors"][0]["message"], len(model.calls)) == (503, "error 503", 3)
    assert b.row(got)["success"] is False


async def test_errors_on_the_way_are_read_to_their_end_before_the_wait():
    b = Bench()
    stale = Stream([b'{"error":', b'"x"}'], b.clock)
    at_wait: list[int] = []

    def second() -> Reply:
        at_wait.append(stale.given)
        return answer()

    model = b.model(Reply(Response(500, list(JSON), stale), Source.BACKEND), second)
    assert (await b.run({"prompt": "hi"}, model, retries={"maxAttempts": 2})).status == 200
    assert (at_wait, stale.closed) == ([2], True)


async def test_an_error_is_read_to_its_end_before_the_next_entry_is_asked():
    b = Bench()
    stale = Stream([b'{"error":', b'"x"}'], b.clock)
    at_second: list[int] = []

    def second() -> Reply:
        at_second.append(stale.given)
        return answer()

    got = await b.ask(universal(entry("a"), entry("b")), b.model(Reply(Response(500, list(JSON), stale), Source.BACKEND), second))
    assert (at_second, stale.closed) == ([2], True)
    assert b.row(got.headers["cf-aig-request-id"])["response_head"] == '{"error":"x"}'


async def test_a_lost_connection_is_a_failed_attempt():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(lost(), answer()), retries=RETRIES)
    assert (got.status, got.outcome.attempts[0]["status"], got.outcome.attempts[0]["problem"]) == (200, 0, "connection refused")
    alone = await b.run({"prompt": "hi"}, b.model(lost()))
    assert (alone.status, alone.json["internalCode"]) == (502, 9906)
    assert "connection refused" in alone.json["description"]
    assert b.row(alone)["status_code"] == 502


def miss(code: int) -> Reply:
    return Reply(gateway_error(400, code, "no recording", "FixtureMiss"), Source.NONE)


@pytest.mark.parametrize("made", [lambda: miss(9901), lambda: miss(9905), lambda: error(599, Source.NONE)])
async def test_a_miss_is_final(made):
    b = Bench()
    model = b.model(made())
    got = await b.run({"prompt": "hi"}, model, retries=RETRIES)
    assert (got.status, len(model.calls), b.clock.ms) == (made().response.status, 1, 0)
    model = b.model(made())
    got = await b.ask(universal(entry("a"), entry("b")), model)
    assert (got.status, len(model.calls), got.headers["cf-aig-step"]) == (made().response.status, 1, "0")


@pytest.mark.parametrize(
    "made",
    [lambda: error(429, Source.NONE), lambda: miss(9906), lambda: error(599), lambda: Reply(Response(500, [], b"<html>"), Source.NONE)],
)
async def test_other_errors_are_tried_again_whoever_says_them(made):
    b = Bench()
    assert (await b.run({"prompt": "hi"}, b.model(made(), answer()), retries=RETRIES)).status == 200


def test_which_attempts_have_a_limit():
    retried = Settings(timeout_ms=1000, max_attempts=3)
    assert [timeout_of(retried, number) for number in (1, 2, 3)] == [1000, 1000, None]
    assert timeout_of(Settings(timeout_ms=1000, max_attempts=1), 1) == 1000


async def test_too_slow_is_tried_again_and_the_last_attempt_waits_for_ever():
    b = Bench()
    model = b.model(1001, 1001, 60_000, answer("at last"))
    got = await b.run({"prompt": "hi"}, model, requestTimeoutMs=1000, retries={"maxAttempts": 3, "retryDelayMs": 10})
    assert (got.json["response"], b.clock.ms, model.cancelled) == ("at last", 1000 + 10 + 1000 + 10 + 60_000, 2)
    assert [one["status"] for one in got.outcome.attempts] == [0, 0, 200]
    assert got.outcome.attempts[0]["problem"] == "no first byte within 1000 ms"


async def test_a_limit_met_to_the_millisecond():
    b = Bench()
    assert (await b.run({"prompt": "hi"}, b.model(999, answer()), requestTimeoutMs=1000)).status == 200
    got = await b.run({"prompt": "hi"}, b.model(1001, answer()), requestTimeoutMs=1000)
    assert (got.status, got.json["internalCode"], got.json["description"]) == (408, 3007, "Request timeout: no first byte within 1000 ms")


async def test_the_limit_is_to_the_first_byte_of_the_body_and_not_longer():
    b = Bench()
    slow_tail = Stream([b"data: 1\n\n", 5000, b"data: [DONE]\n\n"], b.clock)
    got = await b.run({"prompt": "hi"}, b.model(streamed(slow_tail)), requestTimeoutMs=1000)
    assert (got.status, got.chunks, b.clock.ms) == (200, [b"data: 1\n\n", b"data: [DONE]\n\n"], 5000)
    slow_head = Stream([1001, b"data: 1\n\n"], b.clock)
    got = await b.run({"prompt": "hi"}, b.model(streamed(slow_head)), requestTimeoutMs=1000)
    assert (got.status, slow_head.closed) == (408, True)


async def test_an_empty_stream_within_the_limit():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(streamed([])), requestTimeoutMs=1000)
    assert (got.status, got.body) == (200, b"")


async def test_without_a_limit_the_answer_is_passed_on_before_its_first_byte():
    b = Bench()
    body = Stream([b"data: 1\n\n"])
    await b.start(run_request({"prompt": "hi"}), b.model(streamed(body)))
    assert body.given == 0


async def test_a16_the_second_entry_serves():
    b = Bench()
    model = b.model(error(500), answer("second", usage={"prompt_tokens": 3, "completion_tokens": 4}))
    got = await b.ask(universal(entry("gpt-4o"), entry("@cf/x", "workers-ai", "@cf/x")), model)
    assert (got.status, got.json["response"], got.headers["cf-aig-step"], model.steps) == (200, "second", "1", [0, 1])
    assert (got.headers["cf-aig-provider"], got.headers["cf-aig-model"]) == ("workers-ai", "@cf/x")
    assert [request.body[0]["provider"] for request in model.calls] == ["openai", "workers-ai"]
    assert all(len(request.body) == 1 and request.target == "universal/g" for request in model.calls)

    row = b.row(got)
    assert (row["step"], row["provider"], row["success"], row["tokens_in"], row["tokens_out"]) == (1, "workers-ai", True, 3, 4)
    assert b.gateway.patch_log("g", row["id"], {"feedback": -1, "score": 7})
    assert (b.row(got)["feedback"], b.row(got)["score"]) == (-1, 7)
    assert b.gateway.get_log("g", "unknown") is None
    assert b.gateway.patch_log("g", "unknown", {"feedback": 1}) is False
    with pytest.raises(ValueError, match="feedback must be"):
        b.gateway.patch_log("g", row["id"], {"feedback": 2})

    failed, served = b.row(got.headers["cf-aig-request-id"]), row
    assert (failed["step"], failed["status_code"], failed["provider"], failed["path"]) == (0, 500, "openai", "/ai-gateway/run")
    assert failed["request_id"] == served["request_id"] != served["id"]


async def test_the_log_id_is_the_request_id_for_one_step():
    b = Bench()
    got = await b.run({"prompt": "hi"}, b.model(answer()))
    assert got.headers["cf-aig-log-id"] == got.headers["cf-aig-request-id"] == got.outcome.log_id


async def test_an_endless_error_is_cut(monkeypatch):
    monkeypatch.setattr(attempts, "_DRAINED_BYTES", 100)
    b = Bench()
    endless = Stream([b"x" * 40] * 1000)
    got = await b.run({"prompt": "hi"}, b.model(Reply(Response(500, list(JSON), endless), Source.BACKEND), answer()), retries=RETRIES)
    assert (got.status, endless.given, endless.closed) == (200, 3, True)


async def test_an_answer_that_comes_while_its_attempt_is_given_up_is_closed():
    b = Bench()
    late = Stream([b"data: 1\n\n"])

    async def stubborn(asked: ModelRequest, step: int) -> Reply:
        try:
            await b.clock.sleep(60)
        except asyncio.CancelledError:
            return streamed(late)
        raise AssertionError

    reply, _ = await b.clock.run(
        b.gateway.run(run_request({"prompt": "hi"}, requestTimeoutMs=10), stubborn, gateway_id="g", raw_body=b"", path="/")
    )
    assert (reply.response.status, late.closed) == (408, True)


async def test_every_entry_has_its_own_retries_and_limit():
    b = Bench()
    slow = entry("a", config={"requestTimeout": 100})
    flaky = entry("b", config={"maxAttempts": 2, "retryDelay": 30})
    model = b.model(101, error(500), answer("b"))
    got = await b.ask(universal(slow, flaky), model)
    assert (got.json["response"], b.clock.ms) == ("b", 130)
    assert [(one["step"], one["attempt"], one["status"]) for one in got.outcome.attempts] == [(0, 1, 0), (1, 1, 500), (1, 2, 200)]
    assert b.row(got.headers["cf-aig-request-id"])["status_code"] == 408


async def test_when_all_entries_fail_the_last_error_is_the_answer():
    b = Bench()
    got = await b.ask(universal(entry("a"), entry("b")), b.model(error(500), error(404)))
    assert (got.status, got.headers["cf-aig-step"]) == (404, "1")


async def test_the_gateways_own_retries_hold_for_every_request():
    b = Bench(GatewayConfig("g", max_attempts=2, retry_delay_ms=500, backoff="constant"))
    got = await b.run({"prompt": "hi"}, b.model(error(500), answer()))
    assert (got.status, b.clock.ms) == (200, 500)


async def test_a_fallback_is_cached_under_its_own_entry():
    b = Bench()
    two = universal(entry("a"), entry("b"))
    two_cached = {"cf-aig-cache-ttl": "60"}
    model = b.model(error(500), answer("b"), error(500))
    await b.ask(two, model, headers=two_cached)
    again = await b.ask(two, model, headers=two_cached)
    assert (again.cache, again.headers["cf-aig-step"], len(model.calls)) == ("HIT", "1", 3)


async def test_leaving_while_a_model_thinks_cancels_it():
    b = Bench()
    model = b.model(10_000, answer())
    asked = run_request({"prompt": "hi"}, requestTimeoutMs=20_000)
    task = asyncio.ensure_future(b.start(asked, model))
    await b.clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert model.cancelled == 1


async def test_leaving_a_stream_closes_the_model():
    b = Bench()
    body = Stream(events("a", "b", "c"))
    reply, outcome = await b.start(
        run_request({"prompt": "hi", "stream": True}), b.model(Reply(Response(200, list(SSE), body), Source.BACKEND))
    )
    stream = reply.response.body
    assert not isinstance(stream, bytes)
    await anext(stream)
    await reply.response.aclose()
    assert (body.closed, body.given, outcome.ended) == (True, 1, True)
    assert b.row(outcome.log_id)["response_size"] == len(events("a")[0])
