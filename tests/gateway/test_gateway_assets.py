"""Static assets: which file a path means, what stands for a missing one, and that nothing leads out of the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.config import Assets, HtmlHandling, NotFound
from emulator.gateway.assets import INLINE, AssetService
from emulator.gateway.exchange import Request, Response

FILES = {
    "index.html": "home",
    "about.html": "about",
    "blog/index.html": "blog",
    "blog/post.html": "post",
    "app.js": "js",
    "data.bin": "\0",
    "grüße aus.txt": "hallo",
    "404.html": "none here",
    "blog/404.html": "no such post",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "public"
    for name, text in FILES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "secret.txt").write_text("secret")
    (root / "link.txt").symlink_to(tmp_path / "secret.txt")
    (root / "inside.txt").symlink_to(root / "app.js")
    return root


def service(folder: Path, *, html: HtmlHandling = HtmlHandling.AUTO, missing: NotFound = NotFound.NONE) -> AssetService:
    return AssetService(Assets(folder, "ASSETS", missing, html, False))


async def ask(assets: AssetService, path: str, method: str = "GET", **headers: str) -> Response:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await assets.serve(Request(method, "http://any.where" + path, named))


async def text_of(response: Response) -> str:
    if isinstance(response.body, bytes):
        return response.body.decode()
    return b"".join([chunk async for chunk in response.body]).decode()


@pytest.mark.parametrize(
    ("html", "path", "outcome"),
    [
        (HtmlHandling.AUTO, "/", "home"),
        (HtmlHandling.AUTO, "/about", "about"),
        (HtmlHandling.AUTO, "/about.html", "307 /about"),
        (HtmlHandling.AUTO, "/about/", "307 /about"),
        (HtmlHandling.AUTO, "/blog", "307 /blog/"),
        (HtmlHandling.AUTO, "/blog?q=1", "307 /blog/?q=1"),
        (HtmlHandling.AUTO, "/blog/", "blog"),
        (HtmlHandling.AUTO, "/blog/index.html", "307 /blog/"),
        (HtmlHandling.AUTO, "/index.html", "307 /"),
        (HtmlHandling.AUTO, "/app.js?v=2", "js"),
        (HtmlHandling.AUTO, "/gr%C3%BC%C3%9Fe%20aus.txt", "hallo"),
        (HtmlHandling.AUTO, "/nothing", "404"),
        (HtmlHandling.FORCE, "/about", "307 /about/"),
        (HtmlHandling.FORCE, "/about/", "about"),
        (HtmlHandling.FORCE, "/about.html", "307 /about/"),
        (HtmlHandling.FORCE, "/blog/", "blog"),
        (HtmlHandling.DROP, "/about/", "307 /about"),
        (HtmlHandling.DROP, "/blog", "blog"),
        (HtmlHandling.DROP, "/blog/", "307 /blog"),
        (HtmlHandling.DROP, "/blog/index.html", "307 /blog"),
        (HtmlHandling.DROP, "/", "home"),
        (HtmlHandling.NONE, "/about", "404"),
        (HtmlHandling.NONE, "/about.html", "about"),
        (HtmlHandling.NONE, "/", "404"),
    ],
)
async def test_html_handling(folder: Path, html: HtmlHandling, path: str, outcome: str) -> None:
    response = await ask(service(folder, html=html), path)
    found = {200: await text_of(response), 307: f"307 {response.header('location')}", 404: "404"}[response.status]
    assert found == outcome


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/blog/../../secret.txt",
        "//etc/passwd",
        "/%00",
        "/link.txt",
        "/\xff",
        "/\u20ac",
    ],
)
async def test_nothing_leads_out_of_the_folder(folder: Path, path: str) -> None:
    response = await ask(service(folder), path)
    assert response.status == 404


async def test_a_link_inside_the_folder_is_a_file(folder: Path) -> None:
    assert await text_of(await ask(service(folder), "/inside.txt")) == "js"


@pytest.mark.parametrize(
    ("path", "kind"),
    [("/app.js", "text/javascript; charset=utf-8"), ("/", "text/html; charset=utf-8"), ("/data.bin", "application/octet-stream")],
)
async def test_content_types(folder: Path, path: str, kind: str) -> None:
    assert (await ask(service(folder), path)).header("content-type") == kind


async def test_an_unchanged_file_is_a_304(folder: Path) -> None:
    assets = service(folder)
    etag = (await ask(assets, "/app.js")).header("etag")
    assert etag
    for value in (etag, f'"x", W/{etag}'):
        response = await ask(assets, "/app.js", if_none_match=value)
        assert (response.status, response.body) == (304, b"")
    os.utime(folder / "app.js", ns=(0, 0))
    assert (await ask(assets, "/app.js", if_none_match=etag)).status == 200


async def test_head_and_other_methods(folder: Path) -> None:
    response = await ask(service(folder), "/app.js", "HEAD")
    assert (response.status, response.header("content-length"), response.body) == (200, "2", b"")
    assert (await ask(service(folder), "/app.js", "POST")).status == 405


async def test_large_files_are_streamed(folder: Path) -> None:
    (folder / "large.txt").write_bytes(b"x" * (INLINE + 1))
    response = await ask(service(folder), "/large.txt")
    assert not isinstance(response.body, bytes)
    assert len(await text_of(response)) == INLINE + 1


async def test_the_single_page_stands_for_what_is_missing(folder: Path) -> None:
    assets = service(folder, missing=NotFound.SINGLE_PAGE)
    assert (await ask(assets, "/any/route")).status == 200
    assert await text_of(await ask(assets, "/any/route")) == "home"
    request = Request("GET", "http://h/any/route", [])
    assert await assets.at_edge(request) is None  # a fetch of the page: the Worker's
    page = await assets.at_edge(Request("GET", "http://h/any/route", [("Sec-Fetch-Mode", "navigate")]))
    assert page is not None and page.status == 200


async def test_the_nearest_404_page(folder: Path) -> None:
    assets = service(folder, missing=NotFound.PAGE_404)
    for path, text in (("/blog/x", "no such post"), ("/x/y/z", "none here")):
        response = await ask(assets, path)
        assert (response.status, await text_of(response)) == (404, text)


async def test_at_the_edge(serve: Any, client: aiohttp.ClientSession, make_project: Any, folder: Path, tmp_path: Path) -> None:
    config = {"directory": "../public", "binding": "ASSETS", "run_worker_first": ["/hello", "/app.js", "!/app.js"]}
    server = serve(make_project(tmp_path / "project", assets=config))
    for path, text in (("/", "home"), ("/app.js", "js"), ("/hello", "hello"), ("/version", "v1"), ("/nothing", "no such script")):
        async with client.get(server.url + path) as response:
            assert await response.text() == text
    async with client.post(server.url + "/app.js") as response:
        assert await response.text() == "no such script"  # only GET and HEAD are assets
