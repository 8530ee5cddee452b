"""One configured server of models: where it is, with which key it is asked, how long it may think. What every backend is built on."""

from __future__ import annotations

import asyncio
import json
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Coroutine, Sequence
from typing import Any
from urllib.parse import urlsplit

from emulator.config.ai import BackendConfig, Credential
from emulator.gateway.ai import upstream_errors
from emulator.gateway.ai.backends import Fetch
from emulator.gateway.ai.backends.addresses import GEMINI_URL, PUBLIC, Public
from emulator.gateway.ai.backends.credentials import Lookup, secret
from emulator.gateway.ai.bodies import PrefixedBody, read_at_most
from emulator.gateway.ai.canonical import ModelRequest, compact
from emulator.gateway.ai.classify import shown_url
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.reply import Reply, Source
from emulator.gateway.ai.upstream_errors import Refused, Upstream
from emulator.gateway.exchange import Headers, Response
from emulator.gateway.failures import NetworkFailure

_PUBLIC_URLS = frozenset({*(public.url for public in PUBLIC.values() if public.key_env), GEMINI_URL})
WARNINGS_HEADER = "x-emulator-warnings"
"""What a translation dropped or clamped, on the answer (ai-binding.md 4.1)."""


class Server(ABC):
    """Without a `base_url` it is the provider's public one. A key is needed when the configuration names one or the address is public; a
    server elsewhere is asked without when its usual variable is not set."""

    def __init__(
        self, config: BackendConfig, *, lookup: Lookup, fetch: Fetch, pacer: Pacer, map_overload: bool = True, models: Sequence[str] = ()
    ) -> None:
        public = PUBLIC.get(config.type, Public(""))
        self.config = config
        self.name = config.name
        self.base_url = (config.base_url or public.url).rstrip("/")
        self.host = urlsplit(self.base_url).hostname or ""
        self._credential = config.key
        if config.key is None and config.base_url is None and public.key_env is not None:
            self._credential = Credential(f"env:{public.key_env}", public.key_env)
        explicit = self._credential is not None and self._credential.where is not None
        self._key_needed = explicit or (self._credential is not None and self.base_url in _PUBLIC_URLS)
        self._lookup = lookup
        self._fetch = fetch
        self._pacer = pacer
        key_env = self._credential.env if self._credential is not None else None
        self.upstream = Upstream(self.name, shown_url(self.base_url), key_env, self.has_key, map_overload, models)

    @abstractmethod
    async def run(self, asked: ModelRequest, model: str) -> Reply:
        """See Backend."""

    def key(self) -> str | None:
        """The key to send; None when none is configured. Raises Refused (403/10000, E610) when its variable is not set."""
        value = secret(self._credential, self._lookup)
        if value is None and self._key_needed and self._credential is not None:
            raise upstream_errors.no_key(self.upstream, "key", self._credential.env)
        return value

    @property
    def has_key(self) -> bool:
        """Whether a key is sent when there is one."""
        return self._credential is not None

    @property
    def key_present(self) -> bool:
        """Whether a call would have all the credentials it needs."""
        return not self._key_needed or secret(self._credential, self._lookup) is not None

    def needed(self, what: str, credential: Credential | None) -> str:
        """A value without which nothing can be asked (an account). Raises Refused (403/10000, E610)."""
        value = secret(credential, self._lookup)
        if value is None:
            raise upstream_errors.no_key(self.upstream, what, credential.env if credential is not None else None)
        return value

    async def ask(self, path: str, headers: Headers, body: bytes, *, model: str, method: str = "POST") -> Response:
        """A 2xx answer whose first byte is there; the whole body may still be on its way. `path` is appended to the base URL.

        Raises Refused for everything else: another status, no connection, no first byte within `timeout_ms`, an empty body."""
        headers = [*headers, ("content-length", str(len(body))), ("user-agent", "agents-emu")]
        try:
            response = await self._in_time(_begun(self._fetch(method, self.base_url + path, headers, body)))
        except NetworkFailure as failure:
            raise upstream_errors.unreachable(self.upstream, failure.what) from failure
        if not 200 <= response.status < 300:
            raise self.failure(model, response, await self.read(response))
        if response.body == b"":
            raise upstream_errors.unusable(self.upstream, f"answers {response.status} with an empty body")
        return response

    def failure(self, model: str, response: Response, body: bytes) -> Refused:
        """What an answer that is not 2xx becomes."""
        return upstream_errors.from_status(self.upstream, model, response.status, response.headers, body)

    async def ask_json(self, path: str, headers: Headers, body: Any, *, model: str) -> dict[str, Any]:
        """The JSON object that `body`, sent as JSON, is answered with. Raises Refused, also when the answer is no JSON object."""
        return await self.json_object(await self.ask(path, [*JSON_HEADERS, *headers], compact(body).encode(), model=model))

    async def json_object(self, response: Response) -> dict[str, Any]:
        """The whole answer, which is to be a JSON object, whatever its content type. Raises Refused."""
        data = await self.read(response)
        try:
            document = json.loads(data)
        except ValueError:
            document = None
        if not isinstance(document, dict):
            raise upstream_errors.unusable(self.upstream, upstream_errors.described(response.header("content-type"), data))
        return document

    async def event_stream(self, response: Response) -> Response:
        """The answer, when it is a stream of events. Raises Refused, having ended the connection."""
        media_type = (response.header("content-type") or "").split(";")[0].strip().lower()
        if media_type in ("text/event-stream", "application/x-ndjson"):
            return response
        try:
            head = response.body if isinstance(response.body, bytes) else await anext(response.body, b"")
        except NetworkFailure as failure:
            raise upstream_errors.unreachable(self.upstream, failure.what) from failure
        finally:
            await response.aclose()
        what = upstream_errors.described(response.header("content-type"), head)
        raise upstream_errors.unusable(self.upstream, f"was asked for a stream and {what}", "can this model stream there?")

    async def read(self, response: Response) -> bytes:
        """The rest of the body. Raises Refused when the connection breaks, or stalls for `timeout_ms`."""
        if isinstance(response.body, bytes):
            return response.body
        try:
            data, whole = await self._in_time(read_at_most(response.body, _MOST_OF_AN_ANSWER))
        except NetworkFailure as failure:
            raise upstream_errors.unreachable(self.upstream, failure.what) from failure
        finally:
            await response.aclose()
        if not whole:
            raise upstream_errors.unusable(self.upstream, f"sent more than {_MOST_OF_AN_ANSWER >> 20} MiB that is no stream")
        return data

    def reply(self, response: Response, model: str, warnings: Sequence[str] = ()) -> Reply:
        """The answer of this backend's model `model`."""
        if warnings:
            response.headers.append((WARNINGS_HEADER, _header_text(warnings)))
        return Reply(response, Source.BACKEND, backend=self.name, backend_model=model, warnings=list(warnings))

    def refusal(self, refused: Refused, model: str) -> Reply:
        """The error as this backend's answer."""
        return Reply(refused.response, Source.BACKEND if refused.answered else Source.NONE, backend=self.name, backend_model=model)

    async def _in_time[T](self, work: Coroutine[Any, Any, T]) -> T:
        """What `work` gives. Raises Refused (408/3007) when that takes longer than the configured time."""
        asking = asyncio.ensure_future(work)
        waiting = asyncio.ensure_future(self._pacer.sleep(self.config.timeout_ms / 1000))
        try:
            await asyncio.wait((asking, waiting), return_when=asyncio.FIRST_COMPLETED)
            if asking.done():
                return asking.result()
            raise upstream_errors.silent(self.upstream, self.config.timeout_ms)
        finally:
            waiting.cancel()
            if not asking.done():
                asking.cancel()
                await asyncio.wait((asking,))


_MOST_OF_AN_ANSWER = 64 * 1024 * 1024
_MOST_OF_AN_ERROR = 64 * 1024
"""What is read whole has a bound: a server that goes wrong may never stop."""
JSON_HEADERS: Headers = [("content-type", "application/json")]


async def _begun(work: Awaitable[Response]) -> Response:
    """The response once its first chunk is there; an error's whole body, so that its time counts too. Empty: `b""`."""
    response = await work
    if isinstance(response.body, bytes):
        return response
    try:
        if not 200 <= response.status < 300:
            response.body, _ = await read_at_most(response.body, _MOST_OF_AN_ERROR)
            return response
        first = b""
        while not first:
            first = await anext(response.body)
    except StopAsyncIteration:
        response.body = b""
    except BaseException:
        await response.aclose()
        raise
    else:
        response.body = PrefixedBody(first, response.body)
    return response


def _header_text(warnings: Sequence[str]) -> str:
    return "; ".join(warnings).encode("ascii", "replace").decode().replace("\n", " ")
