"""Entries as NDJSON: the one form in which they are kept, written and read. msgspec does it an order of magnitude faster than `json`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import msgspec

from emulator.gateway.journal.readers import Entry

_ENCODER = msgspec.json.Encoder(enc_hook=str)
_KIND = len(b'{"kind":"')


def encode(entries: Sequence[Entry]) -> bytes:
    """One line for each, UTF-8, each with its line feed. Every entry has one: what JSON does not know is written as `str` says it."""
    try:
        return _ENCODER.encode_lines(entries)
    except (ValueError, TypeError, OverflowError):  # a lone surrogate, a number beyond 64 bits, a key that is no text
        return b"".join(map(_one, entries))


def _one(entry: Entry) -> bytes:
    try:
        return _ENCODER.encode_lines((entry,))
    except (ValueError, TypeError, OverflowError):
        return json.dumps(entry, separators=(",", ":"), default=str).encode("ascii") + b"\n"


def decode(line: bytes) -> Entry:
    """The entry of a line of ours."""
    entry: Any = json.loads(line)
    return dict(entry)


def kind_of(line: bytes) -> str:
    """Its kind, without decoding it."""
    return line[_KIND : line.index(b'"', _KIND)].decode("ascii")


def split(lines: bytes) -> list[bytes]:
    """The lines of a block, without their line feeds."""
    return lines.split(b"\n")[:-1]
