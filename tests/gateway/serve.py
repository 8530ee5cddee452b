"""A gateway in a process of its own, over the scripted host: `python serve.py PROJECT OPTIONS_JSON`. SIGUSR1 prints its open tasks."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

from emulator.cli.terminal import Terminal
from emulator.config import load_options, load_project
from emulator.errors import EmuError
from emulator.gateway.host_process import HostCommand
from emulator.gateway.main import run


def main(root: Path, flags: dict[str, object]) -> int:
    signal.signal(signal.SIGUSR1, lambda number, frame: print(json.dumps({"tasks": len(asyncio.all_tasks())}), flush=True))
    project = load_project(root, config=None, environment=None, env_files=(), variables={}, environ={})
    options, _ = load_options(root, flags, environ={}, cwd=root)
    console = Terminal(options.log_format, options.log_level, environ={})
    host = Path(__file__).with_name("scripted_host.py")
    command = HostCommand("python", [sys.executable, "-P", str(host)], root)
    try:
        return run(project, options, console, command=command)
    except EmuError as error:
        print(error.render(), file=sys.stderr, flush=True)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), json.loads(sys.argv[2])))
