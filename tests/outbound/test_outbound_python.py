"""HTTP libraries of Python, unmodified: all they do passes the gateway, live and replayed; every other way out is refused."""

from __future__ import annotations

import json

import pytest
import pytest_asyncio
from harness.server import Server
from harness.waiting import eventually
from upstream import Upstream

SYNCHRONOUS = ("httpx-sync", "requests", "requests-thread", "urllib3", "urllib", "http.client")
LIBRARIES = (*SYNCHRONOUS, "httpx", "aiohttp", "workers", "js", "pyodide")
STREAMING = ("httpx", "httpx-sync", "requests", "urllib", "aiohttp", "workers")
UPLOADING = ("httpx", "httpx-sync", "requests", "aiohttp")
SDKS = ("openai", "openai-sync", "anthropic", "anthropic-sync")


async def ask(server: Server, path: str, /, **query: str):
    status, answer = await server.get(path, params=query)
    assert status == 200, answer
    return answer


async def mode(server: Server, name: str):
    return await server.control("POST", "ai/session", json={"mode": name})


@pytest_asyncio.fixture(loop_scope="session")
async def live(python_server):
    await mode(python_server, "live")
    return python_server


@pytest_asyncio.fixture(loop_scope="session")
async def replay(python_server):
    await mode(python_server, "replay")
    return python_server


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_request_comes_back_as_it_was_answered(live, upstream: Upstream, library):
    status, body, cookies = await ask(live, f"/get/{library}", base=upstream.url)
    assert (status, json.loads(body)["method"], cookies) == (201, "GET", ["a=1", "b=2"])


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_packed_body_is_unpacked_once(live, upstream: Upstream, library):
    assert (await ask(live, f"/get/{library}", base=upstream.url, path="/packed"))[:2] == [200, "packed text"]


@pytest.mark.parametrize("library", ("requests", "urllib", "aiohttp", "workers"))
async def test_redirects_are_followed_by_who_follows_them(live, upstream: Upstream, library):
    status, body, _ = await ask(live, f"/get/{library}", base=upstream.url, path="/moved")
    assert (status, json.loads(body)["query"]) == (200, "moved=1")


async def test_httpx_follows_none_by_itself(live, upstream: Upstream):
    assert (await ask(live, "/get/httpx", base=upstream.url, path="/moved"))[0] == 302


@pytest.mark.parametrize("library", ("httpx", "httpx-sync", "requests", "aiohttp"))
async def test_bodies_and_headers_arrive_on_a_connection_that_is_kept(live, upstream: Upstream, library):
    answers = await ask(live, f"/post/{library}", base=upstream.url)
    assert [(answer["body"], answer["x"]) for answer in answers] == [("one", "yes"), ("two", "yes")]


@pytest.mark.parametrize("library", STREAMING)
async def test_an_answer_streams(live, upstream: Upstream, library):
    assert await ask(live, f"/stream/{library}", base=upstream.url, name=f"stream-{library}") == ["one", "two"]


@pytest.mark.parametrize("library", UPLOADING)
async def test_an_upload_streams(live, upstream: Upstream, library):
    assert await ask(live, f"/upload/{library}", base=upstream.url, name=f"upload-{library}") == ["one", "two"]


@pytest.mark.parametrize("library", STREAMING)
async def test_who_stops_reading_closes_the_connection_to_the_server(live, upstream: Upstream, library):
    assert await ask(live, f"/abandon/{library}", base=upstream.url, name=f"endless-{library}") == ["more", "passed"]


NOBODY = {
    "httpx": "ConnectError",
    "httpx-sync": "ConnectError",
    "requests": "ConnectionError",
    "urllib3": "MaxRetryError",
    "urllib": "URLError",
    "http.client": "ConnectionAbortedError",
    "aiohttp": "ClientOSError",
    "workers": "AbortError",
}


@pytest.mark.parametrize("library", NOBODY)
async def test_a_server_that_is_not_there_is_the_librarys_own_error(live, library):
    failed = await ask(live, f"/fail/{library}", base="http://127.0.0.1:9")
    assert failed["error"] == NOBODY[library]
    assert "Network connection lost" in failed["text"]


BROKEN = {"httpx": "ReadError", "httpx-sync": "ReadError", "requests": "ChunkedEncodingError", "aiohttp": "ClientPayloadError"}


@pytest.mark.parametrize("library", BROKEN)
async def test_a_body_that_breaks_off_is_no_short_body(live, upstream: Upstream, library):
    assert (await ask(live, f"/fail/{library}", base=upstream.url, path="/cut"))["error"] == BROKEN[library]


LATE = {"httpx": "ReadTimeout", "httpx-sync": "ReadTimeout", "requests": "ReadTimeout", "urllib": "TimeoutError", "aiohttp": "TimeoutError"}


@pytest.mark.parametrize("library", LATE)
async def test_a_librarys_own_timeout_holds(live, upstream: Upstream, library):
    assert (await ask(live, f"/late/{library}", base=upstream.url))["error"] == LATE[library]


@pytest.mark.parametrize("library", SDKS)
async def test_an_sdk_asks_a_model(live, upstream: Upstream, library):
    assert await ask(live, f"/ask/{library}", base=f"{upstream.url}/{library}") == "whole answer"


@pytest.mark.parametrize("library", SDKS)
async def test_an_sdk_hears_each_piece_when_it_is_said(live, upstream: Upstream, library):
    step = f"{upstream.url}/step/sdk-{library}"
    assert await ask(live, f"/ask-stream/{library}", base=f"{upstream.url}/sdk-{library}", step=step) == ["Hel", "lo"]


# -- replayed


@pytest.mark.parametrize("library", LIBRARIES)
async def test_a_recording_answers_in_place_of_the_outside(replay, library):
    status, body, _ = await ask(replay, f"/get/{library}", base="https://data.example", path="/answer.json")
    assert (status, json.loads(body)) == (200, {"from": "a recording"})


@pytest.mark.parametrize("library", SDKS)
async def test_an_sdk_is_answered_by_recordings(replay, library):
    assert await ask(replay, f"/ask/{library}") == "recorded"
    assert await ask(replay, f"/ask-stream/{library}") == ["rec", "orded"]
    assert (await replay.control("GET", "ai/session"))["misses"] == 0


@pytest.mark.parametrize("library", LIBRARIES)
async def test_what_is_not_recorded_is_denied_and_counts(replay, upstream: Upstream, library):
    status, body, _ = await ask(replay, f"/get/{library}", base=upstream.url)
    assert (status, json.loads(body)["error"]["code"]) == (599, "E502")
    assert (await replay.control("GET", "ai/session"))["misses"] >= 1


# -- every other way out

SOCKETS = ("socket", "connect_ex", "streams", "protocol", "udp", "thread", "mail")
PROCESSES = ("curl", "system", "spawn", "fork", "child", "multiprocessing")


@pytest.mark.parametrize("trick", SOCKETS)
async def test_no_socket_is_opened_in_a_replay(replay, upstream: Upstream, trick):
    before = upstream.connections
    refused = await ask(replay, f"/try/{trick}", port=str(upstream.tcp_port))
    assert refused["error"] == "SocketDenied"
    assert "E631" in refused["text"]
    assert upstream.connections == before

    async def told() -> bool:
        return bool((await replay.control("GET", "ai/session"))["misses"] == 1)

    await eventually(told)  # what another thread tried is told by the loop's next turn


@pytest.mark.parametrize("trick", ("name", "name-later"))
async def test_no_name_is_looked_up_in_a_replay(replay, trick):
    assert (await ask(replay, f"/try/{trick}", host="outside.example"))["error"] == "SocketDenied"


async def test_a_socket_is_a_socket_while_nothing_is_replayed(live, upstream: Upstream):
    assert await ask(live, "/try/socket", port=str(upstream.tcp_port)) == "hello from a socket"
    assert await ask(live, "/try/streams", port=str(upstream.tcp_port)) == "hello from a socket"


@pytest.mark.parametrize("trick", PROCESSES)
async def test_there_are_no_processes_in_any_mode(live, trick):
    refused = await ask(live, f"/try/{trick}")
    assert refused["error"] == "ProcessDenied"
    assert "emscripten does not support processes" in refused["text"]
    assert (await live.control("GET", "ai/session"))["misses"] == 0
