"""`run`: one running server, from the first process to the exit code.

Only what must happen before the host is spawned happens here: lock, port, interpreter. Importing the rest (aiohttp above all) takes as
long as a host takes to start, so it is done while that starts. What the server is made of is in assembly.py, its life in serving.py.
"""

from __future__ import annotations

import os
import socket
import sys
import sysconfig
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from emulator.config import Front, HostKind, Notice, Options, Project, choose_node, choose_python, load_project
from emulator.errors import StartError
from emulator.gateway import ports
from emulator.gateway.console import Caution, Console, Note
from emulator.gateway.front.process import FrontCommand, FrontProcess, SpawnFront
from emulator.gateway.host_process import HostCommand, HostProcess, RuntimeDir
from emulator.gateway.state_lock import StateLock


@dataclass(frozen=True, slots=True)
class FirstFront:
    """The project's Vite, started already, and how another one is."""

    process: FrontProcess
    spawn: SpawnFront


@dataclass(frozen=True, slots=True)
class Start:
    """What is there before the event loop runs. `began_s` is on time.monotonic()."""

    listener: socket.socket
    command: HostCommand
    runtime: RuntimeDir
    first: HostProcess
    front: FirstFront | None
    lock: StateLock
    began_s: float
    reread: Callable[[], Project]


def run(
    project: Project,
    options: Options,
    console: Console,
    *,
    reread: Callable[[], Project] | None = None,
    command: HostCommand | None = None,
) -> int:
    """Serve until a signal or the quit key; gives the exit code (0, 130 after SIGINT, 143 after SIGTERM). `reread` reads the project's
    files again the way they were read at first; `command` replaces the project's own host. Raises StartError."""
    began_s = _process_began_s()
    with StateLock(options.persist_to) as lock:
        listener = ports.listen(options.ip, options.port, strict=options.strict_port)
        runtime = RuntimeDir()
        try:
            port = listener.getsockname()[1]
            if options.port not in (0, port):
                console.show(Note("port", f"port {options.port} is taken, using {port}"))
            command = command or host_command(project, options, console)
            first = HostProcess(command, runtime)
            front = _first_front(project, options, console, runtime, port)
            start = Start(listener, command, runtime, first, front, lock, began_s, reread or _reread(project))
            from emulator.gateway.serving import serve  # late: its imports overlap with the host's start

            return serve(project, options, console, start)
        finally:
            listener.close()
            runtime.remove()


def host_command(project: Project, options: Options, console: Console) -> HostCommand:
    """How the project's host is started. Raises StartError."""
    if project.host is HostKind.NODE:
        return _node_command(project, options)
    return _python_command(project, options, console)


def _python_command(project: Project, options: Options, console: Console) -> HostCommand:
    interpreter = choose_python(project, options)
    for notice in interpreter.notices:
        console.show(Caution(notice))
    # -P: the folder a host is started in shall not shadow our package.
    arguments = [str(interpreter.path), "-P", "-m", "emulator.hosts.python"]
    if interpreter.path != Path(sys.executable):
        # Our own copy of the SDKs, which are pure Python for 3.12 and newer, behind everything the project's environment has.
        arguments += ["--fallback-path", sysconfig.get_path("purelib")]
    # The order of a set of texts is chance too, and drawn before the host can be told anything.
    environ = {} if options.seed is None else {"PYTHONHASHSEED": "0"}
    return HostCommand(project.host.value, arguments, project.root, "choose another interpreter with --python", environ)


def _node_command(project: Project, options: Options) -> HostCommand:
    runtime = choose_node(options)
    entry = Path(__file__).resolve().parent.parent / "hosts" / "node" / "main.mjs"
    # node:sqlite is an experiment to Node, and no news to anybody here.
    arguments = [str(runtime.path), "--disable-warning=ExperimentalWarning", str(entry)]
    environ = {}
    # Packages are imported ahead of LOAD, and some keep the clocks and the chance that they find then.
    if options.clock.virtual:
        arguments.append("--virtual-clock")
        # One thread ends its work in the order in which it was begun; the platform's local time is UTC.
        environ = {"UV_THREADPOOL_SIZE": "1", "TZ": "UTC"}
    if options.seed is not None:
        arguments.append("--seeded")
    return HostCommand(project.host.value, arguments, project.root, "choose another Node.js with --node", environ)


def _first_front(project: Project, options: Options, console: Console, runtime: RuntimeDir, port: int) -> FirstFront | None:
    """Start the project's Vite, when it has one and it is wanted."""
    front_end = project.front_end
    if front_end is None or options.front is Front.OFF or not front_end.installed:
        return None
    try:
        command = FrontCommand(choose_node(options).path, front_end, port, (project.config_path,))
    except StartError as error:
        console.show(Caution(Notice(f"the front end is not served: {error.what}", error.where, error.hint)))
        return None

    def spawn() -> FrontProcess:
        return FrontProcess(command, runtime.next_socket())

    return FirstFront(spawn(), spawn)


def _reread(project: Project) -> Callable[[], Project]:
    return lambda: load_project(
        project.root, config=project.config_path, environment=project.environment, env_files=(), variables={}, environ=os.environ
    )


def _process_began_s() -> float:
    """When this process began, on time.monotonic(); where /proc does not tell, now."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age_s = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        age_s = 0.0
    return time.monotonic() - age_s
