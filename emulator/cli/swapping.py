"""What `restart` and `deploy` share: how the next host process took over."""

from __future__ import annotations

import json
from typing import Any

import click

from emulator.cli.spans import counted
from emulator.errors import UserCodeError


def tell(done: str, outcome: dict[str, Any], as_json: bool) -> None:
    """Print the outcome of the control API. Raises UserCodeError E411 when the code does not load."""
    error = outcome["error"]
    if error is not None:
        serving = "the code before it goes on serving" if outcome["kept"] else "nothing serves until it does"
        what = f"the code does not load: {error.get('message') or error.get('name')}; {serving}"
        raise UserCodeError("E411", what, where=error.get("where"), hint=error.get("hint") or "correct it and save")
    if as_json:
        click.echo(json.dumps({"v": 1, **outcome}))
        return
    reset = outcome["reset"]
    turns = f", {counted(reset, 'turn')} reset" if reset else ""
    click.echo(f"{done} in {outcome['ms']} ms; {counted(outcome['sockets'], 'socket')} kept{turns}")
