"""AI Gateway in front of recordings, as the binding sees it: its rules act on them as on models (A13, A15, A16, A17, A20)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.config.ai import AiConfig, GatewayConfig, RateLimit, Technique
from emulator.gateway.failures import NetworkFailure

from .conftest import Bench, Cassettes, read, read_json

GATEWAY = "/ai-gateway/run?version=3"
ASKED = {"prompt": "hi"}


def recorded(cassettes: Cassettes, *statuses: int, target: str = "@cf/test/model", **match: Any) -> None:
    for number, status in enumerate(statuses):
        body = {"response": "ok"} if status == 200 else {"errors": [{"code": 1, "message": f"error {status}"}]}
        request = {"kind": "binding.run", "target": target, "body": ASKED}
        cassettes.write(f"{number:02}-hi", {"request": request, "match": match, "response": {"status": status, "json": body}})


async def run(b: Bench, **gateway: Any) -> Any:
    return await b.run(ASKED, options={"gateway": {"id": "g", **gateway}}, path=GATEWAY)


async def log_of(b: Bench, response: Any) -> Any:
    return (await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}")))["result"]


async def test_a13_the_cache_spares_a_recording(bench, cassettes):
    recorded(cassettes, 200)
    b = bench()
    assert [(await run(b, cacheTtl=3360)).header("cf-aig-cache-status") for _ in range(2)] == ["MISS", "HIT"]
    hit = await run(b, cacheTtl=3360)
    assert await read_json(hit) == {"response": "ok"}
    log = await log_of(b, hit)
    assert (log["cached"], log["cost"], [event["source"] for event in b.events]) == (True, 0, ["recording", "cache", "cache"])
    b.clock.ms = 3361_000
    late = await run(b, cacheTtl=3360)
    assert (await read_json(late))["name"] == "FixtureExhausted"


async def test_a_session_finds_nothing_that_the_last_one_cached(bench, cassettes):
    recorded(cassettes, 200)
    b = bench()
    assert (await run(b, cacheTtl=3360)).header("cf-aig-cache-status") == "MISS"
    b.layer.sessions.restart()
    assert (await run(b, cacheTtl=3360)).header("cf-aig-cache-status") == "MISS"
    assert b.playback.hits == 1


async def test_a15_three_recordings_are_three_attempts(bench, cassettes):
    recorded(cassettes, 500, 500, 200)
    b = bench()
    response = await run(b, retries={"maxAttempts": 3, "backoff": "exponential", "retryDelayMs": 100})
    assert (response.status, [ms for ms in b.clock.slept_ms if ms]) == (200, [100, 200])
    assert [attempt["status"] for attempt in (await log_of(b, response))["attempts"]] == [500, 500, 200]


async def test_a_missing_recording_is_not_asked_for_again(bench):
    b = bench()
    response = await run(b, retries={"maxAttempts": 3, "retryDelayMs": 100})
    assert (response.status, (await read_json(response))["internalCode"], b.clock.ms) == (400, 9901, 0)
    assert b.playback.misses == 1


async def test_a16_the_second_entry(bench, cassettes):
    first = {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": {"model": "gpt-4o", "messages": []}}
    second = {**first, "query": {"model": "gpt-4o-mini", "messages": []}}
    for name, entry, status in (("a", first, 500), ("b", second, 200)):
        request = {"kind": "gateway.universal", "target": "universal/g", "body": [entry]}
        cassettes.write(name, {"request": request, "response": {"status": status, "json": {"from": name}}})
    b = bench()
    response = await b.post("/ai-gateway/universal/run/g", [first, second], [("content-type", "application/json")])
    assert (response.status, response.header("cf-aig-step"), await read_json(response)) == (200, "1", {"from": "b"})
    path = f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}"
    assert (await log_of(b, response))["model"] == "gpt-4o-mini"
    assert (await b.post(path, {"feedback": 1}, method="PATCH")).status == 200
    assert (await log_of(b, response))["feedback"] == 1
    missing = await b.get("/ai-gateway/gateways/g/logs/unknown")
    assert (missing.status, (await read_json(missing))["errors"][0]["message"]) == (404, "Log not found")


async def test_a17_the_fourth_call(bench, cassettes):
    recorded(cassettes, 200, repeat="forever")
    b = bench(config=AiConfig(gateways={"g": GatewayConfig("g", rate_limit=RateLimit(Technique.FIXED, 3, 60))}))
    seen = [await run(b) for _ in range(4)]
    assert [response.status for response in seen] == [200, 200, 200, 429]
    body = await read_json(seen[3])
    assert (body["internalCode"], body["description"], body["name"]) == (2003, "Rate limited", "AiGatewayError")


STREAM = [f'data: {{"n":{number}}}\n\n' for number in range(9)] + ["data: [DONE]\n\n"]


def streamed(cassettes: Cassettes) -> None:
    events = [{"t": number * 10, "text": text.removeprefix("data: ").removesuffix("\n\n")} for number, text in enumerate(STREAM)]
    cassettes.write(
        "stream",
        {
            "request": {"kind": "binding.run", "target": "openai/gpt-5", "body": {**ASKED, "stream": True}},
            "response": {"status": 200, "headers": {"content-type": "text/event-stream"}, "stream": {"framing": "sse", "events": events}},
        },
    )


async def until_torn(response: Any) -> str:
    text = ""
    with pytest.raises(NetworkFailure):
        async for chunk in response.body:
            text += chunk.decode()
    await response.aclose()
    return text


@pytest.mark.parametrize(("do", "status"), [({"reset_after_events": 5}, 200), ({"reset_after_events": 5, "resume_expired": True}, 404)])
async def test_a20_a_torn_stream_is_resumed_behind_what_came(bench, cassettes, do, status):
    streamed(cassettes)
    b = bench()
    b.layer.faults.add({"when": {"target": "openai/*"}, "do": do})
    options = {"gateway": {"id": "g"}, "returnRawResponse": True}
    response = await b.run({**ASKED, "stream": True}, model="openai/gpt-5", options=options, path=GATEWAY)
    torn = await until_torn(response)
    assert torn == "".join(STREAM[:5])
    resumed = await b.get(f"/ai-gateway/gateways/g/run/{response.header('cf-aig-run-id')}/resume?from=5")
    assert resumed.status == status
    if status == 200:
        assert (await read(resumed)).decode() == "".join(STREAM[5:])
        assert [event["type"] for event in b.events] == ["fault", "ai"]
    await b.layer.close()
