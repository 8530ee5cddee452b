"""How often and for how much money a gateway may be asked: rate windows and spend windows (ai-binding.md 3.3). Pure; bounded memory.

Windows are aligned: with 60 s they begin at every full minute of the clock that is passed in. Refused requests are not counted.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from emulator.config.ai import RateLimit, SpendLimit, Technique

_MOST_KEYS = 10_000
"""Counters kept; the one longest unused goes first. Metadata may partition limits by anything."""


class RateWindows:
    """Requests counted by key."""

    def __init__(self) -> None:
        self._counts: OrderedDict[Hashable, tuple[int, int, int]] = OrderedDict()
        """Window number, requests in it, requests in the window before."""

    def take(self, key: Hashable, limit: RateLimit, now_ms: float) -> bool:
        """Whether one more request may pass now; it is counted if so.

        FIXED counts the current window. SLIDING adds the window before, weighted by how much of it the sliding window still covers: an
        estimate, as on the real service, so that 3 requests at 0 s with 3 per 60 s let the next one pass at 80 s.
        """
        length = limit.interval_s * 1000
        window, elapsed = divmod(now_ms, length)
        current, before = self._at(key, int(window))
        weighted = before * (length - elapsed) if limit.technique is Technique.SLIDING else 0.0
        if weighted + (current + 1) * length > limit.limit * length:
            return False
        self._counts[key] = (int(window), current + 1, before)
        self._counts.move_to_end(key)
        while len(self._counts) > _MOST_KEYS:
            self._counts.popitem(last=False)
        return True

    def _at(self, key: Hashable, window: int) -> tuple[int, int]:
        kept, current, before = self._counts.get(key, (window, 0, 0))
        if kept == window:
            return current, before
        return 0, current if kept == window - 1 else 0

    def clear(self) -> None:
        """Count from nothing."""
        self._counts.clear()


class SpendWindows:
    """US dollars spent by key, in fixed windows. What is added when a request ends is seen by the next one: the request that crosses
    the limit completes."""

    def __init__(self) -> None:
        self._spent: OrderedDict[Hashable, tuple[int, float]] = OrderedDict()

    def spent(self, key: Hashable, window_s: int, now_ms: float) -> float:
        """Spent in the current window."""
        window, usd = self._spent.get(key, (0, 0.0))
        return usd if window == int(now_ms // (window_s * 1000)) else 0.0

    def add(self, key: Hashable, window_s: int, now_ms: float, usd: float) -> None:
        """Note what a request cost."""
        if usd <= 0:
            return
        self._spent[key] = (int(now_ms // (window_s * 1000)), self.spent(key, window_s, now_ms) + usd)
        self._spent.move_to_end(key)
        while len(self._spent) > _MOST_KEYS:
            self._spent.popitem(last=False)

    def clear(self) -> None:
        """Forget all spending."""
        self._spent.clear()


class SpendRules:
    """A gateway's spend limits and what was spent under each. A rule with `by` has a budget for each value of that metadata entry;
    requests without the entry share one."""

    def __init__(self, rules: Sequence[SpendLimit]) -> None:
        self._rules = tuple(rules)
        self._windows = SpendWindows()

    def breached(self, metadata: Mapping[str, Any] | None, now_ms: float) -> SpendLimit | None:
        """The first rule whose budget is used up, None when all have something left."""
        for number, rule in enumerate(self._rules):
            if self._windows.spent(_bucket(number, rule, metadata), rule.window_s, now_ms) >= rule.limit_usd:
                return rule
        return None

    def add(self, metadata: Mapping[str, Any] | None, now_ms: float, usd: float) -> None:
        """Note what a request cost, under every rule."""
        for number, rule in enumerate(self._rules):
            self._windows.add(_bucket(number, rule, metadata), rule.window_s, now_ms, usd)

    def clear(self) -> None:
        """Forget all spending."""
        self._windows.clear()


def _bucket(number: int, rule: SpendLimit, metadata: Mapping[str, Any] | None) -> Hashable:
    return number, None if rule.by is None else repr((metadata or {}).get(rule.by))
