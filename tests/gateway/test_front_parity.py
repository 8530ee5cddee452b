"""A project with Vite answers as with the real Cloudflare plugin (front_recorded.json, made by record_front.py)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import front_sample as sample
import pytest
from raw_http import ask

RECORDED = json.loads(Path(__file__).with_name("front_recorded.json").read_text("utf-8"))["runs"]


@pytest.mark.parametrize("run", RECORDED)
async def test_answers_are_the_plugins(serve: Any, front_project: Any, run: str) -> None:
    server = serve(front_project(assets=sample.CONFIGURATIONS[run]))
    (server.root / ".dev.vars").write_text("A=secret")
    differences = []
    assert len(RECORDED[run]) == len(sample.REQUESTS)
    for (method, path, headers), theirs in zip(sample.REQUESTS, RECORDED[run], strict=True):
        if "host" in headers and run == "worker first":
            continue  # Vite looks at the Host of all that it passes on; what is the Worker's from the first is not passed through it here
        status, found, body = await ask(server.port, method, path, headers)
        ours = sample.summary(method, status, found, body)
        if ours != theirs:
            differences.append(f"{method} {path} {headers}\n    ours:     {ours}\n    recorded: {theirs}")
    assert not differences, "\n" + "\n".join(differences)
