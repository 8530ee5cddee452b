"""Hotkeys through a real pseudo-terminal: a process that shows what it heard, and the terminal's modes before, during and after."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

SERVER = """
import asyncio, os, sys
from emulator.cli.terminal import Terminal
from emulator.config import LogFormat, LogLevel

async def main():
    terminal = Terminal(LogFormat.PRETTY, LogLevel.INFO, environ=os.environ, stdin=sys.stdin)
    stop = asyncio.Event()
    def pressed(key):
        print("pressed", key.name, flush=True)
        if key.value == "q":
            stop.set()
        if key.value == "e":
            raise SystemExit(9)
    terminal.listen(asyncio.get_running_loop(), pressed)
    print("listening", flush=True)
    await stop.wait()
    terminal.close()
    print("closed", flush=True)

asyncio.run(main())
"""
WITHIN_S = 20.0


@dataclass
class Session:
    """A process on a terminal of its own; `screen` is all that it wrote."""

    process: subprocess.Popen[bytes]
    keyboard: int
    screen: str = ""

    def press(self, keys: str) -> None:
        os.write(self.keyboard, keys.encode())

    def until(self, text: str) -> str:
        """What was written up to and including `text`."""
        deadline = time.monotonic() + WITHIN_S
        while text not in self.screen:
            assert time.monotonic() < deadline, f"{text!r} did not come: {self.screen!r}"
            if select.select([self.keyboard], [], [], 0.1)[0]:
                self.screen += os.read(self.keyboard, 4096).decode()
        before, _, self.screen = self.screen.partition(text)
        return before + text

    def modes(self) -> tuple[bool, bool, bool]:
        """Line editing, echo, and whether Ctrl-C means interrupt."""
        flags = termios.tcgetattr(self.keyboard)[3]
        return bool(flags & termios.ICANON), bool(flags & termios.ECHO), bool(flags & termios.ISIG)


def start(environ: dict[str, str] | None = None) -> Session:
    keyboard, terminal = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in ("CI", "EMU_NO_KEYS")}
    process = subprocess.Popen(
        [sys.executable, "-c", SERVER],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        env={**clean, **(environ or {})},
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - no threads here, and a terminal can only be taken between fork and exec
    )
    os.close(terminal)
    return Session(process, keyboard)


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@pytest.fixture
def session() -> Iterator[Session]:
    session = start()
    yield session
    session.process.kill()
    session.process.wait()
    os.close(session.keyboard)


COOKED, RAW = (True, True, True), (False, False, True)


def test_keys_arrive_without_enter_and_the_terminal_is_given_back(session: Session) -> None:
    session.until("listening")
    assert session.modes() == RAW
    session.press("hzr")
    assert "RELOAD" in session.until("pressed RELOAD")
    session.press("\x1b[A")  # an arrow key is no key of ours, though it ends in a letter
    session.press("q")
    assert session.until("closed").count("pressed") == 1
    assert session.process.wait(WITHIN_S) == 0
    assert session.modes() == COOKED


def test_keys_the_terminal_answers_itself(session: Session) -> None:
    session.until("listening")
    session.press("?")
    session.until("quit, as Ctrl-C does")
    session.press("l")
    session.until("log level: warn")
    session.press("x")
    session.until("\x1b[2J")


def test_given_back_when_the_program_fails(session: Session) -> None:
    session.until("listening")
    session.press("e")
    assert session.process.wait(WITHIN_S) == 9
    assert session.modes() == COOKED


def test_ctrl_c_still_interrupts(session: Session) -> None:
    session.until("listening")
    session.press("\x03")
    assert session.process.wait(WITHIN_S) in (-signal.SIGINT, 1)
    assert session.modes() == COOKED


def test_taken_again_after_a_suspension(session: Session) -> None:
    session.until("listening")
    os.kill(session.process.pid, signal.SIGSTOP)
    modes = termios.tcgetattr(session.keyboard)
    modes[3] |= termios.ICANON | termios.ECHO  # what a shell does when it gets the terminal back
    termios.tcsetattr(session.keyboard, termios.TCSANOW, modes)
    os.kill(session.process.pid, signal.SIGCONT)
    deadline = time.monotonic() + WITHIN_S
    while session.modes() != RAW:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    session.press("h")
    session.until("pressed HIBERNATE")


@pytest.mark.parametrize("environ", [{"CI": "true"}, {"EMU_NO_KEYS": "1"}])
def test_switched_off(environ: dict[str, str]) -> None:
    session = start(environ)
    try:
        session.until("listening")
        assert session.modes() == COOKED
    finally:
        session.process.kill()
        session.process.wait()
        os.close(session.keyboard)


def test_a_background_process_leaves_the_terminal_alone() -> None:
    """The process shares our session but is not its terminal's foreground: touching the terminal would stop it."""
    keyboard, terminal = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdin=terminal, stdout=subprocess.PIPE, start_new_session=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"listening\n"
        assert termios.tcgetattr(keyboard)[3] & termios.ICANON
    finally:
        process.kill()
        process.wait()
        os.close(keyboard)
        os.close(terminal)
