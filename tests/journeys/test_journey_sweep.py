"""Stories E4 and E5: text that appears twice after a reconnect is told with its cause; a sweep finds the points at which a crash charges a
card twice, and none in the agent that takes care. And the promise that a client which was cut off catches up, at every chunk."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest
from harness import npm
from harness.server import COMMAND, SAMPLES, copy_project

BOUND_S = 170
POST = "POST https://payments.example/charges"


class Project:
    """A copy of a sample, and the commands that are typed in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    async def types(self, *arguments: str | Path) -> tuple[int, str, str]:
        """Exit code, standard output and standard error of `agents-emu scenario ...`."""
        process = await asyncio.create_subprocess_exec(
            *(COMMAND, "scenario", *arguments),
            cwd=self.folder,
            env={name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": npm.environment()["PATH"]},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(BOUND_S):
                out, err = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        return process.returncode or 0, out.decode(), err.decode()

    async def sweeps(self, name: str, *arguments: str) -> dict[str, Any]:
        """What a sweep of one of the shipped scenarios finds; its exit code must say the same."""
        code, out, err = await self.types("sweep", f"scenarios/{name}.yaml", "--json", *arguments)
        assert out, err
        found: dict[str, Any] = json.loads(out)
        assert found["unreached"] == []
        assert code == (1 if found["differ"] else 0), err
        return found


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory):
    """One copy of each sample: what is made of its packages is made once."""
    copies: dict[str, Project] = {}

    def of(sample: str) -> Project:
        if sample not in copies:
            folder = copy_project(SAMPLES / sample, tmp_path_factory.mktemp("sweep") / sample)
            if sample.endswith("_ts"):
                (folder / "node_modules").symlink_to(npm.sample_modules(), target_is_directory=True)
            copies[sample] = Project(folder)
        return copies[sample]

    return of


@pytest.mark.parametrize("host", ["py", "ts"])
async def test_e5_a_crash_that_charges_twice_is_found_and_can_be_played_again(project, host: str) -> None:
    shop = project(f"checkout_{host}")
    found = await shop.sweeps("careless", "--at", "answer,commit")
    assert found["same"] > 0
    twice = [row for row in found["differ"] if f"outside requests {POST} 2 instead of 1" in row["differences"]]
    assert twice, found["differ"]
    assert any(row["what"] == "answer" and row["where"].startswith(f"after the answer of {POST}") for row in twice)

    number, fault = twice[0]["replay"].removeprefix("agents-emu scenario run scenarios/careless.yaml --trap ").split(":")
    assert (int(number), fault) == (twice[0]["n"], "crash")
    code, out, err = await shop.types("run", "scenarios/careless.yaml", "--trap", f"{number}:{fault}")
    assert code == 1, out
    assert f"the count of {POST}" in err
    assert "expected 1, found 2" in err


@pytest.mark.parametrize("host", ["py", "ts"])
async def test_e5_its_careful_twin_charges_once_wherever_it_crashes(project, host: str) -> None:
    found = await project(f"checkout_{host}").sweeps("careful", "--at", "answer,commit")
    assert found["differ"] == []
    assert found["same"] == found["points"] >= 3


@pytest.mark.parametrize("host", ["py", "ts"])
async def test_who_is_cut_off_at_any_chunk_catches_up(project, host: str) -> None:
    found = await project(f"chat_{host}").sweeps("catches-up", "--at", "chunk,respond", "--fault", "drop")
    assert found["differ"] == []
    assert found["same"] == found["points"] > 8


RESUME_DOUBLE = """
name: text appears twice after a reconnect
speed: profile:ttft=400,tps=2
clients: { a: Chat/me, b: Chat/me }
steps:
  - connect: a
  - send:
      client: a
      json:
        type: cf_agent_use_chat_request
        id: r-12
        init: { method: POST, body: '{"messages":[{"id":"u1","role":"user","parts":[{"type":"text","text":"Hello there"}]}]}' }
  - expect: { client: a, frame: { type: cf_agent_use_chat_response, seq: 3 } }
  - drop: a
  - advance: 500ms
  - connect: b
  - send: { client: b, json: { type: cf_agent_stream_resume_request, probeId: p } }
  - expect: { client: b, frames: [{ type: cf_agent_stream_resuming, id: r-12 }, { type: cf_agent_stream_resuming, id: r-12 }] }
  - send: { client: b, json: { type: cf_agent_stream_resume_ack, id: r-12 } }
  - send: { client: b, json: { type: cf_agent_stream_resume_ack, id: r-12 } }
  - expect: { client: b, frame: { type: cf_agent_use_chat_response, id: r-12, done: true } }
"""


@pytest.mark.parametrize("host", ["py", "ts"])
async def test_e4_text_that_appears_twice_is_told_with_its_cause(project, host: str) -> None:
    chat = project(f"chat_{host}")
    file = chat.folder / "resume-double.yaml"
    once = RESUME_DOUBLE.splitlines()
    ack = next(line for line in once if "resume_ack" in line)
    once.reverse()
    once.remove(ack)
    file.write_text("\n".join(reversed(once)), "utf-8")
    code, out, err = await chat.types("run", file, "--update")
    assert code == 0, err
    assert "violation" not in out

    file.write_text(RESUME_DOUBLE, "utf-8")  # the client that acknowledges every offer
    code, out, err = await chat.types("run", file)
    assert code == 4, err
    assert "E465 the client acknowledged one offer twice on one socket" in out
    assert out.count('"delta":"Hello! ') > 1
    assert "E487" in err

    code, out, _ = await chat.types("run", "--explain", "E465")
    assert code == 0
    assert "agents #1733" in out
