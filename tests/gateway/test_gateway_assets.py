"""Static assets: which file a path means, what stands for a missing one, and that nothing leads out of the folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from emulator.config import Assets, HtmlHandling, NotFound, Notice
from emulator.gateway.asset_folder import INLINE, AssetFolder
from emulator.gateway.assets import AssetService
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


def service(folder: Path, *, notices: list[Notice] | None = None) -> AssetService:
    heard = notices if notices is not None else []
    return AssetService(Assets(folder, "ASSETS", NotFound.NONE, HtmlHandling.AUTO, False), AssetFolder(folder, heard.append))


async def ask(assets: AssetService, path: str, method: str = "GET", **headers: str) -> Response:
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return await assets.serve(Request(method, "http://any.where" + path, named))


async def text_of(response: Response) -> str:
    if isinstance(response.body, bytes):
        return response.body.decode()
    return b"".join([chunk async for chunk in response.body]).decode()


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


async def test_an_unchanged_file_is_a_304(folder: Path) -> None:
    assets = service(folder)
    etag = (await ask(assets, "/app.js")).header("etag")
    assert etag
    for value in (etag, f"W/{etag}"):
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


async def test_a_file_that_cannot_be_read_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notices: list[Notice] = []

    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert (await ask(service(folder, notices=notices), "/app.js")).status == 500
    assert notices[0].what == "an asset cannot be read: permission denied"


async def test_rule_files_are_read_again_when_they_change(folder: Path) -> None:
    notices: list[Notice] = []
    assets = service(folder, notices=notices)
    assert (await ask(assets, "/old")).status == 404
    (folder / "_redirects").write_text("/old /about 301\n/bad\n")
    (folder / "_headers").write_text("/*\n  x-a: 1\n")
    (folder / ".assetsignore").write_text("app.js\n")
    moved = await ask(assets, "/old")
    assert (moved.status, moved.header("location"), moved.header("x-a")) == (301, "/about", "1")
    assert (await ask(assets, "/app.js")).status == 404
    assert [notice.where for notice in notices] == [str(folder / "_redirects") + ":2"]
    (folder / "_redirects").unlink()
    assert (await ask(assets, "/old")).status == 404


async def test_at_the_edge(serve: Any, client: aiohttp.ClientSession, make_project: Any, folder: Path, tmp_path: Path) -> None:
    config = {"directory": "../public", "binding": "ASSETS", "run_worker_first": ["/hello", "/app.js", "!/app.js", "!/only/*"]}
    server = serve(make_project(tmp_path / "project", assets=config))
    for path, text in (("/", "home"), ("/app.js", "js"), ("/hello", "hello"), ("/version", "v1"), ("/nothing", "no such script")):
        async with client.get(server.url + path) as response:
            assert await response.text() == text
    async with client.post(server.url + "/app.js") as response:
        assert response.status == 405  # as on the platform: the file is there, and cannot be posted to
    async with client.post(server.url + "/whole", data=b"12345") as response:
        assert await response.text() == "5"
