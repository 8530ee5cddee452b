"""Every statement of durable-objects.md 12 that our hosts keep, by its number; the others are rows of docs/parity.md."""

from __future__ import annotations

import asyncio

import pytest
from cases import CASES
from harness.server import Server
from playbook.stage import play
from playbook.steps import Case


@pytest.mark.parametrize("case", [case for case in CASES if case.lane == "quick"], ids=lambda case: case.statement)
async def test_statement(case: Case, server: Server, host: str, peer: str, idle_ms: int, slow_cases: dict[str, asyncio.Task[None]]) -> None:
    await play(case, server, host, peer, idle_ms)


@pytest.mark.parametrize("case", [case for case in CASES if case.lane == "rough"], ids=lambda case: case.statement)
async def test_statement_rough(
    case: Case, rough_server: Server, host: str, peer: str, idle_ms: int, slow_cases: dict[str, asyncio.Task[None]]
) -> None:
    await play(case, rough_server, host, peer, idle_ms)


@pytest.mark.parametrize("case", [case for case in CASES if case.lane == "slow"], ids=lambda case: case.statement)
async def test_statement_slow(case: Case, server: Server, slow_cases: dict[str, asyncio.Task[None]]) -> None:
    await slow_cases[case.statement]
