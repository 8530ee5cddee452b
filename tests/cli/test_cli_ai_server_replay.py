"""`agents-emu ai replay -- <command>`: real commands, real servers, recordings alone."""

from __future__ import annotations

import asyncio
import importlib.util
import json
import os
import pty
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from emulator.gateway.ai.run_record import newest_full_run, newest_run

_spec = importlib.util.spec_from_file_location("asking_project", Path(__file__).with_name("asking_project.py"))
assert _spec is not None and _spec.loader is not None
asking_project = sys.modules.setdefault("asking_project", importlib.util.module_from_spec(_spec))
_spec.loader.exec_module(asking_project)

ERROR = {"status": 429, "json": {"errors": [{"code": 3040, "message": "no capacity"}], "success": False, "result": {}, "messages": []}}


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Any]:
    made = asking_project.AskingProject(tmp_path / "asking").make()
    made.recorded("00-tide", "tide", {"response": "twice a day"})
    yield made
    await made.assert_nobody_left()


async def test_a_command_that_finds_all_its_recordings(project: Any) -> None:
    result = await project.wrapped("replay", "tide")
    assert (result.code, result.out) == (0, "twice a day\n"), result.err
    assert result.err == "ai replay  1 model call (1 replayed)\n"
    assert not (project.root / ".wrangler").exists(), "its state is its own, and gone"


async def test_a_miss_that_the_agent_swallows_still_fails_the_run(project: Any) -> None:
    project.recorded("01-moon", "what does the moon do", {"response": "pulls"})
    result = await project.wrapped("replay", "tide", "what does the moon say&swallow=1")
    assert (result.code, result.out) == (3, "twice a day\nswallowed\n"), result.err
    report = result.err[: result.err.index("ai replay")]
    assert "fixtures/ai/default/01-moon.json" in report
    assert "$.body.prompt" in report and '"what does the moon do"' in report and '"what does the moon say"' in report
    assert "agents-emu ai record --add --cassette default -- " in report
    assert len(result.err.splitlines()) < 40
    assert "E540 1 request had no recording, and the command succeeded all the same" in result.err
    assert result.err.endswith("exit 3 (recording missing or stale)\n")


@pytest.mark.parametrize(("client", "words"), [(("tide", "--exit", "7"), "exit code 7"), (("sun",), "exit code 1")])
async def test_the_commands_own_failure_comes_first(project: Any, client: tuple[str, ...], words: str) -> None:
    result = await project.wrapped("replay", *client)
    assert result.code == 1, result.err
    assert f"E455 the command ended with {words}" in result.err
    assert ("had no recording" in result.err) is (client == ("sun",))


async def test_as_json(project: Any) -> None:
    result = await project.wrapped("replay", "tide", "sun&swallow=1", options=("--json",))
    assert (result.code, result.json["exit"], result.json["command_exit"]) == (3, 3, 0), result.err
    assert result.err == "twice a day\nswallowed\nexit 3 (recording missing or stale)\n"
    session = result.json["session"]
    assert (session["mode"], session["hits"], session["misses"], session["unused"]) == ("replay", 1, 1, 0)
    assert [(miss["what"], miss["why"]) for miss in session["missed"]] == [(asking_project.MODEL, "missing")]
    assert result.json["error"]["code"] == "E540"
    project.recorded("01-sun", "sun", {"response": "shines"})
    fine = await project.wrapped("replay", "tide", "sun", options=("--json",))
    assert (fine.code, fine.json["error"], fine.json["session"]["sources"]) == (0, None, {"recording": 2})


async def test_an_exhausted_recording_is_another_error(project: Any) -> None:
    result = await project.wrapped("replay", "tide", "tide&swallow=1", options=("--json",))
    assert (result.code, [miss["why"] for miss in result.json["session"]["missed"]]) == (3, ["used up"]), result.err


async def test_a_recorded_error_that_nobody_tells(project: Any) -> None:
    """A41: the agent swallowed it, so the run says it; a hand-written error is there on purpose."""
    project.recorded("01-busy", "busy", ERROR)
    result = await project.wrapped("replay", "busy&swallow=1")
    assert (result.code, result.out) == (1, "swallowed\n"), result.err
    assert "E456 1 model call ended with an error" in result.err
    assert f"{asking_project.MODEL} answered 429" in result.err and "1 attempt, recording default/01-busy" in result.err
    assert (await project.wrapped("replay", "busy&swallow=1", options=("--allow-errors",))).code == 0
    where = [{"path": "$.body.prompt", "equals": "by hand"}]
    project.recorded("02-hand", "by hand", ERROR, source="manual", match={"where": where})
    assert (await project.wrapped("replay", "by hand&swallow=1")).code == 0


async def test_a_full_run_lets_prune_judge(project: Any) -> None:
    fixtures = project.root / "fixtures"
    assert (await project.wrapped("replay", "tide")).code == 0
    assert newest_full_run(project.root, fixtures) is None
    assert (await project.wrapped("replay", "tide", "--exit", "1", options=("--full",))).code == 1
    assert newest_full_run(project.root, fixtures) is None, "what failed was not full"
    assert (await project.wrapped("replay", "tide", options=("--full",))).code == 0
    run = newest_full_run(project.root, fixtures)
    assert run is not None and {name for _, name, _ in run.used} == {"00-tide"}


async def test_prune_after_a_full_run_and_not_after_a_part_of_it(project: Any) -> None:
    """A27: the test that asked for the moon was deleted."""
    moon = project.recorded("00-moon", "moon", {"response": "pulls"})
    assert (await project.wrapped("replay", "tide", options=("--full",))).code == 0
    listed = await project.emu("ai", "prune")
    assert (listed.code, "00-moon" in listed.out, "00-tide" in listed.out) == (0, True, False), listed.err
    assert (await project.wrapped("replay", "tide")).code == 0
    refused = await project.emu("ai", "prune", "--apply")
    assert (refused.code, "E531" in refused.err, moon.exists()) == (3, True, True), refused.err
    idle = await project.wrapped("replay", options=("--full",))
    assert (idle.code, "ai prune learns nothing" in idle.err) == (0, True), idle.err
    assert (await project.wrapped("replay", "tide", options=("--full",))).code == 0
    assert (await project.emu("ai", "prune", "--apply")).code == 0
    assert project.files() == ["00-tide.json"]


async def test_a_running_server_is_switched_and_switched_back(project: Any) -> None:
    project.recorded("00-moon", "moon", {"response": "pulls"}, cassette="other")
    ready = project.root / "ready.json"
    server = await project.start("dev", ".", "--port", "0", "--ready-file", str(ready), "--ai", "stub", "--ai-speed", "4x")
    try:
        async with asyncio.timeout(60):
            while not ready.exists():
                assert server.returncode is None
                await asyncio.sleep(0.05)
        pid = json.loads(ready.read_text())["pid"]
        result = await project.wrapped("replay", "moon", options=("--cassette", "other"))
        assert (result.code, result.out) == (0, "pulls\n"), result.err
        assert pid in project.alive()
        status = (await project.emu("ai", "status", "--json")).json
        assert (status["mode"], status["speed"], status["cassette"]) == ("stub", "4x", None)
        missed = await project.wrapped("replay", "sun&swallow=1")
        assert missed.code == 3
        assert (await project.emu("ai", "status", "--json")).json["mode"] == "stub"
        run = newest_run(project.root, project.root / "fixtures")
        assert run is not None and run.misses == 1, "the server of the terminal leaves records too"
    finally:
        server.terminate()
        await server.communicate()


async def test_what_the_command_left_running_ends_with_it(project: Any) -> None:
    result = await project.wrapped("replay", "tide", "--orphan")
    assert (result.code, result.out) == (0, "twice a day\n"), result.err
    await project.assert_nobody_left()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 129)])
async def test_a_signal_ends_all_of_it(project: Any, number: signal.Signals, code: int) -> None:
    process = await project.start("ai", "replay", "--", sys.executable, "client.py", "--orphan", "tide", "--sleep")
    assert process.stdout is not None
    async with asyncio.timeout(60):
        while await process.stdout.readline() != b"sleeping\n":
            assert not process.stdout.at_eof()
    process.send_signal(number)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode == code, err.decode()
    await project.assert_nobody_left()


async def test_a_signal_while_the_server_starts(project: Any) -> None:
    (project.root / "entry.py").write_text("import time\ntime.sleep(1)\n" + asking_project.ENTRY)
    process = await project.start("ai", "replay", "--", sys.executable, "client.py", "tide")
    log = project.root / ".agents-emu" / "ai-server.log"
    async with asyncio.timeout(60):
        while not log.exists():
            await asyncio.sleep(0.02)
    process.send_signal(signal.SIGTERM)
    _, err = await asyncio.wait_for(process.communicate(), 60)
    assert (process.returncode, err.decode().splitlines()[-1]) == (143, "exit 143 (terminated)")
    await project.assert_nobody_left()


async def test_on_a_terminal_the_keys_are_the_commands(project: Any) -> None:
    """Ctrl-C goes to the command, as without us; it may read what is typed."""
    (project.root / "typed.py").write_text("print('typed', input(), flush=True)\nimport time\ntime.sleep(60)\n")
    ours, theirs = pty.openpty()

    def lead() -> None:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(theirs, termios.TIOCSCTTY, 0)

    streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
    process = await project.start("ai", "replay", "--", sys.executable, "typed.py", preexec_fn=lead, **streams)
    os.close(theirs)
    seen = b""

    async def until(words: bytes) -> None:
        nonlocal seen
        async with asyncio.timeout(60):
            while words not in seen:
                seen += await asyncio.to_thread(os.read, ours, 1000)

    os.write(ours, b"hello\n")
    await until(b"typed hello")
    os.write(ours, b"\x03")
    assert await asyncio.wait_for(process.wait(), 60) == 130
    await until(b"exit 130 (interrupted)")
    os.close(ours)


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("ai", "replay"), 2, "E205"),
        (("ai", "replay", "--", "no-such-program", "--json"), 2, "E210 the command cannot be started"),
        (("ai", "replay", "--cassette", "absent", "--", "true"), 2, "E243 there is no cassette"),
        (("ai", "replay", "--speed", "fast", "--", "true"), 2, "E242"),
    ],
)
async def test_what_makes_no_sense(project: Any, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = await project.emu(*arguments)
    assert (result.code, words in result.err, result.out) == (code, True, ""), result.err


async def test_a_project_that_does_not_start(project: Any) -> None:
    (project.root / "wrangler.jsonc").write_text('{"name": "asking", "main": "absent.py"}')
    result = await project.wrapped("replay", "tide")
    assert result.code == 6, result.err
    assert "E346 the server for this run ended with exit code 2" in result.err
    assert "absent.py" in result.err
