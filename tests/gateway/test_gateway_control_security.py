"""Who may not ask, and what may not be asked, for every route of the control API: each is refused in clear words before anything happens,
and the server serves on."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from typing import Any

import aiohttp
import pytest
from raw_client import API, ask

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
PLACES = {"class": "Echo", "name": "a", "id": "1", "kind": "python"}


def routes() -> list[tuple[str, str]]:
    """Every method and path of the description, the names in paths filled in."""
    document = json.loads(files("emulator.gateway").joinpath("openapi.json").read_text("utf-8"))
    found = []
    for path, operations in document["paths"].items():
        for part in path.split("/"):
            if part.startswith("{"):
                path = path.replace(part, PLACES.get(part[1:-1], "x"), 1)
        found += [(method.upper(), path.removeprefix("/")) for method in operations if method != "parameters"]
    return found


ROUTES = routes()


async def raw(server: Any, head: str, body: bytes = b"") -> tuple[int, bytes]:
    """One request, byte for byte: its status and everything that came."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(head.replace("\n", "\r\n").encode("latin-1") + b"\r\n\r\n" + body)
    try:
        async with asyncio.timeout(10):
            answer = await reader.read()
    finally:
        writer.close()
    return int(answer.split(b" ", 2)[1]), answer


async def untouched(client: aiohttp.ClientSession, server: Any) -> tuple[Any, ...]:
    """What a verb that got through would have changed."""
    async with client.get(server.url + "/pid") as response:
        process = await response.text()
    async with client.get(server.url + "/heard") as response:
        heard = await response.text()
    looks = [json.dumps(await ask(client, server, "GET", path)) for path in ("traps", "ai/faults", "sockets")]
    return process, heard, *looks


STRANGERS = [
    ({"Host": "evil.example"}, 403, "E223"),
    ({"Host": "localhost.evil.example:8787"}, 403, "E223"),
    ({"Host": "127.0.0.1.nip.io"}, 403, "E223"),
    ({"Host": ""}, 403, "E223"),
    ({"Origin": "https://evil.example"}, 403, "E224"),
    ({"Origin": "null"}, 403, "E224"),
    ({"Origin": "http://localhost:1", "Host": "localhost:2"}, 403, "E224"),
    ({"Sec-Fetch-Site": "cross-site"}, 403, "E224"),
    ({"Sec-Fetch-Site": "same-site"}, 403, "E224"),
]


async def test_strangers_reach_no_route(server: Any, client: aiohttp.ClientSession) -> None:
    before = await untouched(client, server)
    for number, (method, path) in enumerate(ROUTES):
        # All of them on the first route, then two at a time, in turn.
        for headers, status, code in STRANGERS if not number else (STRANGERS[number % 4], STRANGERS[4 + number % 5]):
            async with client.request(method, server.url + API + path, headers=headers, json={}) as response:
                answer = await response.json()
                assert (response.status, answer["error"]["code"]) == (status, code), (method, path, headers)
                assert not [name for name in response.headers if name.lower().startswith("access-control")]
    assert await untouched(client, server) == before


async def test_without_the_token_others_reach_no_route(everywhere: Any, client: aiohttp.ClientSession) -> None:
    wrong: list[tuple[dict[str, str], str]] = [
        ({}, ""), ({}, "?token="), ({}, "?token=wrong"), ({"Authorization": "Bearer "}, ""), ({"Authorization": "Bearer wrong"}, ""),
        ({"Authorization": "Basic x"}, ""),
    ]  # fmt: skip
    for number, (method, path) in enumerate(ROUTES):
        # All of them on the first route, then in turn.
        for headers, query in wrong if not number else wrong[number % len(wrong) :][:1]:
            async with client.request(method, f"http://127.0.0.1:{everywhere.port}{API}{path}{query}", headers=headers) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (401, "E222"), (method, path)


async def test_a_token_of_strange_bytes_is_a_wrong_one(everywhere: Any) -> None:
    head = f"GET {API}objects HTTP/1.1\nHost: x\nConnection: close\nAuthorization: Bearer \xff\xfe"
    assert (await raw(everywhere, head))[0] == 401


@pytest.fixture(scope="module")
def everywhere(serve_all: Any) -> Any:
    """A server on an address that others can reach."""
    return serve_all(ip="0.0.0.0")


async def test_other_methods_are_no_verbs(server: Any, client: aiohttp.ClientSession) -> None:
    before = await untouched(client, server)
    known: dict[str, set[str]] = {}
    for method, path in ROUTES:
        known.setdefault(path, set()).add(method)
    for path, allowed in known.items():
        for method in set(METHODS) - allowed:
            async with client.request(method, server.url + API + path) as response:
                # Where one path is also an instance of another, the other's methods are possible, and find nothing of that name.
                assert response.status in (404, 405), (method, path)
                assert (await response.json())["error"]["code"] in ("E226", "E228", "E261"), (method, path)
    assert await untouched(client, server) == before


TRICKS = [
    "/cdn-cgi/emu/api/%6fbjects",
    "/cdn-cgi/emu/api/objects%2f",
    "/cdn-cgi/emu/api/objects/",
    "/cdn-cgi/emu/api//objects",
    "/cdn-cgi/emu/api/./objects",
    "/cdn-cgi/emu/api/../api/objects",
    "/cdn-cgi/emu/../emu/api/objects",
    "/cdn-cgi/emu/%2e%2e/emu/api/objects",
    "/cdn-cgi/emu/api/objects;x=1",
    "/cdn-cgi/emu/api/OBJECTS",
    "/cdn-cgi/emu/api/",
    "/cdn-cgi/emu/anything",
    "/cdn-cgi/emu/api/objects/Echo//awake",
    "/cdn-cgi/emu/api/objects/Echo%2Fa/awake",
    "/cdn-cgi/emu/api/objects/Echo/a/explode",
    "http://evil.example/cdn-cgi/emu/api/objects",
    "http://localhost/cdn-cgi/emu/api/objects",
    "http://localhost/cdn-cgi/handler/scheduled",
]
NOT_OURS = [
    "/cdn-cgi//emu/api/objects",
    "//cdn-cgi/emu/api/objects",
    "/cdn-cgi/emu%2fapi/objects",
    "/cdn-cgi/%65mu/api/objects",
    "/cdn-cgi/./emu/api/objects",
    "/x/../cdn-cgi/emu/api/objects",
    "/cdn-cgi\\emu\\api\\objects",
    "/CDN-CGI/emu/api/objects",
]


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_is_taken_as_it_is_written(server: Any, method: str, path: str) -> None:
    status, answer = await raw(server, f"{method} {path} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0")
    assert status == 404, answer
    assert b'"E225"' in answer or b'"E228"' in answer


@pytest.mark.parametrize("path", NOT_OURS)
async def test_a_path_that_only_looks_like_ours_is_the_workers(server: Any, path: str) -> None:
    status, answer = await raw(server, f"POST {path} HTTP/1.1\nHost: evil.example\nConnection: close\nContent-Length: 0")
    assert status in (400, 404)
    assert status == 400 or b"x-worker: 1" in answer


@pytest.mark.parametrize("name", ["..", "%2e%2e%2f%2e%2e%2fetc", "%00", "%ff%fe", "a%2Fb", "%F0%9F%98%80", "'%22%3Cscript%3E"])
async def test_an_object_may_be_named_anything(server: Any, client: aiohttp.ClientSession, name: str) -> None:
    status, answer = await raw(server, f"GET {API}objects/Echo/{name}/awake HTTP/1.1\nHost: localhost\nConnection: close")
    assert status == 200 and answer.endswith(b"[]")


@pytest.mark.parametrize("class_name", ["Nope", "__proto__", "..", "metadata", "%00"])
async def test_a_class_is_one_of_the_projects(server: Any, client: aiohttp.ClientSession, class_name: str) -> None:
    for method, path in [(method, path) for method, path in ROUTES if "/Echo/" in path]:
        head = f"{method} {API}{path.replace('/Echo/', f'/{class_name}/')} HTTP/1.1\nHost: localhost\nConnection: close\nContent-Length: 0"
        status, answer = await raw(server, head)
        # What a body lacks may be said first.
        assert (status, b'"E228"' in answer or b'"E227"' in answer) in ((404, True), (400, True)), (method, path, answer)


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b"[]",
        b"1",
        b"null",
        b'"text"',
        b'{"at": NaN}',
        b'{"at": ' + b"9" * 5000 + b"}",
        b'{"at": ' + b"[" * 200_000,
        b'{"at": "' + b"x" * (4 * 1024 * 1024) + b'"}',
        b'{"at": "' + b"x" * (6 * 1024 * 1024) + b'"}',
    ],
    ids=["cut", "no-text", "list", "number", "null", "text", "nan", "digits", "deep", "large", "huge"],
)
async def test_bodies_that_are_none(server: Any, client: aiohttp.ClientSession, body: bytes) -> None:
    before = await untouched(client, server)
    paths = ("traps",) if len(body) > 100_000 else tuple(path for method, path in ROUTES if method == "POST")
    for path in paths:
        async with client.post(server.url + API + path, data=body) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (400, "E227"), path
    assert await untouched(client, server) == before


async def test_two_hosts_are_none(server: Any) -> None:
    for first, second in (("localhost", "evil.example"), ("evil.example", "localhost")):
        head = f"POST {API}deploy HTTP/1.1\nHost: {first}\nHost: {second}\nConnection: close\nContent-Length: 0"
        assert (await raw(server, head))[0] in (400, 403)


async def test_an_upgrade_is_no_way_around(server: Any, client: aiohttp.ClientSession) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        await client.ws_connect(server.url + API + "objects", headers={"Origin": "https://evil.example"})
    assert caught.value.status == 403
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await client.ws_connect(server.url + API + "objects")
