"""Servers of models, asked on behalf of the binding. One file for each protocol; translations between shapes are pure and apart."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.reply import Reply
from emulator.gateway.exchange import Headers, Response

Fetch = Callable[[str, str, Headers, bytes], Awaitable[Response]]
"""Method, URL, headers, body to a streaming response; raises NetworkFailure. Closing the response's body ends the connection."""


class Backend(Protocol):
    """One configured backend."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """The answer to a `binding.run` (or stream-input) request in Workers AI's words, from the model this backend calls `model`.

        Never raises for what the backend does: its errors become Workers AI's (ai-binding.md 4.3). Chunks are passed on one by one as
        they come; closing the reply's body ends the request upstream.
        """
