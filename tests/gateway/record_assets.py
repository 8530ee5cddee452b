"""Ask a real `wrangler dev` what it answers to the requests of assets_sample.py, and write that down in assets_recorded.json.

    python tests/gateway/record_assets.py NODE WRANGLER_FOLDER

`WRANGLER_FOLDER` is an npm folder with wrangler in it. Takes a minute; the recording is in the repository.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import assets_sample as sample  # noqa: E402
from raw_http import ask  # noqa: E402

WORKER = """
export default {
  async fetch(request, env) {
    if (env.PASS) return env.ASSETS.fetch(request);
    const { pathname, search } = new URL(request.url);
    return new Response(`worker ${request.method} ${pathname}${search}`, { headers: { "x-worker": "1" } });
  },
};
"""
KEPT = ("content-type", "cache-control", "location", "content-length", "content-range", "content-encoding", "allow", "vary")
START_S = 40.0


def row(status: int, headers: dict[str, str], body: bytes) -> dict[str, Any] | str:
    """An answer without what differs from machine to machine; `worker` for any of the Worker's."""
    if "x-worker" in headers:
        return "worker"
    kept: dict[str, Any] = {"status": status}
    kept |= {name: value for name, value in sorted(headers.items()) if name in KEPT or name.startswith("x-")}
    kept |= {"etag": "etag" in headers, "body": body.decode("utf-8", "replace")}
    return {name: value for name, value in kept.items() if value not in (False, "")}


async def record(run: str, port: int) -> list[dict[str, Any] | str]:
    answers: list[dict[str, Any] | str] = []
    for method, path, headers in sample.requests_of(run):
        if any("ETAG" in value for value in headers.values()):
            etag = (await ask(port, "GET", path, {}))[1].get("etag", '"none"')
            headers = {name: value.replace("ETAG", etag) for name, value in headers.items()}
        answers.append(row(*await ask(port, method, path, headers)))
    return answers


def start(node: Path, npm: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    command = [
        node,
        npm / "node_modules/wrangler/bin/wrangler.js",
        "dev",
        "--port",
        "0",
        "--ip",
        "127.0.0.1",
        "--show-interactive-dev-session=false",
    ]
    environ = {**os.environ, "WRANGLER_SEND_METRICS": "false", "NO_COLOR": "1", "CI": "1"}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=folder, env=environ, stdout=out, stderr=out, stdin=subprocess.DEVNULL, process_group=0)
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = re.search(r"Ready on http://127\.0\.0\.1:(\d+)", log.read_text("utf-8", "replace"))
        if found:
            return process, int(found[1])
        time.sleep(0.1)
    raise SystemExit(log.read_text())


def main(node: Path, npm: Path) -> None:
    recorded: dict[str, Any] = {}
    for run, keys in sample.CONFIGURATIONS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sample.write(folder / "public", run)
            (folder / "worker.js").write_text(WORKER)
            config: dict[str, Any] = {"name": "sample", "main": "worker.js", "compatibility_date": "2026-11-01"}
            config |= {key: value for key, value in keys.items() if key.startswith("compatibility")}
            config["assets"] = {"directory": "public", "binding": "ASSETS"}
            config["assets"] |= {key: value for key, value in keys.items() if not key.startswith("compatibility")}
            if run.startswith("binding"):
                config["vars"] = {"PASS": True}
            (folder / "wrangler.json").write_text(json.dumps(config))
            process, port = start(node, npm, folder)
            try:
                recorded[run] = asyncio.run(record(run, port))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        print(run, len(recorded[run]), flush=True)
    version = json.loads((npm / "node_modules/wrangler/package.json").read_text())["version"]
    (HERE / "assets_recorded.json").write_text(dumps({"wrangler": version, "runs": recorded}), "utf-8")


def dumps(recording: dict[str, Any]) -> str:
    """JSON with one answer on each line, so that a difference between two recordings can be read."""
    runs = []
    for run, answers in recording["runs"].items():
        lines = ",\n".join(json.dumps(answer, ensure_ascii=False) for answer in answers)
        runs.append(f"{json.dumps(run)}: [\n{lines}\n]")
    return f'{{"wrangler": {json.dumps(recording["wrangler"])}, "runs": {{\n{",\n".join(runs)}\n}}}}\n'


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).resolve())
