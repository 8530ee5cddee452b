"""Faults: the emulator as users start it, with the real Python host, and everything that can go wrong done to it."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "journeys"))

from harness.server import Server, serving  # noqa: E402

PROJECT = HERE / "project"


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


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The project of these tests, served for one file of tests."""
    async with serving(PROJECT, tmp_path_factory.mktemp("faults")) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
