"""`request.cf` of requests from clients. There is no edge here that could tell where they come from: `core/incoming_cf.json` is what
`wrangler dev` says of all of them when it has no network (observed)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from emulator.hosts.python.surface.containers import JsArray
from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.values import JsObject
from emulator.wire.frames import RawHeaders

_SAMPLE = Path(__file__).parents[2] / "core" / "incoming_cf.json"


class FrozenObject(JsObject):
    """One that nobody can change."""

    __slots__ = ()
    _js_name = "Object"

    def __setattr__(self, name: str, value: Any) -> None:
        raise js_error("TypeError", f"Cannot assign to read only property '{name}' of object '#<Object>'")

    def __delattr__(self, name: str) -> None:
        raise js_error("TypeError", f"Cannot delete property '{name}' of #<Object>")

    def as_object_map(self, *, hereditary: bool = False) -> dict[str, Any]:
        return dict(super().as_object_map(hereditary=hereditary))


class IncomingCf:
    """Gives the objects; requests of one kind of client share one."""

    def __init__(self) -> None:
        self._sample: dict[str, Any] | None = None
        self._last: tuple[str, FrozenObject] | None = None

    def of(self, headers: RawHeaders) -> FrozenObject:
        """For a request with these headers."""
        encodings = next((value.decode("latin-1") for name, value in headers if name.lower() == b"accept-encoding"), "")
        if self._last is None or self._last[0] != encodings:
            if self._sample is None:
                self._sample = json.loads(_SAMPLE.read_text("utf-8"))
            self._last = encodings, _frozen({**self._sample, "clientAcceptEncoding": encodings})
        return self._last[1]


def _frozen(value: Any) -> Any:
    if isinstance(value, dict):
        return FrozenObject({name: _frozen(item) for name, item in value.items()})
    return JsArray(value) if isinstance(value, list) else value
