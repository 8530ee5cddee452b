"""Journeys: real processes and real clients. All of them share one event loop, one Node process and one server for each project."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from harness.frames import RawSocket, connect  # noqa: E402
from harness.node import Node, NpmClient  # noqa: E402
from harness.page import chromium  # noqa: E402
from harness.server import PROJECTS, Server, serving  # noqa: E402

Connect = Callable[..., Awaitable[RawSocket]]
_numbers = itertools.count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    one_loop = pytest.mark.asyncio(loop_scope="session")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)
            if isinstance(item, pytest.Function) and "asyncio" in item.keywords:
                item.add_marker(one_loop, append=False)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):  # type: ignore[no-untyped-def]
    outcome = yield
    report = outcome.get_result()
    if report.failed and HERE in item.path.parents:
        for name, value in getattr(item, "funcargs", {}).items():
            if isinstance(value, Server):
                report.sections.append((f"output of {name}", value.output()[-6000:]))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def node() -> AsyncIterator[Node]:
    """The process with the npm clients."""
    node = await Node.start()
    yield node
    await node.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(node: Node) -> AsyncIterator[NpmClient]:
    """A Chromium for all pages; each has its own tab."""
    async with node.browser(await chromium()) as browser:
        yield browser


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def protocol(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """The agents of the conformance scenarios, served for the whole run; nothing may stop or kill it."""
    async with serving(PROJECTS / "protocol", tmp_path_factory.mktemp("protocol")) as server:
        yield server


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name that no other test uses."""
    return f"{re.sub(r'[^a-z0-9]+', '-', request.node.name.lower()).strip('-')}-{next(_numbers)}"


@pytest_asyncio.fixture(loop_scope="session")
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest_asyncio.fixture(loop_scope="session")
async def raw(session: aiohttp.ClientSession, protocol: Server) -> AsyncIterator[Connect]:
    """`await raw("counter", name, **query)`: a raw socket to an agent of the shared server; all are closed at the end."""

    async def open_socket(agent: str, name: str, **query: str) -> RawSocket:
        return await connect(session, protocol.origin, f"/agents/{agent}/{name}", **query)

    yield open_socket
