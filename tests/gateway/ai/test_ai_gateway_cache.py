"""The cache: what makes two requests one, for how long, and what is never kept (ai-binding.md 3.3; A13, A14)."""

from __future__ import annotations

import asyncio

import pytest

from emulator.config.ai import CachePolicy, GatewayConfig, SpendLimit
from emulator.gateway.ai.ai_gateway import delivery
from emulator.gateway.ai.ai_gateway.cache import Cached, ResponseCache
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.exchange import Response

from .gateway_bench import Bench, Stream, answer, entry, error, events, lost, run_request, streamed, universal

USAGE = {"prompt_tokens": 1000, "completion_tokens": 1000, "total_tokens": 2000}


async def test_a13_a_hit_costs_nothing_and_expires():
    b = Bench()
    model = b.model(lambda: answer(usage=USAGE), forever=True)
    first = await b.run({"prompt": "hi"}, model, cacheTtl=3360)
    second = await b.run({"prompt": "hi"}, model, cacheTtl=3360)
    assert [first.cache, second.cache, len(model.calls)] == ["MISS", "HIT", 1]
    assert second.body == first.body
    assert b.row(first)["cost"] > 0
    row = b.row(second)
    assert (row["cached"], row["cost"], row["tokens_in"], row["source"]) == (True, 0, 1000, "cache")
    b.clock.ms += 3359_999
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=3360)).cache == "HIT"
    b.clock.ms += 1
    late = await b.run({"prompt": "hi"}, model, cacheTtl=3360)
    assert (late.cache, len(model.calls)) == ("MISS", 2)


async def test_a14_what_makes_requests_equal():
    b = Bench()
    model = b.model(answer, forever=True)

    async def cache(prompt: str, **options: object) -> str | None:
        return (await b.run({"prompt": prompt}, model, **{"cacheTtl": 60, **options})).cache

    assert await cache("hi", metadata={"user": "a"}) == "MISS"
    assert await cache("hi", metadata={"user": "b"}) == "HIT"
    assert await cache("hi!") == "MISS"
    assert await cache("hi", skipCache=True) == "MISS"
    assert await cache("one", cacheKey="k") == "MISS"
    assert await cache("two", cacheKey="k") == "HIT"
    assert len(model.calls) == 4


async def test_skip_cache_never_reads_but_writes():
    b = Bench()
    model = b.model(answer("old"), answer("new"))
    await b.run({"prompt": "hi"}, model, cacheTtl=60)
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=60, skipCache=True)).json["response"] == "new"
    again = await b.run({"prompt": "hi"}, model, cacheTtl=60)
    assert (again.cache, again.json["response"]) == ("HIT", "new")


async def test_a_cache_key_alone_caches_for_five_minutes():
    b = Bench()
    model = b.model(answer, forever=True)
    await b.run({"prompt": "hi"}, model, cacheKey="k")
    b.clock.ms += 299_999
    assert (await b.run({"prompt": "other"}, model, cacheKey="k")).cache == "HIT"
    b.clock.ms += 1
    assert (await b.run({"prompt": "other"}, model, cacheKey="k")).cache == "MISS"


async def test_the_gateways_ttl_and_an_entry_that_turns_it_off():
    b = Bench(GatewayConfig("g", cache_ttl_s=60))
    model = b.model(answer, forever=True)
    await b.run({"prompt": "hi"}, model)
    assert (await b.run({"prompt": "hi"}, model)).cache == "HIT"
    off = universal(entry(headers={"cf-aig-cache-ttl": "0"}))
    assert [(await b.ask(off, model)).cache for _ in range(2)] == ["MISS", "MISS"]


async def test_gateways_and_callers_do_not_share():
    b = Bench()
    model = b.model(answer, forever=True)

    async def cache(**changes: object) -> str | None:
        gateway = str(changes.pop("gateway", "g"))
        one = entry(**{"headers": {"Authorization": "Bearer a", "cf-aig-cache-ttl": "60"}, **changes})
        return (await b.ask(universal(one, gateway=gateway), model, gateway=gateway)).cache

    assert await cache() == "MISS"
    assert await cache() == "HIT"
    assert await cache(gateway="other") == "MISS"
    assert await cache(headers={"authorization": "Bearer b", "cf-aig-cache-ttl": "60"}) == "MISS"
    assert await cache(provider="groq") == "MISS"
    assert await cache(endpoint="v1/chat/completions") == "MISS"
    assert await cache(model="gpt-4o-mini") == "MISS"


async def test_streams_come_back_as_streams_chunk_by_chunk():
    b = Bench()
    chunks = events("he", "llo", usage=USAGE)
    model = b.model(streamed(chunks))
    await b.run({"prompt": "hi", "stream": True}, model, cacheTtl=60)
    hit = await b.run({"prompt": "hi", "stream": True}, model, cacheTtl=60)
    assert (hit.cache, hit.chunks, hit.headers["content-type"]) == ("HIT", chunks, "text/event-stream")
    assert not isinstance(hit.reply.response.body, bytes)
    assert b.row(hit)["tokens_out"] == 1000


@pytest.mark.parametrize("how", ["left", "broken", "truncated"])
async def test_half_a_stream_is_never_kept(how):
    b = Bench()
    asked = run_request({"prompt": "hi", "stream": True}, cacheTtl=60)
    half = Stream(events("he", done=how != "truncated"), breaks=lost() if how == "broken" else None)
    reply, _ = await b.start(asked, b.model(streamed(half)))
    body = reply.response.body
    assert not isinstance(body, bytes)
    try:
        async for _ in body:
            if how == "left":
                break
    except Exception as failure:
        assert how == "broken", failure
    await reply.response.aclose()
    assert (await b.ask(asked, b.model(streamed(events("he"))))).cache == "MISS"
    assert half.closed


@pytest.mark.parametrize(
    ("reply", "kept"),
    [
        (answer, True),
        (lambda: Reply(Response(200, [("content-type", "image/png")], b"\x89PNG"), Source.BACKEND), True),
        (lambda: answer(source=Source.RECORDING), True),
        (lambda: Reply(Response(200, [("content-type", "audio/mpeg")], b"ID3"), Source.BACKEND), False),
        (lambda: error(500), False),
        (lambda: error(404), False),
        (lambda: answer(source=Source.FAULT), False),
        (lambda: Reply(Response(204, [], b""), Source.BACKEND), False),
        (lambda: Reply(Response(206, [("content-type", "text/plain")], b"half"), Source.BACKEND), False),
    ],
)
async def test_only_good_text_and_images_are_kept(reply, kept):
    b = Bench()
    model = b.model(reply, forever=True)
    await b.run({"prompt": "hi"}, model, cacheTtl=60)
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=60)).cache == ("HIT" if kept else "MISS")


async def test_simultaneous_misses_both_go_to_the_model():
    b = Bench()
    model = b.model(50, answer("a"), answer("b"))
    both = await asyncio.gather(
        *(b.start(run_request({"prompt": "hi"}, cacheTtl=60), model) for _ in range(2)), b.clock.run(b.clock.sleep(0.05))
    )
    assert len(model.calls) == 2
    assert [dict(reply.response.headers)["cf-aig-cache-status"] for reply, _ in both[:2]] == ["MISS", "MISS"]


async def test_without_a_ttl_nothing_is_cached_but_the_difference_to_live_gateways_is_told_once():
    b = Bench()
    model = b.model(answer, forever=True)
    seen = [await b.run({"prompt": "hi"}, model) for _ in range(3)]
    assert [one.cache for one in seen] == ["MISS"] * 3
    assert [len(one.outcome.warnings) for one in seen] == [0, 1, 0]
    assert "skipCache" in seen[1].outcome.warnings[0]


async def test_the_difference_is_not_told_where_there_is_none():
    b = Bench()
    model = b.model(error(500), answer(), answer(), answer(), answer())
    quiet = [await b.run({"prompt": "hi"}, model) for _ in range(2)]  # a retried error would not have been cached
    quiet.append(await b.run({"prompt": "hi"}, model, skipCache=True))
    b.clock.ms += 300_000
    quiet.append(await b.run({"prompt": "hi"}, model))
    others = b.model(answer, forever=True)
    quiet += [await b.run({"prompt": "hi"}, others, name="openai/gpt-4o") for _ in range(2)]
    assert [one.outcome.warnings for one in quiet] == [[]] * 6


async def test_the_observed_policy_caches_workers_ai_for_five_minutes_without_a_ttl():
    b = Bench(GatewayConfig("g", cache=CachePolicy.OBSERVED))
    model = b.model(answer, forever=True)
    await b.run({"prompt": "hi"}, model, cacheTtl=0)
    hit = await b.run({"prompt": "hi"}, model, cacheTtl=0)
    assert (hit.cache, len(hit.outcome.warnings)) == ("HIT", 1)
    assert (await b.run({"prompt": "hi"}, model, skipCache=True)).cache == "MISS"
    b.clock.ms += 300_000
    assert (await b.run({"prompt": "hi"}, model)).cache == "MISS"
    assert [(await b.run({"prompt": "hi"}, model, name="openai/gpt-4o")).cache for _ in range(2)] == ["MISS", "MISS"]


async def test_a_hit_is_served_over_the_spend_limit():
    b = Bench(GatewayConfig("g", spend_limits=(SpendLimit(0.000001, 3600),)))
    model = b.model(lambda: answer(usage=USAGE), forever=True)
    await b.run({"prompt": "hi"}, model, cacheTtl=60)
    assert (await b.run({"prompt": "other"}, model, cacheTtl=60)).status == 429
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=60)).cache == "HIT"


async def test_headers_of_another_gateway_are_not_repeated():
    b = Bench()
    through = [("content-type", "application/json"), ("cf-aig-log-id", "theirs"), ("cf-aig-cache-status", "HIT"), ("x-kept", "1")]
    model = b.model(answer(headers=through))
    first, second = [await b.run({"prompt": "hi"}, model, cacheTtl=60) for _ in range(2)]
    for one in (first, second):
        names = [name for name, _ in one.reply.response.headers]
        assert len(names) == len(set(names))
        assert one.headers["cf-aig-log-id"] == one.outcome.log_id
        assert one.headers["x-kept"] == "1"
    assert [first.cache, second.cache] == ["MISS", "HIT"]


async def test_public_requests_of_two_keys_are_two():
    b = Bench()
    model = b.model(answer, forever=True)
    target = "POST https://gateway.ai.cloudflare.com/v1/*/*/openai/chat/completions"

    async def cache(key: str) -> str | None:
        headers = {"authorization": key, "cf-aig-cache-ttl": "60", "content-type": "application/json"}
        return (await b.ask(ModelRequest(Kind.GATEWAY_HTTP, target, {"model": "gpt-4o"}, headers), model)).cache

    assert [await cache(key) for key in ("a", "b", "a")] == ["MISS", "MISS", "HIT"]


def test_memory_is_bounded_and_the_longest_unused_goes_first():
    cache = ResponseCache(most_bytes=10)

    def kept(size: int) -> Cached:
        return Cached(200, (), (b"x" * size,), streamed=False, expires_ms=1000)

    cache.put("a", kept(4))
    cache.put("b", kept(4))
    assert cache.get("a", 0) is not None
    cache.put("c", kept(4))
    assert [cache.get(key, 0) is not None for key in "abc"] == [True, False, True]
    cache.put("huge", kept(11))
    assert cache.get("huge", 0) is None
    assert cache.size == (2, 8)
    cache.put("a", kept(1))
    assert cache.size == (2, 5)
    assert cache.get("a", 1000) is None
    assert cache.size == (1, 4)


async def test_what_is_too_long_is_let_go_while_it_passes(monkeypatch):
    monkeypatch.setattr(delivery, "MOST_ENTRY_BYTES", 10)
    b = Bench()
    for expected in ("MISS", "MISS"):
        got = await b.run({"prompt": "hi", "stream": True}, b.model(streamed(events("he", "llo"))), cacheTtl=60)
        assert (got.cache, got.chunks) == (expected, events("he", "llo"))


async def test_reset_empties_it():
    b = Bench()
    model = b.model(answer, forever=True)
    await b.run({"prompt": "hi"}, model, cacheTtl=60)
    b.gateway.reset("other")
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=60)).cache == "HIT"
    b.gateway.reset("g")
    assert b.gateway.status()[0]["cache_entries"] == 0
    assert (await b.run({"prompt": "hi"}, model, cacheTtl=60)).cache == "MISS"
