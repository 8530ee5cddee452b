"""Every request of assets_sample.py is answered as the real runtime answered it (assets_recorded.json, made by record_assets.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import assets_sample as sample
import pytest

from emulator.config import Assets, HtmlHandling, NotFound
from emulator.config.compatibility import is_on
from emulator.gateway.asset_folder import AssetFolder
from emulator.gateway.assets import AssetService
from emulator.gateway.exchange import Request, Response

RECORDED = json.loads(Path(__file__).with_name("assets_recorded.json").read_text("utf-8"))["runs"]
HOST = "127.0.0.1:8787"
NOT_COMPARED = {"content-length"}
"""Ours always says how long a file is; wrangler's development server adds a script to pages."""


def service(folder: Path, run: str) -> AssetService:
    keys = sample.CONFIGURATIONS[run]
    html = HtmlHandling(keys.get("html_handling", "auto-trailing-slash"))
    first = keys.get("run_worker_first", False)
    assets = Assets(
        directory=folder,
        binding="ASSETS",
        not_found=NotFound(keys.get("not_found_handling", "none")),
        html=html,
        worker_first=first if isinstance(first, bool) else tuple(first),
    )
    navigation = is_on(
        "assets_navigation_prefers_asset_serving", keys.get("compatibility_date", "2026-11-01"), keys.get("compatibility_flags", ())
    )
    return AssetService(assets, AssetFolder(folder, lambda notice: None, html=html is not HtmlHandling.NONE), navigation=navigation)


async def answer(assets: AssetService, run: str, method: str, path: str, headers: dict[str, str]) -> dict[str, Any] | str:
    """What is recorded of an answer, of ours; `worker` when the Worker would answer."""
    named = list({"host": HOST, **headers}.items())
    request = Request(method, f"http://{dict(named)['host']}{path}", named)
    response = await (assets.serve(request) if run.startswith("binding") else assets.at_edge(request))
    if response is None:
        return "worker"
    row: dict[str, Any] = {"status": response.status}
    found = {name.lower(): value for name, value in response.headers}
    row |= {name: value for name, value in sorted(found.items()) if name not in (*NOT_COMPARED, "etag")}
    assert isinstance(response.body, bytes)
    return row | {"etag": "etag" in found, "body": response.body.decode()}


async def etag(assets: AssetService, path: str) -> str:
    response = await assets.serve(Request("GET", f"http://{HOST}{path}"))
    return response.header("etag") or '"none"' if isinstance(response, Response) else ""


def recorded(row: dict[str, Any] | str) -> dict[str, Any] | str:
    if isinstance(row, str):
        return row
    row = {name: value for name, value in row.items() if name not in NOT_COMPARED}
    return {"etag": False, "body": "", **row}


@pytest.mark.parametrize("run", RECORDED)
async def test_answers_are_the_platforms(tmp_path: Path, run: str) -> None:
    sample.write(tmp_path, run)
    assets = service(tmp_path, run)
    differences = []
    requests = sample.requests_of(run)
    assert len(requests) == len(RECORDED[run])
    for (method, path, headers), row in zip(requests, RECORDED[run], strict=True):
        if any("ETAG" in value for value in headers.values()):
            tag = await etag(assets, path)
            headers = {name: value.replace("ETAG", tag) for name, value in headers.items()}
        ours, theirs = await answer(assets, run, method, path, headers), recorded(row)
        if ours != theirs:
            differences.append(f"{method} {path} {headers}\n    ours:     {ours}\n    recorded: {theirs}")
    assert not differences, "\n" + "\n".join(differences)
