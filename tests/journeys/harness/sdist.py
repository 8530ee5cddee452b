"""The source distribution of workers-runtime-sdk, of the version that is installed, unpacked in build/."""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tarfile
from importlib.metadata import version
from pathlib import Path

from harness.server import CHECKOUT

PACKAGE = "workers-runtime-sdk"
DOWNLOAD_BOUND_S = 300


def unpacked() -> Path:
    """The folder of the distribution; fetched from the package index when it is not there. Raises CalledProcessError."""
    folder = CHECKOUT / "build" / "sdist"
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{PACKAGE.replace('-', '_')}-{version(PACKAGE)}"
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not target.is_dir():
            subprocess.run(
                [
                    *(sys.executable, "-m", "pip", "download", "--quiet", "--no-binary", ":all:", "--no-deps"),
                    *("-d", folder, f"{PACKAGE}=={version(PACKAGE)}"),
                ],
                check=True,
                timeout=DOWNLOAD_BOUND_S,
                stdin=subprocess.DEVNULL,
            )
            with tarfile.open(target.with_name(f"{target.name}.tar.gz")) as archive:
                archive.extractall(folder, filter="data")
    return target
