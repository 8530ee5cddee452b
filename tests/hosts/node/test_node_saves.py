"""Saving files of a TypeScript project that is being served: what reloads it, what does not, and what a mistake does."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest_asyncio
from harness.server import Server
from harness.waiting import eventually

CODE = """import { lib } from "lib";
import { shared } from "../../shared/src/value";

export default {
  fetch() {
    return Response.json(["one", lib, shared, process.pid]);
  },
};
"""


@pytest_asyncio.fixture
async def served(tmp_path: Path, real_packages: Path) -> AsyncIterator[Server]:
    """A project with a package, a page's script, and a file outside of its folder."""
    root = tmp_path / "project"
    packages = root / "node_modules"
    files = {
        root / "wrangler.jsonc": json.dumps({"name": "saves", "main": "src/index.ts", "compatibility_date": "2026-11-01"}),
        root / "package.json": '{"type": "module"}',
        root / "src/index.ts": CODE,
        root / "client/page.ts": "export {};",
        tmp_path / "shared/src/value.ts": "export const shared: string = 'a';",
        packages / "lib/package.json": '{"name": "lib", "type": "module", "main": "index.js"}',
        packages / "lib/index.js": "export const lib = 1;",
    }
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (packages / "esbuild").symlink_to(real_packages / "esbuild")
    server = Server(root.resolve())
    try:
        await server.start()
        yield server
    finally:
        await server.close()


async def answer(server: Server) -> list[Any]:
    status, body = await server.get("/")
    assert status == 200, body
    values: list[Any] = body
    return values


async def answers(server: Server, *wanted: object) -> list[Any]:
    """Wait for this answer, and give it."""

    async def does() -> bool:
        return (await answer(server))[: len(wanted)] == list(wanted)

    await eventually(does)
    return await answer(server)


async def test_saves_are_served_and_other_files_restart_nothing(served: Server) -> None:
    first = await answers(served, "one", 1, "a")
    (served.folder / "client/page.ts").write_text("export const page = 1;")
    (served.folder / "notes.txt").write_text("no input")
    (served.folder / "src/index.ts").write_text(CODE.replace('"one"', '"two"'))
    second = await answers(served, "two", 1, "a")
    assert second[-1] != first[-1]
    (served.folder.parent / "shared/src/value.ts").write_text("export const shared: string = 'b';")
    await answers(served, "two", 1, "b")
    (served.folder / "node_modules/lib/index.js").write_text("export const lib = 2;")
    (served.folder / "package-lock.json").write_text("{}")
    await answers(served, "two", 2, "b")
    reloads = [line for line in served.output().splitlines() if line.startswith("reload #")]
    assert len(reloads) == 3, reloads
    assert "page.ts" not in served.output()


async def test_a_mistake_keeps_the_old_code_serving_until_it_is_mended(served: Server) -> None:
    [*_, pid] = await answers(served, "one", 1, "a")
    (served.folder / "src/index.ts").write_text(CODE.replace("../../shared/src/value", "../../shared/src/new"))

    async def told(text: str) -> None:
        async def is_told() -> bool:
            return text in served.output()

        await eventually(is_told)

    await told('E424 src/index.ts does not build: Could not resolve "../../shared/src/new"')
    await told("src/index.ts:2")
    assert await answer(served) == ["one", 1, "a", pid]
    processes = {int(name) for name in os.listdir("/proc") if name.isdigit()}
    # A file that nobody had imported before may be the cure.
    (served.folder.parent / "shared/src/new.ts").write_text("export const shared: string = 'new';")
    [*_, cured] = await answers(served, "one", 1, "new")
    # Nothing of the code had run in the process that could not build it: it is the one that serves now.
    assert cured != pid
    assert cured in processes


async def test_a_project_that_never_loaded_serves_its_error_and_recovers(served: Server) -> None:
    await served.stop()
    (served.folder / "src/index.ts").write_text(CODE + "const broken = ;\n")
    await served.restart()
    status, body = await served.get("/", headers={"Accept": "text/html"})
    assert status == 503
    assert "src/index.ts:9:15:" in body
    (served.folder / "src/index.ts").write_text(CODE)

    async def serves() -> bool:
        return (await served.get("/"))[0] == 200

    await eventually(serves)
