"""Whether and how text is coloured. Colour never carries meaning alone: there is a word beside it."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import TextIO


class Colour(Enum):
    """Names for what a colour says here, with its terminal code."""

    TITLE = "1"
    DIM = "2"
    BAD = "31"
    GOOD = "32"
    CARE = "33"
    LINK = "36"


class Paint:
    """`paint("text", Colour.BAD)` is the text with or without codes around it."""

    def __init__(self, on: bool) -> None:
        self.on = on

    def __call__(self, text: str, colour: Colour) -> str:
        return f"\x1b[{colour.value}m{text}\x1b[0m" if self.on and text else text


def wants_colour(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """NO_COLOR wins, then FORCE_COLOR; else a terminal that is not dumb gets colour unless CLICOLOR is 0."""
    if environ.get("NO_COLOR"):
        return False
    if environ.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    return stream.isatty() and environ.get("TERM") != "dumb" and environ.get("CLICOLOR") != "0"
