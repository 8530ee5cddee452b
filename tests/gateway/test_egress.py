"""Outbound requests of user code, against a real server: streaming both ways, redirects, decoding, breaks, denial."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import zlib
from collections.abc import AsyncIterator

import brotli
import pytest
from aiohttp import web
from fakes.layer import make_layer

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.gateway.ai.classify import http_target
from emulator.gateway.ai.providers import endpoint_of
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.egress import is_loopback
from emulator.gateway.exchange import Request, Response
from emulator.gateway.failures import NetworkFailure


class Remote:
    """A server that user code might call."""

    def __init__(self) -> None:
        self.seen: list[web.Request] = []
        self.bodies: list[bytes] = []
        self.gone = asyncio.Event()
        self.may_go_on = asyncio.Event()

    def app(self) -> web.Application:
        app = web.Application(client_max_size=2**24)
        app.router.add_route("*", "/echo", self.echo)
        app.router.add_route("*", "/v1/chat/completions", self.echo)
        app.router.add_get("/stream", self.stream)
        app.router.add_get("/packed/{encoding}", self.packed)
        app.router.add_get("/bomb", self.bomb)
        app.router.add_get("/cut", self.cut)
        app.router.add_get("/endless", self.endless)
        app.router.add_route("*", "/go/{status}", self.go)
        app.router.add_get("/loop", self.loop)
        app.router.add_post("/slow-upload", self.slow_upload)
        app.router.add_get("/scheme", self.scheme)
        return app

    async def echo(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        self.bodies.append(await request.read())
        headers = [("set-cookie", "a=1"), ("set-cookie", "b=2"), ("x-method", request.method)]
        response = web.Response(body=self.bodies[-1], status=int(request.query.get("status", 200)))
        for name, value in headers:
            response.headers.add(name, value)
        return response

    async def stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: 1\n\n")
        await self.may_go_on.wait()
        await response.write(b"data: 2\n\n")
        return response

    async def packed(self, request: web.Request) -> web.Response:
        encoding = request.match_info["encoding"]
        text = b"hello " * 1000
        body = {
            "gzip": gzip.compress(text),
            "deflate": zlib.compress(text),
            "br": brotli.compress(text),
            "opaque": b"opaque",
            "broken": b"no gzip",
            "short": gzip.compress(text)[:-9],
        }
        name = {"broken": "gzip", "short": "gzip"}.get(encoding, encoding)
        return web.Response(body=body[encoding], headers={"content-encoding": name})

    async def bomb(self, request: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(b"\0" * 20_000_000), headers={"content-encoding": "gzip"})

    async def cut(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async def endless(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 1000)
                await asyncio.sleep(0.001)
        finally:
            self.gone.set()

    async def go(self, request: web.Request) -> web.Response:
        self.bodies.append(await request.read())
        target = request.query.get("to", "/echo")
        return web.Response(status=int(request.match_info["status"]), headers={"location": target})

    async def loop(self, request: web.Request) -> web.Response:
        self.seen.append(request)
        return web.Response(status=302, headers={"location": "/loop"})

    async def scheme(self, request: web.Request) -> web.Response:
        return web.Response(status=302, headers={"location": "ftp://example.com/"})

    async def slow_upload(self, request: web.Request) -> web.Response:
        async for chunk in request.content.iter_any():
            self.bodies.append(chunk)
            self.may_go_on.set()
        return web.Response(text="done")


@pytest.fixture
async def remote(aiohttp_server):
    remote = Remote()
    remote.server = await aiohttp_server(remote.app())
    return remote


@pytest.fixture
async def egress(tmp_path):
    layers = []

    def make(mode=AiMode.AUTO, *, ci=False):
        layer, events = make_layer(tmp_path, mode, pacer=Pacer(Speed(None)), ci=ci)
        layer.egress.events, layer.egress.close = events, layer.close
        layers.append(layer)
        return layer.egress

    yield make
    for layer in layers:
        await layer.close()


def record(tmp_path, name, target, answer, **request):
    folder = tmp_path / "ai" / "default"
    folder.mkdir(parents=True, exist_ok=True)
    document = {"format": 1, "id": name, "source": "manual", "request": {"kind": "http", "target": target, **request}}
    document |= {"match": {"repeat": "forever"}, "response": answer}
    (folder / f"{name}.json").write_text(json.dumps(document))


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def read(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([chunk async for chunk in response.body])


def url(remote, path):
    return str(remote.server.make_url(path))


async def test_method_headers_and_body_arrive_as_user_code_gave_them(egress, remote):
    service = egress()
    headers = [("X-One", "1"), ("X-One", "2"), ("content-type", "text/x-mine"), ("connection", "close"), ("x-emulator-scope", "t")]
    response = await service.serve(Request("PATCH", url(remote, "/echo") + "?a=%2F&b=c%20d", headers, pieces(b"one ", b"two")))
    assert (response.status, await read(response)) == (200, b"one two")
    request = remote.seen[0]
    assert (request.method, request.raw_path) == ("PATCH", "/echo?a=%2F&b=c%20d")
    assert request.headers.getall("x-one") == ["1", "2"]
    assert {name.lower() for name in request.headers} == {"host", "x-one", "content-type", "transfer-encoding"}
    assert [value for name, value in response.headers if name.lower() == "set-cookie"] == ["a=1", "b=2"]


async def test_cookies_of_one_answer_are_not_sent_with_the_next_request(egress, remote):
    service = egress()
    for _ in range(2):
        await read(await service.serve(Request("GET", url(remote, "/echo"))))
    assert "cookie" not in remote.seen[1].headers


@pytest.mark.parametrize("status", [204, 404, 500])
async def test_any_status_is_an_answer(egress, remote, status):
    response = await egress().serve(Request("GET", url(remote, f"/echo?status={status}")))
    assert response.status == status
    await read(response)


async def test_a_download_streams(egress, remote):
    service = egress()
    response = await service.serve(Request("GET", url(remote, "/stream")))
    body = aiter(response.body)
    assert await anext(body) == b"data: 1\n\n"
    assert service.events == []
    remote.may_go_on.set()
    assert [chunk async for chunk in body] == [b"data: 2\n\n"]
    (event,) = service.events
    assert (event["source"], event["status"], event["chunks"], event["bytes"]) == ("live", 200, 2, 18)


async def test_an_upload_streams(egress, remote):
    async def body():
        yield b"first"
        await remote.may_go_on.wait()
        yield b"second"

    response = await egress().serve(Request("POST", url(remote, "/slow-upload"), [], body()))
    assert await read(response) == b"done"
    assert b"".join(remote.bodies) == b"firstsecond"


async def test_an_upload_that_breaks_is_a_failure_and_not_a_short_body(egress, remote):
    async def body():
        yield b"first"
        raise ConnectionResetError("client left")

    with pytest.raises(NetworkFailure):
        await egress().serve(Request("POST", url(remote, "/slow-upload"), [], body()))


async def test_a_reader_that_leaves_closes_the_connection(egress, remote):
    service = egress()
    response = await service.serve(Request("GET", url(remote, "/endless")))
    await anext(aiter(response.body))
    await response.body.aclose()
    await asyncio.wait_for(remote.gone.wait(), 5)
    assert service.events[0]["problem"] is None


async def test_a_reader_that_never_starts_closes_the_connection_too(egress, remote):
    response = await egress().serve(Request("GET", url(remote, "/endless")))
    await response.body.aclose()
    await asyncio.wait_for(remote.gone.wait(), 5)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_packed_bodies_are_decoded_and_say_what_they_were(egress, remote, encoding):
    response = await egress().serve(Request("GET", url(remote, f"/packed/{encoding}"), [("accept-encoding", encoding)]))
    assert await read(response) == b"hello " * 1000
    assert response.header("content-encoding") == encoding
    assert response.header("content-length") is None


async def test_other_encodings_pass_untouched(egress, remote):
    response = await egress().serve(Request("GET", url(remote, "/packed/opaque")))
    assert (await read(response), response.header("content-encoding")) == (b"opaque", "opaque")


@pytest.mark.parametrize("how", ["broken", "short"])
async def test_a_body_that_is_not_what_it_says_breaks(egress, remote, how):
    service = egress()
    response = await service.serve(Request("GET", url(remote, f"/packed/{how}")))
    with pytest.raises(NetworkFailure, match="content-encoding"):
        await read(response)
    assert "content-encoding" in service.events[0]["problem"]


async def test_a_packed_bomb_comes_in_bounded_pieces(egress, remote):
    response = await egress().serve(Request("GET", url(remote, "/bomb")))
    sizes = [len(chunk) async for chunk in response.body]
    assert sum(sizes) == 20_000_000 and max(sizes) <= 65536


async def test_a_connection_cut_in_mid_body(egress, remote):
    response = await egress().serve(Request("GET", url(remote, "/cut")))
    with pytest.raises(NetworkFailure) as failure:
        await read(response)
    assert (failure.value.user_name, failure.value.user_message) == ("Error", "Network connection lost.")


async def test_nobody_listens(egress):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    service = egress()
    with pytest.raises(NetworkFailure) as failure:
        await service.serve(Request("GET", f"http://127.0.0.1:{port}/?api_key=hunter2hunter2"))
    assert failure.value.user_message == "Network connection lost." and failure.value.retryable
    assert "hunter2" not in failure.value.what and "hunter2" not in json.dumps(service.events)
    assert service.events[0]["problem"] == failure.value.what


async def test_a_name_that_does_not_resolve(egress):
    with pytest.raises(NetworkFailure) as failure:
        await egress().serve(Request("GET", "http://no-such-host.invalid/"))
    assert failure.value.code == "E601" and "no-such-host.invalid" in failure.value.what


@pytest.mark.parametrize("bad", ["ftp://example.com/", "data:text/plain,x", "http:///nowhere"])
async def test_addresses_that_cannot_be_fetched(egress, bad):
    with pytest.raises(NetworkFailure) as failure:
        await egress().serve(Request("GET", bad))
    assert failure.value.user_name == "TypeError"


@pytest.mark.parametrize(
    ("status", "method", "arrives"),
    [
        (301, "POST", ("GET", b"")),
        (302, "POST", ("GET", b"")),
        (303, "PUT", ("GET", b"")),
        (302, "PUT", ("PUT", b"data")),
        (307, "POST", ("POST", b"data")),
        (308, "POST", ("POST", b"data")),
        (301, "GET", ("GET", b"")),
    ],
)
async def test_redirects_are_followed_as_fetch_does(egress, remote, status, method, arrives):
    body = pieces(b"da", b"ta") if method != "GET" else None
    response = await egress().serve(Request(method, url(remote, f"/go/{status}"), [("content-type", "text/plain")], body))
    assert (response.status, response.header("x-method")) == (200, arrives[0])
    assert response.header("x-emu-url") == url(remote, "/echo")
    assert await read(response) == arrives[1]
    assert ("content-type" in remote.seen[0].headers) is (arrives[1] == b"data" or method == "GET")


async def test_a_redirect_is_handed_out_when_asked_for(egress, remote):
    response = await egress().serve(Request("GET", url(remote, "/go/302"), [("x-emu-redirect", "manual")]))
    assert (response.status, response.header("location"), response.header("x-emu-url")) == (302, "/echo", None)
    assert remote.seen == []
    await read(response)


async def test_a_redirect_to_another_origin_takes_no_credentials_along(egress, remote, aiohttp_server):
    other = Remote()
    other.server = await aiohttp_server(other.app())
    headers = [("Authorization", "Bearer secret"), ("Cookie", "a=1"), ("x-kept", "1")]
    await read(await egress().serve(Request("GET", url(remote, f"/go/302?to={url(other, '/echo')}"), headers)))
    assert "x-kept" in other.seen[0].headers
    assert {"authorization", "cookie"}.isdisjoint(name.lower() for name in other.seen[0].headers)
    await read(await egress().serve(Request("GET", url(remote, "/go/302"), headers)))
    assert remote.seen[0].headers["authorization"] == "Bearer secret"


async def test_a_body_too_long_to_keep_cannot_follow_a_307(egress, remote):
    chunks = [b"x" * 600_000] * 2
    with pytest.raises(NetworkFailure) as failure:
        await egress().serve(Request("POST", url(remote, "/go/307"), [], pieces(*chunks)))
    assert failure.value.user_name == "TypeError" and "one-time-use body" in failure.value.user_message


async def test_redirects_without_end(egress, remote):
    with pytest.raises(NetworkFailure) as failure:
        await egress().serve(Request("GET", url(remote, "/loop")))
    assert failure.value.user_message == "Too many redirects."
    assert len(remote.seen) == 21


async def test_a_redirect_to_what_cannot_be_fetched(egress, remote):
    with pytest.raises(NetworkFailure, match="ftp"):
        await egress().serve(Request("GET", url(remote, "/scheme")))


async def test_replay_opens_no_socket_and_names_the_request(egress, remote):
    service = egress(AiMode.REPLAY)
    response = await service.serve(Request("GET", url(remote, "/echo") + "?token=hunter2"))
    error = json.loads(await read(response))["error"]
    assert (response.status, response.header("x-should-retry"), error["code"]) == (599, "false", "E502")
    assert f"GET {url(remote, '/echo')}" in error["message"] and "next" in error["message"]
    assert "hunter2" not in error["message"] and "hunter2" not in json.dumps(service.events)
    assert remote.seen == [] and service.events[0]["source"] == "none"


async def test_auto_under_ci_denies_the_world_but_not_this_machine(egress, remote):
    service = egress(AiMode.AUTO, ci=True)
    assert (await service.serve(Request("POST", "https://api.example.com/v1", [], pieces(b"{}")))).status == 599
    response = await service.serve(Request("POST", url(remote, "/echo"), [], pieces(b"body")))
    assert await read(response) == b"body"


async def test_a_recording_answers_first_and_another_body_goes_out(egress, remote, tmp_path):
    where = {"status": 200, "headers": {"content-type": "text/event-stream"}}
    stream = {"framing": "sse", "events": [{"t": 0, "json": {"a": 1}}, {"t": 5, "text": "[DONE]"}]}
    record(tmp_path, "00-echo", f"POST {url(remote, '/echo')}", {**where, "stream": stream})
    service = egress()
    response = await service.serve(Request("POST", url(remote, "/echo"), [], pieces(b"{}")))
    assert await read(response) == b'data: {"a":1}\n\ndata: [DONE]\n\n'
    assert (service.events[0]["source"], service.events[0]["recording"]) == ("recording", "default/00-echo")
    other = await service.serve(Request("PUT", url(remote, "/echo"), [], pieces(b"out")))
    assert await read(other) == b"out"
    live = egress(AiMode.LIVE)
    assert await read(await live.serve(Request("POST", url(remote, "/echo"), [], pieces(b"out")))) == b"out"


async def test_a_body_read_for_matching_still_goes_out(egress, remote, tmp_path):
    record(tmp_path, "00-echo", f"POST {url(remote, '/echo')}", {"status": 200, "json": {}})
    document = json.loads((tmp_path / "ai" / "default" / "00-echo.json").read_text())
    document["match"]["where"] = [{"path": "$.body.model", "equals": "x"}]
    (tmp_path / "ai" / "default" / "00-echo.json").write_text(json.dumps(document))
    headers = [("content-type", "application/json"), ("content-length", "13")]
    response = await egress().serve(Request("POST", url(remote, "/echo"), headers, pieces(b'{"model', b'":"y"}')))
    assert await read(response) == b'{"model":"y"}'
    assert remote.seen[0].headers["content-length"] == "13"


@pytest.mark.parametrize(
    ("address", "body", "path"),
    [
        ("https://api.openai.com/v1/responses", {"input": "hi"}, ["output", 0, "content", 0, "text"]),
        (
            "https://api.openai.com/v1/chat/completions",
            {"messages": [{"role": "user", "content": "hi"}]},
            ["choices", 0, "message", "content"],
        ),
        ("https://api.anthropic.com/v1/messages", {"messages": [{"role": "user", "content": "hi"}]}, ["content", 0, "text"]),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions",
            {"messages": [{"role": "user", "content": "hi"}]},
            ["choices", 0, "message", "content"],
        ),
    ],
)
async def test_the_stub_speaks_for_the_providers(egress, address, body, path):
    service = egress(AiMode.STUB)
    response = await service.serve(Request("POST", address, [], pieces(json.dumps({"model": "m", **body}).encode())))
    found = json.loads(await read(response))
    for step in path:
        found = found[step]
    assert found == "This is the stub speaking for m. You said: hi"
    assert (response.status, service.events[0]["source"]) == (200, "stub")


async def test_the_stub_refuses_what_no_model_would_take(egress):
    service = egress(AiMode.STUB)
    response = await service.serve(Request("POST", "https://api.openai.com/v1/responses", [], pieces(b'{"model": "m"}')))
    assert response.status == 400
    assert "required properties" in json.loads(await read(response))["error"]["message"]


async def test_beside_the_stub_other_requests_go_out(egress, remote):
    service = egress(AiMode.STUB, ci=True)
    assert await read(await service.serve(Request("POST", url(remote, "/echo"), [], pieces(b"body")))) == b"body"
    assert service.events[0]["source"] == "live"


@pytest.mark.parametrize(
    ("method", "address"),
    [
        ("GET", "https://api.openai.com/v1/responses"),
        ("POST", "https://api.openai.com/v1/files"),
        ("POST", "https://api.openai.com.example.com/v1/responses"),
        ("POST", "http://127.0.0.1:11434/v1/chat/completions"),
    ],
)
def test_no_model_calls_of_a_provider(method, address):
    assert endpoint_of(method, address) is None


async def test_closing_and_going_on(egress, remote):
    service = egress()
    await read(await service.serve(Request("GET", url(remote, "/echo"))))
    await service.close()
    await service.close()
    assert (await service.serve(Request("GET", url(remote, "/echo")))).status == 200


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("http://127.0.0.1/", True),
        ("http://127.9.9.9:1/", True),
        ("http://[::1]:80/", True),
        ("http://localhost/", True),
        ("http://a.localhost/", True),
        ("http://localhost.example.com/", False),
        ("http://10.0.0.1/", False),
        ("https://example.com/", False),
    ],
)
def test_this_machine(address, loopback):
    assert is_loopback(address) is loopback


async def test_user_code_that_leaves_before_the_answer_is_reported(egress, remote):
    service = egress()

    async def body():
        yield b"first"
        await asyncio.Event().wait()

    task = asyncio.create_task(service.serve(Request("POST", url(remote, "/slow-upload"), [], body())))
    await remote.may_go_on.wait()
    task.cancel()
    await asyncio.wait([task])
    assert [event["status"] for event in service.events] == [0]


async def test_under_ci_a_server_of_this_machine_cannot_lead_outside(egress, remote):
    service = egress(AiMode.AUTO, ci=True)
    answer = service.serve(Request("GET", url(remote, "/go/302") + "?to=http://192.0.2.2:9/target"))
    with pytest.raises(NetworkFailure, match=r"redirects to http://192\.0\.2\.2:9/target"):
        await answer
    assert "192.0.2.2" in service.events[-1]["problem"]
    here = await service.serve(Request("GET", url(remote, "/go/302") + "?to=/echo"))
    assert here.status == 200


async def test_a_body_that_is_known_has_its_length(egress, remote):
    service = egress(AiMode.AUTO)
    address = url(remote, "/echo") + "?to=/v1/chat/completions"
    await read(await service.serve(Request("PUT", address, [], pieces(b"12", b"345"))))
    assert remote.seen[-1].headers["transfer-encoding"] == "chunked", "what nobody has to look at passes as it comes"
    model = url(remote, "/v1/chat/completions")
    await read(await service.serve(Request("POST", model, [], pieces(b'{"a":', b"1}"))))
    assert remote.seen[-1].headers["content-length"] == "7"
    assert "transfer-encoding" not in remote.seen[-1].headers


def test_an_address_of_ip_version_6_keeps_its_brackets():
    assert http_target("GET", "http://[::1]:9913/x")[1] == "GET http://[::1]:9913/x"
