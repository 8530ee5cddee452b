"""Dynamic routes: graphs, conditions, shares, budgets (ai-binding.md 3.3)."""

from __future__ import annotations

from typing import Any

import pytest

from emulator.config.ai import GatewayConfig
from emulator.gateway.ai.ai_gateway.conditions import BadCondition, check, fact, holds
from emulator.gateway.ai.ai_gateway.dynamic_routes import BrokenRoute, parse_route
from emulator.gateway.ai.canonical import Kind, ModelRequest
from emulator.gateway.ai.reply import Source

from .gateway_bench import Bench, answer, entry, error, universal


def node(name: str, kind: str, outputs: dict[str, str] | None = None, **properties: Any) -> dict[str, Any]:
    made = {"id": name, "type": kind, "properties": properties}
    return {**made, "outputs": {output: {"elementId": target} for output, target in (outputs or {}).items()}}


def model_node(name: str, model: str, fallback: str | None = None, success: str = "end", **properties: Any) -> dict[str, Any]:
    outputs = {"success": success, **({"fallback": fallback} if fallback else {})}
    return node(name, "model", outputs, provider="openai", model=model, **properties)


def graph(first: str, *elements: dict[str, Any]) -> dict[str, Any]:
    return {"id": "x", "name": "r", "elements": [node("start", "start", {"next": first}), *elements, node("end", "end")]}


def bench(route: dict[str, Any], seed: int = 0, **config: Any) -> Bench:
    return Bench(GatewayConfig("g", dynamic_routes={"r": route}), seed=seed, **config)


ASKED = {"messages": [{"role": "user", "content": "hi"}]}


async def test_a_route_asks_the_model_it_leads_to():
    b = bench(graph("a", model_node("a", "gpt-4o")))
    model = b.model(answer("hello"))
    got = await b.run(ASKED, model, name="dynamic/r")
    assert (got.status, got.headers["cf-aig-provider"], got.headers["cf-aig-model"], got.headers["cf-aig-step"]) == (
        200,
        "openai",
        "gpt-4o",
        "0",
    )
    (request,) = model.calls
    assert (request.kind, request.target) == (Kind.UNIVERSAL, "universal/g")
    assert request.body == [
        {"provider": "compat", "endpoint": "chat/completions", "headers": {}, "query": {**ASKED, "model": "openai/gpt-4o"}}
    ]
    assert b.row(got)["model"] == "gpt-4o"


async def test_a_route_behind_the_compatible_endpoint_of_the_universal_and_the_public_address():
    b = bench(graph("a", model_node("a", "gpt-4o")))
    model = b.model(answer, forever=True)
    await b.ask(universal(entry("dynamic/r", "compat", headers={"x": "1"})), model)
    assert (model.calls[0].body[0]["headers"], model.calls[0].body[0]["query"]["model"]) == ({"x": "1"}, "openai/gpt-4o")
    target = "POST https://gateway.ai.cloudflare.com/v1/*/*/compat/chat/completions"
    await b.ask(ModelRequest(Kind.GATEWAY_HTTP, target, {**ASKED, "model": "dynamic/r"}), model)
    assert (model.calls[1].kind, model.calls[1].target, model.calls[1].body["model"]) == (Kind.GATEWAY_HTTP, target, "openai/gpt-4o")


async def test_retries_timeout_and_fallback_of_a_model():
    first = model_node("a", "big", "b", retries=1, timeout=100)
    b = bench(graph("a", first, model_node("b", "small", retries=0, timeout=0)))
    model = b.model(101, error(500), answer("small"))
    got = await b.run(ASKED, model, name="dynamic/r")
    assert (got.json["response"], got.headers["cf-aig-model"], got.headers["cf-aig-step"], b.clock.ms) == ("small", "small", "1", 100)
    assert [(one["model"], one["attempt"], one["status"]) for one in got.outcome.attempts] == [
        ("big", 1, 0),
        ("big", 2, 500),
        ("small", 1, 200),
    ]


async def test_without_a_fallback_the_models_error_is_the_answer():
    b = bench(graph("a", model_node("a", "big")))
    assert (await b.run(ASKED, b.model(error(503)), name="dynamic/r")).status == 503


async def test_a_route_may_ask_on_and_keeps_the_last_good_answer():
    b = bench(graph("a", model_node("a", "one", success="b"), model_node("b", "two", "end")))
    got = await b.run(ASKED, b.model(answer("one"), error(500)), name="dynamic/r")
    assert (got.json["response"], got.headers["cf-aig-model"]) == ("one", "one")
    got = await b.run(ASKED, b.model(answer("one"), answer("two")), name="dynamic/r")
    assert (got.json["response"], got.headers["cf-aig-step"]) == ("two", "1")


async def test_a_miss_behind_a_good_answer_is_not_hidden_and_logged_once():
    b = bench(graph("a", model_node("a", "one", success="b"), model_node("b", "two", "end")))
    got = await b.run(ASKED, b.model(answer("one"), error(599, Source.NONE)), name="dynamic/r")
    assert (got.status, got.headers["cf-aig-step"]) == (599, "1")
    assert [(row["model"], row["status_code"]) for row in b.gateway.list_logs()] == [("two", 599), ("one", 200)]


async def test_an_array_goes_on_behind_a_route_that_failed():
    b = bench(graph("a", model_node("a", "big")))
    got = await b.ask(universal(entry("dynamic/r", "compat"), entry("gpt-4o-mini")), b.model(error(500), answer()))
    assert (got.status, got.headers["cf-aig-step"], got.headers["cf-aig-model"]) == (200, "1", "gpt-4o-mini")


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ({"metadata.plan": {"$eq": "free"}}, True),
        ({"metadata.plan": "free"}, True),
        ({"metadata.plan": {"$ne": "free"}}, False),
        ({"metadata.plan": {"$in": ["free", "paid"]}}, True),
        ({"metadata.plan": {"$nin": ["free"]}}, False),
        ({"metadata.age": {"$gt": 17, "$lt": 19}}, True),
        ({"metadata.age": {"$gte": 18, "$lte": 18}}, True),
        ({"metadata.age": {"$gt": "17"}}, False),
        ({"metadata.none": {"$exists": False}}, True),
        ({"metadata.none": {"$exists": True}}, False),
        ({"metadata.none": {"$eq": None}}, True),
        ({"metadata.none": {"$gt": 1}}, False),
        ({"metadata.yes": True}, True),
        ({"metadata.yes": 1}, False),
        ({"metadata.a.b": 5}, True),
        ({"headers.X-Plan": {"$regex": "^pa"}}, True),
        ({"headers.x-plan": {"$not": {"$regex": "^pa"}}}, False),
        ({"body.stream": True}, True),
        ({"body.messages.0.content": {"$regex": "hel+o"}}, True),
        ({"body.tags": "b"}, True),
        ({"$and": [{"metadata.plan": "free"}, {"metadata.age": 18}]}, True),
        ({"$or": [{"metadata.plan": "paid"}, {"metadata.age": 18}]}, True),
        ({"$nor": [{"metadata.plan": "paid"}, {"metadata.age": 17}]}, True),
        ({"$not": {"metadata.plan": "free"}}, False),
        ({"metadata.plan": "free", "metadata.age": 17}, False),
        ({}, True),
    ],
)
def test_conditions(condition, expected):
    facts = {
        "metadata": {"plan": "free", "age": 18, "yes": True, "a.b": 5},
        "headers": {"x-plan": "paid"},
        "body": {"stream": True, "messages": [{"content": "hello"}], "tags": ["a", "b"]},
    }
    check(condition)
    assert holds(condition, facts) is expected


@pytest.mark.parametrize(
    "condition",
    [None, [], {"$foo": 1}, {"a": {"$foo": 1}}, {"$and": {}}, {"a": {"$in": 1}}, {"a": {"$regex": "("}}, {"$or": [{"$bad": 1}]}],
)
def test_conditions_that_are_none(condition):
    with pytest.raises(BadCondition):
        check(condition)


def test_a_fact_that_is_not_there():
    assert fact("metadata.x", {"metadata": {}}) is None
    assert fact("nothing.at.all", {}) is None


async def test_a_conditional_chooses_by_metadata():
    choice = node("if", "conditional", {"true": "small", "false": "big"}, conditions={"metadata.plan": {"$eq": "free"}})
    b = bench(graph("if", choice, model_node("small", "small"), model_node("big", "big")))
    model = b.model(answer, forever=True)
    seen = [(await b.run(ASKED, model, name="dynamic/r", metadata={"plan": plan})).headers["cf-aig-model"] for plan in ("free", "paid")]
    assert seen == ["small", "big"]


async def test_shares_are_seeded_and_about_right():
    share = node("split", "percentage", {"10%": "a", "50%": "b", "else": "c"})
    route = graph("split", share, *(model_node(name, name) for name in "abc"))

    async def draws(seed: int) -> list[str]:
        b = bench(route, seed)
        model = b.model(answer, forever=True)
        first = [(await b.run(ASKED, model, name="dynamic/r", skipCache=True)).headers["cf-aig-model"] for _ in range(200)]
        b.gateway.reset()
        assert [(await b.run(ASKED, model, name="dynamic/r")).headers["cf-aig-model"] for _ in range(20)] == first[:20]
        return first

    drawn = await draws(1)
    assert await draws(1) == drawn
    assert await draws(2) != drawn
    assert 8 <= drawn.count("a") <= 35
    assert 75 <= drawn.count("b") <= 125


@pytest.mark.parametrize("names", [("rate_limit", "interval"), ("rate", "window")])
async def test_a_rate_element_counts_by_key_and_falls_back(names):
    kind, window = names
    rate = node(
        "rate",
        kind,
        {"success": "big", "fallback": "small"},
        limitType="count",
        key="metadata.user",
        limit=1,
        **{window: 60},
        technique="fixed",
    )
    b = bench(graph("rate", rate, model_node("big", "big"), model_node("small", "small")))
    model = b.model(answer, forever=True)

    async def asked(user: str) -> str:
        return (await b.run(ASKED, model, name="dynamic/r", metadata={"user": user})).headers["cf-aig-model"]

    assert [await asked(user) for user in ("a", "a", "b", "b")] == ["big", "small", "big", "small"]
    b.clock.ms = 59_999
    assert await asked("a") == "small"
    b.clock.ms = 60_000
    assert await asked("a") == "big"


async def test_a_rate_element_without_fallback_ends_the_route():
    rate = node("rate", "rate", {"success": "big"}, limitType="count", key="metadata.user", limit=1, window=60)
    b = bench(graph("rate", rate, model_node("big", "big")))
    model = b.model(answer, forever=True)
    assert (await b.run(ASKED, model, name="dynamic/r")).status == 200
    refused = await b.run(ASKED, model, name="dynamic/r")
    assert (refused.status, refused.json["internalCode"], len(model.calls)) == (429, 2003, 1)
    assert b.row(refused)["status_code"] == 429


async def test_a_budget_is_used_up_by_what_requests_cost():
    budget = node("budget", "rate", {"success": "big", "fallback": "small"}, limitType="cost", key="metadata.user", limit=1.5, window=3600)
    b = bench(
        graph("budget", budget, model_node("big", "big"), model_node("small", "small")), prices={"big": (0.0, 1.0), "small": (0.0, 0.0)}
    )
    model = b.model(lambda: answer(usage={"prompt_tokens": 1, "completion_tokens": 1_000_000}), forever=True)
    seen = [(await b.run(ASKED, model, name="dynamic/r")).headers["cf-aig-model"] for _ in range(4)]
    assert seen == ["big", "big", "small", "small"]


@pytest.mark.parametrize(
    ("elements", "said"),
    [
        ("nothing", "no array `elements`"),
        ([], "exactly one element of type start, found 0"),
        ([node("a", "start", {"next": "b"})], "output next of 'a' leads to 'b', which is no element"),
        ([{"type": "start"}], "every element needs an id"),
        ([node("a", "start")], "(start) has no output 'next'"),
        ([node("a", "loop")], "type 'loop'; known: start"),
        ([node("a", "end"), node("a", "end")], "'a' is used twice"),
        ([{"id": "a", "type": "end", "outputs": {"x": "y"}}], "output 'x' must be {elementId}"),
        ([node("a", "model", {"success": "a"}, provider="openai")], "needs `provider` and `model`"),
        ([model_node("a", "m", retries=-1)], "retries must be a whole number"),
        ([node("a", "rate", {"success": "a"}, limit="x", window=1)], "limit must be a number"),
        ([node("a", "rate", {"success": "a"}, limit=1)], "must be a number of seconds above 0"),
        ([node("a", "rate", {"success": "a"}, limit=1, window=1, limitType="x")], "limitType must be count or cost"),
        ([node("a", "rate", {"success": "a"}, limit=1, window=1, technique="x")], "technique must be sliding or fixed"),
        ([node("a", "percentage", {"10%": "a"})], "make 10 % and there is no `else`"),
        ([node("a", "percentage", {"60%": "a", "50%": "a"})], "make 100 at most, found 110"),
        ([node("a", "percentage", {"some": "a"})], "neither a percentage nor `else`"),
        ([node("a", "conditional", {"true": "a", "false": "a"}, conditions={"x": {"$like": 1}})], "$like is no operator known here"),
    ],
)
def test_broken_graphs_are_named(elements, said):
    with pytest.raises(BrokenRoute, match="dynamic route 'r'") as caught:
        parse_route("r", {"elements": elements})
    assert said in str(caught.value)


async def test_broken_and_unknown_routes_are_answers():
    b = bench(graph("x"))
    broken = await b.run(ASKED, b.model(), name="dynamic/r")
    assert (broken.status, broken.json["internalCode"], broken.json["name"]) == (400, 9907, "DynamicRouteError")
    assert "which is no element" in broken.json["description"]
    unknown = await b.run(ASKED, b.model(), name="dynamic/q")
    assert "gateway 'g' has no dynamic route 'q'; known: r" in unknown.json["description"]


async def test_a_circle_and_a_route_without_a_model():
    circle = bench(graph("a", model_node("a", "m", "b"), model_node("b", "m", "a")))
    got = await circle.run(ASKED, circle.model(lambda: error(500), forever=True), name="dynamic/r")
    assert "goes in a circle at element 'a'" in got.json["description"]
    empty = bench(graph("end"))
    got = await empty.run(ASKED, empty.model(), name="dynamic/r")
    assert (got.status, got.json["internalCode"]) == (500, 9907)
