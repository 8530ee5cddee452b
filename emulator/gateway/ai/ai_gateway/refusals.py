"""What a gateway says when it gives no model's answer, in its own envelope (ai-binding.md 1.4). Pure.

Codes 2xxx and 3007 are the service's; 990x are this emulator's, for what has no known code there.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from emulator.config.ai import SpendLimit
from emulator.gateway.ai.envelopes import gateway_error
from emulator.gateway.ai.faults.error_codes import BY_NUMBER, spend_limit_reached
from emulator.gateway.ai.reply import Reply, Source


@dataclass(frozen=True, slots=True)
class Refusal:
    """User code hears `<code>: <text>`."""

    status: int
    code: int
    text: str
    name: str = "AiGatewayError"

    def __str__(self) -> str:
        return f"{self.code}: {self.text}"

    def reply(self) -> Reply:
        """A new answer that says so."""
        return Reply(gateway_error(self.status, self.code, self.text, self.name), Source.NONE)


def unknown_gateway(gateway: str, known: Iterable[str]) -> Refusal:
    """2001."""
    text = f"Please configure AI Gateway in the Cloudflare dashboard (agents-emu.toml has no [ai.gateways.{gateway}]; it has: "
    return Refusal(400, 2001, f"{text}{', '.join(sorted(known))}; `default` always exists)")


RATE_LIMITED = Refusal(429, 2003, BY_NUMBER[2003].text)
"""Exactly as the service words it, and without Retry-After."""


def spend_limited(rule: SpendLimit) -> Refusal:
    """2045; the rule's name is in the text."""
    return Refusal(429, 2045, spend_limit_reached(rule.name))


def timed_out(problem: str) -> Refusal:
    """3007: no model gave a first byte in time and there is nobody left to ask. Clients retry a 408; what the gateway itself says here
    is not known."""
    return Refusal(408, 3007, f"Request timeout: {problem}")


def unreachable(problem: str) -> Refusal:
    """9906: no connection to the model's server."""
    return Refusal(502, 9906, f"The model's server gave no answer: {problem}")


def broken_route(problem: str) -> Refusal:
    """9907: a dynamic route that does not exist or cannot be walked."""
    return Refusal(400, 9907, problem, "DynamicRouteError")


def no_model_response(route: str) -> Refusal:
    """9907: the route came to its end without asking any model."""
    return Refusal(500, 9907, f"dynamic route {route!r} ended without a model's answer", "DynamicRouteError")
