"""Durable Object ids: 64 hex digits that carry a checksum of their namespace (design 4.2; durable-objects.md 1.1).

With `unique = "<worker>-<Class>"` and `k = sha256(unique)`: a named id is `h = hmac(k, name)[:16]`, a unique one starts from 16 random
bytes `h`; either way the second half is `hmac(k, h)[:16]`. The same bytes as the real runtime's, so files are interchangeable.
"""

from __future__ import annotations

import hashlib
import hmac
import string
from dataclasses import dataclass, field

NAME_LIMIT = 1024
"""Bytes of a name that `ctx.id.name` still shows (S-08); longer names address an object all the same."""

_REMEMBERED = 4096
"""Names whose ids are kept: most programs address the same few objects over and over."""

_HEX = frozenset(string.hexdigits)


class InvalidId(ValueError):
    """A string that is no id of this namespace; the text is the platform's and reaches user code as a TypeError (S-03)."""


@dataclass(slots=True, frozen=True)
class Namespace:
    """The ids of one class of one worker."""

    unique: str
    key: bytes
    _known: dict[str, str] = field(default_factory=dict, compare=False, repr=False)

    @staticmethod
    def of(worker: str, class_name: str) -> Namespace:
        """The namespace of a class."""
        unique = f"{worker}-{class_name}"
        return Namespace(unique, hashlib.sha256(unique.encode()).digest())

    def id_from_name(self, name: str) -> str:
        """The id every process derives from this name."""
        known = self._known.get(name)
        if known is None:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            known = self._known[name] = self._seal(_mac(self.key, name.encode("utf-8", "surrogatepass")))
        return known

    def unique_id(self, random: bytes) -> str:
        """An id from 16 random bytes."""
        return self._seal(random[:16])

    def check(self, text: str) -> str:
        """The canonical form of an id given as a string; InvalidId when it is malformed or another namespace's."""
        if len(text) != 64 or not _HEX.issuperset(text):
            raise InvalidId("Invalid Durable Object ID: must be 64 hex digits")
        text = text.lower()
        if self._seal(bytes.fromhex(text[:32])) != text:
            raise InvalidId("Durable Object ID is not valid for this namespace.")
        return text

    def _seal(self, half: bytes) -> str:
        return (half + _mac(self.key, half)).hex()


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, "sha256")[:16]


def visible_name(name: str | None) -> str | None:
    """What `ctx.id.name` shows of a name: nothing above 1,024 bytes (durable-objects.md 1.2)."""
    if name is None or len(name.encode("utf-8", "surrogatepass")) > NAME_LIMIT:
        return None
    return name
