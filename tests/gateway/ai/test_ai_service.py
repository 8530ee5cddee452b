"""The service behind https://workers-binding.ai: paths, headers, envelopes, modes, gateway logs (A3, A8)."""

from __future__ import annotations

import asyncio
import base64
import json

import pytest

from emulator.config import AiMode
from emulator.errors import UsageError
from emulator.gateway.ai.modes import Action, Found, decide, effective, parse_mode
from emulator.gateway.exchange import Request

from .conftest import read, read_json

LEGACY = "@cf/meta/llama-3.1-8b-instruct"


async def test_a_hit_is_replayed_and_reported(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "hello"})
    b = bench()
    response = await b.run({"prompt": "hi"})
    assert response.headers[0] == ("content-type", "application/json")
    assert await read_json(response) == {"response": "hello"}
    (event,) = b.events
    expected = {"type": "ai", "model": "@cf/test/model", "call": "binding.run", "mode": "replay", "source": "recording"}
    expected |= {"recording": "default/00-hi", "status": 200, "chunks": 1, "gateway": None, "notice": None, "problem": None, "code": None}
    assert {name: event[name] for name in expected} == expected
    assert b.layer.calls.calls() == [event]


async def test_auto_answers_a_miss_from_the_stub_and_says_so(bench, cassettes):
    b = bench(AiMode.AUTO)
    await read_json(await b.run({"prompt": "hi"}, model=LEGACY))
    assert (b.events[0]["source"], b.events[0]["notice"]) == ("stub", "answered by the stub: no recording, no backend")
    cassettes.recorded("00-hi", {"prompt": "hi"}, {}, target=LEGACY)
    await b.run({"prompt": "hi"}, model=LEGACY)
    await b.run({"prompt": "hi"}, model=LEGACY)
    assert [event["source"] for event in b.events] == ["stub", "recording", "stub"]
    assert b.events[2]["notice"] == "answered by the stub: its recordings are used up, no backend"
    assert b.playback.status()["misses"] == 0


async def test_auto_under_ci_fails_a_miss_and_counts_it(bench):
    b = bench(AiMode.AUTO, ci=True)
    response = await b.run({"prompt": "hi"})
    error = await read_json(response)
    assert (response.status, error["internalCode"], error["name"]) == (400, 9901, "FixtureMiss")
    assert error["description"].startswith("no recording answers binding.run @cf/test/model")
    assert b.playback.status()["misses"] == 1
    assert (b.events[0]["problem"], b.events[0]["code"]) == (error["description"], "E502")


async def test_live_ignores_recordings_and_says_that_there_is_no_backend(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "recorded"}, target=LEGACY)
    b = bench(AiMode.LIVE)
    assert "stub" in (await read_json(await b.run({"prompt": "hi"}, model=LEGACY)))["response"]
    assert b.events[0]["notice"] == "answered by the stub: mode live, no backend"


async def test_the_stub_alone_ignores_recordings_and_need_not_say_so(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "recorded"}, target=LEGACY)
    b = bench(AiMode.STUB, ci=True)
    assert "stub" in (await read_json(await b.run({"prompt": "hi"}, model=LEGACY)))["response"]
    assert (b.events[0]["source"], b.events[0]["notice"]) == ("stub", None)


def test_unknown_modes_name_the_known_ones():
    with pytest.raises(UsageError) as error:
        parse_mode("lvie")
    assert error.value.hint == "use one of: auto, replay, record, new, once, check, live, stub"


def test_a_refused_session_changes_nothing(bench, cassettes):
    b = bench(AiMode.AUTO)
    with pytest.raises(UsageError):
        b.playback.restart(mode=AiMode.REPLAY, cassette="nope")
    assert b.playback.mode is AiMode.AUTO


def test_the_policy_covers_every_usable_mode():
    rows = {
        (mode, existed): {decide(effective(mode, ci=False, cassette_exists=existed), found) for found in Found}
        for mode in AiMode
        for existed in (True, False)
    }
    assert all(rows.values())
    assert rows[AiMode.ONCE, True] == rows[AiMode.REPLAY, True] == {Action.REPLAY, Action.FAIL}
    assert rows[AiMode.ONCE, False] == rows[AiMode.NEW, False] == {Action.REPLAY, Action.STORE}
    assert effective(AiMode.AUTO, ci=True, cassette_exists=False) is AiMode.REPLAY
    assert rows[AiMode.LIVE, True] == {Action.OUTSIDE}


async def test_the_model_prefix_is_stripped(bench, cassettes):
    cassettes.recorded("00-hi", {"prompt": "hi"}, {"response": "x"})
    assert (await read_json(await bench().run({"prompt": "hi"}, model="tenant:@cf/test/model")))["response"] == "x"


async def test_ids_in_headers(bench):
    b = bench(AiMode.AUTO)
    plain = await b.run({"prompt": "hi"}, model=LEGACY)
    assert plain.header("cf-ai-req-id") == "00010203-0405-4607-8809-0a0b0c0d0e0f"
    assert plain.header("cf-aig-log-id") is None
    options = {"gateway": {"id": "g", "eventId": "e1"}}
    routed = await b.run({"prompt": "hi"}, model=LEGACY, options=options, path="/ai-gateway/run?version=3")
    names = ("cf-aig-log-id", "cf-aig-request-id", "cf-aig-cache-status", "cf-aig-step", "cf-aig-event-id")
    log_id = b.events[1]["log_id"]
    assert [routed.header(name) for name in names] == [log_id, log_id, "MISS", "0", "e1"]
    assert len(log_id) == 26


async def test_a_gateway_call_leaves_a_log_that_can_be_read_and_changed(bench):
    b = bench(AiMode.AUTO)
    options = {"gateway": {"id": "g", "metadata": {"team": "a", "n": 1}}}
    response = await b.run({"prompt": "hi", "stream": True}, model=LEGACY, options=options, path="/ai-gateway/run?version=3")
    log_id = response.header("cf-aig-log-id")
    missing = await b.get(f"/ai-gateway/gateways/g/logs/{log_id}")
    assert missing.status == 404, "a streamed call is logged when its stream has ended"
    body = await read(response)
    log = (await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{log_id}")))["result"]
    assert (log["id"], log["model"], log["provider"], log["status_code"]) == (log_id, LEGACY, "workers-ai", 200)
    assert (log["metadata"], log["cached"], log["success"]) == ({"team": "a", "n": 1}, False, True)
    assert log["response_size"] == len(body) and log["tokens_out"] > 0 and log["created_at"] == "2023-11-14T22:13:20.000Z"
    patched = await b.post(f"/ai-gateway/gateways/g/logs/{log_id}", {"feedback": 1, "score": 7, "model": "x"}, method="PATCH")
    assert patched.status == 200
    log = (await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{log_id}")))["result"]
    assert (log["feedback"], log["score"], log["model"]) == (1, 7, LEGACY)


@pytest.mark.parametrize(
    ("metadata", "kept"),
    [({str(n): n for n in range(6)}, {str(n): n for n in range(5)}), ({"a": None}, None), ({"a": {}}, None), ("x", None)],
)
async def test_the_metadata_a_log_keeps(bench, metadata, kept):
    b = bench(AiMode.AUTO)
    options = {"gateway": {"id": "g", "metadata": metadata}}
    response = await b.run({"prompt": "hi"}, model=LEGACY, options=options, path="/ai-gateway/run?version=3")
    log = await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}"))
    assert log["result"]["metadata"] == kept


async def test_a_log_that_was_not_wanted_is_not_kept(bench):
    b = bench(AiMode.AUTO)
    options = {"gateway": {"id": "g", "collectLog": False}}
    response = await b.run({"prompt": "hi"}, model=LEGACY, options=options, path="/ai-gateway/run?version=3")
    assert (await b.get(f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}")).status == 404


@pytest.mark.parametrize("method", ["GET", "PATCH"])
async def test_unknown_logs_have_an_error_in_errors(bench, method):
    response = await bench().post("/ai-gateway/gateways/g/logs/nope", {}, method=method)
    assert response.status == 404
    assert (await read_json(response))["errors"][0]["message"] == "Log not found"


@pytest.mark.parametrize("change", [{"feedback": 2}, {"score": "high"}])
async def test_bad_log_changes(bench, change):
    b = bench(AiMode.AUTO)
    response = await b.run({"prompt": "hi"}, model=LEGACY, options={"gateway": {"id": "g"}}, path="/ai-gateway/run?version=3")
    path = f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}"
    assert (await b.post(path, change, method="PATCH")).status == 400


async def test_gateway_urls(bench):
    b = bench()
    provider = await read_json(await b.get("/ai-gateway/gateways/my%20gw/url/openai"))
    universal = await read_json(await b.get("/ai-gateway/gateways/g/url/universal"))
    assert provider["result"]["url"].endswith("/my%20gw/openai")
    assert universal["result"]["url"] == "https://gateway.ai.cloudflare.com/v1/local/g/"


async def test_the_universal_endpoint(bench):
    b = bench(AiMode.AUTO)
    entry = {"provider": "openai", "endpoint": "chat/completions", "headers": {}, "query": {"model": "gpt", "messages": []}}
    response = await b.post("/ai-gateway/universal/run/g", [entry], [("cf-aig-metadata", '{"a":1}'), ("cf-aig-event-id", "e")])
    assert (response.status, response.header("cf-aig-step"), response.header("cf-aig-event-id")) == (200, "0", "e")
    log = await read_json(await b.get(f"/ai-gateway/gateways/g/logs/{response.header('cf-aig-log-id')}"))
    assert (log["result"]["provider"], log["result"]["model"], log["result"]["metadata"]) == ("openai", "gpt", {"a": 1})


async def test_a_stream_as_input(bench):
    b = bench(AiMode.AUTO)
    headers = [("cf-consn-model-id", "@cf/openai/whisper"), ("content-type", "audio/mpeg")]

    async def sound():
        yield b"\x00"
        yield b"\x01"

    url = "https://workers-binding.ai/run?version=3&tags=a%2Cb&userInputs=%7B%22language%22%3A%22en%22%7D"
    answer = await read_json(await b.service.serve(Request("POST", url, headers, sound())))
    assert answer["text"]
    assert b.events[0]["call"] == "binding.stream-input"


async def test_models(bench):
    b = bench()
    rows = (await read_json(await b.get("/ai-api/models/search?task=Text%20Embeddings&author=baai&search=BASE")))["result"]
    assert [row["id"] for row in rows] == ["@cf/baai/bge-base-en-v1.5"]
    first = (await read_json(await b.get("/ai-api/models/search?per_page=2")))["result"]
    second = (await read_json(await b.get("/ai-api/models/search?per_page=2&page=2")))["result"]
    assert len(first) == len(second) == 2 and first != second
    for wrong in ("page=zero", "page=0", "source=x"):
        assert (await b.get(f"/ai-api/models/search?{wrong}")).status == 400

    async def ids(query):
        return [row["id"] for row in (await read_json(await b.get(f"/ai-api/models/search?per_page=1000&{query}")))["result"]]

    assert await ids("source=1") == await ids("") != []
    assert await ids("source=2") == []
    assert "@cf/llava-hf/llava-1.5-7b-hf" in set(await ids("hide_experimental=false")) - set(await ids("hide_experimental=true"))
    assert await ids("task=reranking&hide_experimental=true") == ["@cf/baai/bge-reranker-base"]


async def test_markdown(bench):
    b = bench()
    formats = (await read_json(await b.get("/to-everything/markdown/supported")))["result"]
    assert {"extension": ".csv", "mimeType": "text/csv"} in formats

    def file(name, mime_type, data):
        return {"name": name, "mimeType": mime_type, "data": base64.b64encode(data).decode()}

    files = [
        file("a.md", "text/markdown", b"# hi"),
        file("b.csv", "text/csv", b"x,y\n1,a|b\n"),
        file("c.json", "", b'{"a":1}'),
        file("d.pdf", "application/pdf", b"%PDF"),
        file("e.json", "application/json", b"{"),
        file("f.txt", "text/plain", b"\xff"),
    ]
    rows = (await read_json(await b.post("/to-everything/markdown/transformer", {"files": files})))["result"]
    assert [row["format"] for row in rows] == ["markdown", "markdown", "markdown", "error", "error", "error"]
    assert rows[0]["data"] == "# hi"
    assert rows[1]["data"] == "# b.csv\n\n| x | y |\n| --- | --- |\n| 1 | a\\|b |\n"
    assert "application/pdf" in rows[3]["error"]
    assert len({row["id"] for row in rows}) == 6


@pytest.mark.parametrize(
    ("path", "headers", "body", "says"),
    [
        ("/run?version=3", [], b'{"inputs":{}}', "cf-consn-model-id"),
        ("/run?version=3", [("cf-consn-model-id", "m")], b"not json", "not JSON"),
        ("/run?version=3", [("cf-consn-model-id", "m")], b"[]", "must be a JSON object"),
        ("/run?version=3", [("cf-consn-model-id", "m")], b"{}", "'inputs'"),
        ("/run?version=3", [("cf-consn-model-id", "m")], b'{"inputs":{},"options":[1]}', "`options`"),
        ("/run?version=3", [("cf-consn-model-id", "m")], b'{"inputs":{},"options":{"gateway":"g"}}', "`options.gateway`"),
        ("/ai-gateway/universal/run/g", [], b"{}", "array"),
        ("/ai-gateway/universal/run/g", [], b"[]", "array"),
        ("/run?userInputs=%7B&version=3", [("cf-consn-model-id", "m")], b"x", "userInputs"),
    ],
)
async def test_requests_no_client_sends(bench, path, headers, body, says):
    b = bench(AiMode.AUTO)

    async def data():
        yield body

    response = await b.service.serve(Request("POST", f"https://workers-binding.ai{path}", headers, data()))
    error = await read_json(response)
    assert (response.status, error["errors"][0]["code"]) == (400, 5006)
    assert says in error["errors"][0]["message"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/run"), ("POST", "/nothing"), ("DELETE", "/autorag/rags")])
async def test_unknown_paths(bench, method, path):
    response = await bench().service.serve(Request(method, f"https://workers-binding.ai{path}"))
    assert response.status == 404
    assert path in (await read_json(response))["errors"][0]["message"]


async def test_every_failure_of_ours_has_a_description(bench, cassettes):
    cassettes.recorded("00-used", {"prompt": "used"}, {})
    b = bench()
    await b.run({"prompt": "used"})
    for response in (await b.run({"prompt": "used"}), await b.run({"prompt": "new"})):
        error = json.loads(response.body)
        assert error["internalCode"] and error["description"] and error["name"]


async def test_unused_recordings_are_listed(bench, cassettes):
    cassettes.recorded("00-a", {"prompt": "a"}, {})
    cassettes.recorded("00-b", {"prompt": "b"}, {})
    b = bench()
    await b.run({"prompt": "a"})
    status = b.playback.status()
    assert (status["recordings"], status["hits"], status["unused"], status["mode"]) == (2, 1, ["default/00-b"], "replay")


async def test_a_caller_that_leaves_before_the_first_byte_is_reported(bench, cassettes):
    request = {"kind": "binding.run", "target": "@cf/test/model", "body": {"prompt": "slow"}}
    cassettes.write("00-slow", {"request": request, "response": {"status": 200, "t": 60_000, "json": {}}})
    b = bench(speed="1x")
    task = asyncio.create_task(b.run({"prompt": "slow"}))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert [(event["status"], event["recording"]) for event in b.events] == [(0, "default/00-slow")]
