"""A question on the terminal's last line, answered key by key while the server goes on and prints."""

from __future__ import annotations

from collections.abc import Callable

ERASE_LINE = "\r\x1b[K"
_MOST = 100


class Question:
    """`write` puts text on the terminal as it is; `answered` gets the line after Enter, an empty one after Escape."""

    def __init__(self, text: str, write: Callable[[str], None], answered: Callable[[str], None]) -> None:
        self._text = text
        self._write = write
        self._answered = answered
        self._line = ""
        self.draw()

    def draw(self) -> None:
        """Show it, and what was typed so far."""
        self._write(f"{self._text} {self._line}")

    def erase(self) -> None:
        """Make room for other lines; `draw` again after them."""
        self._write(ERASE_LINE)

    def typed(self, key: str) -> None:
        """One character of the keyboard."""
        if key in "\r\n\x1b":
            self._write("\n")
            self._answered("" if key == "\x1b" else self._line)
        elif key in "\x7f\b":
            if self._line:
                self._line = self._line[:-1]
                self._write("\b \b")
        elif key.isprintable() and len(self._line) < _MOST:
            self._line += key
            self._write(key)
