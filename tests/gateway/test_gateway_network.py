"""The way out is opened late, and sends what it is given."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fakes.base import Step
from fakes.openai import FakeOpenAi

from emulator.gateway.failures import NetworkFailure
from emulator.gateway.network import Network


def test_nothing_of_the_backends_imports_aiohttp() -> None:
    program = (
        "import sys, emulator.gateway.ai.routes, emulator.gateway.ai.layer\n"
        "print([name for name in ('aiohttp', 'jsonschema', 'openai', 'anthropic') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60).stdout == "[]\n"


async def test_a_request_is_sent_whole_and_a_redirect_is_an_answer() -> None:
    network = Network()
    async with FakeOpenAi() as fake:
        fake.script(Step(status=307, raw=b"", headers={"location": "/elsewhere"}))
        headers = [("content-length", "5"), ("content-type", "application/json")]
        response = await network.fetch("POST", f"{fake.base_url}/x", headers, b'{"a"}')
        assert response.status == 307
        await response.aclose()
        assert (fake.last.body, fake.last.headers["content-length"]) == (b'{"a"}', "5")
        assert "transfer-encoding" not in fake.last.headers
        gone = fake.base_url
    await network.close()
    with pytest.raises(NetworkFailure):
        await network.fetch("POST", f"{gone}/x", [], b"")
    await network.close()
