"""AI Gateway's public addresses and the providers' own, and the way from one to the other (ai-binding.md 3.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

HOST = "gateway.ai.cloudflare.com"
LOCAL_ACCOUNT = "local"
"""The account in URLs that `getUrl` returns: nothing here has one."""


@dataclass(frozen=True, slots=True)
class GatewayAddress:
    """`https://gateway.ai.cloudflare.com/v1/{account}/{gateway}/{provider}/{endpoint}`. `provider` is `""` for the universal endpoint,
    `compat` for the OpenAI-compatible one; `endpoint` has no leading slash and keeps its query."""

    account: str
    gateway: str
    provider: str
    endpoint: str


def parse_address(url: str) -> GatewayAddress | None:
    """The parts of a public gateway URL, None for any other URL and for one without a gateway."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or (parts.hostname or "").lower() != HOST:
        return None
    pieces = parts.path.split("/", 5)
    if len(pieces) < 4 or pieces[1] != "v1" or not pieces[3]:
        return None
    provider = unquote(pieces[4]) if len(pieces) > 4 else ""
    endpoint = pieces[5] if len(pieces) > 5 else ""
    return GatewayAddress(unquote(pieces[2]), unquote(pieces[3]), provider, endpoint + (f"?{parts.query}" if parts.query else ""))


def gateway_url(gateway: str, provider: str | None = None, account: str = LOCAL_ACCOUNT) -> str:
    """What `getUrl(provider)` returns: production-looking, so that assertions and recordings do not depend on the machine; requests to
    it are caught on their way out."""
    tail = "" if provider in (None, "", "universal") else f"/{quote(str(provider), safe='')}"
    return f"https://{HOST}/v1/{quote(account, safe='')}/{quote(gateway, safe='')}{tail}"
