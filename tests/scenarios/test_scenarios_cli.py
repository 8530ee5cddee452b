"""`agents-emu scenario`: its words and its exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from emulator.cli.main import run

SAMPLES = Path(__file__).parents[2] / "sample_agents"
GOOD = "name: it works\nclients: {a: Chat/me}\nsteps:\n  - connect:\n  - expect: {frame: {type: cf_agent_identity}}\n"
BAD = "clients: {a: Chat/me}\nsteps:\n  - connect:\n  - expect: {frame: {type: nothing}}\n    timeout: 1s\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "chat_py"
    shutil.copytree(SAMPLES / "chat_py", folder, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", "__pycache__"))
    monkeypatch.chdir(folder)
    return folder


def test_files_are_run_one_after_the_other_and_held_to_their_golden_transcripts(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "good.yaml").write_text(GOOD)
    (project / "bad.yaml").write_text(BAD)
    assert run(["scenario", "run", "good.yaml", "--update"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "00.000  a  connect     /agents/chat/me"
    assert printed[-1].startswith("ok  good.yaml  it works  00.000 s virtual") and printed[-1].endswith("wrote good.transcript")
    golden = (project / "good.transcript").read_text()
    assert (project / ".agents-emu" / "scenarios" / "good.transcript").read_text() == golden

    (project / "good.transcript").write_text(golden.replace('"name":"me"', '"name":"you"'))
    assert run(["scenario", "run", "bad.yaml", "good.yaml"]) == 1
    out, err = capsys.readouterr()
    assert "failed  bad.yaml" in out and "failed  good.yaml" in out and "0 of 2 scenarios as expected" in out
    assert "E480" in err and "bad.yaml:4" in err and "E487" in err and "exit 1" in err
    assert not (project / ".agents-emu" / "dev.json").exists()

    (project / "good.transcript").write_text(golden.replace("transcript 1", "transcript 0"))
    assert run(["scenario", "run", "good.yaml", "--json"]) == 2
    row = json.loads(capsys.readouterr().out.splitlines()[0])["runs"][0]
    assert (row["ok"], row["error"]["code"]) == (False, "E284")


def test_check_says_all_that_is_wrong(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "good.yaml").write_text(GOOD)
    (project / "bad.yaml").write_text("steps:\n  - conect: a\n  - evikt: b\n")
    assert run(["scenario", "check", "good.yaml"]) == 0
    assert capsys.readouterr().out == "good.yaml  2 steps  it works\n"
    assert run(["scenario", "check", "good.yaml", "bad.yaml", "--json"]) == 2
    rows = json.loads(capsys.readouterr().out)["files"]
    assert [len(row["errors"]) for row in rows] == [0, 2] and rows[0]["steps"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["run"], 2, "E205 which scenario?"),
        (["run", "none.yaml"], 2, "E280 none.yaml cannot be read"),
        (["run", "good.yaml", "--trap", "crash"], 2, 'E203 --trap "crash" makes no sense'),
        (["run", "good.yaml", "--server"], 2, "E206 no server is running"),
        (["run", "--explain", "E999"], 2, "E203 E999 is no code of scenarios"),
        (["record", "good.yaml"], 2, "E206"),
        (["rum"], 2, "did you mean run?"),
    ],
)
def test_wrong_usage(project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, words: str) -> None:
    (project / "good.yaml").write_text(GOOD)
    assert run(["scenario", *arguments]) == code
    assert words in capsys.readouterr().err


def test_codes_are_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenario", "run", "--explain", "e480"]) == 0
    assert capsys.readouterr().out.startswith("E480  What a step waits for did not come")


@pytest.mark.parametrize("stays", [False, True])
def test_a_command_that_is_killed_takes_its_server_along(project: Path, stays: bool) -> None:
    """Unless the server is to stay: then whoever looks at it ends it."""
    (project / "endless.yaml").write_text("clients: {a: Chat/me}\nclock: real\nsteps:\n  - connect:\n  - advance: 1h\n")
    words = [sys.executable, "-m", "emulator", "scenario", "run", "endless.yaml", *(["--keep-server"] if stays else [])]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert command.stdout is not None
    assert "connect" in command.stdout.readline()
    [server] = _children(command.pid)
    command.kill()
    command.wait()
    if stays:
        time.sleep(0.5)
        assert _runs(server)
        os.kill(server, signal.SIGTERM)
    end = time.monotonic() + 20
    while _runs(server):
        assert time.monotonic() < end, "it is still there"
        time.sleep(0.02)


def _children(pid: int) -> list[int]:
    return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _runs(pid: int) -> bool:
    """Whether the process is there, and no zombie."""
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
