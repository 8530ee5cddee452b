"""The ways out of JavaScript: `fetch`, `node:http` and the packages above them pass the gateway; everything else is refused or follows
the mode. What `node:http` answers was observed on workerd."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio
from harness.server import Server
from upstream import Upstream

LIBRARIES = ("fetch", "http")
SDKS = ("openai", "ai")


async def ask(server: Server, path: str, /, **query: str):
    status, answer = await server.get(path, params=query)
    assert status == 200, answer
    return answer


@pytest_asyncio.fixture(loop_scope="session")
async def live(node_server):
    await node_server.control("POST", "ai/session", json={"mode": "live"})
    return node_server


@pytest_asyncio.fixture(loop_scope="session")
async def replay(node_server):
    await node_server.control("POST", "ai/session", json={"mode": "replay"})
    return node_server


async def misses(server: Server) -> int:
    return (await server.control("GET", "ai/session"))["misses"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_request_comes_back_as_it_was_answered(live, upstream: Upstream, library):
    status, body, cookies = await ask(live, f"/get/{library}", base=upstream.url)
    assert (status, json.loads(body)["method"], cookies) == (201, "GET", ["a=1", "b=2"])


@pytest.mark.parametrize("library", LIBRARIES)
async def test_bodies_and_headers_arrive(live, upstream: Upstream, library):
    answers = await ask(live, f"/post/{library}", base=upstream.url)
    assert [(answer["body"], answer["x"]) for answer in answers] == [("one", "yes"), ("two", "yes")]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_packed_body_is_unpacked_once(live, upstream: Upstream, library):
    assert (await ask(live, f"/get/{library}", base=upstream.url, path="/packed"))[:2] == [200, "packed text"]


async def test_node_follows_no_redirects(live, upstream: Upstream):
    assert (await ask(live, "/get/http", base=upstream.url, path="/moved"))[0] == 302


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_answer_streams(live, upstream: Upstream, library):
    assert await ask(live, f"/stream/{library}", base=upstream.url, name=f"node-stream-{library}") == ["one", "two"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_an_upload_streams(live, upstream: Upstream, library):
    assert await ask(live, f"/upload/{library}", base=upstream.url, name=f"node-upload-{library}") == ["one", "two"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_who_stops_reading_closes_the_connection_to_the_server(live, upstream: Upstream, library):
    assert await ask(live, f"/abandon/{library}", base=upstream.url, name=f"node-endless-{library}") == ["more", "passed"]


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_server_that_is_not_there(live, library):
    assert await ask(live, f"/fail/{library}", base="http://127.0.0.1:9") == {"error": "Error", "text": "Network connection lost."}


async def test_a_body_that_breaks_off_is_no_short_body(live, upstream: Upstream):
    assert "error" in await ask(live, "/fail/http", base=upstream.url, path="/cut")


async def test_a_timeout_of_node_http_holds(live, upstream: Upstream):
    assert await ask(live, "/late/http", base=upstream.url) == {"error": "Error", "text": "timed out"}


@pytest.mark.parametrize("library", SDKS)
async def test_a_package_asks_a_model(live, upstream: Upstream, library):
    assert await ask(live, f"/ask/{library}", base=f"{upstream.url}/node-{library}") == "whole answer"


@pytest.mark.parametrize("library", SDKS)
async def test_a_package_hears_each_piece_when_it_is_said(live, upstream: Upstream, library):
    step = f"{upstream.url}/step/node-sdk-{library}"
    assert await ask(live, f"/ask-stream/{library}", base=f"{upstream.url}/node-sdk-{library}", step=step) == ["Hel", "lo"]


# -- replayed


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_recording_answers_in_place_of_the_outside(replay, library):
    status, body, _ = await ask(replay, f"/get/{library}", base="https://data.example", path="/answer.json")
    assert (status, json.loads(body)) == (200, {"from": "a recording"})


@pytest.mark.parametrize("library", SDKS)
async def test_a_package_is_answered_by_recordings(replay, library):
    assert await ask(replay, f"/ask/{library}") == "recorded"
    assert await ask(replay, f"/ask-stream/{library}") == ["rec", "orded"]
    assert await misses(replay) == 0


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_is_not_recorded_is_denied_and_counts(replay, upstream: Upstream, library):
    status, body, _ = await ask(replay, f"/get/{library}", base=upstream.url)
    assert (status, json.loads(body)["error"]["code"]) == (599, "E502")
    assert await misses(replay) == 1


# -- every other way out

SOCKETS = ("net", "net-port", "net-required", "net-socket", "tls", "cloudflare:sockets")
MISSING = {
    "spawn": "child_process.spawn",
    "exec": "child_process.execSync",
    "spawn-required": "child_process.spawn",
    "spawn-builtin": "child_process.spawn",
    "worker": "Worker",
    "binding": "process.binding",
    "http2": "http2.connect",
}


@pytest.mark.parametrize("trick", SOCKETS)
async def test_no_socket_is_opened_in_a_replay(replay, upstream: Upstream, trick):
    before = upstream.connections
    refused = await ask(replay, f"/try/{trick}", port=str(upstream.tcp_port))
    assert refused["code"] == "E631"
    assert upstream.connections == before
    assert await misses(replay) == 1


@pytest.mark.parametrize("trick", ("name", "name-resolved", "name-called"))
async def test_no_name_is_looked_up_in_a_replay(replay, trick):
    assert (await ask(replay, f"/try/{trick}", host="outside.example"))["code"] == "E631"


@pytest.mark.parametrize("trick", ("net", "net-required", "cloudflare:sockets"))
async def test_a_socket_is_a_socket_while_nothing_is_replayed(live, upstream: Upstream, trick):
    assert await ask(live, f"/try/{trick}", port=str(upstream.tcp_port)) == "hello from a socket"


@pytest.mark.parametrize("trick", MISSING)
async def test_what_the_platform_does_not_have_is_not_there_in_any_mode(live, trick):
    refused = await ask(live, f"/try/{trick}")
    assert (refused["text"], refused["code"]) == (f"The {MISSING[trick]} method is not implemented", "ERR_METHOD_NOT_IMPLEMENTED")


async def test_a_datagram_goes_nowhere(live, upstream: Upstream):
    assert await ask(live, "/try/datagram", port=str(upstream.tcp_port)) is None
