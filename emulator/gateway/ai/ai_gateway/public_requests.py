"""Outbound requests to AI Gateway's public addresses, as what a gateway takes (ai-binding.md 3.2). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.gateway.ai.ai_gateway.public_urls import GatewayAddress, parse_address
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.classify import http_request, universal_request
from emulator.gateway.exchange import Headers


@dataclass(frozen=True, slots=True)
class PublicRequest:
    """`asked` and `headers` are what AiGateway.run wants, `address` says which gateway."""

    address: GatewayAddress
    asked: ModelRequest
    headers: Mapping[str, str]


def public_request(method: str, url: str, headers: Headers, body: bytes) -> PublicRequest | None:
    """The request as a gateway takes it, None when it is for no gateway. A POST to the gateway itself is the universal endpoint's array
    (or a single entry), anything else a provider's request. Raises classify.BadRequest for an array that is none."""
    address = parse_address(url)
    if address is None:
        return None
    folded = {name.lower(): value for name, value in headers}
    if not address.provider and method.upper() == "POST":
        array = b"[" + body + b"]" if body.lstrip().startswith(b"{") else body
        return PublicRequest(address, universal_request(address.gateway, headers, array), folded)
    return PublicRequest(address, http_request(method, url, headers, body), folded)
