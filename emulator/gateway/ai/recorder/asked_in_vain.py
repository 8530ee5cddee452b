"""What a session that records asked for without getting a recording of it: the answer broke off, was left, or cannot be stored.

The old recordings of such a request are the only ones there are, so no commit may take them away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping

from emulator.gateway.ai.canonical import ModelRequest


class AskedInVain:
    """`key` gives the key of a request in a cassette. Requests are named by tokens, whatever object stands for them."""

    def __init__(self, key: Callable[[str, ModelRequest], str]) -> None:
        self._key = key
        self._open: dict[object, tuple[str, ModelRequest]] = {}
        self._why: dict[str, dict[str, str]] = defaultdict(dict)

    def asked(self, token: object, cassette: str, request: ModelRequest) -> None:
        """Its answer is on its way: as long as it is, it was asked in vain."""
        self._open[token] = (cassette, request)

    def answered(self, token: object) -> None:
        """Its recording is there."""
        self._open.pop(token, None)

    def failed(self, token: object, why: str) -> None:
        """There will be no recording."""
        if token in self._open:
            cassette, request = self._open.pop(token)
            self._why[cassette][self._key(cassette, request)] = why

    def of(self, cassette: str) -> Mapping[str, str]:
        """The keys that were asked for in vain so far, and why."""
        still = {self._key(name, request): "its answer had not ended" for name, request in self._open.values() if name == cassette}
        return {**still, **self._why.get(cassette, {})}

    def clear(self) -> None:
        """Another session begins."""
        self._open.clear()
        self._why.clear()
