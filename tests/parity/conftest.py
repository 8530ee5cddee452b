"""Parity: every scenario is played once for the whole run, all together; each test then looks at one of them."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent / "journeys")]

from harness.node import Node  # noqa: E402
from playing.play import Outcome, play_all  # noqa: E402
from playing.servers import emulator, wrangler  # noqa: E402
from playing.stage import Scenario  # noqa: E402

MODES = ("", "workerd", "record")


def pytest_configure(config: pytest.Config) -> None:
    mode = os.environ.get("PARITY", "")
    if mode not in MODES:
        raise pytest.UsageError(f"PARITY is one of {MODES}, not {mode!r}")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.journey)
            if isinstance(item, pytest.Function) and "asyncio" in item.keywords:
                item.add_marker(pytest.mark.asyncio(loop_scope="session"), append=False)


@pytest.fixture(scope="session")
def mode() -> str:
    """What to compare: "" our transcripts with the recorded ones, `workerd` with those of a real `wrangler dev` now; `record` records."""
    return os.environ.get("PARITY", "")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def parity_node() -> AsyncIterator[Node]:
    node = await Node.start()
    yield node
    await node.stop()


@pytest.fixture(scope="session")
def wanted(request: pytest.FixtureRequest) -> list[Scenario]:
    """The scenarios whose tests are to run."""
    parameters = [item.callspec.params for item in request.session.items if HERE in item.path.parents and hasattr(item, "callspec")]
    chosen = {found["scenario"] for found in parameters if "scenario" in found}
    return sorted(chosen, key=lambda scenario: scenario.key)


@pytest.fixture(scope="session")
def two_folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Path]]:
    return lambda name: (tmp_path_factory.mktemp(name), tmp_path_factory.mktemp(f"{name}-killed"))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def ours(wanted, parity_node, mode, two_folders) -> dict[str, Outcome]:
    """Played on `agents-emu dev`."""
    return {} if mode == "record" else await play_all(emulator, two_folders("emulator"), wanted, parity_node)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def theirs(wanted, parity_node, mode, two_folders) -> dict[str, Outcome]:
    """Played on `wrangler dev`, if that was asked for."""
    return await play_all(wrangler, two_folders("wrangler"), wanted, parity_node) if mode else {}
