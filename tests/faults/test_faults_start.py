"""A project or a machine that does not let the server start: which file, which line, what next. Then what does not load, and heals."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.server import COMMAND, Server, copy_project, serving
from harness.waiting import eventually

PROJECT = Path(__file__).parent / "project"
BOUND_S = 30


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`agents-emu dev` that is expected to end by itself."""
    words = [COMMAND, "dev", folder, "--port", "0", *arguments]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=BOUND_S, cwd=folder.parent, stdin=subprocess.DEVNULL)


def edited(folder: Path, **changes: Any) -> None:
    file = folder / "wrangler.jsonc"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}, indent=2))


def nothing(folder: Path) -> None:
    (folder / "wrangler.jsonc").unlink()


def broken(folder: Path) -> None:
    (folder / "wrangler.jsonc").write_text('{\n  "name": "faults",\n  "main" "src/entry.py"\n}')


def no_text(folder: Path) -> None:
    (folder / "wrangler.jsonc").write_bytes(b'{\n  "name": "f\xff"\n}')


@pytest.mark.parametrize(
    ("damage", "code", "words"),
    [
        (nothing, "E101", ["wrangler.jsonc"]),
        (no_text, "E102", ["wrangler.jsonc:2"]),
        (broken, "E103", ["wrangler.jsonc:3"]),
        (lambda folder: edited(folder, main="src/entri.py"), "E106", ["src/entri.py", "wrangler.jsonc:", "did you mean", "src/entry.py"]),
        (lambda folder: edited(folder, main="src/entry.rb"), "E10", ["src/entry.rb"]),
        (lambda folder: edited(folder, durable_objects={"bindings": "Thing"}), "E104", ["durable_objects.bindings"]),
    ],
)
def test_a_project_that_cannot_be_read(tmp_path: Path, damage: Callable[[Path], None], code: str, words: list[str]):
    folder = copy_project(PROJECT, tmp_path / "project")
    damage(folder)
    ended = start(folder)
    assert ended.returncode == 2
    assert code in ended.stderr and "Traceback" not in ended.stderr
    assert all(word in ended.stderr for word in words), ended.stderr
    assert ended.stderr.rstrip().splitlines()[-1] == "exit 2 (config)"


def test_a_strict_port_that_is_taken_names_its_holder(tmp_path: Path):
    folder = copy_project(PROJECT, tmp_path / "project")
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        ended = start(folder, "--port", str(port), "--strict-port")
    assert ended.returncode == 6
    assert f"E301 port {port} is taken by process {os.getpid()} (" in ended.stderr
    assert ended.stderr.rstrip().splitlines()[-1] == "exit 6 (could not start)"


async def test_a_port_that_is_taken_gives_the_next(tmp_path: Path):
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = holder.getsockname()[1]
        server = Server(copy_project(PROJECT, tmp_path / "project"))
        try:
            await server.start(port=port)
            assert f"port {port} is taken, using {server.host.rsplit(':', 1)[1]}" in server.output()
            assert await server.get("/a/hello") == (200, "hello")
        finally:
            await server.close()


async def test_a_second_server_on_the_same_state_is_refused(tmp_path: Path):
    async with serving(PROJECT, tmp_path) as server:
        ended = start(server.folder, "--persist-to", str(server.state))
        assert ended.returncode == 6
        assert f"E321 another agents-emu (process {server.process.pid})" in ended.stderr
        assert await server.get("/a/hello") == (200, "hello")


DAMAGE = [
    pytest.param(
        lambda text: text.replace("class Thing(", "class Thing(("), "E424 entry.py does not load: SyntaxError", 13, id="syntax error"
    ),
    pytest.param(
        lambda text: "import nowhere_at_all\n" + text,
        "E424 entry.py does not load: ModuleNotFoundError: No module named 'nowhere_at_all'",
        1,
        id="import",
    ),
    pytest.param(lambda text: "raise SystemExit(3)\n" + text, "E424 entry.py does not load: SystemExit: 3", 1, id="exit"),
    pytest.param(lambda text: text.replace("class Thing(", "class Thong("), "E423", None, id="class that is bound and not there"),
]
"""What is done to the code, how it is told, and the line that is named."""


def damaged(server: Server, change: Callable[[str], str]) -> str:
    """Write the changed code; gives what it was before."""
    file = server.folder / "src" / "entry.py"
    before = file.read_text("utf-8")
    assert change(before) != before
    file.write_text(change(before), "utf-8")
    return before


@pytest.mark.parametrize(("change", "told", "line"), DAMAGE)
async def test_code_that_does_not_load_at_start_is_shown_and_heals(
    tmp_path: Path, change: Callable[[str], str], told: str, line: int | None
):
    server = Server(copy_project(PROJECT, tmp_path / "project"))
    before = damaged(server, change)
    try:
        await server.start()
        status, body = await server.get("/a/hello")
        assert status == 503 and told in body
        check(server.output(), told, line)
        (server.folder / "src" / "entry.py").write_text(before, "utf-8")

        async def healed() -> bool:
            return await server.get("/a/hello") == (200, "hello")

        await eventually(healed)
    finally:
        await server.close()


@pytest.mark.parametrize(("change", "told", "line"), DAMAGE)
async def test_code_that_does_not_load_on_reload_leaves_the_old_serving(
    server: Server, change: Callable[[str], str], told: str, line: int | None
):
    await server.get("/a/count")
    serving = (await server.get("/a/about"))[1]
    mark = len(server.output())
    before = damaged(server, change)
    try:

        async def is_told() -> bool:
            return told in server.output()[mark:]

        await eventually(is_told)
        assert (await server.get("/a/about"))[1] == serving, "the same process, with the same memory"
        check(server.output()[mark:], told, line)
    finally:
        (server.folder / "src" / "entry.py").write_text(before + "\n# mended\n", "utf-8")

    async def swapped() -> bool:
        return (await server.get("/a/about"))[1]["pid"] != serving["pid"]

    await eventually(swapped)
    assert (await server.get("/a/about"))[1]["count"] == serving["count"]


def check(text: str, told: str, line: int | None) -> None:
    """It is told once, with the place and what happens next."""
    assert text.count(told[:4]) == 1
    assert "next" in text
    if line is not None:
        assert f"src/entry.py:{line}\n" in text
