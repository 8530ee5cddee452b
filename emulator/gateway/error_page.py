"""What a client reads when the Worker gave no response: plain text, good for curl and for a browser alike."""

from __future__ import annotations

from typing import Any

CONTENT_TYPE = b"text/plain; charset=utf-8"


def render(error: dict[str, Any]) -> bytes:
    """An error object (wire/README.md) as name, message and stack, each once."""
    head = error.get("code") or f"{error.get('name') or 'Error'}:"
    line = f"{head} {error.get('message') or ''}".rstrip(": ")
    stack = str(error.get("stack") or "").strip("\n")
    parts = [line]
    if stack:
        # A Python traceback ends with the line, a JavaScript stack begins with it.
        parts = [stack] if line in stack else [line, stack]
    if error.get("hint"):
        parts.append(f"next: {error['hint']}")
    return ("\n".join(parts) + "\n").encode("utf-8", "replace")


def not_loaded(error: dict[str, Any]) -> bytes:
    """The page while the project's code does not load."""
    intro = b"The Worker's code does not load; this page goes away with the next save that fixes it.\n\n"
    return intro + render(error)
