"""The control API of a server (design 4.5), as scenarios use it."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import quote

import aiohttp

from emulator.core.routing import CONTROL
from emulator.errors import BackendError, EmuError, RecordingError, UsageError, UserCodeError

TOKEN_VARIABLE = "AGENTS_EMU_TOKEN"
WITHIN_S = 60.0
"""Verbs answer at once, or when a turn has ended; a server that is busy for longer than this is stuck."""


class Control:
    """Asks the control API at `url`, the server's address with a slash at its end."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url
        token = os.environ.get(TOKEN_VARIABLE)
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def __call__(self, method: str, path: str, body: Any = None) -> Any:
        """One verb's JSON. Raises UsageError, UserCodeError or RecordingError as the server says, BackendError E651 without one."""
        address = self._url.rstrip("/") + CONTROL + path
        try:
            async with self._session.request(
                method, address, json=body, headers=self._headers, timeout=aiohttp.ClientTimeout(total=WITHIN_S)
            ) as response:
                data = await response.json(content_type=None)
        except TimeoutError:
            raise BackendError("E651", f"the server did not answer {method} {path} within {WITHIN_S:g} s", where=self._url) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            reason = str(error).replace(" ssl:default", "") or type(error).__name__
            raise BackendError("E651", f"the server does not answer: {reason}", where=self._url) from error
        if response.status >= 400:
            raise _refusal(data, response.status, f"{method} {path}")
        return data

    async def lines(self, path: str) -> str:
        """A verb's answer that is NDJSON, as text."""
        address = self._url.rstrip("/") + CONTROL + path
        try:
            async with self._session.get(address, headers=self._headers, timeout=aiohttp.ClientTimeout(total=WITHIN_S)) as response:
                return await response.text()
        except (aiohttp.ClientError, OSError) as error:
            raise BackendError("E651", f"the server does not answer: {error}", where=self._url) from error


def object_path(name: str, verb: str) -> str:
    """The path of a verb on an object, which is named `CLASS/NAME`."""
    class_name, _, rest = name.partition("/")
    return f"objects/{quote(class_name, safe='')}/{quote(rest, safe='')}/{verb}"


def _refusal(data: Any, status: int, asked: str) -> EmuError:
    error = data.get("error") if isinstance(data, dict) else None
    fields = error if isinstance(error, dict) else {}
    what = fields.get("what") or fields.get("message") or f"the server answered {status} to {asked}"
    code, where, hint = fields.get("code"), fields.get("where"), fields.get("hint")
    if str(code).startswith("E5") and not fields.get("usage"):
        return RecordingError(str(code), what, where=where, hint=hint)
    if fields.get("culprit") == "user code" or status >= 500:
        return UserCodeError(code or "E451", what, where=where, hint=hint)
    return UsageError(code or "E209", what, where=where, hint=hint)
