"""docs/ai.md is true: its commands are run in their order, and print what it shows. Ollama is a fake of ours, on another port."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.ollama import FakeOllama
from harness import console, npm
from harness.server import CHECKOUT, COMMAND, SAMPLES, copy_project

from emulator.config.ai_sections import ai_config
from emulator.config.document import read_document

DOCUMENT = CHECKOUT / "docs" / "ai.md"
SERVER = "agents-emu dev"
OLLAMA, SERVED = "127.0.0.1:11434", "127.0.0.1:8787"
BOUND_S = 60


class Reader:
    """Somebody who types what the document says, in a folder of their own."""

    def __init__(self, folder: Path, ollama: str) -> None:
        self._folder = folder
        self._at = folder
        self._ollama = ollama.removeprefix("http://")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self._server: subprocess.Popen[str] | None = None
        copy_project(SAMPLES / "generate_js", folder / "sample_agents" / "generate_js")
        tools = folder / "bin"
        tools.mkdir()
        (tools / "agents-emu").symlink_to(COMMAND)
        # `npm install`: what it installs is there already.
        (tools / "npm").write_text(f'#!/bin/sh\nln -s "{npm.sample_modules()}" node_modules\n')
        (tools / "npm").chmod(0o755)
        path = os.pathsep.join([str(tools), str(npm.BIN), os.environ["PATH"]])
        self._environment = {name: value for name, value in os.environ.items() if name != "CI"} | {"PATH": path}

    def own(self, text: str) -> str:
        """The document's text with the ports of this run."""
        return text.replace(OLLAMA, self._ollama).replace(SERVED, f"127.0.0.1:{self._port}")

    def writes(self, name: str, text: str) -> None:
        """A file that the document shows."""
        (self._at / name).write_text(f"port = {self._port}\n{self.own(text)}", "utf-8")

    def types(self, command: str) -> list[str]:
        """What the command prints. The server goes on in a second terminal."""
        if command == SERVER:
            return self._serve()
        where = self._folder / "where"
        done = subprocess.run(
            ["bash", "-c", f"trap 'pwd > \"{where}\"' EXIT\n{self.own(command)}"],
            cwd=self._at,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=BOUND_S,
            check=False,
        )
        self._at = Path(where.read_text().strip())
        return done.stdout.splitlines()

    def leaves(self) -> None:
        """Ctrl-C in the second terminal."""
        if self._server is not None:
            self._server.send_signal(signal.SIGINT)
            self._server.communicate(timeout=BOUND_S)

    def _serve(self) -> list[str]:
        self._server = subprocess.Popen(
            ["agents-emu", "dev"],
            cwd=self._at,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._server.stdout is not None
        lines = []
        for line in self._server.stdout:
            lines.append(line.rstrip("\n"))
            if "Ready in" in line:
                return lines
        raise AssertionError("\n".join(["the server ended:", *lines]))


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    with FakeOllama().running() as ollama:
        reader = Reader(tmp_path, ollama.url)
        try:
            yield reader
        finally:
            reader.leaves()


def test_every_command_prints_what_the_document_shows(reader: Reader):
    document = DOCUMENT.read_text("utf-8")
    (settings,) = console.blocks(document[: document.index("\n## Modes")], "toml")
    wrong = []
    for number, shown in enumerate(console.commands(document)):
        printed = reader.types(shown.command)
        if number == 0:
            reader.writes("agents-emu.toml", settings)
        expected = [reader.own(line) for line in shown.output]
        if not console.same(expected, printed):
            wrong += [f"{DOCUMENT.name}:{shown.line}  $ {shown.command}", "  shown:", *expected, "  printed:", *printed, ""]
    assert not wrong, "\n".join(wrong)


def test_it_takes_ten_commands():
    document = DOCUMENT.read_text("utf-8")
    ten = document[document.index("## Ten commands") : document.index("\n## ", document.index("## Ten commands") + 5)]
    assert len(console.commands(ten)) == 10


def test_what_a_comparison_sees():
    shown = ("a  b", "took 1 s", "...", "end")
    assert console.same(shown, ["a b", "", "took 20 ms", "x", "y", "end"])
    assert console.same(shown, ["a b", "took 20 ms", "end"])
    assert not console.same(shown, ["a c", "took 20 ms", "end"])
    assert not console.same(shown, ["a b", "took 20 ms", "end", "more"])


def test_links_lead_somewhere():
    document = DOCUMENT.read_text("utf-8")
    places = {re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", document, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", document):
        if target.startswith("#"):
            assert target[1:] in places, target
        else:
            assert target.startswith("https://") or (DOCUMENT.parent / target).exists(), target


def test_settings_it_shows_are_settings(tmp_path: Path):
    for settings in console.blocks(DOCUMENT.read_text("utf-8"), "toml"):
        (tmp_path / "agents-emu.toml").write_text(settings, "utf-8")
        _, notices = ai_config(read_document(tmp_path / "agents-emu.toml"), frozenset())
        assert notices == ()
