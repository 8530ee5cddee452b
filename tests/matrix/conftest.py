"""The matrix: for each set of packages one Node process with its clients, and one server for each sample."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "journeys")]

from harness.node import Node  # noqa: E402
from harness.server import Server, serving  # noqa: E402
from package_sets import ALL, BY_DEFAULT, PackageSet  # noqa: E402

EVERYTHING = os.environ.get("MATRIX") == "all"
"""Every set and every sample; else the newest and the oldest, and the two samples that use most of the SDK."""


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    return True if collection_path.name == "test_matrix_streams.py" and not EVERYTHING else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)
            if isinstance(item, pytest.Function) and "asyncio" in item.keywords:
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.failed and HERE in item.path.parents:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"output of {name}", value.output()[-6000:]))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "packages" in metafunc.fixturenames:
        sets = ALL if EVERYTHING else BY_DEFAULT
        metafunc.parametrize("packages", sets, ids=lambda one: one.agents, scope="session", indirect=True)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def packages(request: pytest.FixtureRequest) -> PackageSet:
    """A column of the matrix, installed."""
    column: PackageSet = request.param
    await column.install()
    return column


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node(packages: PackageSet, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Node]:
    """The process with the clients of that column."""
    folder = tmp_path_factory.mktemp(f"clients-{packages.agents}")
    packages.write_clients(folder)
    node = await Node.start(folder)
    yield node
    await node.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def serve(packages: PackageSet, tmp_path: Path):
    """`async with serve(sample, *arguments) as server`, on the packages of that column."""

    def served(sample: str, *arguments: str, **environment: str):
        source = packages.write_sample(sample, tmp_path / "source")
        # What the checker knows is the protocol of 0.32; older SDKs promise less.
        return serving(source, tmp_path, *arguments, modules=packages.modules, whole_streams=False, **environment)

    return served
