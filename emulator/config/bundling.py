"""The wrangler file's keys that steer its bundler: `alias`, `define`, `rules` and their like, for projects in TypeScript or JavaScript."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

AS_THEY_STAND = ("define", "rules", "tsconfig", "jsx_factory", "jsx_fragment", "keep_names")
"""Keys that an environment has or inherits. `alias` is the file's."""


@dataclass(frozen=True, slots=True)
class Bundling:
    """`keys` are the ones that are set, as the file has them."""

    keys: Mapping[str, Any] = field(default_factory=dict)


def bundling(data: Mapping[str, Any], keys: Mapping[str, Any]) -> Bundling:
    """`data` is the whole file, `keys` what holds in the chosen environment."""
    found = {name: keys[name] for name in AS_THEY_STAND if name in keys}
    if "alias" in data:
        found["alias"] = data["alias"]
    return Bundling(found)
