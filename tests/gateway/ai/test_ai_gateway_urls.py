"""Public gateway addresses, and where a leg goes (ai-binding.md 3.2)."""

from __future__ import annotations

import pytest

from emulator.gateway.ai.ai_gateway.public_urls import GatewayAddress, gateway_url, native_call, parse_address

GATEWAY = "https://gateway.ai.cloudflare.com/v1/acct/my-gateway"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (GATEWAY, ("", "")),
        (f"{GATEWAY}/", ("", "")),
        (f"{GATEWAY}/openai/chat/completions", ("openai", "chat/completions")),
        (f"{GATEWAY}/azure-openai/res/dep/chat/completions?api-version=1", ("azure-openai", "res/dep/chat/completions?api-version=1")),
        (f"{GATEWAY}/workers-ai/@cf/meta/llama", ("workers-ai", "@cf/meta/llama")),
        (f"{GATEWAY}/compat/chat/completions", ("compat", "chat/completions")),
        (f"{GATEWAY}/run", ("run", "")),
    ],
)
def test_parts_of_an_address(url, parts):
    assert parse_address(url) == GatewayAddress("acct", "my-gateway", *parts)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.openai.com/v1/acct/g/openai",
        "https://gateway.ai.cloudflare.com/v1/acct",
        "https://gateway.ai.cloudflare.com/v1/acct/",
        "https://gateway.ai.cloudflare.com/v2/acct/g",
        "ftp://gateway.ai.cloudflare.com/v1/acct/g",
    ],
)
def test_other_addresses(url):
    assert parse_address(url) is None


def test_an_odd_gateway_id_survives_the_way_there_and_back():
    for gateway in ("{gateway_id}", "my gw", "a/b?c"):
        assert parse_address(gateway_url(gateway, "openai")) == GatewayAddress("local", gateway, "openai", "")


def test_get_url():
    assert gateway_url("g", "openai") == "https://gateway.ai.cloudflare.com/v1/local/g/openai"
    assert gateway_url("g") == gateway_url("g", "universal") == "https://gateway.ai.cloudflare.com/v1/local/g/"
    assert gateway_url("g", None, "acct") == "https://gateway.ai.cloudflare.com/v1/acct/g/"


NATIVE = [
    ("openai", "chat/completions", "https://api.openai.com/v1/chat/completions"),
    ("openai", "v1/chat/completions", "https://api.openai.com/v1/chat/completions"),
    ("openai", "/responses", "https://api.openai.com/v1/responses"),
    ("anthropic", "v1/messages", "https://api.anthropic.com/v1/messages"),
    ("anthropic", "messages", "https://api.anthropic.com/v1/messages"),
    ("google-ai-studio", "v1beta/models/m:generateContent", "https://generativelanguage.googleapis.com/v1beta/models/m:generateContent"),
    ("google", "v1/models", "https://generativelanguage.googleapis.com/v1/models"),
    ("workers-ai", "@cf/meta/llama", "https://api.cloudflare.com/client/v4/accounts/acct/ai/run/@cf/meta/llama"),
    ("workers-ai", "v1/chat/completions", "https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/chat/completions"),
    ("groq", "chat/completions", "https://api.groq.com/openai/v1/chat/completions"),
    ("mistral", "v1/chat/completions", "https://api.mistral.ai/v1/chat/completions"),
    ("grok", "v1/chat/completions", "https://api.x.ai/v1/chat/completions"),
    ("xai", "chat/completions", "https://api.x.ai/v1/chat/completions"),
    ("perplexity-ai", "chat/completions", "https://api.perplexity.ai/chat/completions"),
    ("deepseek", "chat/completions", "https://api.deepseek.com/chat/completions"),
    ("cerebras", "chat/completions", "https://api.cerebras.ai/v1/chat/completions"),
    ("openrouter", "v1/chat/completions", "https://openrouter.ai/api/v1/chat/completions"),
    ("replicate", "predictions", "https://api.replicate.com/v1/predictions"),
    ("cohere", "v1/chat", "https://api.cohere.ai/v1/chat"),
    ("cohere", "v2/chat", "https://api.cohere.ai/v2/chat"),
    ("huggingface", "bigcode/starcoder", "https://api-inference.huggingface.co/models/bigcode/starcoder"),
    ("elevenlabs", "v1/text-to-speech/x", "https://api.elevenlabs.io/v1/text-to-speech/x"),
    ("fireworks", "chat/completions", "https://api.fireworks.ai/inference/v1/chat/completions"),
    (
        "azure-openai",
        "res/dep/chat/completions?api-version=1",
        "https://res.openai.azure.com/openai/deployments/dep/chat/completions?api-version=1",
    ),
    ("aws-bedrock", "bedrock-runtime/us-east-1/model/m/invoke", "https://bedrock-runtime.us-east-1.amazonaws.com/model/m/invoke"),
    (
        "google-vertex-ai",
        "v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent",
        "https://us-central1-aiplatform.googleapis.com/v1/projects/p/locations/us-central1/publishers/google/models/m:generateContent",
    ),
    ("google-vertex-ai", "v1/projects/p/locations/global/x", "https://aiplatform.googleapis.com/v1/projects/p/locations/global/x"),
]


@pytest.mark.parametrize(("provider", "endpoint", "url"), NATIVE)
def test_a_providers_own_address(provider, endpoint, url):
    call = native_call(provider, endpoint, {"x": 1}, account="acct")
    assert call is not None
    assert (call.url, call.query) == (url, {"x": 1})


@pytest.mark.parametrize(
    ("model", "provider", "url", "native"),
    [
        ("openai/gpt-4o", "openai", "https://api.openai.com/v1/chat/completions", "gpt-4o"),
        ("anthropic/claude", "anthropic", "https://api.anthropic.com/v1/chat/completions", "claude"),
        ("google-ai-studio/g", "google-ai-studio", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "g"),
        ("google/g", "google-ai-studio", "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions", "g"),
        ("workers-ai/@cf/a/b", "workers-ai", "https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/chat/completions", "@cf/a/b"),
        ("@cf/a/b", "workers-ai", "https://api.cloudflare.com/client/v4/accounts/acct/ai/v1/chat/completions", "@cf/a/b"),
        ("openrouter/anthropic/claude", "openrouter", "https://openrouter.ai/api/v1/chat/completions", "anthropic/claude"),
        ("cohere/command", "cohere", "https://api.cohere.ai/compatibility/v1/chat/completions", "command"),
    ],
)
def test_the_compatible_endpoint(model, provider, url, native):
    call = native_call("compat", "chat/completions", {"model": model, "messages": []}, account="acct")
    assert call is not None
    assert (call.provider, call.url, call.query) == (provider, url, {"model": native, "messages": []})


@pytest.mark.parametrize(
    ("provider", "endpoint", "query"),
    [
        ("nobody", "x", {}),
        ("azure-openai", "x", {}),
        ("aws-bedrock", "x", {}),
        ("compat", "chat/completions", {}),
        ("compat", "chat/completions", {"model": "gpt-4o"}),
        ("compat", "chat/completions", {"model": "nobody/x"}),
        ("compat", "chat/completions", {"model": "elevenlabs/x"}),
        ("compat", "chat/completions", None),
    ],
)
def test_what_leads_nowhere(provider, endpoint, query):
    assert native_call(provider, endpoint, query) is None
