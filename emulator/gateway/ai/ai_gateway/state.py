"""What one gateway remembers: its cache, its counters, its routes."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from emulator.config.ai import GatewayConfig
from emulator.gateway.ai.ai_gateway.cache import ResponseCache, SeenWithoutCache
from emulator.gateway.ai.ai_gateway.dynamic_routes import BrokenRoute, Route, RouteState, parse_route
from emulator.gateway.ai.ai_gateway.limits import RateWindows, SpendRules

_REQUESTS: Hashable = "requests"


class GatewayState:
    """`configured`: the gateway stands in agents-emu.toml."""

    def __init__(self, config: GatewayConfig, *, configured: bool, seed: int) -> None:
        self.config = config
        self.configured = configured
        self.routing = RouteState(f"{seed}:{config.id}")
        self.spending = SpendRules(config.spend_limits)
        self._rates = RateWindows()
        self._routes: dict[str, Route] = {}
        self._fresh()

    def _fresh(self) -> None:
        self.cache = ResponseCache()
        self.seen = SeenWithoutCache()
        self.requests = 0
        self.cached = 0
        self.refused = 0
        self.cost_usd = 0.0

    def admits(self, now_ms: float) -> bool:
        """Whether the rate limit lets one more request pass; it is counted if so. Cached answers count too: they reached the gateway."""
        return self.config.rate_limit is None or self._rates.take(_REQUESTS, self.config.rate_limit, now_ms)

    def route(self, name: str) -> Route:
        """A dynamic route. Raises BrokenRoute when it does not exist or cannot be read."""
        if name not in self._routes:
            if name not in self.config.dynamic_routes:
                known = ", ".join(sorted(self.config.dynamic_routes)) or "none"
                raise BrokenRoute(f"gateway {self.config.id!r} has no dynamic route {name!r}; known: {known}")
            self._routes[name] = parse_route(name, self.config.dynamic_routes[name])
        return self._routes[name]

    def clear(self) -> None:
        """As if no request had come yet."""
        self._fresh()
        self._rates.clear()
        self.spending.clear()
        self.routing.clear()

    def status(self, logs: int) -> dict[str, Any]:
        """For the control API."""
        entries, size = self.cache.size
        limit = self.config.rate_limit
        return {
            "gateway": self.config.id,
            "configured": self.configured,
            "requests": self.requests,
            "cached": self.cached,
            "refused": self.refused,
            "cost_usd": self.cost_usd,
            "cache_entries": entries,
            "cache_bytes": size,
            "logs": logs,
            "rate_limit": None if limit is None else f"{limit.limit} in {limit.interval_s} s, {limit.technique.value}",
            "spend_limits": [f"{rule.name}: {rule.limit_usd:g} USD in {rule.window_s} s" for rule in self.config.spend_limits],
            "dynamic_routes": sorted(self.config.dynamic_routes),
        }
