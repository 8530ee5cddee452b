"""Matching: keys, order within a key, hand-written rules, and misses that teach (A22, A23, A24, A26)."""

from __future__ import annotations

import asyncio
import json
import uuid

import pytest

from emulator.config import AiMode
from emulator.gateway.ai.canonical import Kind, ModelRequest, canonical, key_of
from emulator.gateway.ai.cassettes import jsonpath
from emulator.gateway.ai.classify import http_request

from .conftest import read_json


def run_key(body, **request):
    return key_of(canonical(ModelRequest(Kind.RUN, "@cf/test/model", body, **request)))


def chat(*messages, **rest):
    return {"messages": [{"role": role, "content": content} for role, content in messages], **rest}


async def answer(b, inputs, **how):
    return await read_json(await b.run(inputs, **how))


async def test_equal_requests_get_their_answers_in_order_and_then_are_exhausted(bench, cassettes):
    for index in range(2):
        cassettes.recorded(f"0{index}-hi", {"prompt": "hi"}, {"response": str(index)})
    b = bench()
    assert [(await answer(b, {"prompt": "hi"}))["response"] for _ in range(2)] == ["0", "1"]
    error = await answer(b, {"prompt": "hi"})
    assert (error["internalCode"], error["name"]) == (9902, "FixtureExhausted")
    assert "AI_FIXTURE_EXHAUSTED: recorded 2 times, requested once more" in error["description"]
    assert "01-hi.json" in error["description"] and '"repeat"' in error["description"]
    assert b.playback.misses == 1


async def test_twenty_parallel_agents_use_every_answer_once(bench, cassettes):
    for index in range(20):
        cassettes.recorded(f"{index:02}-same", {"prompt": "same"}, {"response": index})
    b = bench()
    answers = await asyncio.gather(*(answer(b, {"prompt": "same"}) for _ in range(20)))
    assert sorted(each["response"] for each in answers) == list(range(20))
    assert (await answer(b, {"prompt": "same"}))["internalCode"] == 9902


async def test_repeat_last_and_forever(bench, cassettes):
    cassettes.recorded("00-a", {"prompt": "a"}, {"response": 0})
    cassettes.recorded("01-a", {"prompt": "a"}, {"response": 1}, repeat="last")
    cassettes.recorded("00-b", {"prompt": "b"}, {"response": 2}, repeat="forever")
    b = bench()
    assert [(await answer(b, {"prompt": "a"}))["response"] for _ in range(4)] == [0, 1, 1, 1]
    assert [(await answer(b, {"prompt": "b"}))["response"] for _ in range(3)] == [2, 2, 2]


async def test_order_across_keys_does_not_matter(bench, cassettes):
    for word in ("one", "two", "three"):
        cassettes.recorded(f"00-{word}", {"prompt": word}, {"response": word.upper()})
    b = bench()
    assert [(await answer(b, {"prompt": word}))["response"] for word in ("three", "one", "two")] == ["THREE", "ONE", "TWO"]


async def test_a_new_session_starts_from_the_first_answer(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": 0})
    b = bench()
    await answer(b, {"prompt": "hi"})
    assert b.playback.status()["unused"] == []
    b.playback.restart()
    assert b.playback.status()["unused"] == ["default/00-hi"]
    assert (await answer(b, {"prompt": "hi"}))["response"] == 0


async def test_a_changed_word_names_file_path_both_values_and_the_next_step(bench, cassettes):
    cassettes.recorded("00-far", chat(("user", "something else entirely")), {})
    near = cassettes.recorded("00-near", chat(("system", "You are kind."), ("user", "What is the capital of France?")), {})
    error = await answer(bench(), chat(("system", "You are kind."), ("user", "What is the capital of Spain?")))
    text = error["description"]
    assert (error["internalCode"], error["name"], error["httpCode"]) == (9901, "FixtureMiss", 400)
    assert str(near) in text
    assert "$.body.messages[1].content" in text
    assert "France?" in text and "Spain?" in text
    assert "next" in text
    assert len(text.splitlines()) < 40


async def test_a_report_stays_short_when_everything_differs(bench, cassettes):
    cassettes.recorded("00-a", chat(*[("user", f"a{index}") for index in range(60)]), {})
    error = await answer(bench(), chat(*[("assistant", f"b{index} " * 500) for index in range(60)]))
    assert len(error["description"].splitlines()) < 40
    assert len(error["description"]) < 6000


async def test_a_miss_where_only_times_differ_prints_the_normaliser_and_the_normaliser_helps(bench, cassettes):
    cassettes.recorded("00-now", {"prompt": "It is 2026-11-22T10:00:00Z. Hello"}, {"response": "good morning"})
    b = bench()
    asked = {"prompt": "It is 2026-11-23T18:30:00Z. Hello"}
    error = await answer(b, asked)
    assert '"normalise": ["iso-datetime"]' in error["description"]
    (cassettes.folder() / "cassette.json").write_text('{"normalise": ["iso-datetime"]}')
    assert (await answer(b, asked))["response"] == "good morning"


def tool_turn(first, second, *, swapped=False):
    calls = [{"id": name, "type": "function", "function": {"name": "mint", "arguments": "{}"}} for name in (first, second)]
    results = [(first, f"order {uuid.uuid4()} made"), (second, "none")]
    if swapped:
        results = [(second, results[0][1]), (first, "none")]
    tools = [{"role": "tool", "tool_call_id": call, "content": content} for call, content in results]
    return {"messages": [{"role": "assistant", "content": "", "tool_calls": calls}, *tools]}


def test_ids_are_renamed_by_first_appearance():
    assert run_key(tool_turn("call_a1", "call_b2")) == run_key(tool_turn("toolu_zz", "x9"))
    assert run_key(tool_turn("call_a1", "call_b2")) != run_key(tool_turn("call_a1", "call_b2", swapped=True))


def test_a_minted_uuid_that_comes_back_in_another_place_still_counts():
    one, two = str(uuid.uuid4()), str(uuid.uuid4())

    def turn(made, cancelled):
        return run_key(chat(("tool", f"made {made}"), ("user", f"cancel {cancelled}")))

    assert turn(one, one) == turn(two, two)
    assert turn(one, one) != turn(one, two)


def test_names_that_only_look_like_ids_stay():
    assert run_key(chat(("user", "call_weather please"))) != run_key(chat(("user", "call_police please")))
    assert run_key({"tools": [{"name": "call_weather"}]}) != run_key({"tools": [{"name": "call_news"}]})


def test_what_never_counts_and_what_always_does():
    plain = {"prompt": "hi", "temperature": 1}
    assert run_key(plain) == run_key({"temperature": 1.0, "prompt": "hi", "user": "u1", "metadata": {"a": 1}, "store": True})
    assert run_key(plain) == run_key(plain, headers={"cf-consn-sdk-version": "9", "x-session-affinity": "z"}, options={"tags": ["x"]})
    assert run_key(plain) != run_key({**plain, "stream": True})
    assert run_key({"schema": {"properties": {"user": {"type": "string"}}}}) != run_key({"schema": {"properties": {}}})


def test_rotated_keys_and_new_sdk_versions_cause_no_miss():
    url = "https://api.openai.com/v1/responses"
    body = b'{"model":"gpt-4o","input":"hi"}'

    def key(url, *headers):
        return key_of(canonical(http_request("POST", url, [("Content-Type", "application/json; charset=utf-8"), *headers], body)))

    assert key(url, ("Authorization", "Bearer a"), ("User-Agent", "x/1"), ("x-stainless-retry-count", "0")) == key(
        url, ("authorization", "Bearer b"), ("User-Agent", "x/2"), ("X-Stainless-Retry-Count", "2")
    )
    assert key(url + "?key=1&b=2&a=1") == key(url + "?a=1&api_key=zzz&b=2")
    assert key(url, ("OpenAI-Beta", "v1")) != key(url)
    assert key(url) != key("http://api.openai.com/v1/responses")


def test_the_account_of_the_public_gateway_address_is_folded_away():
    def target(account, gateway):
        url = f"https://gateway.ai.cloudflare.com/v1/{account}/{gateway}/openai/chat/completions"
        return http_request("POST", url, [], b"{}")

    assert target("a", "b") == target("c", "d")
    assert target("a", "b").kind is Kind.GATEWAY_HTTP


def test_multipart_bodies_do_not_depend_on_their_boundary():
    def key(boundary):
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="a.mp3"\r\nContent-Type: audio/mpeg\r\n\r\n'
            f'\x00\x01\r\n--{boundary}\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--{boundary}--\r\n'
        )
        headers = [("content-type", f"multipart/form-data; boundary={boundary}")]
        return key_of(canonical(http_request("POST", "https://x.test/t", headers, body.encode())))

    assert key("one") == key("another")


def test_long_base64_is_compared_by_hash():
    document = canonical(ModelRequest(Kind.RUN, "m", {"image": "A" * 4000}))
    assert document["body"]["image"].startswith("sha256:")


async def test_hand_written_rules_most_specific_first(bench, cassettes):
    cassettes.manual("00-any", [], {"response": "any"}, target="@cf/*", repeat="forever")
    cassettes.manual("00-model", [], {"response": "model"}, repeat="forever")
    cassettes.manual("00-weather", [{"path": "$.body.messages[-1].content", "contains": "weather"}], {"response": "rain"}, repeat="forever")
    b = bench()
    assert (await answer(b, chat(("user", "the weather?"))))["response"] == "rain"
    assert (await answer(b, chat(("user", "hello"))))["response"] == "model"
    assert (await answer(b, chat(("user", "hello")), model="@cf/other/model"))["response"] == "any"
    assert (await answer(b, chat(("user", "hello")), model="openai/gpt-5"))["internalCode"] == 9901


async def test_a_recorded_exchange_wins_over_a_hand_written_one(bench, cassettes):
    cassettes.manual("00-any", [], {"response": "any"}, repeat="forever")
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "recorded"})
    b = bench()
    assert [(await answer(b, {"prompt": "hi"}))["response"] for _ in range(2)] == ["recorded", "any"]


async def test_a_used_up_special_answer_makes_way_for_the_general_one(bench, cassettes):
    cassettes.manual("00-general", [], {"response": "general"}, repeat="forever")
    cassettes.manual("00-first", [{"path": "$.body.prompt", "equals": "hi"}], {"response": "first"})
    b = bench()
    assert [(await answer(b, {"prompt": "hi"}))["response"] for _ in range(2)] == ["first", "general"]


async def test_two_that_fit_equally_are_an_error_naming_both(bench, cassettes):
    cassettes.manual("00-a", [{"path": "$.body.prompt", "contains": "h"}], {}, repeat="forever")
    cassettes.manual("00-b", [{"path": "$.body.prompt", "contains": "i"}], {}, repeat="forever")
    for mode in (AiMode.REPLAY, AiMode.AUTO):
        b = bench(mode)
        error = await answer(b, {"prompt": "hi"})
        assert (error["internalCode"], error["name"]) == (9903, "FixtureAmbiguous")
        assert b.events[-1]["code"] == "E504"
        assert "00-a.json" in error["description"] and "00-b.json" in error["description"]


async def test_default_comes_before_other_cassettes_and_a_named_one_is_alone(bench, cassettes):
    cassettes.manual("00-x", [], {"response": "a"}, cassette="a-first-by-name", repeat="forever")
    cassettes.manual("00-x", [], {"response": "default"}, repeat="forever")
    assert (await answer(bench(), {"prompt": "hi"}))["response"] == "default"
    assert (await answer(bench(cassette="a-first-by-name"), {"prompt": "hi"}))["response"] == "a"


async def test_a_miss_near_a_hand_written_recording_shows_the_unmet_rule(bench, cassettes):
    cassettes.manual("00-weather", [{"path": "$.body.prompt", "contains": "weather"}], {})
    text = (await answer(bench(), {"prompt": "hello"}))["description"]
    assert 'rule      $.body.prompt contains "weather"' in text
    assert 'found   "hello"' in text


@pytest.mark.parametrize(
    ("rule", "holds"),
    [
        ({"path": "$.body.n", "equals": 1}, True),
        ({"path": "$.body.n", "equals": True}, False),
        ({"path": "body['a b']", "exists": True}, True),
        ({"path": "$.body.missing", "exists": False}, True),
        ({"path": "$.body.missing", "equals": None}, False),
        ({"path": "$..text", "regex": "^dee"}, True),
        ({"path": "$.body.list[*].text", "contains": "x"}, False),
        ({"path": "$.body.list[-1]", "contains": '"text":"deep"'}, True),
        ({"path": "$.body.n", "equals": 1, "regex": "2"}, False),
        ({"path": "$.gateway.id", "equals": "g"}, True),
    ],
)
async def test_rules(bench, cassettes, rule, holds):
    cassettes.manual("00-r", [rule], {"response": "yes"})
    body = {"n": 1, "a b": 0, "list": [{"text": "deep"}]}
    found = await answer(bench(), body, options={"gateway": {"id": "g"}})
    assert (found.get("response") == "yes") is holds


@pytest.mark.parametrize("path", ["$.a[", "$.a[x]", "a b", "$.a..", "$.a[?(@.b)]"])
def test_paths_that_are_not_supported_say_where(path):
    with pytest.raises(jsonpath.PathError, match="cannot read"):
        jsonpath.parse(path)


async def test_a_changed_file_is_seen_and_counts_as_unused(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "old"})
    b = bench()
    assert (await answer(b, {"prompt": "hi"}))["response"] == "old"
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "newer"})
    assert (await answer(b, {"prompt": "hi"}))["response"] == "newer"
    (cassettes.folder() / "00-hi.json").unlink()
    assert (await answer(b, {"prompt": "hi"}))["internalCode"] == 9901


async def test_the_universal_endpoint_matches_without_keys_in_its_headers(bench, cassettes):
    def entries(key):
        return [{"provider": "openai", "endpoint": "chat/completions", "headers": {"Authorization": key}, "query": {"model": "m"}}]

    request = {"kind": "gateway.universal", "target": "universal/g", "body": entries("{{secret}}")}
    cassettes.write("00-u", {"request": request, "response": {"status": 200, "json": {"ok": 1}}})
    response = await bench().post("/ai-gateway/universal/run/g", entries("Bearer other"))
    assert json.loads(response.body) == {"ok": 1}
