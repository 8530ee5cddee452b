"""Which clock a run has: `--clock`, `clock` in `agents-emu.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

DEFAULT_START_MS: Final = 1_767_225_600_000
"""2026-01-01T00:00:00Z: a virtual clock that is not told where to begin begins here, in every run."""


@dataclass(frozen=True, slots=True)
class ClockChoice:
    """`start_ms` is where a virtual clock stands at first, in milliseconds since 1970; None is the machine's clock."""

    start_ms: int | None = None

    @property
    def virtual(self) -> bool:
        """Whether time stands still until it is moved."""
        return self.start_ms is not None

    def __str__(self) -> str:
        from emulator.config.instants import iso  # late: most runs have the real clock

        return "real" if self.start_ms is None else f"virtual@{iso(self.start_ms)}"

    @classmethod
    def parse(cls, value: Any) -> ClockChoice:
        """`real`, `virtual` or `virtual@2026-12-24T09:00:00Z`. Raises ValueError with what is expected."""
        if value == "real":
            return REAL
        kind, at, instant = value.partition("@") if isinstance(value, str) else ("", "", "")
        if kind != "virtual" or (at and not instant):
            raise ValueError('"real", "virtual" or "virtual@2026-12-24T09:00:00Z"')
        if not at:
            return cls(DEFAULT_START_MS)
        from emulator.config.instants import instant_ms  # late: most runs have the real clock

        return cls(instant_ms(instant))


REAL: Final = ClockChoice()
