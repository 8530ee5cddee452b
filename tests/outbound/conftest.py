"""Outbound requests of user code, library by library: the emulator as users start it, over a server that stands for the outside."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "journeys")]

from harness.npm import sample_modules  # noqa: E402
from harness.server import Server, serving  # noqa: E402
from upstream import Upstream  # noqa: E402


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.failed and HERE in item.path.parents:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"output of {name}", value.output()[-6000:]))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)
            if isinstance(item, pytest.Function) and "asyncio" in item.keywords:
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def upstream() -> AsyncIterator[Upstream]:
    """The outside."""
    async with Upstream() as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def python_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A Worker in Python with every library."""
    async with serving(HERE / "project_py", tmp_path_factory.mktemp("outbound")) as server:
        yield server


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A Worker in TypeScript with the npm packages."""
    async with serving(HERE / "project_ts", tmp_path_factory.mktemp("outbound_ts"), modules=sample_modules()) as server:
        yield server
