"""`env.AI.autorag(name)`, and `env.AI.aiSearch()`, which is its successor (ai-binding.md 1.1; workers-types, `AiSearchNamespace`).

There is no index here: lists are made of what recordings know, searches are answered by recordings (kinds `autorag` and `ai-search`), and
the rest says that it is not emulated.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import quote, urlencode

from emulator.hosts.python.ai_wire import JSON_TYPE, Fetcher, listed_error, members, request_to
from emulator.hosts.python.surface import json as js_json
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.promise import eager
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsProxy, is_nullish, js_string, option, takes_options


class AutoRAG(JsProxy):
    """AutoRAG (`env.AI.autorag(name)`)."""

    __slots__ = ("__weakref__", "_fetcher", "_name")
    _js_name = "AutoRAG"

    def __init__(self, fetcher: Fetcher, name: str | None) -> None:
        self._fetcher = fetcher
        self._name = name

    @eager
    async def list(self) -> Any:
        """All instances."""
        response = await self._fetcher(request_to("GET", "/autorag/rags"))
        if not response.ok:
            raise await listed_error(response, "AutoRAGInternalError")
        return option(await response.json(), "result")

    @takes_options
    @eager
    async def search(self, params: Any = None) -> Any:
        """Search `query`. Raises AutoRAGNameNotSetError, AutoRAGNotFoundError, AutoRAGUnauthorizedError, AutoRAGInternalError."""
        return option(await (await self._ask("search", params)).json(), "result")

    @takes_options
    @eager
    async def aiSearch(self, params: Any = None) -> Any:
        """Search and answer; the Response itself when `stream` is true. Raises like search."""
        response = await self._ask("ai-search", params)
        return response if option(params, "stream") is True else option(await response.json(), "result")

    async def _ask(self, verb: str, params: Any) -> JsResponse:
        if not self._name:
            raise js_error("AutoRAGNameNotSetError", "AutoRAG name not defined")
        body = js_json.plain_text(params)
        response: JsResponse = await self._fetcher(request_to("POST", f"/autorag/rags/{self._name}/{verb}", body, JSON_TYPE))
        if response.status == 401:
            raise await listed_error(response, "AutoRAGUnauthorizedError", "You don't have access to this AutoRAG")
        if response.status == 404:
            raise await listed_error(response, "AutoRAGNotFoundError", "AutoRAG not found")
        if not response.ok:
            raise await listed_error(response, "AutoRAGInternalError")
        return response


class AiSearchNamespace(JsProxy):
    """All instances of AI Search (`env.AI.aiSearch()`)."""

    __slots__ = ("__weakref__", "_fetcher")
    _js_name = "AiSearchNamespace"

    def __init__(self, fetcher: Fetcher) -> None:
        self._fetcher = fetcher

    def get(self, name: Any) -> AiSearchInstance:
        """One of them; nothing is asked yet."""
        return AiSearchInstance(self._fetcher, js_string(name))

    @takes_options
    @eager
    async def list(self, params: Any = None) -> Any:
        """`{result, result_info}`: the instances that recordings know. `params`: `page`, `per_page`, `search`."""
        query = urlencode([(name, js_string(value)) for name, value in members(params) if not is_nullish(value)])
        return await _answered(self._fetcher, "GET", f"/instances?{query}", None)

    @takes_options
    @eager
    async def search(self, params: Any = None) -> Any:
        """Search several instances. Raises AiSearchNotFoundError, AiSearchInternalError."""
        return await _answered(self._fetcher, "POST", "/search", params)

    @takes_options
    @eager
    async def chatCompletions(self, params: Any = None) -> Any:
        """Search several instances and answer; a ReadableStream with `stream`. Raises like search."""
        return await _answered(self._fetcher, "POST", "/chat-completions", params)

    @eager
    async def create(self, _config: Any = None) -> Any:
        """Not emulated."""
        raise _not_emulated("create")

    @eager
    async def delete(self, _name: Any = None) -> Any:
        """Not emulated."""
        raise _not_emulated("delete")


class AiSearchInstance(JsProxy):
    """One instance of AI Search."""

    __slots__ = ("__weakref__", "_fetcher", "_path")
    _js_name = "AiSearchInstance"

    def __init__(self, fetcher: Fetcher, name: str) -> None:
        self._fetcher = fetcher
        self._path = f"/instances/{quote(name, safe='')}"

    @takes_options
    @eager
    async def search(self, params: Any = None) -> Any:
        """Search `{query}` or `{messages}`. Raises AiSearchNotFoundError, AiSearchInternalError."""
        return await _answered(self._fetcher, "POST", f"{self._path}/search", params)

    @takes_options
    @eager
    async def chatCompletions(self, params: Any = None) -> Any:
        """Search and answer; a ReadableStream with `stream`. Raises like search."""
        return await _answered(self._fetcher, "POST", f"{self._path}/chat-completions", params)

    @eager
    async def info(self) -> Any:
        """What the instance is. Raises like search."""
        return await _answered(self._fetcher, "POST", f"{self._path}/info", None)

    @eager
    async def stats(self) -> Any:
        """What it holds. Raises like search."""
        return await _answered(self._fetcher, "POST", f"{self._path}/stats", None)

    @eager
    async def update(self, _config: Any = None) -> Any:
        """Not emulated."""
        raise _not_emulated("get(name).update")

    @property
    def items(self) -> Any:
        """Not emulated."""
        raise _not_emulated("get(name).items")

    @property
    def jobs(self) -> Any:
        """Not emulated."""
        raise _not_emulated("get(name).jobs")


async def _answered(fetcher: Fetcher, method: str, path: str, params: Any) -> Any:
    body = None if method == "GET" else "{}" if params is None else js_json.plain_text(params)
    response: JsResponse = await fetcher(request_to(method, f"/ai-search{path}", body, JSON_TYPE))
    if not response.ok:
        raise await listed_error(response, "AiSearchNotFoundError" if response.status == 404 else "AiSearchInternalError")
    return response.body if option(params, "stream") is True else await response.json()


def _not_emulated(member: str) -> JsException:
    return js_error("Error", f"env.AI.aiSearch().{member} is not emulated: AI Search has no local index.")
