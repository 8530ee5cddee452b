"""A session of model calls in words: one line of what happened, and another where something deserves a look."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_ANSWERED_BY = {
    "recording": "replayed",
    "cache": "from the gateway's cache",
    "stub": "by the stub",
    "backend": "by a backend",
    "live": "live",
    "fault": "faults",
    "none": "not answered",
}
_RECORDING = frozenset({"record", "new", "once"})
"""Modes in which people expect every answer to be kept."""


def session_lines(summary: Mapping[str, Any]) -> list[str]:
    """The lines of one session, as the control API gives it (`SessionEnded` in gateway/console.py)."""
    lines = [f"ai {summary['mode']}  {'; '.join(_happened(summary))}"]
    care = _care(summary)
    return [*lines, f"    {'; '.join(care)}"] if care else lines


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 recording`, `2 recordings`, `1,204 tokens`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def money(usd: float) -> str:
    """`$0.0021`: two digits that say something, whatever the size."""
    if usd == 0:
        return "$0"
    digits = 2
    while digits < 9 and usd < 10 ** (1 - digits):
        digits += 1
    return f"${usd:,.{digits}f}"


def names(found: Sequence[str], most: int = 3) -> str:
    """`a, b, c and 4 more`."""
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more


def _happened(summary: Mapping[str, Any]) -> list[str]:
    sources = ", ".join(f"{number} {_ANSWERED_BY.get(source, source)}" for source, number in summary["sources"].items())
    parts = [count(summary["calls"], "model call") + (f" ({sources})" if sources else "")]
    others = summary["hits"] - summary["sources"].get("recording", 0)
    if others > 0:
        parts.append(count(others, "other request") + " replayed")
    if summary["recorded"]:
        parts.append(f"{len(summary['recorded'])} recorded: {names(summary['recorded'])}")
    if summary["unchanged"]:
        parts.append(f"{summary['unchanged']} recorded as they were")
    if not summary["committed"]:
        parts.append("nothing new was kept")
    tokens = summary["tokens_in"] + summary["tokens_out"]
    if tokens:
        parts.append(count(tokens, "token"))
    if summary["spent_usd"]:
        parts.append(f"spent {money(summary['spent_usd'])}")
    if summary["saved_usd"]:
        parts.append(f"replay saved {money(summary['saved_usd'])}")
    return parts


def _them(number: int) -> str:
    return "it" if number == 1 else "them"


def _care(summary: Mapping[str, Any]) -> list[str]:
    parts = []
    if summary["misses"]:
        parts.append(count(summary["misses"], "request") + " without a recording")
    if summary["removed"]:
        parts.append(f"not asked for any more, and removed: {names(summary['removed'])}")
    if summary["not_asked"]:
        number = len(summary["not_asked"])
        parts.append(f"{count(number, 'recording')} {'was' if number == 1 else 'were'} not asked for; --prune removes {_them(number)}")
    if summary["spared"]:
        parts.append(f"asked for in vain, and kept as they were: {names(summary['spared'])}")
    if summary["kept"]:
        parts.append(f"edited by hand, and kept: {names(summary['kept'])}")
    stub = summary["sources"].get("stub", 0)
    if stub and summary["mode"] in _RECORDING:
        parts.append(f"{count(stub, 'answer')} of the stub not recorded: no route of agents-emu.toml leads to a backend")
    if summary["unstored"]:
        parts.append(count(len(summary["unstored"]), "answer") + " could not be recorded")
    if summary["faults"]:
        parts.append(count(summary["faults"], "fault") + " injected")
    if summary["broken"]:
        parts.append(count(summary["broken"], "unreadable file"))
    if summary["stale"]:
        parts.append(f"stale: {names(summary['stale'])}")
    if summary["unused"]:
        parts.append(count(summary["unused"], "recording") + " not used")
    return parts
