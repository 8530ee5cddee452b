"""Anthropic's Messages API, and whoever else speaks it (ai-binding.md 4)."""

from __future__ import annotations

from emulator.gateway.ai.backends.server import Server
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.reply import Reply


class Anthropic(Server):
    """`POST <base_url>/v1/messages`. Answers text generation only; `anthropic/*` models asked in Messages shape are passed through."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        raise NotImplementedError
