"""Keeps secret values out of the journal: out of every text, out of bytes in base64, and out of what several frames say together.

A key may be streamed token by token: no frame holds it, and whoever reads them all has it. So frames of one socket and direction are also
looked at as one text, and so are the words in them (the values of `delta` and its like, as chat protocols stream them). What a frame ends
with that begins a secret is hidden before the rest comes.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from emulator.config import Redactor
from emulator.gateway.journal.readers import Entry

BEGINNING = 8
"""So many characters of a secret are too many to show; of one shorter than twice that, half of it."""
STREAMS = 10_000
"""Sockets and directions whose last characters are remembered."""
_WORDS = re.compile(r'(?:delta|textDelta|text|content|response)(\\*)"\s*:\s*\1"(.*?)\1"')
"""A member of JSON that streams words, at any depth of JSON within JSON; group 2 is the value."""


class _Piece(NamedTuple):
    """A part of a frame's text: characters `start` to `end`."""

    entry: Entry
    start: int
    end: int

    @property
    def text(self) -> str:
        return str(self.entry["text"][self.start : self.end])


class Hiding:
    """What is hidden is what `redact` knows at the time."""

    def __init__(self, redact: Redactor) -> None:
        self._redact = redact
        self._known = 0
        self._needles: list[bytes] = []
        self._spellings: list[str] = []
        self._beginnings: dict[str, list[str]] = {}
        self._pattern = re.compile("")
        self._in_bytes = re.compile(b"")
        self._tails: dict[tuple[int, str, bool], str] = {}

    @property
    def active(self) -> bool:
        """There is something to hide."""
        if len(self._redact.spellings) != self._known:
            self._learn()
        return self._known > 0

    def forget(self) -> None:
        """The sockets that there were are gone."""
        self._tails.clear()

    def _learn(self) -> None:
        spellings = self._redact.spellings
        self._known = len(spellings)
        self._spellings = sorted(spellings, key=len, reverse=True)
        self._needles = list(dict.fromkeys(json.dumps(text, ensure_ascii=False)[1:-1].encode("utf-8", "replace") for text in spellings))
        self._pattern = re.compile("|".join(map(re.escape, self._spellings)))
        self._in_bytes = re.compile(b"|".join(re.escape(text.encode("utf-8", "replace")) for text in self._spellings))
        self._beginnings = {}
        for text in self._spellings:
            self._beginnings.setdefault(text[: _shown(text)], []).append(text)

    # -- entries

    def found_in(self, lines: bytes) -> bool:
        """Whether a secret stands in encoded entries."""
        return any(needle in lines for needle in self._needles)

    def cleaned(self, value: Any) -> Any:
        """A copy of `value` with every text in it redacted; keys are names of ours."""
        if isinstance(value, str):
            return self._redact(value)
        if isinstance(value, dict):
            return {name: self.cleaned(member) for name, member in value.items()}
        if isinstance(value, list):
            return [self.cleaned(member) for member in value]
        return value

    def mend(self, made: Sequence[Entry], given: Sequence[Any]) -> None:
        """Change those of the entries `made` whose secrets do not stand in one text as they are: frames, and bodies. `given` has the
        payload of each frame."""
        whole: dict[tuple[int, str], list[_Piece]] = {}
        ends: dict[tuple[int, str], bytes] = {}
        for entry, payload in zip(made, given, strict=True):
            kind = entry["kind"]
            if kind == "frame":
                if "text" not in entry:
                    self._mend_bytes(entry)
                    continue
                stream = (entry["socket"], entry["dir"])
                whole.setdefault(stream, []).append(_Piece(entry, 0, len(entry["text"])))
                if entry.get("cut"):
                    # What follows goes on from its real end, which it does not show.
                    entry["text"] = self._without_beginning(entry["text"])
                    self._follow(whole.pop(stream), stream, words=False)
                    self._tails[*stream, False] = payload[-512:].decode("utf-8", "ignore")
            elif kind == "request":
                for body in (entry.get("body"), entry.get("response")):
                    if body is not None and "base64" in body:
                        self._mend_bytes(body)
                    elif body is not None and body.get("cut"):
                        body["text"] = self._without_beginning(self._redact(body["text"]))
            elif kind == "socket.end":
                for direction in ("in", "out"):
                    ends[entry["socket"], direction] = b""
        for stream, pieces in whole.items():
            self._follow(pieces, stream, words=False)
            words = [piece for whole_piece in pieces for piece in _words(whole_piece.entry)]
            if words:
                self._follow(words, stream, words=True)
        for stream in ends:
            self._tails.pop((*stream, False), None)
            self._tails.pop((*stream, True), None)

    # -- what stands in several texts

    def _follow(self, pieces: list[_Piece], stream: tuple[int, str], *, words: bool) -> None:
        key = (*stream, words)
        tail = self._tails.get(key, "")
        joined = tail + "".join(piece.text for piece in pieces)
        cuts = list(self._cuts(joined))
        if cuts:
            at = len(joined)
            for number in range(len(pieces) - 1, -1, -1):
                at -= pieces[number].end - pieces[number].start
                _apply(pieces[number], at, cuts, first=number == 0)
        while len(self._tails) >= STREAMS and key not in self._tails:
            del self._tails[next(iter(self._tails))]
        self._tails[key] = joined[-(len(self._spellings[0]) - 1) :]

    def _cuts(self, text: str) -> Iterator[tuple[int, int, str]]:
        """Secrets in `text`, and one that it ends in the middle of: start, end, placeholder."""
        if any(spelling in text for spelling in self._spellings):
            for found in self._pattern.finditer(text):
                yield found.start(), found.end(), self._placeholder(found[0])
        start, spelling = self._begun(text)
        if spelling:
            yield start, len(text), self._placeholder(spelling)

    def _begun(self, text: str) -> tuple[int, str]:
        """Where the secret begins that `text` ends in the middle of, and which it is; empty for none."""
        for beginning, spellings in self._beginnings.items():
            at = text.find(beginning, max(len(text) - len(self._spellings[0]), 0))
            while at >= 0:
                rest = text[at:]
                for spelling in spellings:
                    if len(rest) < len(spelling) and spelling.startswith(rest):
                        return at, spelling
                at = text.find(beginning, at + 1)
        return len(text), ""

    def _without_beginning(self, text: str) -> str:
        at, spelling = self._begun(text)
        return text[:at] + self._placeholder(spelling) if spelling else text

    def _placeholder(self, spelling: str) -> str:
        return f"[secret {self._redact.spellings[spelling]}]"

    # -- bytes

    def _mend_bytes(self, part: Entry) -> None:
        data = base64.b64decode(part["base64"])
        clean = self._in_bytes.sub(lambda found: self._placeholder(found[0].decode("utf-8", "replace")).encode(), data)
        if clean != data:
            part["base64"] = base64.b64encode(clean).decode("ascii")


def _shown(spelling: str) -> int:
    return min(BEGINNING, len(spelling) // 2)


def _words(entry: Entry) -> Iterator[_Piece]:
    for found in _WORDS.finditer(entry["text"]):
        yield _Piece(entry, *found.span(2))


def _apply(piece: _Piece, at: int, cuts: list[tuple[int, int, str]], *, first: bool) -> None:
    """Take the parts of `cuts` that lie in `piece` out of its entry's text; `at` is where the piece begins in what they were found in. The
    placeholder stands where a secret begins, or in the `first` piece when it began earlier."""
    text = piece.entry["text"]
    for start, end, placeholder in reversed(cuts):
        begin, stop = max(start - at, 0), min(end - at, piece.end - piece.start)
        if begin < stop:
            text = text[: piece.start + begin] + (placeholder if first or start >= at else "") + text[piece.start + stop :]
    piece.entry["text"] = text
