"""`agents-emu ai`: recorded model calls and the model layer of a running server (ai-binding.md 7.7)."""

from __future__ import annotations

import click

from emulator.cli.lazy_group import LazyGroup

VERBS: dict[str, str] = {
    "record": "run a command and record what models answer",
    "replay": "run a command against recordings alone",
    "status": "mode, routes, recordings and score of the running server",
    "mode": "switch the running server to another mode",
    "explain": "why a model call matched a recording, or not",
    "check": "do models still answer in the recorded shape?",
    "refresh": "ask the models again and record their answers anew",
    "cost": "what model calls cost, and what replay saved",
    "fault": "break model calls on purpose",
    "gateway": "logs and state of the local AI Gateway",
    "models": "models that the emulator knows",
    "ls": "list recordings: id, kind, model, age, size, marks",
    "show": "show a recording as a conversation",
    "diff": "how two recordings differ",
    "edit": "give a recorded answer another text",
    "lint": "is every recording usable, and does what it should?",
    "scan": "are there secrets in recordings?",
    "prune": "remove what the last full run did not use",
    "rekey": "new keys after the rules of a cassette changed",
    "import": "take over recordings of vcrpy, HAR files, aimock",
    "export": "give recordings to other tools",
}
"""Every verb, in the order of `--help`; the module of the same name has the command of the same name (`import_` for `import`)."""

EPILOG = """\b
Examples:
  agents-emu ai record -- pytest           record what models answer to your tests
  agents-emu ai replay -- pytest           and never ask them again
  agents-emu ai ls                         what is recorded
  agents-emu ai show 3fa9                  one recording as a conversation
  agents-emu ai lint                       is every recording usable?"""


@click.group(cls=LazyGroup, package="emulator.cli.ai", table=VERBS, epilog=EPILOG, no_args_is_help=True)
def ai() -> None:
    """Look at, check and change recorded model calls. Each verb has --json. A recording is named by its id, a part of it, or a file."""
