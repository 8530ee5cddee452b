"""The guard of a host process. Audit hooks stay, so each script has a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from emulator.hosts.python.network.guard import is_loopback

PRELUDE = """
import json, socket, subprocess, sys
from emulator.hosts.python.network.guard import Guard, Reach
denied = []
guard = Guard(lambda what, where: denied.append(what))
guard.install()
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]

def tried(work):
    try:
        work()
        return "done"
    except OSError as error:
        return type(error).__name__

def connect(host="127.0.0.1"):
    with socket.socket() as one:
        one.settimeout(0.01)
        one.connect((host, port))
"""


def run(script: str):
    done = subprocess.run([sys.executable, "-c", PRELUDE + script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_everything_may_be_reached_until_somebody_says_otherwise():
    assert run("print(json.dumps([tried(connect), denied]))") == ["done", []]


def test_only_this_machine_may_be_reached():
    outcome = run("""
guard.reach = Reach.LOOPBACK
print(json.dumps([
    tried(connect),
    tried(lambda: connect("192.0.2.1")),
    tried(lambda: socket.getaddrinfo("localhost", port)),
    tried(lambda: socket.getaddrinfo("outside.example", port)),
    [what.rpartition(":")[0] or what for what in denied],
]))
""")
    assert outcome == ["done", "SocketDenied", "done", "SocketDenied", ["a socket to 192.0.2.1", "a socket to outside.example"]]


def test_nothing_may_be_reached_but_paths():
    outcome = run("""
import tempfile, pathlib
guard.reach = Reach.NOTHING
path = str(pathlib.Path(tempfile.mkdtemp()) / "s")
with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
    listener.bind(path)
    listener.listen()
    print(json.dumps([tried(connect), tried(lambda: client.connect(path)), tried(lambda: socket.getaddrinfo("127.0.0.1", 1))]))
""")
    assert outcome == ["SocketDenied", "done", "done"]


def test_a_debugger_may_do_what_user_code_may_not():
    outcome = run("""
guard.reach = Reach.NOTHING
debugger = {"__name__": "debugpy.server.api", "connect": connect, "subprocess": subprocess, "sys": sys}
exec("def attach():\\n    connect()\\n    subprocess.run([sys.executable, '-c', ''], check=True)", debugger)
print(json.dumps([tried(debugger["attach"]), tried(lambda: subprocess.run(["true"])), denied]))
""")
    assert outcome == ["done", "ProcessDenied", []]


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "app.localhost"])
def test_this_machine(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["192.0.2.1", "10.0.0.1", "0.0.0.0", "::2", "localhost.example", "example.com"])
def test_not_this_machine(host):
    assert not is_loopback(host)
