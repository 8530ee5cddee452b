"""What an account said of its models, kept in the project by `agents-emu ai models update` (ai-binding.md 3.1 and 5). Deleting the file
loses nothing: the models and the schemas of each task that come with agents-emu are used then."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_VERSION = 1


@dataclass(frozen=True, slots=True)
class ModelCache:
    """`fetched` is an ISO date, `source` the address that was asked, `models` the service's own rows, `schemas` what `models/schema`
    gives, by model id."""

    fetched: str
    source: str
    models: list[dict[str, Any]]
    schemas: dict[str, Any] = field(default_factory=dict)

    def write(self, root: Path) -> Path:
        """Keep it for the project in `root`, atomically. Raises OSError."""
        path = _place(root)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(".part")
        draft.write_text(json.dumps({"v": _VERSION, **asdict(self)}, indent=1))
        os.replace(draft, path)
        return path


def read_cache(root: Path) -> ModelCache | None:
    """What was kept for the project; None when nothing was, or it is not readable."""
    try:
        value = json.loads(_place(root).read_bytes())
        return ModelCache(value["fetched"], value["source"], value["models"], value["schemas"]) if value["v"] == _VERSION else None
    except (OSError, ValueError, KeyError, TypeError):
        return None  # it is a copy: the next update writes it anew


def _place(root: Path) -> Path:
    return root / ".agents-emu" / "models.json"
