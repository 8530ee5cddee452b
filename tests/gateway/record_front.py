"""Ask the real Cloudflare plugin for Vite what it answers to the requests of front_sample.py, and write that down in front_recorded.json.

    python tests/gateway/record_front.py NODE PROJECT

`PROJECT` is a folder with the plugin and Vite in its node_modules, such as a clone of the official starter.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import front_sample as sample  # noqa: E402
from raw_http import ask  # noqa: E402

WORKER = 'export default { fetch: () => new Response("worker", { headers: { "x-worker": "1" } }) };\n'
START_S = 60.0


def start(node: Path, folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    command = [node, folder / "node_modules/vite/bin/vite.js", "dev", "--host", "127.0.0.1", "--port", "0"]
    log = folder.with_suffix(".log")
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, cwd=folder, env={**os.environ, "NO_COLOR": "1"}, stdout=out, stderr=out, stdin=subprocess.DEVNULL, process_group=0
        )
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", log.read_text("utf-8", "replace"))
        if found:
            return process, int(found[1])
        time.sleep(0.1)
    raise SystemExit(log.read_text())


async def record(port: int) -> list[Any]:
    rows = []
    for method, path, headers in sample.REQUESTS:
        status, found, body = await ask(port, method, path, headers)
        rows.append(sample.summary(method, status, found, body))
    return rows


def main(node: Path, project: Path) -> None:
    runs = []
    for run, assets in sample.CONFIGURATIONS.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "front"
            shutil.copytree(HERE / "front_project", folder, ignore=shutil.ignore_patterns("plugin"))
            (folder / "node_modules").symlink_to(project / "node_modules")
            (folder / "worker.js").write_text(WORKER)
            (folder / ".dev.vars").write_text("A=secret")
            wrangler = {"name": "front", "main": "worker.js", "compatibility_date": "2026-06-01"}
            (folder / "wrangler.jsonc").write_text(json.dumps(wrangler if assets is None else {**wrangler, "assets": assets}))
            process, port = start(node, folder)
            try:
                rows = asyncio.run(record(port))
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
            lines = ",\n".join(json.dumps(row) for row in rows)
            runs.append(f"{json.dumps(run)}: [\n{lines}\n]")
            print(run, len(rows), flush=True)
    version = json.loads((project / "node_modules/@cloudflare/vite-plugin/package.json").read_text())["version"]
    joined = ",\n".join(runs)
    (HERE / "front_recorded.json").write_text(f'{{"plugin": {json.dumps(version)}, "runs": {{\n{joined}\n}}}}\n', "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).resolve())
