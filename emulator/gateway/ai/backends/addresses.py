"""Where the providers are when the configuration does not say, and the variables their keys usually stand in."""

from __future__ import annotations

from dataclasses import dataclass

from emulator.config.ai import BackendType

GEMINI_HOST = "generativelanguage.googleapis.com"
GEMINI_URL = f"https://{GEMINI_HOST}/v1beta/openai"
OPENAI_HOST = "api.openai.com"


@dataclass(frozen=True, slots=True)
class Public:
    """`key_env` None: no key is needed."""

    url: str
    key_env: str | None = None


PUBLIC = {
    BackendType.OPENAI: Public(f"https://{OPENAI_HOST}/v1", "OPENAI_API_KEY"),
    BackendType.ANTHROPIC: Public("https://api.anthropic.com", "ANTHROPIC_API_KEY"),
    BackendType.WORKERS_AI: Public("https://api.cloudflare.com/client/v4", "CLOUDFLARE_API_TOKEN"),
    BackendType.OLLAMA: Public("http://127.0.0.1:11434"),
}
