"""The published tests of workers-runtime-sdk on our host: those of Durable Objects, RPC, WebSockets, requests, ASGI and WSGI.

They come from the package's source distribution at test time; nothing of it is kept here. What fails is listed with its reason, and
a test that begins to pass, or to fail, fails this one.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import aiohttp
import pytest
from harness import sdist
from harness.server import Server, serving

SUITE = Path(__file__).parent / "suite"

OBJECTS = {
    "bindings": ["TestDurableObject"],
    "durable-object": ["DurableObjectExample"],
    "durable-object-inheritance": ["LeafDurableObject", "LeafDurableObjectWithInit", "RedundantBaseDO"],
    "durable-object-websocket": ["DurableObjectWebSocket"],
    "durable-object-abort": ["AbortingDurableObject"],
    "python-rpc": [],
    "sdk": [],
    "asgi": [],
    "asgi-ws-disconnect": [],
    "wsgi": [],
}
"""Suites and the objects they bind."""

NAMES = {
    "TestDurableObject": "TEST_DO",
    "LeafDurableObject": "DO_LEAF",
    "LeafDurableObjectWithInit": "DO_LEAF_INIT",
    "RedundantBaseDO": "DO_REDUNDANT",
    "AbortingDurableObject": "ABORTER",
}
"""Bindings that are not called `ns`."""

SERVICES = {"SUITE_SELF": "SuiteSelf", "SUITE_PYTHON_RPC": "SuitePythonRpc", "SUITE_JS_RPC": "SuiteJsRpc"}

KNOWN_FAILURES: dict[str, dict[str, str]] = {
    "durable-object-abort": {"test": "expects a stored counter to be gone after abort: it is made for storage in memory"},
    "sdk": {"test_can_support_scheduled_cron_trigger": "`scheduled()` is a call of service bindings, and SELF is an object here"},
}
"""Suite, test, and why it fails here."""


def project(suite: str, folder: Path) -> Path:
    """A project that serves the suite's worker together with main.py, which runs its tests."""
    tests = sdist.unpacked() / "tests"
    source = folder / "src"
    shutil.copytree(SUITE, source)
    if suite == "bindings":
        for name in ("worker_durable_object.py", "test_do.py"):
            shutil.copy(tests / "bindings-test" / "src" / name, source)
        (source / "worker.py").write_text("from worker_durable_object import TestDurableObject  # noqa: F401\n", "utf-8")
    else:
        for file in (tests / "workerd-test" / suite).rglob("*.py"):
            shutil.copy(file, source)
    bindings = {NAMES.get(name, "ns"): name for name in OBJECTS[suite]} | SERVICES
    config = {
        "name": suite,
        "main": "src/main.py",
        "compatibility_date": "2026-06-11",
        "compatibility_flags": ["python_workers"],
        "vars": {"FOO": "text binding", "color": False},
        "durable_objects": {"bindings": [{"name": name, "class_name": cls} for name, cls in bindings.items()]},
        "migrations": [{"tag": "v1", "new_sqlite_classes": list(bindings.values())}],
    }
    (folder / "wrangler.json").write_text(json.dumps(config, indent=2), "utf-8")
    return folder


@pytest.mark.parametrize("suite", OBJECTS)
async def test_suite(suite, tmp_path, session: aiohttp.ClientSession):
    async with serving(project(suite, tmp_path / "made"), tmp_path, "--ai", "live") as server:
        results = await run(server, session)
    failures = {name: outcome for name, outcome in results.items() if outcome is not None}
    known = KNOWN_FAILURES.get(suite, {})
    surprising = {name: outcome for name, outcome in failures.items() if name not in known}
    assert not surprising, "\n\n".join(f"{name}:\n{outcome}" for name, outcome in surprising.items())
    assert sorted(failures) == sorted(known), "listed as failing, and passes now"


async def test_a_client_from_outside_talks_to_the_websocket_suite(tmp_path, session: aiohttp.ClientSession):
    async with serving(project("durable-object-websocket", tmp_path / "made"), tmp_path) as server:
        socket = await session.ws_connect(f"{server.origin}/websocket")
        await socket.send_str("test")
        assert await socket.receive_str() == "hello"
        await socket.close()


async def run(server: Server, session: aiohttp.ClientSession) -> dict[str, str | None]:
    async with session.get(f"{server.origin}/run") as response:
        text = await response.text()
        assert response.status == 200, text
        results = json.loads(text)
    assert results, "no test was found"
    return results
