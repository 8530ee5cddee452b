"""What a request cost: the project's own prices, then a small table with its date and the source of each figure (prices.json). Pure but
for reading that table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from emulator.gateway.ai.ai_gateway.settings import CustomCost
from emulator.gateway.ai.ai_gateway.usage import Tokens

_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens. `source`: `config`, `published` or `reported`."""

    per_million_in: float
    per_million_out: float
    per_million_cached: float
    source: str

    def of(self, tokens: Tokens) -> float:
        """What that many tokens cost."""
        fresh = max(0, tokens.tokens_in - tokens.cached_in)
        spent = fresh * self.per_million_in + tokens.cached_in * self.per_million_cached + tokens.tokens_out * self.per_million_out
        return spent / _MILLION


class Prices:
    """`overrides` are `[ai.prices]`: dollars for a million input and output tokens, by model id or pattern; they win, exact ids first."""

    def __init__(self, overrides: Mapping[str, tuple[float, float]]) -> None:
        self._overrides = overrides

    def find(self, model: str) -> Price | None:
        """The price of a model; `openai/gpt-4o` is found as `gpt-4o` too. None when it is not known."""
        names = [model, model.split("/", 1)[1]] if "/" in model and not model.startswith("@") else [model]
        for name in names:
            pattern = name if name in self._overrides else next((p for p in self._overrides if fnmatchcase(name, p)), None)
            if pattern is not None:
                price_in, price_out = self._overrides[pattern]
                return Price(price_in, price_out, price_in, "config")
        return next((price for name in names for pattern, price in _table() if fnmatchcase(name, pattern)), None)

    def cost(self, model: str, tokens: Tokens | None, custom: CustomCost | None) -> float | None:
        """US dollars; None when neither tokens nor a price are known. A custom cost needs no price."""
        if custom is not None:
            if custom.total is not None:
                return custom.total
            counted = tokens or Tokens()
            return counted.tokens_in * custom.per_token_in + counted.tokens_out * custom.per_token_out
        price = self.find(model)
        return None if price is None or tokens is None else price.of(tokens)


def prices_as_of() -> str:
    """The date of the built-in table."""
    return str(_document()["as_of"])


@cache
def _document() -> dict[str, object]:
    document: dict[str, object] = json.loads(Path(__file__).with_name("prices.json").read_text(encoding="utf-8"))
    return document


@cache
def _table() -> tuple[tuple[str, Price], ...]:
    rows = _document()["models"]
    assert isinstance(rows, list)
    return tuple((row["match"], Price(row["in"], row["out"], row.get("cached", row["in"]), row["source"])) for row in rows)
