"""`ai record -- <cmd>` and its like: a command runs while a server answers its model calls in one mode, and the run is judged by both.

When a server of the project runs already, its session is held for the time of the command (gateway/ai/lease.py): nobody else can end it,
and it is thrown away when we are killed. Else one is started for it. The command finds the server in the variable AGENTS_EMU_URL. Its exit
code decides whether recordings are kept.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shlex
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import click

from emulator.cli.ai.command import Ended, Interrupted, Signals, output_of, run_command
from emulator.cli.ai.server_for import a_server
from emulator.cli.server import control
from emulator.cli.session_words import count, session_lines
from emulator.config.wrangler import find_config
from emulator.errors import EmuError, RecordingError, UserCodeError
from emulator.gateway.ai.run_record import VARIABLE as RUN_VARIABLE
from emulator.gateway.ai.run_record import complete
from emulator.gateway.ready import RunningServer

if TYPE_CHECKING:
    from aiohttp import ClientSession

URL_VARIABLE = "AGENTS_EMU_URL"
_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run, and how model calls are answered meanwhile. `keep_failed`: recordings stay when the command fails; `prune`: those that
    it was not asked for are removed."""

    command: tuple[str, ...]
    mode: str
    root: Path
    cassette: str | None = None
    speed: str | None = None
    keep_failed: bool = False
    full: bool = False
    prune: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """How the command ended, the session's summary, the id of the run, and in mode check what was compared."""

    command: tuple[str, ...]
    ended: Ended
    session: dict[str, Any]
    run: str
    check: dict[str, Any] | None = None

    @property
    def well(self) -> bool:
        """The command succeeded."""
        return self.ended.code == 0 and self.ended.interrupted is None


def wrapping(command: Callable[..., Any]) -> Callable[..., Any]:
    """Adds the command to run, `--dir`, `--cassette`, `--speed` and `--json`; gives the function `root`, the project's folder."""

    @click.argument("words", nargs=-1, required=True, metavar="[--] COMMAND...", type=click.UNPROCESSED)
    @click.option("-C", "--dir", "directory", default=".", type=click.Path(path_type=Path), help="The project's folder.")
    @click.option("--cassette", metavar="NAME", help="The folder of recordings; default all, and new ones into default/.")
    @click.option("--speed", metavar="S", help="Pace of replayed answers: instant, 1x, 20x.")
    @click.option("--json", "as_json", is_flag=True, help="One JSON object at the end; what COMMAND prints goes to standard error.")
    @functools.wraps(command)
    def with_command(*arguments: Any, directory: Path, **options: Any) -> Any:
        return command(*arguments, root=find_config(directory).parent, **options)

    return with_command


def run_wrapped(plan: Plan, as_json: bool, judge: Callable[[Outcome], EmuError | None]) -> int:
    """Run it, print the session's summary, and give the exit code: 130 or 143 when interrupted; 1 when the command failed; else what
    `judge` says. Raises EmuError for what went wrong, unless `as_json` shows it."""
    try:
        outcome = asyncio.run(_run(plan, as_json))
    except Interrupted as stop:
        return 128 + stop.number
    error = None if outcome.ended.interrupted else _failed(plan, outcome) or judge(outcome)
    counted = complete(plan.root, outcome.run) if plan.full and outcome.well and error is None else None
    code = 128 + outcome.ended.interrupted if outcome.ended.interrupted else error.exit_code if error else 0
    if as_json:
        from emulator.cli.json_lines import error_data

        shown = {"v": 1, "command": list(plan.command), "run": outcome.run, "full": plan.full, "command_exit": outcome.ended.code}
        click.echo(json.dumps({**shown, "session": outcome.session, "exit": code, "error": error_data(error) if error else None}))
        return code
    # Once in full: what a server shows that was started for the command is seen by nobody.
    first = next((miss["problem"] for miss in outcome.session["missed"] if miss["problem"]), None)
    for line in [*([first] if first else []), *session_lines(outcome.session)]:
        click.echo(line, err=True)
    if error is not None:
        raise error
    if counted == 0:
        click.echo("    no request was answered, so ai prune learns nothing from this run", err=True)
    return code


def judge_replay(outcome: Outcome, *, fail_stale: bool = False, allow_errors: bool = False) -> EmuError | None:
    """What is wrong with a run that replays, though its command may have succeeded: agents swallow errors of models
    (ai-binding.md 2.4)."""
    session = outcome.session
    if session["misses"]:
        what = f"{count(session['misses'], 'request')} had no recording, and the command succeeded all the same"
        return RecordingError("E540", what, where=_missed(session), hint=_record_hint(outcome))
    if fail_stale and session["stale"]:
        what = f"{count(len(session['stale']), 'recording')} that answered {'is' if len(session['stale']) == 1 else 'are'} too old"
        return RecordingError("E541", what, where=_listed(list(session["stale"])), hint="agents-emu ai refresh --stale")
    failures = [failure for failure in session["failures"] if not failure["on_purpose"]]
    if failures and not allow_errors:
        lines = [failure_words(failure) for failure in failures]
        what = f"{count(len(failures), 'model call')} ended with an error, and the command succeeded all the same"
        return UserCodeError("E456", what, where=_listed(lines), hint="let the agent tell its caller, or give --allow-errors")
    return None


def failure_words(failure: dict[str, Any]) -> str:
    """`@cf/m answered 429 (3040), 3 attempts, recording default/00-x`."""
    code = f" ({failure['code']})" if failure["code"] else ""
    answered = f"answered {failure['status']}{code}" if failure["status"] else f"broke off{code}"
    recording = f", recording {failure['recording']}" if failure["recording"] else ""
    return f"{failure['model']} {answered}, {count(failure['attempts'], 'attempt')}{recording}"


def judge_recording(outcome: Outcome) -> EmuError | None:
    """What is wrong with a run that records: answers that could not be stored, or nothing to record at all."""
    session = outcome.session
    problems = session["unstored"]
    if problems:
        lines = [f"{problem['code']} {problem['what']} at {problem['where']}" for problem in problems]
        stays = "the others are recorded" if session["committed"] else "so the cassettes are as they were"
        what = f"{count(len(problems), 'answer')} could not be recorded, {stays}"
        return RecordingError("E542", what, where=_listed(lines), hint=problems[0]["next"])
    if not (session["calls"] or session["hits"] or session["misses"] or session["recorded"] or session["unchanged"]):
        hint = f"does it talk to the server in ${URL_VARIABLE}? that is where agents and their models are"
        return RecordingError("E546", "nothing was asked of any model: nothing is recorded", where=shlex.join(outcome.command), hint=hint)
    return None


def _failed(plan: Plan, outcome: Outcome) -> EmuError | None:
    if outcome.well:
        return None
    hint = None
    if plan.mode == "record" and not plan.keep_failed:
        hint = "nothing was recorded; --keep-failed keeps what a failed command recorded"
    if outcome.session["misses"]:
        missed = count(outcome.session["misses"], "request")
        hint = f"{missed} had no recording: {_missed(outcome.session)}\n{_record_hint(outcome)}"
    return UserCodeError("E455", f"the command {outcome.ended.words}", where=shlex.join(plan.command), hint=hint)


def _missed(session: dict[str, Any]) -> str:
    times = Counter(f"{miss['what']}, {miss['why']}" for miss in session["missed"])
    return _listed([words if number == 1 else f"{words}, {number} times" for words, number in times.items()])


def _record_hint(outcome: Outcome) -> str:
    return f"add what is missing: agents-emu ai record --add -- {shlex.join(outcome.command)}"


def _listed(lines: Sequence[str]) -> str:
    more = [f"and {len(lines) - _SHOWN} more"] if len(lines) > _SHOWN else []
    return "\n".join([*lines[:_SHOWN], *more])


async def _run(plan: Plan, as_json: bool) -> Outcome:
    from emulator.cli.agent_connection import new_session

    run = os.environ.get(RUN_VARIABLE) or uuid4().hex
    environ = {**os.environ, RUN_VARIABLE: run}
    with Signals() as signals:
        async with a_server(plan.root, environ) as server, new_session() as client:
            wanted = {"mode": plan.mode, "cassette": plan.cassette, "speed": plan.speed, "run": run, "hold": _who(plan)}
            token = (await control(client, server, "POST", "ai/session", wanted))["token"]
            commit = plan.keep_failed
            async with _kept(client, server, token):
                try:
                    with output_of(as_json) as output:
                        ended = await run_command(plan.command, {**environ, URL_VARIABLE: server.url.rstrip("/")}, signals, output=output)
                    commit = commit or (ended.code == 0 and ended.interrupted is None)
                    found = await control(client, server, "GET", "ai/check") if plan.mode == "check" else None
                finally:
                    back = {"token": token, "commit": commit, "prune": plan.prune}
                    after = await control(client, server, "POST", "ai/session", back)
    return Outcome(plan.command, ended, after["ended"], run, found)


@asynccontextmanager
async def _kept(client: ClientSession, server: RunningServer, token: str) -> AsyncIterator[None]:
    """Shows the server that we live, by a connection: when it ends before the session, the server throws the session away."""
    keeping = asyncio.create_task(control(client, server, "GET", f"ai/session/holds/{token}"))
    try:
        yield
    finally:
        keeping.cancel()
        with suppress(asyncio.CancelledError, EmuError):  # that the hold is over, the session's end tells as well
            await keeping


def _who(plan: Plan) -> str:
    """For others that find the session held. Only the command's name: its arguments may hold secrets."""
    verb = {"new": "record --add"}.get(plan.mode, plan.mode)
    return f"ai {verb} -- {Path(plan.command[0]).name} (process {os.getpid()})"
