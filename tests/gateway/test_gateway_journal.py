"""The journal's door: no entry gets in with a secret value, however deep."""

from __future__ import annotations

import json
from pathlib import Path

from emulator.config import Redactor, Secrets
from emulator.gateway.clocks import SystemClock
from emulator.gateway.journal import Entry, Journal

KEY = "sk-0123456789"


async def test_every_text_of_an_entry_is_redacted(tmp_path: Path) -> None:
    journal = Journal(SystemClock(), tmp_path / "journal.ndjson", Redactor(Secrets({"KEY": KEY})))
    heard: list[Entry] = []
    journal.subscribe(heard.append)
    lines = [f"a {KEY}"]
    entry = journal.add("x", text=KEY, error={"message": f"m {KEY}", "props": {"deep": [KEY, 1, None]}}, lines=lines, pair=(KEY, True))
    expected = {
        "text": "[secret KEY]",
        "error": {"message": "m [secret KEY]", "props": {"deep": ["[secret KEY]", 1, None]}},
        "lines": ["a [secret KEY]"],
        "pair": ["[secret KEY]", True],
    }
    assert {name: entry[name] for name in expected} == expected
    assert heard == journal.since(0) == [entry]
    assert lines == [f"a {KEY}"], "what the caller gave stays his"
    journal.close()
    assert json.loads((tmp_path / "journal.ndjson").read_text()) == entry
