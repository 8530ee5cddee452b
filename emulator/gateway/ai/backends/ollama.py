"""Ollama's own API (ai-binding.md 4)."""

from __future__ import annotations

from emulator.gateway.ai.backends.server import Server
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.reply import Reply


class Ollama(Server):
    """`/api/chat`, `/api/generate` for raw prompts and `/api/embed` below `base_url`. Answers text generation and embeddings."""

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        raise NotImplementedError
