"""Dynamic routes: graphs that choose a model for `dynamic/<route>` (ai-binding.md 3.3). Pure; time and chance are arguments.

A graph is what the dashboard exports: `{"name", "elements": [{"id", "type", "properties", "outputs": {name: {"elementId"}}}]}`. Both
spellings in public use are read: `rate` and `rate_limit`, `conditions` and `condition`, `window` and `interval` (seconds).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any

from emulator.config.ai import RateLimit, Technique
from emulator.gateway.ai.ai_gateway.conditions import BadCondition, check, fact, holds
from emulator.gateway.ai.ai_gateway.limits import RateWindows, SpendWindows

_MOST_SHARES = 5
_OUTPUTS = {
    "start": ("next",),
    "conditional": ("true", "false"),
    "percentage": (),
    "rate": ("success",),
    "model": ("success",),
    "end": (),
}
"""Outputs that an element must have."""


class BrokenRoute(ValueError):
    """The graph cannot be walked; the text names the element."""


@dataclass(frozen=True, slots=True)
class Element:
    """One node. `outputs` are element ids by output name."""

    id: str
    type: str
    properties: Mapping[str, Any]
    outputs: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ModelNode:
    """What to ask: `attempts` counts the first one; `timeout_ms` None keeps the request's own."""

    provider: str
    model: str
    attempts: int
    timeout_ms: int | None


@dataclass(frozen=True, slots=True)
class Route:
    """A checked graph."""

    name: str
    elements: Mapping[str, Element]
    start: str


@dataclass
class RouteState:
    """What routes remember from request to request. `seed` makes percentages repeatable: the n-th draw at a node is always the same."""

    seed: str
    rates: RateWindows = field(default_factory=RateWindows)
    spending: SpendWindows = field(default_factory=SpendWindows)
    _chances: dict[str, Random] = field(default_factory=dict)

    def draw(self, node: str) -> float:
        """A number from 0 to 100, without 100."""
        return self._chances.setdefault(node, Random(f"{self.seed}:{node}")).random() * 100

    def clear(self) -> None:
        """Begin anew: counters and draws."""
        self.rates.clear()
        self.spending.clear()
        self._chances.clear()


def parse_route(name: str, graph: object) -> Route:
    """Check a graph. Raises BrokenRoute."""
    listed = graph.get("elements") if isinstance(graph, dict) else graph
    if not isinstance(listed, list):
        raise BrokenRoute(f"dynamic route {name!r}: there is no array `elements`")
    elements: dict[str, Element] = {}
    for item in listed:
        element = _element(name, item)
        if element.id in elements:
            raise BrokenRoute(f"dynamic route {name!r}: the id {element.id!r} is used twice")
        elements[element.id] = element
    starts = [element.id for element in elements.values() if element.type == "start"]
    if len(starts) != 1:
        raise BrokenRoute(f"dynamic route {name!r}: it needs exactly one element of type start, found {len(starts)}")
    for element in elements.values():
        for output, target in element.outputs.items():
            if target not in elements:
                raise BrokenRoute(f"dynamic route {name!r}: output {output} of {element.id!r} leads to {target!r}, which is no element")
    return Route(name, elements, starts[0])


def _element(route: str, item: object) -> Element:
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        raise BrokenRoute(f"dynamic route {route!r}: every element needs an id, found {item!r}")
    kind = "rate" if item.get("type") == "rate_limit" else str(item.get("type"))
    where = f"dynamic route {route!r}: element {item['id']!r}"
    if kind not in _OUTPUTS:
        raise BrokenRoute(f"{where} has type {kind!r}; known: start, conditional, percentage, rate, model, end")
    raw, properties = item.get("outputs") or {}, item.get("properties") or {}
    if not isinstance(raw, dict) or not isinstance(properties, dict):
        raise BrokenRoute(f"{where}: `outputs` and `properties` must be objects")
    outputs = {str(name): _target(where, name, output) for name, output in raw.items()}
    missing = [name for name in _OUTPUTS[kind] if name not in outputs]
    if missing:
        raise BrokenRoute(f"{where} ({kind}) has no output {missing[0]!r}")
    element = Element(item["id"], kind, properties, outputs)
    _check_properties(where, element)
    return element


def _target(where: str, name: object, output: object) -> str:
    target = output.get("elementId") if isinstance(output, dict) else None
    if not isinstance(target, str):
        raise BrokenRoute(f"{where}: output {name!r} must be {{elementId}}")
    return target


def _check_properties(where: str, element: Element) -> None:
    properties = element.properties
    match element.type:
        case "model":
            if not isinstance(properties.get("provider"), str) or not isinstance(properties.get("model"), str):
                raise BrokenRoute(f"{where} (model) needs `provider` and `model`")
            _whole(where, properties, "retries", 0)
            _whole(where, properties, "timeout", 0)
        case "rate":
            if properties.get("limitType", "count") not in ("count", "cost"):
                raise BrokenRoute(f"{where}: limitType must be count or cost")
            if properties.get("technique", "sliding") not in ("sliding", "fixed"):
                raise BrokenRoute(f"{where}: technique must be sliding or fixed")
            limit = properties.get("limit")
            if not isinstance(limit, int | float) or isinstance(limit, bool) or limit < 0:
                raise BrokenRoute(f"{where}: limit must be a number")
            _window_s(where, properties)
        case "percentage":
            _shares(where, element)
        case "conditional":
            try:
                check(_condition(properties))
            except BadCondition as error:
                raise BrokenRoute(f"{where}: {error}") from None


def _condition(properties: Mapping[str, Any]) -> Any:
    return properties.get("conditions", properties.get("condition"))


def _whole(where: str, properties: Mapping[str, Any], name: str, default: int) -> int:
    value = properties.get(name, default)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BrokenRoute(f"{where}: {name} must be a whole number")
    return value


def _window_s(where: str, properties: Mapping[str, Any]) -> int:
    window = _whole(where, properties, "window" if "window" in properties else "interval", 0)
    if window == 0:
        raise BrokenRoute(f"{where}: window (or interval) must be a number of seconds above 0")
    return window


def _shares(where: str, element: Element) -> list[tuple[float, str]]:
    """Percent and output of each branch, without `else`."""
    shares: list[tuple[float, str]] = []
    for name in element.outputs:
        if name == "else":
            continue
        try:
            shares.append((float(name.removesuffix("%")), name))
        except ValueError:
            raise BrokenRoute(f"{where}: output {name!r} is neither a percentage nor `else`") from None
    total = sum(share for share, _ in shares)
    if not shares or len(shares) > _MOST_SHARES or total > 100.0001 or any(share < 0 for share, _ in shares):
        raise BrokenRoute(f"{where}: a percentage element has one to {_MOST_SHARES} shares that make 100 at most, found {total:g}")
    if total < 99.9999 and "else" not in element.outputs:
        raise BrokenRoute(f"{where}: the shares make {total:g} % and there is no `else`")
    return shares


class Walk:
    """One request's way through a route. `facts` are `metadata`, `headers` (lower-case) and `body`."""

    def __init__(self, route: Route, facts: Mapping[str, Any], state: RouteState, now_ms: Callable[[], float]) -> None:
        self._route = route
        self._facts = facts
        self._state = state
        self._now_ms = now_ms
        self._budgets: list[tuple[Hashable, int]] = []
        self.limited_by: str | None = None
        """The rate element that ended the walk because it has no `fallback`."""

    def models(self) -> Generator[ModelNode, bool]:
        """The models to ask, one after the other: send True when the last one answered, False when it failed. Raises BrokenRoute when
        the walk comes to an element twice."""
        visited: set[str] = set()
        at: str | None = self._route.start
        while at is not None:
            if at in visited:
                raise BrokenRoute(f"dynamic route {self._route.name!r} goes in a circle at element {at!r}")
            visited.add(at)
            element = self._route.elements[at]
            if element.type == "model":
                answered = yield _model(element)
                at = element.outputs["success"] if answered else element.outputs.get("fallback")
            else:
                at = self._next(element)

    def spend(self, usd: float) -> None:
        """Note what the request cost under the budgets it passed."""
        for key, window_s in self._budgets:
            self._state.spending.add(key, window_s, self._now_ms(), usd)

    def _next(self, element: Element) -> str | None:
        match element.type:
            case "conditional":
                met = holds(_condition(element.properties), self._facts)
                return element.outputs["true" if met else "false"]
            case "percentage":
                return element.outputs[self._share(element)]
            case "rate":
                if self._admits(element):
                    return element.outputs["success"]
                if "fallback" not in element.outputs:
                    self.limited_by = element.id
                return element.outputs.get("fallback")
            case "start":
                return element.outputs["next"]
        return None  # end

    def _share(self, element: Element) -> str:
        drawn, upto = self._state.draw(f"{self._route.name}/{element.id}"), 0.0
        shares = _shares(element.id, element)
        for share, name in shares:
            upto += share
            if drawn < upto:
                return name
        return "else" if "else" in element.outputs else shares[-1][1]

    def _admits(self, element: Element) -> bool:
        properties = element.properties
        key = (self._route.name, element.id, repr(fact(str(properties.get("key", "")), self._facts)))
        window_s, now_ms = _window_s(element.id, properties), self._now_ms()
        if properties.get("limitType", "count") == "cost":
            if self._state.spending.spent(key, window_s, now_ms) >= properties["limit"]:
                return False
            self._budgets.append((key, window_s))
            return True
        technique = Technique(properties.get("technique", "sliding"))
        return self._state.rates.take(key, RateLimit(technique, int(properties["limit"]), window_s), now_ms)


def _model(element: Element) -> ModelNode:
    properties = element.properties
    return ModelNode(properties["provider"], properties["model"], int(properties.get("retries", 0)) + 1, properties.get("timeout") or None)
