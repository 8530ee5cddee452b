"""The samples in TypeScript and JavaScript are what their users deploy: wrangler builds each as it stands, and its types hold."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from harness import npm
from harness.server import SAMPLES, copy_project

BOUND_S = 60
NODE_SAMPLES = sorted(path.parent.name for path in SAMPLES.glob("*_[jt]s/wrangler.jsonc"))


@pytest.fixture(scope="module")
def modules() -> Path:
    return npm.sample_modules()


@pytest.fixture
def copy(modules: Path, tmp_path: Path):
    def of(sample: str) -> Path:
        folder = copy_project(SAMPLES / sample, tmp_path / sample)
        (folder / "node_modules").symlink_to(modules, target_is_directory=True)
        return folder

    return of


async def run(folder: Path, tool: str, *arguments: str) -> str:
    """What the tool of node_modules prints. Raises AssertionError with it when the tool fails."""
    process = await asyncio.create_subprocess_exec(
        *(folder / "node_modules" / ".bin" / tool, *arguments),
        cwd=folder,
        env={**npm.environment(), "CI": "1", "WRANGLER_SEND_METRICS": "false", "WRANGLER_LOG_PATH": str(folder / "logs")},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(BOUND_S):
        printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode()
    return printed.decode()


@pytest.mark.parametrize("sample", NODE_SAMPLES)
async def test_wrangler_deploys_it_unchanged(copy, sample):
    printed = await run(copy(sample), "wrangler", "deploy", "--dry-run")
    assert "--dry-run: exiting now." in printed
    assert "Durable Object" in printed
    assert "WARNING" not in printed


@pytest.mark.parametrize("sample", [sample for sample in NODE_SAMPLES if sample.endswith("_ts")])
async def test_its_types_hold(copy, sample):
    await run(copy(sample), "tsc", "--noEmit")
