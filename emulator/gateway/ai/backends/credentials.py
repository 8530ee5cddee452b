"""Keys, looked up at each call: one that is added to `.dev.vars` while the server runs counts from the next call on."""

from __future__ import annotations

from collections.abc import Callable

from emulator.config.ai import Credential

Lookup = Callable[[str], str | None]
"""The value of a variable of `.dev.vars`, `.env` or the process; None when unset."""


def secret(credential: Credential | None, lookup: Lookup) -> str | None:
    """The value, None when there is no credential or its variable is unset or empty."""
    if credential is None:
        return None
    return (credential.text if credential.env is None else lookup(credential.env)) or None
