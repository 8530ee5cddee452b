"""Rate and spend limits, to the millisecond (ai-binding.md 3.3; A17)."""

from __future__ import annotations

import pytest

from emulator.config.ai import GatewayConfig, RateLimit, SpendLimit, Technique
from emulator.gateway.ai.ai_gateway.limits import RateWindows, SpendRules, SpendWindows

from .gateway_bench import Bench, answer, entry, universal

FIXED = RateLimit(Technique.FIXED, 3, 60)
SLIDING = RateLimit(Technique.SLIDING, 3, 60)
DEAR = {"prompt_tokens": 0, "completion_tokens": 1_000_000}
PRICES = {"*": (0.0, 1.0)}


@pytest.mark.parametrize("technique", list(Technique))
async def test_a17_the_fourth_call_is_refused(technique):
    b = Bench(GatewayConfig("g", rate_limit=RateLimit(technique, 3, 60)))
    model = b.model(answer, forever=True)
    seen = [await b.run({"prompt": str(n)}, model) for n in range(4)]
    assert [one.status for one in seen] == [200, 200, 200, 429]
    refused = seen[3]
    assert refused.headers["content-type"] == "application/json"
    assert "retry-after" not in {name.lower() for name in refused.headers}
    assert refused.json["internalCode"] == 2003
    assert refused.json["description"] == "Rate limited"
    assert refused.json["error"] == [{"code": 2003, "message": "Rate limited"}]
    assert (len(model.calls), refused.outcome.refusal) == (3, "2003: Rate limited")
    row = b.row(refused)
    assert (row["status_code"], row["success"], row["cost"], row["attempts"]) == (429, False, 0, [])


def passes(windows: RateWindows, limit: RateLimit, *at_ms: int) -> list[bool]:
    return [windows.take("k", limit, ms) for ms in at_ms]


def test_fixed_windows_are_aligned_and_clear_at_their_end():
    assert passes(RateWindows(), FIXED, 50_000, 51_000, 59_999, 59_999, 60_000, 60_001, 60_002, 60_003) == [
        *[True, True, True, False],
        *[True, True, True, False],
    ]


def test_a_sliding_window_weighs_the_one_before_by_its_overlap():
    windows = RateWindows()
    assert passes(windows, SLIDING, 0, 0, 0, 59_999) == [True, True, True, False]
    # 3 * (60 - e) / 60 + 1 <= 3 from e = 20 s on
    assert passes(windows, SLIDING, 60_000, 79_999, 80_000) == [False, False, True]
    # 3 * (60 - e) / 60 + 2 <= 3 from e = 40 s on
    assert passes(windows, SLIDING, 80_001, 99_999, 100_000) == [False, False, True]
    # the window before now holds 2: 2 * (60 - e) / 60 + 1 <= 3 at once, + 2 from e = 30 s on
    assert passes(windows, SLIDING, 120_000, 120_001, 149_999, 150_000) == [True, False, False, True]


def test_a_sliding_window_forgets_what_is_two_windows_old():
    assert passes(RateWindows(), SLIDING, 0, 0, 0, 120_000, 120_000, 120_000, 120_000) == [True] * 6 + [False]


def test_refused_requests_are_not_counted():
    windows = RateWindows()
    passes(windows, SLIDING, *[0] * 50)
    assert passes(windows, SLIDING, 80_000) == [True]


def test_keys_are_apart():
    windows = RateWindows()
    assert [windows.take(key, RateLimit(Technique.FIXED, 1, 60), 0) for key in ("a", "b", "a")] == [True, True, False]


async def test_windows_go_by_the_emulators_clock():
    b = Bench(GatewayConfig("g", rate_limit=FIXED))
    model = b.model(answer, forever=True)
    for number in range(4):
        last = await b.run({"prompt": str(number)}, model)
    assert last.status == 429
    b.clock.ms = 59_999
    assert (await b.run({"prompt": "x"}, model)).status == 429
    b.clock.ms = 60_000
    assert (await b.run({"prompt": "x"}, model)).status == 200


async def test_limits_are_one_gateways_and_reset_lifts_them():
    b = Bench(GatewayConfig("g", rate_limit=RateLimit(Technique.FIXED, 1, 60)), GatewayConfig("other"))
    model = b.model(answer, forever=True)
    assert [(await b.run({"prompt": "1"}, model)).status for _ in range(2)] == [200, 429]
    assert (await b.run({"prompt": "1"}, model, gateway="other")).status == 200
    assert b.gateway.status()[0]["refused"] == 1
    b.gateway.reset("g")
    assert (await b.run({"prompt": "1"}, model)).status == 200


async def test_a_universal_request_is_one_request():
    b = Bench(GatewayConfig("g", rate_limit=RateLimit(Technique.FIXED, 1, 60)))
    model = b.model(answer, forever=True)
    assert [(await b.ask(universal(entry(), entry()), model)).status for _ in range(2)] == [200, 429]


async def test_the_request_that_crosses_the_spend_limit_completes():
    rule = SpendLimit(1.5, 3600, name="daily")
    b = Bench(GatewayConfig("g", spend_limits=(rule,)), prices=PRICES)
    model = b.model(lambda: answer(usage=DEAR), forever=True)
    seen = [await b.run({"prompt": str(n)}, model) for n in range(3)]
    assert [one.status for one in seen] == [200, 200, 429]
    assert (seen[2].json["internalCode"], seen[2].json["description"]) == (2045, "Spend limit reached: rule 'daily'")
    assert (len(model.calls), b.gateway.status()[0]["cost_usd"]) == (2, 2.0)
    b.clock.ms = 3600_000 - 1 - 14 * 60_000  # the bench begins 14 minutes into an hour
    assert (await b.run({"prompt": "x"}, model)).status == 429
    b.clock.ms += 1
    assert (await b.run({"prompt": "x"}, model)).status == 200


async def test_requests_that_began_before_the_cost_was_known_pass():
    b = Bench(GatewayConfig("g", spend_limits=(SpendLimit(0.5, 3600),)), prices=PRICES)
    model = b.model(lambda: answer(usage=DEAR), forever=True)
    assert [(await b.run({"prompt": str(n)}, model)).status for n in range(2)] == [200, 429]


async def test_spending_is_counted_for_each_value_of_a_metadata_entry():
    b = Bench(GatewayConfig("g", spend_limits=(SpendLimit(1, 3600, by="team"),)), prices=PRICES)
    model = b.model(lambda: answer(usage=DEAR), forever=True)

    async def status(**options: object) -> int:
        return (await b.run({"prompt": "x"}, model, **options)).status

    assert [await status(metadata={"team": "a"}) for _ in range(2)] == [200, 429]
    assert [await status(metadata={"team": "b"}) for _ in range(2)] == [200, 429]
    assert [await status() for _ in range(2)] == [200, 429]


async def test_failed_requests_cost_nothing():
    b = Bench(GatewayConfig("g", spend_limits=(SpendLimit(1, 3600),)), prices=PRICES)
    failing = b.model(lambda: answer(status=500, usage=DEAR), forever=True)
    assert [(await b.run({"prompt": "x"}, failing)).status for _ in range(3)] == [500, 500, 500]


def test_every_rule_is_looked_at():
    rules = SpendRules((SpendLimit(10, 60, name="large"), SpendLimit(1, 60, name="small")))
    rules.add({}, 0, 1)
    breached = rules.breached({}, 59_999)
    assert breached is not None
    assert breached.name == "small"
    assert rules.breached({}, 60_000) is None


def test_memory_is_bounded():
    rates, spending = RateWindows(), SpendWindows()
    for key in range(20_000):
        rates.take(key, FIXED, 0)
        spending.add(key, 60, 0, 1)
    assert spending.spent(0, 60, 0) == 0
    assert spending.spent(19_999, 60, 0) == 1
    assert [rates.take(0, FIXED, 0) for _ in range(4)] == [True, True, True, False]
