"""Which saves may change a project's code, and that none of them is missed."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from emulator.gateway.watching import MAX_WATCHERS, Scope, Watch

BOUND_S = 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    for name in (
        "src/index.ts",
        "src/lib/a.js",
        "client/page.ts",
        "node_modules/x/index.js",
        "public/app.js",
        "wrangler.jsonc",
        ".git/HEAD",
    ):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")
    return root


@pytest.fixture
def scope(root: Path) -> Scope:
    return Scope(root, root / "wrangler.jsonc", [root / "public"])


def mattering(scope: Scope, root: Path, *names: str, added: bool = False) -> list[str]:
    return [name for name in names if scope.matters(root / name, added=added)]


ANY = ("src/index.ts", "client/page.ts", "src/new.ts", "wrangler.jsonc", ".dev.vars")
NEVER = (".wrangler", "node_modules/x/index.js", "public/app.js", ".git/HEAD", "src/index.ts~", "src/.#index.ts", "src/4913", "out.log")


def test_without_inputs_every_file_of_code_matters(scope: Scope, root: Path) -> None:
    assert mattering(scope, root, *ANY, *NEVER) == list(ANY)
    assert not scope.matters(root.parent / "elsewhere.ts", added=False)


def test_with_inputs_only_they_matter_and_what_decides_on_their_imports(scope: Scope, root: Path) -> None:
    scope.learn([str(root / "src/index.ts"), str(root / "src/lib/a.js"), str(root.parent / "shared/s.ts")])
    steering = ("package.json", "package-lock.json", "tsconfig.json", "src/tsconfig.worker.json")
    assert mattering(scope, root, *ANY, *steering) == ["src/index.ts", "wrangler.jsonc", ".dev.vars", *steering]
    assert mattering(scope, root, "agents-emu.toml", "src/agents-emu.toml") == ["agents-emu.toml"]
    assert mattering(scope, root, *NEVER, "node_modules/x/package.json") == []
    assert mattering(scope, root, "../shared/s.ts", "../shared/t.ts") == []  # paths are compared as they are
    assert scope.matters(root.parent / "shared/s.ts", added=False)
    assert not scope.matters(root.parent / "shared/t.ts", added=False)
    # A new file that an import may mean from now on.
    assert mattering(scope, root, "src/lib/a.ts", "src/lib/b.ts", added=True) == ["src/lib/a.ts"]


def test_folders_are_the_projects_own_and_those_of_inputs_elsewhere(scope: Scope, root: Path) -> None:
    shared = root.parent / "shared"
    shared.mkdir()
    own = {root, root / "src", root / "src/lib", root / "client"}
    assert scope.folders() == own
    scope.learn([str(root / "src/index.ts"), str(shared / "s.ts"), str(root.parent / "gone/g.ts")])
    assert scope.folders() == own | {shared}
    # While the code does not load, any file there may be the fix, and so may those beside the place of the error.
    scope.learn(None, "../other/o.ts:3:1")
    (root.parent / "other").mkdir()
    assert scope.folders() == own | {shared, root.parent / "other"}
    assert scope.matters(shared / "t.ts", added=False)
    assert scope.matters(root.parent / "other/p.ts", added=False)
    assert not scope.matters(root.parent / "third/q.ts", added=False)


@asynccontextmanager
async def watching(scope: Scope) -> AsyncIterator[tuple[Watch, asyncio.Queue[set[Path]]]]:
    """A watch that watches, and what it gives."""
    watch, found = Watch(scope), asyncio.Queue[set[Path]]()

    async def follow() -> None:
        async for files in watch.batches():
            found.put_nowait(files)

    task = asyncio.create_task(follow())
    await asyncio.sleep(0.05)
    try:
        yield watch, found
    finally:
        watch.stop()
        await asyncio.wait_for(task, BOUND_S)


async def until(found: asyncio.Queue[set[Path]], path: Path) -> set[Path]:
    """What comes up to a change of `path`."""
    seen: set[Path] = set()
    async with asyncio.timeout(BOUND_S):
        while path not in seen:
            seen |= await found.get()
    return seen


async def test_saves_are_seen_and_others_are_not(scope: Scope, root: Path) -> None:
    scope.learn([str(root / "src/index.ts")])
    async with watching(scope) as (_, found):
        (root / "client/page.ts").write_text("no input")
        (root / "node_modules/x/index.js").write_text("installed")
        (root / "src/index.ts").write_text("saved")
        assert await until(found, root / "src/index.ts") == {root / "src/index.ts"}


async def test_files_in_a_folder_that_came_later_are_seen(scope: Scope, root: Path) -> None:
    async with watching(scope) as (_, found):
        (root / "src/deep/er").mkdir(parents=True)
        await until(found, root / "src/deep")
        for _ in range(20):  # the folder below is watched a moment later
            (root / "src/deep/er/file.ts").write_text("new")
            try:
                await asyncio.wait_for(until(found, root / "src/deep/er/file.ts"), 0.2)
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("nobody watches the new folder")


async def test_a_folder_that_was_replaced_is_watched_again(scope: Scope, root: Path) -> None:
    async with watching(scope) as (_, found):
        shutil.rmtree(root / "src/lib")
        await until(found, root / "src/lib/a.js")
        (root / "src/lib").mkdir()
        await until(found, root / "src/lib")
        for _ in range(20):
            (root / "src/lib/a.js").write_text("again")
            try:
                await asyncio.wait_for(until(found, root / "src/lib/a.js"), 0.2)
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("nobody watches the folder again")


async def test_what_is_saved_just_when_a_folder_comes_is_not_missed(scope: Scope, root: Path) -> None:
    async with watching(scope) as (_, found):
        for number in range(2 * MAX_WATCHERS):
            folder = root / "src" / f"new{number}"
            folder.mkdir()
            (folder / "inside.ts").write_text("at once")
            await until(found, folder)
            (root / "src/index.ts").write_text(str(number))
            await until(found, root / "src/index.ts")
            (folder / "later.ts").write_text("later")
            await until(found, folder / "later.ts")


async def test_inputs_elsewhere_are_watched_once_they_are_known_and_nothing_is_missed(scope: Scope, root: Path) -> None:
    shared = root.parent / "shared" / "src"
    shared.mkdir(parents=True)
    (shared / "s.ts").write_text("")
    async with watching(scope) as (watch, found):
        scope.learn([str(root / "src/index.ts"), str(shared / "s.ts")])
        watch.grow(time.time())
        (root / "src/index.ts").write_text("saved while the watch is set up anew")
        assert root / "src/index.ts" in await until(found, root / "src/index.ts")
        (shared / "s.ts").write_text("saved")
        await until(found, shared / "s.ts")
