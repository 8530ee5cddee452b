"""Which cassette one call belongs to, when it says so itself (ai-binding.md 7.8). Pure."""

from __future__ import annotations

import json

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.cassettes.cassette_files import cassette_name
from emulator.gateway.exchange import URL_HEADER, Headers, header

SCOPE_HEADER = "x-emulator-scope"
"""Sent by tests (`extraHeaders`, or on an outbound request); neither stored nor sent on."""

LABEL_HEADER = "x-emulator-label"
"""What faults may choose a call by."""
REDIRECT_HEADER = "x-emu-redirect"
"""Tells egress that a host follows redirects itself."""
OUR_HEADERS = frozenset({SCOPE_HEADER, LABEL_HEADER, REDIRECT_HEADER, URL_HEADER})
"""None of these leaves the machine."""


def scope_of(headers: Headers, asked: ModelRequest) -> str | None:
    """The header's cassette, else the one that `gateway.metadata.test` names, else None. What is no name of a folder is made one."""
    metadata = (asked.gateway or {}).get("metadata") or _metadata(header(headers, "cf-aig-metadata"))
    name = header(headers, SCOPE_HEADER) or (metadata.get("test") if isinstance(metadata, dict) else None)
    return cassette_name(name) if isinstance(name, str) and name else None


def _metadata(text: str | None) -> object:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None
