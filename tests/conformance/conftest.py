"""Conformance: one server for all cases that leave it alone, another for those that kill it; slow cases run beside the others."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "journeys")]

from harness.npm import sample_modules  # noqa: E402
from harness.server import Server, copy_project, serving  # noqa: E402
from playbook.peer import peer_server  # noqa: E402
from playbook.remote import remote  # noqa: E402
from playbook.stage import play  # noqa: E402
from playbook.steps import Case  # noqa: E402

ELSEWHERE = os.environ.get("CONFORMANCE_URL")
"""Another runtime to play the cases on, as README.md says; those that need the emulator are skipped."""
IDLE_MS = 10_000 if ELSEWHERE else 1_000
"""Short, so that hibernation takes no time; the rules do not depend on it (S-97, S-98)."""
PROJECTS = {"python": HERE / "project_py", "node": HERE / "project_js"}
"""By the kind of host that runs it."""
HOSTS = [ELSEWHERE] if ELSEWHERE else list(PROJECTS)
ARGUMENTS = ("--idle-ms", str(IDLE_MS), "--ai", "live", "--log-format", "json")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)
            item.add_marker(one_loop, append=False)
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            case = parameters.get("case")
            if ELSEWHERE and (case is None or case.lane == "rough" or case.emulator_only):
                item.add_marker(pytest.mark.skip(reason="needs the emulator"))
    items[:] = [item for item in items if not _is_for_others(item)]


def _is_for_others(item: pytest.Item) -> bool:
    """A case that only another kind of host can play."""
    parameters = item.callspec.params if hasattr(item, "callspec") else {}
    case = parameters.get("case")
    return isinstance(case, Case) and not case.is_for("node" if ELSEWHERE else parameters["host"])


@pytest.fixture(scope="session", params=HOSTS)
def host(request: pytest.FixtureRequest) -> str:
    """Which kind of host plays, or where else."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="session")
def idle_ms() -> int:
    return IDLE_MS


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def peer() -> AsyncIterator[str]:
    """`host:port` of a server that objects may call."""
    async with peer_server() as address:
        yield address


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(host: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Nothing may stop or kill it. Its secrets are in `.env` files."""
    if ELSEWHERE:
        async with remote(ELSEWHERE) as other:
            yield other  # type: ignore[misc]  # what cases that are not emulator_only need of a server, it has
        return
    files = {".env": "FROM_ENV=env\nFROM_BOTH=env\n", ".env.local": "FROM_BOTH=local\n"}
    folder = tmp_path_factory.mktemp(f"calm-{host}")
    async with serving(_project_with(host, files, folder), folder, *ARGUMENTS, "--reload", "off", modules=_modules(host)) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def rough_server(host: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """Killed and restarted at will; the environment `staging`, with `.dev.vars`, and a reload closes sockets as a deploy does."""
    if ELSEWHERE:
        async with remote(ELSEWHERE) as other:
            yield other  # type: ignore[misc]  # what cases that are not emulator_only need of a server, it has
        return
    files = {".env": "FROM_ENV=env\n", ".dev.vars": "PLAIN=from .dev.vars\nFROM_DEV_VARS=yes\n"}
    folder = tmp_path_factory.mktemp(f"rough-{host}")
    arguments = (*ARGUMENTS, "--reload", "close", "--env", "staging")
    async with serving(_project_with(host, files, folder), folder, *arguments, modules=_modules(host)) as server:
        yield server


def _modules(host: str) -> Path | None:
    """The packages of a JavaScript project: it needs the esbuild that wrangler brings."""
    return sample_modules() if host == "node" else None


def _project_with(host: str, files: dict[str, str], folder: Path) -> Path:
    source = copy_project(PROJECTS[host], folder / "source")
    for name, text in files.items():
        (source / name).write_text(text, "utf-8")
    return source


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def slow_cases(request: pytest.FixtureRequest, host: str, server: Server, peer: str) -> AsyncIterator[dict[str, asyncio.Task[None]]]:
    """All slow cases of this run, begun together: each mostly waits."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [mine["case"] for mine in parameters if mine.get("host") == host and "case" in mine]
    tasks = {
        case.statement: asyncio.create_task(play(case, server, host, peer, IDLE_MS))
        for case in wanted
        if isinstance(case, Case) and case.lane == "slow" and not (ELSEWHERE and case.emulator_only)
    }
    yield tasks
    for task in tasks.values():
        task.cancel()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.failed and HERE in item.path.parents:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"output of {name}", value.output()[-4000:]))
