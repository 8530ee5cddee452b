"""Which backend answers for a model id (ai-binding.md 7.9): the first route whose pattern fits the id as the user wrote it.

Without routes the only backend whose keys are present answers, else the stub. Nothing here opens a connection.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emulator.config.ai import AiConfig, BackendConfig, BackendType
from emulator.config.ai_sections import WELL_KNOWN
from emulator.gateway.ai.backends import Backend, Fetch
from emulator.gateway.ai.canonical import ModelRequest
from emulator.gateway.ai.catalogue import search_models
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.upstream_errors import Refused, did_you_mean, refused

if TYPE_CHECKING:
    from emulator.gateway.ai.backends.server import Server

STUB = "stub"


@dataclass(frozen=True, slots=True)
class Chosen:
    """`backend` None is the stub. `name` is the backend's name, `model` what it calls the model, `reason` one clause for people. `queues`
    tells that it takes asynchronous batches."""

    backend: Backend | None
    name: str
    model: str
    reason: str
    queues: bool = False


class Routes:
    """The route table. `lookup` gives the value of a variable (`OPENAI_API_KEY`) at the time of a call; time limits run on `pacer`."""

    def __init__(self, config: AiConfig, lookup: Callable[[str], str | None], fetch: Fetch, pacer: Pacer) -> None:
        self._config = config
        self._lookup = lookup
        self._fetch = fetch
        self._pacer = pacer
        self._names = [name for route in config.routes for name in (route.match, route.model) if name and not _is_pattern(name)]
        self._servers: dict[str, Server] = {}

    def choose(self, model_id: str) -> Chosen:
        """Who answers for `model_id`. Never raises: an id that no route knows and an unknown `to` give a backend whose `run` answers
        the error, as a server whose key is missing does."""
        for route in self._config.routes:
            if fnmatch.fnmatchcase(model_id, route.match):
                return self._chosen(route.to, route.model or model_id, f"route {route.match!r}")
        if self._config.routes:
            return _refusing(model_id, self._unknown(model_id), "no route knows it")
        ready = [name for name in self._config.backends if self._is_ready(name)]
        if len(ready) == 1:
            return self._chosen(ready[0], model_id, "the only backend with its key")
        reason = "no backend has its key" if not ready else f"several backends and no route: {', '.join(ready)}"
        return Chosen(None, STUB, model_id, reason if self._config.backends else "no backend is configured")

    def rows(self) -> list[dict[str, Any]]:
        """The table for status and banner: `match, to, model, type, base_url, key_present` (None: no key is needed); never a key."""
        if self._config.routes:
            return [{"match": route.match, "to": route.to, "model": route.model, **self._row(route.to)} for route in self._config.routes]
        chosen = self.choose("*")
        return [{"match": "*", "to": chosen.name, "model": None, **self._row(chosen.name)}]

    def _row(self, name: str) -> dict[str, Any]:
        server = self._server(name)
        if server is None:
            known = self._backend(name)
            return {"type": known.type.value if known else None, "base_url": None, "key_present": None}
        present = server.key_present if server.has_key else None
        return {"type": server.config.type.value, "base_url": server.upstream.url, "key_present": present}

    def _chosen(self, name: str, model: str, reason: str) -> Chosen:
        config = self._backend(name)
        if config is None:
            known = ", ".join(sorted({*self._config.backends, *WELL_KNOWN}))
            text = f"{reason} leads to backend {name!r}, and there is none; add [ai.backends.{name}] to agents-emu.toml, or use {known}"
            return _refusing(model, refused(400, 5007, text, "E618"), reason)
        return Chosen(self._server(name), name, model, reason, config.type is BackendType.WORKERS_AI)

    def _unknown(self, model_id: str) -> Refused:
        patterns = ", ".join(route.match for route in self._config.routes)
        known = [*self._names, *(str(row["id"]) for row in search_models({"per_page": "1000"}))]
        text = f"no route knows model {model_id!r} (routes: {patterns}){did_you_mean(model_id, known)}"
        return refused(400, 5007, f'{text}; a last route with match = "*" would catch it', "E618")

    def _backend(self, name: str) -> BackendConfig | None:
        return self._config.backends.get(name) or WELL_KNOWN.get(name)

    def _is_ready(self, name: str) -> bool:
        server = self._server(name)
        return server is not None and server.key_present

    def _server(self, name: str) -> Server | None:
        """The server behind a name; None for the stub and for a name that is none. Kept, because some remember things between calls."""
        config = self._backend(name)
        if config is None or config.type is BackendType.STUB:
            return None
        if name not in self._servers:
            self._servers[name] = _class_of(config.type)(
                config,
                lookup=self._lookup,
                fetch=self._fetch,
                pacer=self._pacer,
                map_overload=self._config.map_overload,
                models=tuple(self._names),
            )
        return self._servers[name]


def _class_of(backend_type: BackendType) -> Callable[..., Server]:
    """Late: together these are most of the model layer's modules, and a project has one or two of them."""
    match backend_type:
        case BackendType.OPENAI:
            from emulator.gateway.ai.backends.openai import OpenAi

            return OpenAi
        case BackendType.ANTHROPIC:
            from emulator.gateway.ai.backends.anthropic import Anthropic

            return Anthropic
        case BackendType.WORKERS_AI:
            from emulator.gateway.ai.backends.workers_ai import WorkersAi

            return WorkersAi
        case BackendType.OLLAMA:
            from emulator.gateway.ai.backends.ollama import Ollama

            return Ollama
    raise ValueError(f"{backend_type} has no server")


class _Refusing:
    """Answers every request with one error."""

    def __init__(self, error: Refused) -> None:
        self._error = error

    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""
        response = self._error.response
        return Reply(type(response)(response.status, list(response.headers), response.body), Source.NONE)


def _refusing(model: str, error: Refused, reason: str) -> Chosen:
    return Chosen(_Refusing(error), "none", model, reason)


def _is_pattern(text: str) -> bool:
    return any(sign in text for sign in "*?[")
