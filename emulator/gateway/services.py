"""What user code reaches outside its host: `egress`, `ai`, `assets`. Carries a REQUEST of the host to a Service and its answer back.

A host that gives up (its object was reset, it read enough) cancels the service's work, and a body it no longer wants is closed.
What a model says is counted for the object that asked, because clients may be dropped by that (drops.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any

from emulator.errors import EmuError
from emulator.gateway.exchange import OBJECT_HEADER, Request, Response, Service, close_body
from emulator.gateway.failures import NetworkFailure
from emulator.gateway.journal import Journal
from emulator.wire.exchange import BodyBroken, Incoming, LinkLost

Upgrade = Callable[[Incoming], None]
ObjectKey = tuple[str, str]
"""Class and id."""


class Services:
    """`services` by the link's target name; `upgrades` open WebSockets for user code, by target too."""

    def __init__(
        self,
        services: Mapping[str, Service],
        upgrades: Mapping[str, Upgrade],
        journal: Journal,
        *,
        asks_model: Callable[[str, Request], bool] = lambda target, request: False,
        on_chunk: Callable[[ObjectKey], Awaitable[None]] | None = None,
    ) -> None:
        """`asks_model`: whether a request to a target is for a model. `on_chunk` hears of each chunk of a model's answer to an object when
        it has been sent; the next one waits for it."""
        self._services = services
        self._upgrades = upgrades
        self._journal = journal
        self._asks_model = asks_model
        self._on_chunk = on_chunk

    def serve(self, incoming: Incoming) -> None:
        """Answer this request, now or later."""
        assert incoming.head is not None
        target = incoming.head.target
        service = self._services.get(target)
        if service is None:
            incoming.fail({"name": "Error", "message": f"agents-emu serves no {target} here", "props": {}})
        elif incoming.wants_upgrade and target in self._upgrades:
            self._upgrades[target](incoming)
        else:
            task = incoming.link.spawn(self._serve(service, incoming))
            incoming.on_cancel = lambda reason: _cancel(task)

    async def _serve(self, service: Service, incoming: Incoming) -> None:
        assert incoming.head is not None
        head = incoming.head
        headers, asker = [], None
        for raw_name, raw_value in head.headers:
            name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
            if name.lower() == OBJECT_HEADER:
                asker = value
            else:
                headers.append((name, value))
        request = Request(head.method, head.url, headers, _body(incoming))
        try:
            response = await service(request)
        except (BodyBroken, LinkLost) as error:
            incoming.fail({"name": "Error", "message": str(error), "props": {}})
        except Exception as error:
            incoming.fail(error_object(error))
            if not isinstance(error, EmuError):
                self._journal.add("internal", text=f"{head.target}: {type(error).__name__}: {error}")
        else:
            raw = [(name.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for name, value in response.headers]
            incoming.respond(response.status, _reason(response), raw, self._counted(head.target, request, response.body, asker))

    def _counted(self, target: str, request: Request, body: bytes | AsyncIterator[bytes], asker: str | None) -> Any:
        """The body, with each chunk of it told to `on_chunk` when a model says it to an object. One that is here already is one chunk."""
        if asker is None or self._on_chunk is None or not body or not self._asks_model(target, request):
            return body
        class_name, _, ident = asker.partition("/")
        return _told(_once(body) if isinstance(body, bytes) else body, self._on_chunk, (class_name, ident))


def error_object(error: Exception) -> dict[str, Any]:
    """An error as user code shall meet it (wire/README.md)."""
    if isinstance(error, NetworkFailure):
        props = {"retryable": True} if error.retryable else {}
        return {"name": error.user_name, "message": error.user_message, "code": error.code, "props": props}
    if isinstance(error, EmuError):
        return {"name": "Error", "message": error.render(), "code": error.code, "props": {}}
    return {"name": "Error", "message": f"agents-emu: {type(error).__name__}: {error}", "props": {}}


def _cancel(task: asyncio.Task[Any]) -> None:
    task.cancel()


def _body(incoming: Incoming) -> AsyncIterator[bytes] | None:
    body = incoming.body
    return _once(body) if isinstance(body, bytes) else body


async def _told(body: AsyncIterator[bytes], on_chunk: Callable[[ObjectKey], Awaitable[None]], key: ObjectKey) -> AsyncIterator[bytes]:
    try:
        async for chunk in body:
            yield chunk
            # Whoever pulls has sent it by now.
            await on_chunk(key)
    finally:
        await close_body(body)


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body


def _reason(response: Response) -> bytes:
    try:
        return HTTPStatus(response.status).phrase.encode()
    except ValueError:
        return b""
