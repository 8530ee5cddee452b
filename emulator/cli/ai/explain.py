"""`agents-emu ai explain`: why a model call matched a recording, or why it did not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import click

from emulator.cli.ai.tables import print_table
from emulator.cli.server import ask, server_options
from emulator.cli.session_words import count
from emulator.gateway.ready import RunningServer

EPILOG = """\b
Examples:
  agents-emu ai explain                                          the last calls, with their request ids
  agents-emu ai explain last
  agents-emu ai explain 6f1f4f0e-6b52-4a3f-9f0e-d3a1c0ffee00     a request id (cf-ai-req-id) or a gateway's log id
  agents-emu ai explain last --json"""

_WIDTH = 110
_LISTED = 20


@click.command(epilog=EPILOG)
@click.argument("request", metavar="[REQUEST]", required=False)
@server_options
def explain(server: RunningServer, request: str | None, as_json: bool) -> None:
    """Show how REQUEST, a request id or "last", was compared with the recordings: its key, what the rules changed, which come near.
    Without REQUEST, list the last calls."""
    if request is None:
        _list(ask(server, "GET", "ai/calls"), as_json)
        return
    found = ask(server, "GET", f"ai/calls/{quote(request, safe='')}")
    if as_json:
        click.echo(json.dumps(found))
        return
    for line in lines_of(found):
        click.echo(line)


def _list(found: dict[str, Any], as_json: bool) -> None:
    calls = found["calls"][-_LISTED:]
    if as_json:
        click.echo(json.dumps({"calls": calls}))
    elif not calls:
        click.echo("no model was called yet; afterwards: agents-emu ai explain last")
    else:
        rows = [(call.get("request_id"), call.get("model") or call.get("url"), call["status"] or None, _source(call)) for call in calls]
        print_table(("Request", "Model", "Status", "From"), rows, right=("Status",))


def lines_of(found: dict[str, Any]) -> Iterator[str]:
    """The explanation for people."""
    call = found["call"]
    yield f"{found['kind']} {found['target']}  request {call['request_id']}"
    yield f"  answered  {call['status'] or 'the caller left'} from {_source(call)}, mode {call['mode']}"
    if call.get("problem"):
        yield f"  problem   {call['problem']}"
    yield from (f"  warning   {warning}" for warning in call.get("warnings") or ())
    yield f"  compared  {_short(found['canonical'])}"
    for change in found["changed"]:
        sent = "" if change["sent"] is None else f": {_short(change['sent'], 50)}"
        after = "left out" if change["compared"] is None else f"compared as {_short(change['compared'], 50)}"
        yield f"  rule      {change['path']}{sent} is {after}"
    for cassette in found["cassettes"]:
        rules = f", normalise {', '.join(cassette['normalise'])}" if cassette["normalise"] else ""
        recordings = cassette["recordings"]
        has = f"{count(len(recordings), 'recording')} of this key" if recordings else "no recording of this key"
        yield f"  cassette  {cassette['name']}: key {cassette['key'][:12]}{rules}, {has}"
        yield from (f"            {row['recording']}  used {count(row['used'], 'time')}, repeat {row['repeat']}" for row in recordings)
    for row in found["manual"]:
        target = "" if row["target_fits"] else f"; its target {row['target']} does not fit"
        yield f"  by hand   {row['recording']}  used {count(row['used'], 'time')}, repeat {row['repeat']}{target}"
        for rule in row["rules"]:
            seen = _short(rule["found"][0], 50) if rule["found"] else "nothing at that path"
            yield f"            {'holds' if rule['holds'] else 'fails'}  {rule['rule']}" + ("" if rule["holds"] else f"  found {seen}")
    if found["nearest"] is not None and not call.get("problem"):  # else the problem has told it
        yield from _nearest(found["nearest"])


def _nearest(near: dict[str, Any]) -> Iterator[str]:
    yield f"  nearest   {near['file']}"
    for pair in near["differences"]:
        yield f"            {pair['path']}: recorded {_short(pair['recorded'], 50)}, asked {_short(pair['asked'], 50)}"
    if near["more"]:
        yield f"            and {near['more']} more differences"


def _source(call: dict[str, Any]) -> str:
    if call.get("recording"):
        return f"recording {call['recording']}"
    backend = f" {call['backend']}" if call.get("backend") else ""
    fault = f" {call['fault']}" if call.get("fault") else ""
    return f"{call['source']}{backend}{fault}"


def _short(value: Any, most: int = _WIDTH) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= most else f"{text[: most - 30]} ... {text[-24:]}"
