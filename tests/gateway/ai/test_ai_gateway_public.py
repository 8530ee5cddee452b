"""Requests of user code to the public addresses, through a gateway (ai-binding.md 3.2)."""

from __future__ import annotations

import json

from emulator.config.ai import GatewayConfig, RateLimit, Technique
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.classify import http_request

from .gateway_bench import Bench, answer, entry, error, streamed, universal

CHAT = json.dumps({"model": "gpt-4o", "messages": []}).encode()


def asked(path: str, body: bytes = CHAT, **headers: str) -> ModelRequest:
    sent = [("Content-Type", "application/json"), *((name.replace("_", "-"), value) for name, value in headers.items())]
    return http_request("POST", f"https://gateway.ai.cloudflare.com/v1/acct/g{path}", sent, body)


async def test_the_same_rules_hold_as_for_the_binding():
    b = Bench(GatewayConfig("g", rate_limit=RateLimit(Technique.FIXED, 3, 60)))
    model = b.model(error(500), answer())
    request = asked("/openai/chat/completions", cf_aig_max_attempts="2", cf_aig_retry_delay="7", cf_aig_cache_ttl="60")
    first, hit = await b.ask(request, model), await b.ask(request, model)
    assert (first.status, first.cache, hit.cache, b.clock.ms, len(model.calls)) == (200, "MISS", "HIT", 7, 2)
    assert model.calls == [request, request]
    fallen = await b.ask(universal(entry("a"), entry("b")), b.model(error(500), answer()))
    assert (fallen.status, fallen.headers["cf-aig-step"]) == (200, "1")
    assert (await b.ask(asked("/openai/chat/completions"), b.model())).status == 429


async def test_two_providers_do_not_share():
    b = Bench()
    model = b.model(answer, forever=True)

    async def cache(provider: str) -> str | None:
        return (await b.ask(asked(f"/{provider}/chat/completions", cf_aig_cache_ttl="60"), model)).cache

    assert [await cache(provider) for provider in ("openai", "groq", "openai")] == ["MISS", "MISS", "HIT"]


async def test_a_stream_has_no_run_id():
    b = Bench()
    got = await b.ask(asked("/openai/chat/completions"), b.model(streamed([b"data: [DONE]\n\n"])))
    assert got.outcome.run_id is None
