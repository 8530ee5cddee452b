"""Which Python runs the user's code (python-workers-surface.md 11).

An interpreter that was asked for, else the project's `.venv-workers`, else its `.venv`, else our own. The version should be the
one that the platform would use; another one runs too, after a warning.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from emulator.config.document import shown
from emulator.config.options import Options
from emulator.config.project import Notice, Project
from emulator.errors import StartError

OLDEST = (3, 12)
VENVS = (".venv-workers", ".venv")
ANSWER_WITHIN_S = 10.0


@dataclass(frozen=True, slots=True)
class Interpreter:
    """`source` says where it was found: `--python`, `.venv`, `agents-emu`."""

    path: Path
    version: tuple[int, int]
    source: str
    notices: tuple[Notice, ...] = ()


def choose_python(project: Project, options: Options) -> Interpreter:
    """The interpreter for the Python host.

    Raises StartError E391 (does not run) or E392 (older than 3.12) for one that was asked for.
    """
    notices: list[Notice] = []
    chosen = _asked_for(options.python) if options.python else _from_venvs(project.root, notices)
    path, version, source = chosen or (Path(sys.executable), (sys.version_info.major, sys.version_info.minor), "agents-emu")
    if version != project.python_version:
        runs, deployed = _dotted(version), _dotted(project.python_version)
        notices.append(
            Notice(
                f"agents run on Python {runs} here ({source}); deployed they run on {deployed}",
                hint=f"make a .venv with Python {deployed}, or ignore this while your code runs on both",
            )
        )
    return Interpreter(path, version, source, tuple(notices))


def _asked_for(path: Path) -> tuple[Path, tuple[int, int], str]:
    version = _ask_version(path)
    if version < OLDEST:
        what = f"{shown(path)} is Python {_dotted(version)}; agents need {_dotted(OLDEST)} or newer"
        raise StartError("E392", what, where="--python")
    return path, version, "--python"


def _from_venvs(root: Path, notices: list[Notice]) -> tuple[Path, tuple[int, int], str] | None:
    for name in VENVS:
        settings = root / name / "pyvenv.cfg"
        if not settings.is_file():
            continue
        candidates = (root / name / "bin" / "python", root / name / "Scripts" / "python.exe")
        python = next((path for path in candidates if path.exists()), None)
        found = re.search(r"^version(?:_info)?\s*=\s*(\d+)\.(\d+)", settings.read_text("utf-8", "replace"), re.MULTILINE)
        version = (int(found[1]), int(found[2])) if found else None
        if python and version and version >= OLDEST:
            return python, version, name
        reason = f"is Python {_dotted(version)}, too old" if version and python else "has no working interpreter"
        notices.append(Notice(f"{name} {reason}; it is not used", shown(root / name), "make it anew with Python 3.12 or newer"))
    return None


def _ask_version(path: Path) -> tuple[int, int]:
    command = [str(path), "-I", "-S", "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=ANSWER_WITHIN_S, check=True)
        major, minor = answer.stdout.split()
        return int(major), int(minor)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        hint = "give the path of a Python 3.12 or newer"
        raise StartError("E391", f"{shown(path)} does not run as a Python interpreter", where="--python", hint=hint) from error


def _dotted(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
