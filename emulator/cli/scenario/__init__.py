"""`agents-emu scenario`: what clients do, step by step, and what shall come of it (docs/scenarios.md)."""

from __future__ import annotations

import click

from emulator.cli.lazy_group import LazyGroup

VERBS: dict[str, str] = {
    "run": "run scenarios, and compare what happens with their golden transcripts",
    "record": "write a scenario of what clients do to the running server",
    "sweep": "run a scenario again and again, with a fault at every point of it",
    "check": "are these files good scenarios? nothing is run",
}
"""Every verb, in the order of `--help`; the module of the same name has the command of the same name."""

EPILOG = """\b
Examples:
  agents-emu scenario record bug.yaml      while you make it happen; Ctrl-C ends it
  agents-emu scenario run bug.yaml         on a server of its own, on a virtual clock
  agents-emu scenario run tests/scenarios/*.yaml
  agents-emu scenario check bug.yaml"""


@click.group(cls=LazyGroup, package="emulator.cli.scenario", table=VERBS, epilog=EPILOG, no_args_is_help=True)
def scenario() -> None:
    """Record, run and compare what clients do to agents. Each verb has --json."""
