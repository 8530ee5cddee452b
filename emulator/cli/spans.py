"""Spans of time and instants, as the verbs of a running server show them."""

from __future__ import annotations

from emulator.config.instants import iso


def span(ms: int) -> str:
    """`12 m 04 s`, `3 h 20 m`, `850 ms`: the two largest units."""
    if ms < 1_000:
        return f"{max(ms, 0)} ms"
    seconds = ms // 1_000
    for large, size, small in (("d", 86_400, "h"), ("h", 3_600, "m"), ("m", 60, "s")):
        if seconds >= size:
            count, rest = divmod(seconds, size)
            part = rest // {"h": 3_600, "m": 60, "s": 1}[small]
            return f"{count} {large} {part:02d} {small}"
    return f"{seconds} s"


def from_now(when_ms: int, now_ms: int) -> str:
    """`2026-12-24T09:00:00.000Z  in 12 m 04 s`, or how long ago."""
    distance = when_ms - now_ms
    return f"{iso(when_ms)}  {f'in {span(distance)}' if distance >= 0 else f'{span(-distance)} ago'}"


def counted(count: int, noun: str) -> str:
    """`1 socket`, `3 sockets`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
