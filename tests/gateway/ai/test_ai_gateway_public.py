"""Requests of user code to the public addresses, through a gateway (ai-binding.md 3.2)."""

from __future__ import annotations

import json

import pytest

from emulator.config.ai import GatewayConfig, RateLimit, Technique
from emulator.gateway.ai.ai_gateway.public_requests import PublicRequest, public_request
from emulator.gateway.ai.ai_gateway.refusals import unknown_provider
from emulator.gateway.ai.canonical import Kind
from emulator.gateway.ai.classify import BadRequest

from .gateway_bench import Answer, Bench, Model, answer, entry, error

GATEWAY = "https://gateway.ai.cloudflare.com/v1/acct/g"
CHAT = json.dumps({"model": "gpt-4o", "messages": []}).encode()


def asked(path: str, body: bytes = CHAT, **headers: str) -> PublicRequest:
    sent = [(name.replace("_", "-"), value) for name, value in headers.items()]
    found = public_request("POST", GATEWAY + path, [("Content-Type", "application/json"), *sent], body)
    assert found is not None
    return found


async def through(b: Bench, request: PublicRequest, model: Model) -> Answer:
    return await b.ask(request.asked, model, gateway=request.address.gateway, headers=dict(request.headers))


def test_a_providers_request_keeps_its_kind_and_folds_the_account():
    request = asked("/openai/chat/completions").asked
    assert (request.kind, request.target) == (Kind.GATEWAY_HTTP, "POST https://gateway.ai.cloudflare.com/v1/*/*/openai/chat/completions")


@pytest.mark.parametrize("path", ["", "/"])
def test_the_universal_address(path):
    array = asked(path, json.dumps([entry("a"), entry("b")]).encode()).asked
    assert (array.kind, array.target, len(array.body)) == (Kind.UNIVERSAL, "universal/g", 2)
    assert asked(path, json.dumps(entry("a")).encode()).asked.body == [entry("a")]
    with pytest.raises(BadRequest):
        asked(path, b"[]")


def test_other_requests_are_none():
    assert public_request("POST", "https://api.openai.com/v1/chat/completions", [], CHAT) is None


async def test_the_same_rules_hold():
    b = Bench(GatewayConfig("g", rate_limit=RateLimit(Technique.FIXED, 3, 60)))
    model = b.model(error(500), answer())
    first = await through(
        b, asked("/openai/chat/completions", cf_aig_max_attempts="2", cf_aig_retry_delay="7", cf_aig_cache_ttl="60"), model
    )
    assert (first.status, first.cache, b.clock.ms) == (200, "MISS", 7)
    hit = await through(b, asked("/openai/chat/completions", cf_aig_cache_ttl="60"), model)
    assert (hit.cache, len(model.calls)) == ("HIT", 2)
    two = json.dumps([entry("a"), entry("b")]).encode()
    fallen = await through(b, asked("", two), b.model(error(500), answer()))
    assert (fallen.status, fallen.headers["cf-aig-step"]) == (200, "1")
    assert (await through(b, asked("/openai/chat/completions"), b.model())).status == 429


def test_an_unknown_provider():
    reply = unknown_provider("nobody").reply()
    assert isinstance(reply.response.body, bytes)
    assert (reply.response.status, json.loads(reply.response.body)["internalCode"]) == (400, 2008)
