"""One configured server of models: where it is, with which key it is asked, how long it may think. What every backend is built on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from emulator.config.ai import BackendConfig
from emulator.gateway.ai.backends import Fetch
from emulator.gateway.ai.backends.credentials import Lookup
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply
from emulator.gateway.ai.upstream_errors import Refused
from emulator.gateway.exchange import Headers, Response


class Server:
    """`config` is complete: `base_url` and `key` are filled in where the provider's public ones apply (known.py)."""

    def __init__(
        self, config: BackendConfig, *, lookup: Lookup, fetch: Fetch, pacer: Pacer, map_overload: bool = True, models: Sequence[str] = ()
    ) -> None:
        self.config = config
        self.name = config.name
        self.base_url = (config.base_url or "").rstrip("/")
        self._lookup = lookup
        self._fetch = fetch
        self._pacer = pacer
        self._map_overload = map_overload
        self._models = models

    def key(self) -> str | None:
        """The key to send; None when none is configured. Raises Refused (403/10000, E610) when its variable is not set."""
        raise NotImplementedError

    async def ask(self, path: str, headers: Headers, body: bytes, *, model: str, method: str = "POST") -> Response:
        """A 2xx answer whose first byte is there; the whole body may still be on its way. `path` is appended to the base URL.

        Raises Refused for everything else: another status, no connection, no first byte within `timeout_ms`, an empty body."""
        raise NotImplementedError

    async def ask_json(self, path: str, headers: Headers, body: Any, *, model: str) -> dict[str, Any]:
        """The JSON object that `body`, sent as JSON, is answered with. Raises Refused, also when the answer is no JSON object."""
        raise NotImplementedError

    def reply(self, response: Response, model: str, warnings: Sequence[str] = ()) -> Reply:
        """The answer of this backend's model `model`."""
        raise NotImplementedError

    def refusal(self, refused: Refused, model: str) -> Reply:
        """The error as this backend's answer."""
        raise NotImplementedError
