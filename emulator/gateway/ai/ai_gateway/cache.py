"""Answers kept for equal requests (ai-binding.md 3.3). Pure; bounded memory, the entry longest unused goes first.

Two policies. `documented`: caching is off unless a TTL or a cache key asks for it. `observed`: live gateways were twice seen to answer
identical Workers AI requests from their cache for about 300 s although their TTL was 0, also for requests with `cacheTtl: 0`; only
`skipCache` went past it.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from dataclasses import dataclass

from emulator.config.ai import CachePolicy
from emulator.gateway.ai.ai_gateway.entries import Entry
from emulator.gateway.ai.ai_gateway.settings import Settings
from emulator.gateway.ai.ai_gateway.usage import Tokens
from emulator.gateway.ai.canonical import compact
from emulator.gateway.exchange import Headers

IMPLICIT_TTL_S = 300
"""Of a cache key without a TTL where the gateway has caching off [D]; of Workers AI requests under the observed policy [O]."""
MOST_ENTRY_BYTES = 8 * 1024 * 1024
MOST_BYTES = 64 * 1024 * 1024
_MOST_SEEN = 10_000


@dataclass(frozen=True, slots=True)
class Cached:
    """An answer as it came: `chunks` keep a stream's boundaries, `streamed` tells a stream from a document."""

    status: int
    headers: tuple[tuple[str, str], ...]
    chunks: tuple[bytes, ...]
    streamed: bool
    expires_ms: float
    tokens: Tokens | None = None

    @property
    def size(self) -> int:
        """Bytes of the body."""
        return sum(len(chunk) for chunk in self.chunks)


class ResponseCache:
    """The answers of one gateway."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._entries: OrderedDict[str, Cached] = OrderedDict()
        self._bytes = 0

    def get(self, key: str, now_ms: float) -> Cached | None:
        """The answer, None when there is none or its time is over."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if now_ms >= entry.expires_ms:
            self._drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: str, entry: Cached) -> None:
        """Keep an answer in place of the one before."""
        self._drop(key)
        if entry.size > min(MOST_ENTRY_BYTES, self._most_bytes):
            return
        self._entries[key] = entry
        self._bytes += entry.size
        while self._bytes > self._most_bytes:
            self._drop(next(iter(self._entries)))

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._bytes = 0

    @property
    def size(self) -> tuple[int, int]:
        """Entries and bytes."""
        return len(self._entries), self._bytes

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.size


class SeenWithoutCache:
    """Requests that the observed policy would have cached, so that `documented` can say once where a live gateway may differ."""

    def __init__(self) -> None:
        self._until_ms: OrderedDict[str, float] = OrderedDict()
        self._told = False

    def note(self, key: str, now_ms: float) -> None:
        """An answer passed that the observed policy would have kept."""
        self._until_ms[key] = now_ms + IMPLICIT_TTL_S * 1000
        self._until_ms.move_to_end(key)
        while len(self._until_ms) > _MOST_SEEN:
            self._until_ms.popitem(last=False)

    def differs(self, key: str, now_ms: float) -> bool:
        """Whether a live gateway might answer this request from its cache; True once only."""
        if self._told or now_ms >= self._until_ms.get(key, now_ms):
            return False
        self._told = True
        return True


def ttl_ms(settings: Settings, provider: str) -> int:
    """For how long the answer to such a request is kept; 0: caching is off for it."""
    if settings.cache_ttl_s:
        return settings.cache_ttl_s * 1000
    if settings.cache_key is not None or (settings.cache is CachePolicy.OBSERVED and provider == "workers-ai"):
        return IMPLICIT_TTL_S * 1000
    return 0


def cache_key(entry: Entry, settings: Settings) -> str:
    """Provider, endpoint, model, who asks, and the whole body; a key of the caller's replaces all of it. Metadata takes no part
    (cloudflare-docs#26027). Hashed, so that no credential is kept."""
    parts = ["key", settings.cache_key] if settings.cache_key is not None else _parts(entry)
    return hashlib.sha256(compact(parts).encode()).hexdigest()


def _parts(entry: Entry) -> list[object]:
    return ["request", entry.provider, entry.endpoint, entry.model, entry.auth, entry.query]


def cacheable(status: int, headers: Headers) -> bool:
    """Whether an answer is of the kind that is kept: successful, text or image."""
    content_type = next((value for name, value in headers if name.lower() == "content-type"), "")
    media_type = content_type.split(";")[0].strip().lower()
    return status == 200 and (media_type.startswith(("text/", "image/")) or media_type in ("application/json", "application/x-ndjson"))
