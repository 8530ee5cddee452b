"""The code samples of the "Using AI Models" document, taken out of it at test time: they are its words, so none of them is kept here.

The document has lost the line breaks inside its code, but not the indentation that followed them. So outside of strings a run of two or
more spaces is a line break and an indentation, and a statement or a block that is followed by the next without any space was the end of a
line. Nothing else is touched: without white space, the code is the document's.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.server import CHECKOUT

_VARIABLE = "AGENTS_EMU_SEED"
_DEFAULT = CHECKOUT.parent / "shared" / "seeds" / "using-ai-models.md"
_BLOCK = re.compile(r"^src/index\.(?P<suffix>js|ts)\n\n```\n(?P<code>.*?)\n```$", re.MULTILINE | re.DOTALL)
_LOST = re.compile(
    r"""(?P<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`)"""
    r"|(?P<indent>(?<=\S) {2,}(?=\S))"
    r"|(?P<end>(?<=[;}])(?=[\w}]))"
)
TITLES = ("websocket", "sse", "gateway", "generate", "openai", "gemini")
"""The samples in the order of the document, each in JavaScript and in TypeScript."""


@dataclass(frozen=True)
class Sample:
    """One sample: `printed` as the document has it, `code` with its line breaks. `suffix` is js or ts."""

    title: str
    suffix: str
    printed: str

    @property
    def code(self) -> str:
        return restored(self.printed)

    def __str__(self) -> str:
        return f"{self.title}-{self.suffix}"


def restored(printed: str) -> str:
    """The code with the line breaks that printing lost."""

    def replace(match: re.Match[str]) -> str:
        return match["string"] or "\n" + (match["indent"] or "")

    return _LOST.sub(replace, printed) + "\n"


def document() -> Path:
    """The document, or a skip that says where it is looked for."""
    path = Path(os.environ.get(_VARIABLE) or _DEFAULT)
    if not path.is_file():
        pytest.skip(f"the document is not at {path}; {_VARIABLE} names another place")
    return path


def samples(text: str) -> dict[str, Sample]:
    """The twelve samples by `str(sample)`, in the document's order."""
    blocks = [(block["suffix"], block["code"]) for block in _BLOCK.finditer(text)]
    if [suffix for suffix, _ in blocks] != ["js", "ts"] * len(TITLES):
        raise AssertionError(f"expected {len(TITLES)} pairs of samples, found {[suffix for suffix, _ in blocks]}")
    found = [
        Sample(title, suffix, code)
        for title, pair in zip(TITLES, zip(*[iter(blocks)] * 2, strict=True), strict=True)
        for suffix, code in pair
    ]
    return {str(sample): sample for sample in found}
