"""docs/scenarios.md is true: its commands print what it shows, its examples are good scenarios, its Python runs."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from harness import console
from harness.server import CHECKOUT, COMMAND, SAMPLES, copy_project

from emulator.scenarios import document, located, problems, reading
from emulator.scenarios.located import Located

DOCUMENT = CHECKOUT / "docs" / "scenarios.md"
SERVER, RECORD = "agents-emu dev", "agents-emu scenario record"
SERVED = "127.0.0.1:8787"
BOUND_S = 60
_BLOCK = re.compile(r"^```yaml ?(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def yaml_blocks(kind: str) -> list[str]:
    return [found[2] for found in _BLOCK.finditer(DOCUMENT.read_text("utf-8")) if found[1] == kind]


class Reader:
    """Somebody who types what the document says, with the server in one terminal and the recorder in another."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        copy_project(SAMPLES / "chat_py", folder)
        (folder / "agents-emu.toml").write_text(f"port = {self._port}\n")
        tools = folder / "bin"
        tools.mkdir()
        (tools / "agents-emu").symlink_to(COMMAND)
        path = os.pathsep.join([str(tools), os.environ["PATH"]])
        self._environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": path}
        self._terminals: list[subprocess.Popen[str]] = []

    def own(self, text: str) -> str:
        return text.replace(SERVED, f"127.0.0.1:{self._port}")

    def types(self, command: str) -> list[str]:
        done = subprocess.run(
            ["bash", "-c", self.own(command)],
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        return done.stdout.splitlines()

    def leaves_running(self, command: str, until: str) -> tuple[subprocess.Popen[str], list[str]]:
        """A command in another terminal, and what it prints up to the line with `until`."""
        terminal = subprocess.Popen(
            command.split(),
            cwd=self._folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._terminals.append(terminal)
        assert terminal.stdout is not None
        lines = []
        for line in terminal.stdout:
            lines.append(line.rstrip("\n"))
            if until in line:
                return terminal, lines
        raise AssertionError("\n".join(["it ended:", *lines]))

    def ends(self, terminal: subprocess.Popen[str]) -> list[str]:
        """Ctrl-C in that terminal; the rest of what it prints."""
        terminal.send_signal(signal.SIGINT)
        return terminal.communicate(timeout=BOUND_S)[0].splitlines()

    def writes(self, name: str, text: str) -> None:
        with (self._folder / name).open("a") as file:
            file.write(text)

    def text(self, name: str) -> str:
        file = self._folder / name
        return file.read_text("utf-8") if file.exists() else ""

    def leaves(self) -> None:
        for terminal in reversed(self._terminals):
            if terminal.poll() is None:
                terminal.send_signal(signal.SIGINT)
                terminal.communicate(timeout=BOUND_S)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    reader = Reader(tmp_path / "chat_py")
    try:
        yield reader
    finally:
        reader.leaves()


def test_three_commands_lead_from_a_live_bug_to_a_failing_scenario(reader: Reader) -> None:
    shown = {row.command: row for row in console.commands(DOCUMENT.read_text("utf-8"))}
    reader.leaves_running(SERVER, "Ready in")
    recorder, printed = reader.leaves_running(next(command for command in shown if command.startswith(RECORD)), "Ctrl-C ends it")
    (chat,) = (row for command, row in shown.items() if command.startswith("agents-emu chat"))
    # It hears of what is done when its question has been answered.
    time.sleep(0.5)
    assert reader.types(chat.command) == list(chat.output)
    printed += reader.ends(recorder)
    record = next(row for command, row in shown.items() if command.startswith(RECORD))
    assert printed[-1] == record.output[-1]
    assert printed[0] == reader.own(record.output[0])

    assert reader.types("agents-emu scenario run bug.yaml --quiet")[-1].startswith("ok  bug.yaml")
    (addition,) = yaml_blocks("append")
    reader.writes("bug.yaml", addition)
    reader.writes("catches-up.yaml", yaml_blocks("")[0])
    wrong = []
    for row in shown.values():
        if row.command.startswith((SERVER, RECORD, "agents-emu chat")):
            continue
        expected, found = sorted(map(reader.own, row.output)), sorted(reader.types(row.command))
        # The line of the check in a recorded file is that of the day.
        expected, found = ([re.sub(r"(bug\.yaml):\d+", r"\1:N", line) for line in lines] for lines in (expected, found))
        if not console.same(expected, found):
            wrong += [f"$ {row.command}", "  shown:", *expected, "  printed:", *found, ""]
    assert not wrong, "\n".join(wrong)


def step_rows() -> list[Any]:
    return [row for block in yaml_blocks("steps") for row in located.parse(Path("example.yaml"), block).data]


def errors(data: dict[str, Any]) -> list[str]:
    source = Located(Path("example.yaml"), "", data)
    return [problem.what for problem in document.examine(source)[1]]


def test_every_example_is_a_good_step() -> None:
    clients = {"a": {"connect": "Chat/me", "kind": "chat"}, "b": "Chat/me"}
    rows = step_rows()
    assert errors({"clients": clients, "steps": rows}) == []
    for block in yaml_blocks("outcome"):
        assert errors({"steps": [], "outcome": located.parse(Path("example.yaml"), block).data}) == []
    for block in yaml_blocks(""):
        assert document.build(located.parse(Path("example.yaml"), block)).steps


def test_every_step_and_check_has_an_example() -> None:
    shown = {verb for row in step_rows() for verb in row}
    assert set(reading._STEPS) <= shown
    checks = {verb for block in yaml_blocks("outcome") for row in yaml.safe_load(block) for verb in row}
    assert set(reading._CHECKS) == checks


def test_every_key_is_described() -> None:
    text = DOCUMENT.read_text("utf-8")
    table = text[text.index("| Key |") : text.index("`connect` is a path")]
    described = set(re.findall(r"`(\w+)`", table))
    assert set(problems.schema()["properties"]) - {"version"} <= described


def test_its_python_runs(tmp_path: Path) -> None:
    (block,) = console.blocks(DOCUMENT.read_text("utf-8"), "python")
    copy_project(SAMPLES / "chat_py", tmp_path / "sample_agents" / "chat_py")
    program = f"{block}\nimport asyncio\nasyncio.run(test_the_client_catches_up())\nprint('done')\n"
    (tmp_path / "program.py").write_text(textwrap.dedent(program))
    done = subprocess.run(
        [sys.executable, "program.py"], cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=BOUND_S, check=False
    )
    assert done.stdout.strip() == "done", done.stderr
