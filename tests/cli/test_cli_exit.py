"""Exit codes and last words of the command line (design 4.4), and what it costs to start it."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import emulator
from emulator.cli.main import COMMANDS, REASONS, run
from emulator.config import AiMode, LogFormat, Project
from emulator.errors import EmuError, StartError

Serve = Callable[..., int]


def command(cwd: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "emulator", *arguments], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "entry.py").touch()
    (tmp_path / "wrangler.jsonc").write_text('{"name": "shop", "main": "entry.py", "compatibility_date": "2026-06-11"}')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CI", raising=False)
    return tmp_path


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Callable[[Serve], None]:
    """Puts a function in the place of the gateway."""

    def replace(serve: Serve) -> None:
        fake = types.ModuleType("emulator.gateway.main")
        fake.run = serve  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "emulator.gateway.main", fake)

    return replace


@pytest.mark.parametrize(
    ("arguments", "first", "last"),
    [
        (["dve"], 'E204 there is no command "dve"', "exit 2 (usage)"),
        (["dev", "--prot", "3"], "E205 there is no option --prot", "exit 2 (usage)"),
        (["dev", "absent"], "E201 the folder absent does not exist", "exit 2 (usage)"),
        (["dev", "--port", "x"], "E203 --port x makes no sense", "exit 2 (usage)"),
        (["dev", "--var", "nothing"], 'E203 --var "nothing" makes no sense', "exit 2 (usage)"),
        (["dev", "--clock", "sundial"], "E203 --clock sundial makes no sense", "exit 2 (usage)"),
        (["dev", "--config", "absent.json"], "E101", "exit 2 (config)"),
        (["dev", "--env-file", "absent.env"], "E112", "exit 2 (config)"),
        (["completion", "tcsh"], "E205", "exit 2 (usage)"),
        (["call"], "E205 missing argument 'TARGET'", "exit 2 (usage)"),
    ],
)
def test_usage_errors(project: Path, arguments: list[str], first: str, last: str) -> None:
    result = command(project, *arguments)
    lines = result.stderr.splitlines()
    assert result.returncode == 2
    assert lines[0].startswith(first)
    assert lines[-1] == last
    assert "Traceback" not in result.stderr


def test_a_mistyped_word_is_answered_with_the_right_one(project: Path) -> None:
    assert "did you mean dev?" in command(project, "dve").stderr
    assert "did you mean --port?" in command(project, "dev", "--prot", "3").stderr


def test_a_broken_wrangler_file(project: Path) -> None:
    (project / "wrangler.jsonc").write_text('{\n  "name": "shop"\n  "main": "entry.py"\n}')
    assert command(project, "dev").stderr.splitlines() == [
        "E103 wrangler.jsonc is no valid JSON: expecting ',' delimiter",
        "  where  wrangler.jsonc:3:3",
        '         2 |   "name": "shop"',
        '         3 |   "main": "entry.py"',
        "               ^",
        "exit 2 (config)",
    ]


def test_fine(project: Path) -> None:
    for arguments in (["version"], ["--version"], ["--help"], ["dev", "-h"], ["completion", "bash"]):
        result = command(project, *arguments)
        assert (result.returncode, result.stderr) == (0, "")
        assert result.stdout
    assert json.loads(command(project, "version", "--json").stdout)["version"] == emulator.__version__


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_examples_and_json(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "--help"]) == 0
    words = capsys.readouterr().out
    assert "Examples:" in words
    assert "--json" in words


def test_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run([]) == 2
    shown = capsys.readouterr()
    assert "Usage: agents-emu" in shown.out
    assert shown.err == "exit 2 (no command)\n"


@pytest.mark.parametrize("code", [0, *REASONS])
def test_the_code_of_the_gateway_is_ours(
    project: Path, gateway: Callable[[Serve], None], capsys: pytest.CaptureFixture[str], code: int
) -> None:
    gateway(lambda *_, **__: code)
    assert run(["dev"]) == code
    assert capsys.readouterr().err == (f"exit {code} ({REASONS[code]})\n" if code else "")


def test_what_the_gateway_is_given(project: Path, gateway: Callable[[Serve], None], monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    gateway(lambda *given, reread: seen.extend([*given, reread]) or 0)
    (project / ".dev.vars").write_text("KEY=12345678")
    arguments = ["dev", str(project), "--port", "0", "--ai", "replay", "--var", "A:b:c", "--var", "D=e", "--json", "--no-inspector"]
    assert run(arguments) == 0
    loaded, options, terminal, reread = seen
    (project / ".dev.vars").write_text("KEY=changed")
    assert (reread().vars, reread().secrets["KEY"]) == (loaded.vars, "changed")
    assert isinstance(loaded, Project)
    assert (loaded.vars, dict(loaded.secrets)) == ({"A": "b:c", "D": "e"}, {"KEY": "12345678"})
    assert (options.port, options.ai_mode, options.log_format, options.inspector) == (0, AiMode.REPLAY, LogFormat.JSON, False)
    assert terminal.shows(options.log_level)


def test_an_error_of_the_gateway(project: Path, gateway: Callable[[Serve], None], capsys: pytest.CaptureFixture[str]) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise StartError("E301", "port 8787 is taken", hint="--port 8788")

    gateway(fail)
    assert run(["dev"]) == 6
    assert capsys.readouterr().err == "E301 port 8787 is taken\n  next   --port 8788\nexit 6 (could not start)\n"


def test_warnings_are_shown_before_serving(project: Path, gateway: Callable[[Serve], None], capsys: pytest.CaptureFixture[str]) -> None:
    keys = {"name": "shop", "main": "entry.py", "compatibility_date": "2026-06-11", "kv_namespaces": [{"binding": "CACHE"}], "nmae": 1}
    (project / "wrangler.jsonc").write_text(json.dumps(keys))
    gateway(lambda *_, **__: 0)
    assert run(["dev"]) == 0
    shown = capsys.readouterr().err
    assert 'did you mean "name"?' in shown
    assert "kv_namespaces is not emulated yet: env.CACHE is missing" in shown


def test_our_own_bug_is_reported_with_a_saved_traceback(
    project: Path, gateway: Callable[[Serve], None], capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise ZeroDivisionError("oh no")

    gateway(fail)
    assert run(["dev"]) == 70
    shown = capsys.readouterr().err.splitlines()
    assert shown[0] == "E900 agents-emu itself failed: ZeroDivisionError: oh no"
    assert shown[1].endswith(".agents-emu/crash.log")
    assert shown[-1] == "exit 70 (internal)"
    assert "ZeroDivisionError: oh no" in (project / ".agents-emu/crash.log").read_text()


def test_ctrl_c(project: Path, gateway: Callable[[Serve], None], capsys: pytest.CaptureFixture[str]) -> None:
    def interrupt(*_: Any, **__: Any) -> int:
        raise KeyboardInterrupt

    gateway(interrupt)
    assert run(["dev"]) == 130
    assert capsys.readouterr().err.splitlines()[-1] == "exit 130 (interrupted)"


def test_errors_as_json(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["objects", "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["code"] == "E206"


def test_a_reader_that_leaves_is_no_error(project: Path) -> None:
    pipeline = f"{sys.executable} -m emulator dev --help | head -1; exit ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", pipeline], cwd=project, capture_output=True, text=True, timeout=60, check=False)
    assert (result.returncode, result.stderr) == (0, "")


def test_reasons_agree_with_the_errors() -> None:
    def tree(error: type[EmuError]) -> list[type[EmuError]]:
        return [error, *(inner for child in error.__subclasses__() for inner in tree(child))]

    assert {error.exit_code for error in tree(EmuError)} <= REASONS.keys()


def test_starting_imports_nothing_heavy(project: Path) -> None:
    """Until the gateway takes over: each of these costs 30 to 300 ms, and the host could be starting meanwhile."""
    script = (
        "import sys, types, runpy\n"
        "fake = types.ModuleType('emulator.gateway.main')\n"
        "heavy = ('aiohttp', 'rich', 'jsonschema', 'json5', 'tomlkit', 'watchfiles', 'uvloop', 'asyncio', 'ssl')\n"
        "fake.run = lambda *_, **__: print([name for name in heavy if name in sys.modules]) or 0\n"
        "sys.modules['emulator.gateway.main'] = fake\n"
        "from emulator.cli.main import run\n"
        "sys.exit(run(['dev']))\n"
    )
    result = subprocess.run([sys.executable, "-c", script], cwd=project, capture_output=True, text=True, timeout=60, check=True)
    assert result.stdout == "[]\n"


def test_the_folder_may_stand_before_the_command(project: Path, gateway: Callable[[Serve], None]) -> None:
    seen: list[Path] = []
    gateway(lambda project, *rest, **more: seen.append(project.root) or 0)
    assert run(["-C", str(project), "dev"]) == 0
    assert seen == [project.resolve()]
