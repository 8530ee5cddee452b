"""The dates of our compatibility flags are the real runtime's: workerd from build/peers says itself what a date switches on."""

from __future__ import annotations

import json
import os
import subprocess
import urllib.request
from datetime import date, timedelta
from pathlib import Path

import pytest

from emulator.config.compatibility import FLAGS, NEWEST_DATE, Flag, is_on

WORKERD = Path(__file__).parents[2] / "build/peers/node_modules/@cloudflare/workerd-linux-64/bin/workerd"
PROBED = [flag for flag in FLAGS.values() if flag.needs != "python_workers"]
"""Those of Python Workers need a bundle of Pyodide, which workerd would fetch from the network."""
SCRIPT = "export default { fetch() { return Response.json(Cloudflare.compatibilityFlags) } }"
SERVER = "export default { fetch: (request, env) => env[new URL(request.url).pathname.slice(1)].fetch(request) }"
BOUND_S = 30


def dates_of(flag: Flag) -> list[str]:
    """The days that tell: the last one without it and the first one with it; for one that must be asked for the newest."""
    if flag.since is None:
        return [NEWEST_DATE]
    return [str(date.fromisoformat(flag.since) - timedelta(days=1)), flag.since]


@pytest.fixture(scope="module")
def on_workerd(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, dict[str, bool]]]:
    """By the flag that the Worker names ("" for none), then by date, then by flag."""
    if not WORKERD.exists():
        pytest.skip("no workerd in build/peers")
    asked = sorted({(flag.needs or "", day) for flag in PROBED for day in dates_of(flag)})
    workers = "".join(
        f'(name="{named}-{day}", worker=(modules=[(name="w", esModule="{SCRIPT}")], '
        f'compatibilityDate="{day}", compatibilityFlags=[{quoted(named)}])),'
        for named, day in asked
    )
    bindings = "".join(f'(name="{named}-{day}", service="{named}-{day}"),' for named, day in asked)
    front = f'(name="front", worker=(modules=[(name="w", esModule="{SERVER}")], compatibilityDate="{NEWEST_DATE}", bindings=[{bindings}]))'
    folder = tmp_path_factory.mktemp("flags")
    (folder / "config.capnp").write_text(
        'using Workerd = import "/workerd/workerd.capnp";\n'
        f"const config :Workerd.Config = (services=[{workers}{front}], "
        'sockets=[(name="http", address="127.0.0.1:0", http=(), service="front")]);'
    )
    control, events = os.pipe()
    answers: dict[str, dict[str, dict[str, bool]]] = {}
    with subprocess.Popen([WORKERD, "serve", "config.capnp", f"--control-fd={events}"], cwd=folder, pass_fds=[events]) as process:
        os.close(events)
        try:
            with os.fdopen(control) as heard:
                listening = next(event for line in heard if (event := json.loads(line))["event"] == "listen")
            for named, day in asked:
                with urllib.request.urlopen(f"http://127.0.0.1:{listening['port']}/{named}-{day}", timeout=BOUND_S) as answer:
                    answers.setdefault(named, {})[day] = json.load(answer)
        finally:
            process.kill()
    return answers


def quoted(name: str) -> str:
    return f'"{name}"' if name else ""


@pytest.mark.parametrize("flag", PROBED, ids=lambda flag: flag.name)
def test_a_flag_is_on_when_it_is_on_there(on_workerd: dict[str, dict[str, dict[str, bool]]], flag: Flag) -> None:
    days = dates_of(flag)
    named = () if flag.needs is None else (flag.needs,)
    theirs = on_workerd[",".join(named)]
    assert {day: is_on(flag.name, day, named) for day in days} == {day: theirs[day][flag.name] for day in days}
