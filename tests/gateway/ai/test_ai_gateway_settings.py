"""Whose setting wins, what is clamped, what is lost (ai-binding.md 3.2, 3.3; A18)."""

from __future__ import annotations

import pytest

from emulator.config.ai import CachePolicy, GatewayConfig
from emulator.gateway.ai.ai_gateway.settings import Backoff, CustomCost, clean_metadata, merge

from .gateway_bench import Bench, answer

CONFIG = GatewayConfig("g", cache_ttl_s=100, max_attempts=2, retry_delay_ms=10, backoff="linear", request_timeout_ms=1000)


def test_without_anything_the_gateway_decides():
    settings, warnings = merge(CONFIG)
    assert warnings == []
    assert (settings.cache, settings.cache_ttl_s, settings.skip_cache, settings.cache_key) == (CachePolicy.DOCUMENTED, 100, False, None)
    assert (settings.max_attempts, settings.retry_delay_ms, settings.backoff, settings.timeout_ms) == (2, 10, Backoff.LINEAR, 1000)
    assert (settings.collect_log, settings.collect_payload, settings.event_id, settings.metadata) == (True, True, None, None)


def test_the_nearest_setting_wins():
    levels = {
        "options": {"cacheTtl": 200},
        "headers": {"cf-aig-cache-ttl": "300"},
        "entry_headers": {"cf-aig-cache-ttl": "400"},
        "entry_config": {"cacheTtl": 500},
    }
    given: dict[str, object] = {}
    seen = []
    for name, value in levels.items():
        given[name] = value
        seen.append(merge(CONFIG, **given)[0].cache_ttl_s)  # type: ignore[arg-type]
    assert seen == [200, 300, 400, 500]


def test_options_of_run():
    options = {
        "id": "g",
        "skipCache": True,
        "cacheKey": "k",
        "eventId": "e",
        "collectLog": False,
        "requestTimeoutMs": 5,
        "retries": {"maxAttempts": 4, "retryDelayMs": 7, "backoff": "exponential"},
    }
    settings, warnings = merge(CONFIG, options=options)
    assert warnings == []
    assert (settings.skip_cache, settings.cache_key, settings.event_id, settings.collect_log) == (True, "k", "e", False)
    assert (settings.timeout_ms, settings.max_attempts, settings.retry_delay_ms, settings.backoff) == (5, 4, 7, Backoff.EXPONENTIAL)


def test_headers_and_their_old_names():
    assert merge(CONFIG, headers={"cf-cache-ttl": "3600", "cf-skip-cache": "true"})[0].cache_ttl_s == 3600
    both, _ = merge(
        CONFIG, headers={"cf-cache-ttl": "3600", "cf-aig-cache-ttl": "60", "cf-skip-cache": "true", "cf-aig-skip-cache": "false"}
    )
    assert (both.cache_ttl_s, both.skip_cache) == (60, False)
    every, warnings = merge(
        CONFIG,
        headers={
            "cf-aig-cache-key": "k",
            "cf-aig-collect-log-payload": "false",
            "cf-aig-custom-cost": '{"per_token_in":0.1,"per_token_out":0.2}',
            "cf-aig-request-timeout": "9",
            "cf-aig-max-attempts": "3",
            "cf-aig-retry-delay": "8",
            "cf-aig-backoff": "constant",
            "cf-aig-metadata": '{"a":1}',
        },
    )
    assert warnings == []
    assert (every.cache_key, every.collect_payload, every.custom_cost) == ("k", False, CustomCost(0.1, 0.2))
    assert (every.timeout_ms, every.max_attempts, every.retry_delay_ms, every.backoff) == (9, 3, 8, Backoff.CONSTANT)
    assert every.metadata == {"a": 1}


def test_an_entry_config_as_the_universal_endpoint_takes_it():
    settings, _ = merge(CONFIG, entry_config={"requestTimeout": 3, "maxAttempts": 5, "retryDelay": 4, "backoff": "exponential"})
    assert (settings.timeout_ms, settings.max_attempts, settings.retry_delay_ms, settings.backoff) == (3, 5, 4, Backoff.EXPONENTIAL)


@pytest.mark.parametrize(
    ("options", "field", "kept"),
    [
        ({"cacheTtl": 59}, "cache_ttl_s", 60),
        ({"cacheTtl": 60}, "cache_ttl_s", 60),
        ({"cacheTtl": 2_592_001}, "cache_ttl_s", 2_592_000),
        ({"cacheTtl": 0}, "cache_ttl_s", 0),
        ({"retries": {"maxAttempts": 6}}, "max_attempts", 5),
        ({"retries": {"maxAttempts": 0}}, "max_attempts", 1),
        ({"retries": {"retryDelayMs": 5001}}, "retry_delay_ms", 5000),
    ],
)
def test_clamps_are_told(options, field, kept):
    settings, warnings = merge(CONFIG, options=options)
    given = next(iter(options.get("retries", options).values()))
    assert getattr(settings, field) == kept
    assert len(warnings) == (0 if given == kept else 1)
    if warnings:
        assert str(given) in warnings[0]
        assert str(kept) in warnings[0]


@pytest.mark.parametrize(
    ("headers", "said"),
    [
        ({"cf-aig-cache-ttl": "soon"}, "cacheTtl of the request's headers is passed over: 'soon' is not a number"),
        ({"cf-aig-cache-ttl": "-5"}, "negative"),
        ({"cf-aig-cache-ttl": "nan"}, "not a finite number"),
        ({"cf-aig-skip-cache": "yes"}, "neither true nor false"),
        ({"cf-aig-backoff": "random"}, "none of constant, linear, exponential"),
        ({"cf-aig-request-timeout": "0"}, "more than 0"),
        ({"cf-aig-custom-cost": "{"}, "not JSON"),
        ({"cf-aig-custom-cost": "{}"}, "per_token_in"),
    ],
)
def test_what_cannot_be_read_is_passed_over(headers, said):
    settings, warnings = merge(CONFIG, headers=headers)
    assert settings == merge(CONFIG)[0]
    (warning,) = warnings
    assert said in warning


def test_a_setting_that_cannot_be_read_leaves_the_next_one():
    settings, _ = merge(CONFIG, headers={"cf-aig-cache-ttl": "soon"}, options={"cacheTtl": 77})
    assert settings.cache_ttl_s == 77


@pytest.mark.parametrize(
    ("raw", "kept", "warnings"),
    [
        (None, None, 0),
        ({"a": 1, "b": "x", "c": True}, {"a": 1, "b": "x", "c": True}, 0),
        ('{"a": 1}', {"a": 1}, 0),
        ({f"k{i}": i for i in range(6)}, {f"k{i}": i for i in range(5)}, 1),
        ({"a": 1, "b": None}, None, 1),
        ({"a": {"deep": 1}}, None, 1),
        ({"a": [1]}, None, 1),
        ({**{f"k{i}": i for i in range(6)}, "bad": None}, None, 1),
        ("not json", None, 1),
        ([1], None, 1),
    ],
)
def test_metadata(raw, kept, warnings):
    cleaned, told = clean_metadata(raw)
    assert cleaned == kept
    assert len(told) == warnings


async def test_a18_six_entries_store_five_and_a_null_stores_none_each_with_one_warning():
    b = Bench()
    six = await b.run({"prompt": "1"}, b.model(answer()), metadata={f"k{i}": i for i in range(6)})
    assert b.row(six)["metadata"] == {f"k{i}": i for i in range(5)}
    assert len(six.outcome.warnings) == len(b.row(six)["warnings"]) == len(six.reply.warnings) == 1
    null = await b.run({"prompt": "2"}, b.model(answer()), metadata={"a": 1, "b": None})
    assert b.row(null)["metadata"] is None
    assert len(null.outcome.warnings) == 1
