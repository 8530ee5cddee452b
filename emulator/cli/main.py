"""Parses the command line, runs one command, and turns whatever ends it into words and an exit code (design 4.4).

0 fine; 1 user code failed; 2 usage or config; 3 recording missing or stale; 4 difference; 6 could not start; 70 our bug;
130 and 143 signals.
Every other code than 0 ends with one line `exit N (reason)` on standard error.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from emulator import __version__
from emulator.cli.lazy_group import LazyGroup, nearest_or
from emulator.errors import EmuError, InternalError, UsageError

NAME = "agents-emu"

COMMANDS = {
    "dev": "serve a project, reloading it as you edit",
    "chat": "talk to a chat agent of the running server",
    "call": "call a method of an agent",
    "ai": "look at, check and change recorded model calls",
    "scenario": "record and run what clients do, on a clock that repeats",
    "clock": "show the time that agents see, and move it",
    "objects": "list the objects that exist",
    "journal": "show what happened, and follow it",
    "sockets": "list the clients' open sockets",
    "alarms": "list what is set for later, run or remove it",
    "state": "save, load and reset what objects have stored",
    "awake": "say why an object stays in memory",
    "drop": "cut clients off, in the ways networks do",
    "evict": "drop an object's instance; its sockets stay",
    "hibernate": "let an idle object hibernate now",
    "abort": "reset an object where it stands",
    "crash": "kill the process that runs your code",
    "restart": "start that process anew; sockets stay",
    "deploy": "do what a deploy in production does",
    "version": "print the version",
    "completion": "print a completion script for your shell",
}
"""Every command, in the order of `--help`; the module of the same name has the function of the same name."""

REASONS = {
    1: "user code failed",
    2: "usage",
    3: "recording missing or stale",
    4: "difference",
    6: "could not start",
    70: "internal",
    130: "interrupted",
    143: "terminated",
}

EPILOG = """\b
Examples:
  agents-emu dev                           serve the project in this folder
  agents-emu dev my-agent --port 3000
  agents-emu chat Chat/me "hello"          from a second terminal
  agents-emu call Counter/a add 1
  agents-emu ai ls                         the recorded model calls

Nothing you do is reported to anybody: there is no telemetry."""


@click.group(
    cls=LazyGroup,
    package="emulator.cli",
    table=COMMANDS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.version_option(__version__, "-V", "--version", message=f"{NAME} %(version)s")
@click.option("-C", "directory", metavar="DIR", help="The project's folder, for any command.")
@click.pass_context
def commands(ctx: click.Context, directory: str | None) -> None:
    """Run Cloudflare Agents on your machine: the real SDKs on an emulated platform, offline."""
    if directory is not None:
        # Every command that is about a project calls its folder so.
        ctx.default_map = {command: {"directory": directory} for command in COMMANDS}


def run(arguments: Sequence[str]) -> int:
    """Run one command. Returns the exit code; words are on standard error by then."""
    try:
        return _last_line(*_outcome(list(arguments)))
    except BrokenPipeError:  # whoever read our output has seen enough
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _outcome(arguments: list[str]) -> tuple[int, str | None]:
    try:
        result = commands.main(arguments, prog_name=NAME, standalone_mode=False)
        sys.stdout.flush()
        return (result, None) if isinstance(result, int) else (0, None)
    except EmuError as error:
        return _failed(error, arguments)
    except click.exceptions.Exit as stop:
        return stop.exit_code, None
    except click.exceptions.NoArgsIsHelpError as empty:
        click.echo(empty.format_message())
        return 2, "no command"
    except click.UsageError as wrong:
        return _failed(_usage(wrong), arguments)
    except click.ClickException as wrong:
        return _failed(UsageError("E205", wrong.format_message().rstrip(".")), arguments)
    except (KeyboardInterrupt, click.Abort):
        return 130, None
    except BrokenPipeError:
        raise
    except Exception as error:  # the last resort: whatever no code above expected is our bug
        return _failed(_bug(error), arguments)


def _last_line(code: int, reason: str | None) -> int:
    if code:
        print(f"exit {code} ({reason or REASONS.get(code, 'failed')})", file=sys.stderr)
    return code


def _failed(error: EmuError, arguments: Sequence[str]) -> tuple[int, str]:
    ours = arguments[: arguments.index("--")] if "--" in arguments else arguments  # what follows is another program's
    if "--json" in ours:
        from emulator.cli.json_lines import error_data

        print(json.dumps({"error": error_data(error)}))
    print(error.render(), file=sys.stderr)
    return error.exit_code, error.reason


def _usage(wrong: click.UsageError) -> UsageError:
    """click's complaint in our shape, with the nearest option when one was mistyped."""
    command = f"{wrong.ctx.command_path} --help" if wrong.ctx else f"{NAME} --help"
    if isinstance(wrong, click.NoSuchOption):
        known = [word for option in (wrong.ctx.command.params if wrong.ctx else ()) for word in (*option.opts, *option.secondary_opts)]
        known = [word for word in known if word.startswith("--")]
        return UsageError("E205", f"there is no option {wrong.option_name}", hint=nearest_or(wrong.option_name, known, command))
    message = wrong.format_message().rstrip(".")
    return UsageError("E205", message[0].lower() + message[1:], hint=command)


def _bug(error: Exception) -> InternalError:
    where = _save_traceback(error)
    what = f"agents-emu itself failed: {type(error).__name__}: {error}".rstrip(": ")
    return InternalError("E900", what, where=where, hint="please report this, with that file" if where else "please report this")


def _save_traceback(error: Exception) -> str | None:
    import traceback

    from emulator.config.document import shown

    log = Path(".agents-emu") / "crash.log"
    lines: list[Any] = [f"{NAME} {' '.join(sys.argv[1:])}\nPython {sys.version}\n\n", *traceback.format_exception(error)]
    try:
        log.parent.mkdir(exist_ok=True)
        log.write_text("".join(lines), "utf-8")
    except OSError:
        print("".join(lines), file=sys.stderr)  # nowhere to keep it: better on the screen than lost
        return None
    return shown(log)
