"""How fast recorded answers are played (ai-binding.md 7.4 "Speeds")."""

from __future__ import annotations

import re
from dataclasses import dataclass

EXPECTED = '"instant", a factor such as 1x or 20x, or a profile such as profile:ttft=400,tps=60,jitter=0.2,seed=7'


@dataclass(frozen=True, slots=True)
class Profile:
    """A model's rhythm instead of the recorded one: `ttft_ms` to the first chunk, then `tps` chunks a second, each gap longer or shorter
    by up to the share `jitter`; `seed` makes the jitter repeat."""

    ttft_ms: float
    tps: float
    jitter: float = 0.0
    seed: int = 0

    def __str__(self) -> str:
        return f"profile:ttft={self.ttft_ms:g},tps={self.tps:g},jitter={self.jitter:g},seed={self.seed}"


@dataclass(frozen=True, slots=True)
class Speed:
    """`factor` 1.0 is the recorded rhythm, 4.0 four times as fast; None is instant. A `profile` replaces the recorded rhythm."""

    factor: float | None
    profile: Profile | None = None

    @classmethod
    def parse(cls, value: object) -> Speed:
        """`instant`, `1x`, `2.5`, a number, or `profile:ttft=400,tps=60,jitter=0.2,seed=7` (`ttft` in ms; what is left out is 0, `tps` 50).
        Raises ValueError with what is expected."""
        if value == "instant":
            return cls(None)
        if isinstance(value, str) and value.startswith("profile:"):
            return cls(1.0, _profile(value.removeprefix("profile:")))
        number = re.fullmatch(r"(\d+(?:\.\d+)?)x?", value) if isinstance(value, str) else None
        factor = float(number[1]) if number else value
        if isinstance(factor, bool) or not isinstance(factor, int | float) or not 0 < factor < float("inf"):
            raise ValueError(EXPECTED)
        return cls(float(factor))

    def __str__(self) -> str:
        if self.profile is not None:
            return str(self.profile)
        return "instant" if self.factor is None else f"{self.factor:g}x"


RECORDED = Speed(1.0)
INSTANT = Speed(None)


def _profile(text: str) -> Profile:
    fields = {"ttft": 0.0, "tps": 50.0, "jitter": 0.0, "seed": 0.0}
    for part in text.split(","):
        name, _, number = part.partition("=")
        if name not in fields or not re.fullmatch(r"\d+(\.\d+)?", number):
            raise ValueError(EXPECTED)
        fields[name] = float(number)
    if fields["tps"] == 0 or fields["jitter"] > 1:
        raise ValueError(EXPECTED)
    return Profile(fields["ttft"], fields["tps"], fields["jitter"], int(fields["seed"]))
