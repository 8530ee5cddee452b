"""routes.py: which backend a model id leads to."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.asking import credential, error, pacer

from emulator.config.ai import AiConfig, BackendConfig, BackendType, RouteConfig
from emulator.gateway.ai.backends.anthropic import Anthropic
from emulator.gateway.ai.backends.ollama import Ollama
from emulator.gateway.ai.backends.openai import OpenAi
from emulator.gateway.ai.backends.workers_ai import WorkersAi
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.reply import Source
from emulator.gateway.ai.routes import Chosen, Routes
from emulator.gateway.exchange import Headers, Response

VLLM = BackendConfig("vllm", BackendType.OPENAI, "http://127.0.0.1:1/v1", credential("env:VLLM_KEY"))
LOCAL = BackendConfig("local", BackendType.OLLAMA, "http://127.0.0.1:1")


async def nobody(method: str, url: str, headers: Headers, body: bytes) -> Response:
    raise AssertionError(f"{method} {url}")


def routes(*rules: tuple[str, ...], backends: tuple[BackendConfig, ...] = (), **variables: str) -> Routes:
    config = AiConfig(tuple(RouteConfig(*rule) for rule in rules), {backend.name: backend for backend in backends})
    return Routes(config, variables.get, nobody, pacer())


async def refusal(chosen: Chosen) -> tuple[int, int, str]:
    assert chosen.backend is not None
    reply = await chosen.backend.run(ModelRequest(Kind.RUN, "x", {"prompt": "hi"}), chosen.model)
    assert reply.source is Source.NONE
    return await error(reply)


def test_the_first_match_wins_and_may_rename_the_model() -> None:
    table = routes(("@cf/zai-org/*", "ollama", "qwen3:8b"), ("@cf/*", "cloudflare"), ("openai/*", "openai"), ("*", "stub"))
    first = table.choose("@cf/zai-org/glm-4.7-flash")
    assert (type(first.backend), first.name, first.model) == (Ollama, "ollama", "qwen3:8b")
    second = table.choose("@cf/meta/llama-3.1-8b-instruct")
    assert (type(second.backend), second.model) == (WorkersAi, "@cf/meta/llama-3.1-8b-instruct")
    assert isinstance(table.choose("openai/gpt-4o").backend, OpenAi)
    stub = table.choose("anything")
    assert (stub.backend, stub.name, stub.reason) == (None, "stub", "route '*'")


def test_patterns_look_at_the_id_as_it_was_written() -> None:
    table = routes(("@cf/*/glm-4.?-flash", "openai"), ("@CF/*", "anthropic"), ("*", "stub"))
    assert table.choose("@cf/zai-org/glm-4.7-flash").name == "openai"
    assert table.choose("@cf/zai-org/other").name == "stub"


@pytest.mark.parametrize(
    ("name", "kind", "url"),
    [
        ("cloudflare", WorkersAi, "https://api.cloudflare.com/client/v4"),
        ("openai", OpenAi, "https://api.openai.com/v1"),
        ("anthropic", Anthropic, "https://api.anthropic.com"),
        ("gemini", OpenAi, "https://generativelanguage.googleapis.com/v1beta/openai"),
        ("ollama", Ollama, "http://127.0.0.1:11434"),
    ],
)
def test_well_known_names_need_no_section(name: str, kind: type, url: str) -> None:
    table = routes(("*", name))
    assert isinstance(table.choose("x").backend, kind)
    assert table.rows()[0]["base_url"] == url


@pytest.mark.parametrize(
    ("name", "variable"), [("openai", "OPENAI_API_KEY"), ("gemini", "GEMINI_API_KEY"), ("cloudflare", "CLOUDFLARE_API_TOKEN")]
)
async def test_a_missing_key_is_named(name: str, variable: str) -> None:
    status, code, text = await refusal(routes(("*", name)).choose("@cf/meta/llama-3.1-8b-instruct"))
    assert (status, code) == (403, 10000)
    assert f"'{name}'" in text and f"{variable} is not set" in text


async def test_a_missing_account_is_named() -> None:
    chosen = routes(("*", "cloudflare"), CLOUDFLARE_API_TOKEN="t").choose("@cf/meta/llama-3.1-8b-instruct")
    assert "CLOUDFLARE_ACCOUNT_ID is not set" in (await refusal(chosen))[2]


async def test_an_empty_variable_is_none() -> None:
    assert (await refusal(routes(("*", "openai"), OPENAI_API_KEY="").choose("x")))[:2] == (403, 10000)


async def test_a_model_that_no_route_knows() -> None:
    table = routes(("@cf/meta/llama-3.1-8b-instruct", "cloudflare"), ("openai/gpt-4o", "openai"))
    chosen = table.choose("@cf/meta/llama-3.1-8b-instuct")
    status, code, text = await refusal(chosen)
    assert (status, code) == (400, 5007)
    assert "no route knows model '@cf/meta/llama-3.1-8b-instuct'" in text
    assert "close matches: @cf/meta/llama-3.1-8b-instruct" in text
    assert 'match = "*"' in text and "(E618)" in text
    # The error can be given more than once.
    assert (await refusal(chosen))[1] == 5007


async def test_a_route_to_nowhere_is_an_error_and_no_crash() -> None:
    table = routes(("*", "olama"))
    status, code, text = await refusal(table.choose("x"))
    assert (status, code) == (400, 5007)
    assert "leads to backend 'olama', and there is none" in text
    assert table.rows() == [{"match": "*", "to": "olama", "model": None, "type": None, "base_url": None, "key_present": None}]


def test_without_routes_the_only_ready_backend_answers() -> None:
    assert routes(backends=(VLLM,), VLLM_KEY="k").choose("x").name == "vllm"
    assert routes(backends=(LOCAL,)).choose("x").name == "local"
    assert routes(backends=(VLLM, LOCAL)).choose("x").name == "local"


@pytest.mark.parametrize(
    ("backends", "variables", "reason"),
    [
        ((), {"OPENAI_API_KEY": "k"}, "no backend is configured"),
        ((VLLM,), {}, "no backend has its key"),
        ((VLLM, LOCAL), {"VLLM_KEY": "k"}, "several backends and no route: vllm, local"),
    ],
)
def test_without_routes_the_stub_answers_and_says_why(backends: Any, variables: Any, reason: str) -> None:
    chosen = routes(backends=backends, **variables).choose("x")
    assert (chosen.backend, chosen.name, chosen.reason) == (None, "stub", reason)


def test_a_key_that_appears_later_counts() -> None:
    variables: dict[str, str] = {}
    table = Routes(AiConfig((), {"vllm": VLLM}), variables.get, nobody, pacer())
    assert table.choose("x").name == "stub"
    variables["VLLM_KEY"] = "k"
    assert table.choose("x").name == "vllm"


def test_the_table_shows_no_key() -> None:
    declared = BackendConfig("proxy", BackendType.OPENAI, "http://user:secret-1@127.0.0.1:1/v1", credential("secret-2"))
    table = routes(("a/*", "vllm", "b"), ("b/*", "proxy"), ("c/*", "ollama"), ("*", "stub"), backends=(VLLM, declared))
    rows = table.rows()
    assert rows[0] == {
        "match": "a/*",
        "to": "vllm",
        "model": "b",
        "type": "openai",
        "base_url": "http://127.0.0.1:1/v1",
        "key_present": False,
    }
    assert [row["key_present"] for row in rows] == [False, True, None, None]
    assert "secret" not in repr(rows)
    assert routes(backends=(VLLM,), VLLM_KEY="k").rows()[0]["to"] == "vllm"


def test_backends_are_kept_between_calls() -> None:
    table = routes(("*", "openai"))
    assert table.choose("a").backend is table.choose("b").backend
