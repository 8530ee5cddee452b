"""What a backend's failure becomes for the caller of `run` (ai-binding.md 4.3). Pure.

Every text names the backend and the next step, never a key. The code in brackets at its end is one of docs/errors.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from emulator.gateway.ai.envelopes import run_error
from emulator.gateway.exchange import Headers, Response


class Refused(Exception):
    """There is no answer but this error. Backends raise it inside, and answer with `response`."""

    def __init__(self, response: Response, text: str) -> None:
        super().__init__(text)
        self.response = response


def refused(status: int, code: int, text: str, error: str) -> Refused:
    """An error in Workers AI's envelope; `error` is its row in docs/errors.md (`E613`)."""
    return Refused(run_error(status, code, f"AiError: {text} ({error})"), text)


def untranslatable(text: str, *, code: int = 5006) -> Refused:
    """A request that the backend's protocol cannot express (ai-binding.md 4.1 "refuse"): 400/5006, or 405 for 5005 (LoRA)."""
    return refused(405 if code == 5005 else 400, code, text, "E617")


@dataclass(frozen=True, slots=True)
class Upstream:
    """What error texts say of a backend. `key_env` is the variable its key comes from; `models` are the names that routes know."""

    name: str
    url: str
    key_env: str | None = None
    map_overload: bool = True
    models: Sequence[str] = ()


def from_status(upstream: Upstream, model: str, status: int, headers: Headers, body: bytes) -> Refused:
    """An answer that is not 2xx."""
    raise NotImplementedError
