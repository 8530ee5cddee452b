"""`agents-emu ai rekey`: after the rules of a cassette changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from emulator.cli.ai.fixtures import Fixtures, fixtures_options
from emulator.cli.ai.outcome import say
from emulator.config.document import shown
from emulator.errors import UsageError

if TYPE_CHECKING:
    from emulator.gateway.ai.cassettes.inventory import Inventory

EPILOG = """\b
Examples:
  agents-emu ai rekey
  agents-emu ai rekey --cassette default --normalise iso-datetime
  agents-emu ai rekey --dry-run

The rules stand in cassette.json: {"normalise": ["iso-datetime", "epoch", "regex:order"], "patterns": {"order": "ORD-[0-9]+"}}.
Nothing is asked of any model: recordings hold their whole request."""


@click.command(epilog=EPILOG)
@click.option("--normalise", "names", multiple=True, metavar="NAME", help="First add this rule to the cassette; needs --cassette.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and write nothing.")
@fixtures_options
def rekey(fixtures: Fixtures, names: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Bring keys and file names in line with the rules of their cassette."""
    from emulator.gateway.ai.curation.rekeying import rekeyed, write

    inventory = _with_rules(fixtures, names)
    if inventory.faulty:
        raise inventory.faulty[0]  # the rules are not known, so nothing can be brought in line with them
    found = rekeyed(inventory)
    if not dry_run:
        write(found.renewed)
    if as_json:
        rows = [{"from": str(one.old), "to": str(one.new)} for one in found.renewed]
        merged = [list(names) for names in found.merged]
        click.echo(json.dumps({"renewed": rows, "merged": merged, "unchanged": found.unchanged, "written": not dry_run}))
        return
    for one in found.renewed:
        say(f"  {shown(one.old)}" + (f" -> {one.new.name}" if one.old != one.new else ""))
    for group in found.merged:
        say(f"  now the same request, answered in this order: {', '.join(group)}", err=True)
    verb = "would be" if dry_run else "were"
    say(f"{len(found.renewed)} recordings {verb} brought in line, {found.unchanged} stay as they are")


def _with_rules(fixtures: Fixtures, names: tuple[str, ...]) -> Inventory:
    from emulator.gateway.ai.cassettes.cassette_files import check_cassette_name, write_atomically
    from emulator.gateway.ai.cassettes.manifest import MANIFEST, manifest_text, read_manifest, read_manifest_document

    if names and fixtures.cassette is None:
        raise UsageError("E205", "--normalise changes the rules of one cassette", hint=f"add --cassette NAME --normalise {names[0]}")
    inventory = fixtures.inventory()
    if not names:
        return inventory
    folder = fixtures.folder / "ai" / check_cassette_name(fixtures.cassette or "")
    file = folder / MANIFEST
    before = file.read_bytes() if file.exists() else None
    document = read_manifest_document(file)
    rules = [*document.get("normalise", []), *(name for name in names if name not in document.get("normalise", []))]
    write_atomically(file, manifest_text({**document, "normalise": rules}))
    try:
        read_manifest(file)
    except Exception:
        if before is None:
            file.unlink()
        else:
            write_atomically(file, before)
        raise
    return fixtures.inventory()
