"""`pyodide.http`: FetchResponse, pyfetch and their errors, as the SDK builds on them."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from .abort import AbortController, AbortSignal
from .containers import JsArray
from .convert import to_js_object
from .errors import JsException
from .response import JsResponse

type Fetcher = Callable[..., Awaitable[Any]]


class HttpStatusError(OSError):
    """`raise_for_status()` of a 4xx or 5xx response."""

    def __init__(self, status: int, status_text: str, url: str) -> None:
        self.status = status
        self.status_text = status_text
        self.url = url
        side = "Client" if status < 500 else "Server"
        super().__init__(f"{status} {side} Error: {status_text} for url: {url}")


class BodyUsedError(OSError):
    """The body was read before."""

    def __init__(self, *args: Any) -> None:
        super().__init__("Response body is already used")


class AbortError(OSError):
    """A fetch failed or was aborted."""

    def __init__(self, reason: JsException) -> None:
        super().__init__(reason.message)


class FetchResponse:
    """Python's view of a response; `js_response` is the JavaScript one."""

    def __init__(
        self,
        url: Any,
        js_response: JsResponse,
        abort_controller: AbortController | None = None,
        abort_signal: AbortSignal | None = None,
    ) -> None:
        self._url = url
        self.js_response = js_response
        self._abort_controller = abort_controller
        self.abort_signal = abort_signal

    def _raise_if_failed(self) -> None:
        if self.abort_signal is not None and self.abort_signal.aborted:
            raise AbortError(self.abort_signal.reason)
        if self.js_response.bodyUsed:
            raise BodyUsedError

    @property
    def body_used(self) -> bool:
        return self.js_response.bodyUsed

    @property
    def headers(self) -> Any:
        return dict(self.js_response.headers.combined())

    @property
    def ok(self) -> bool:
        return self.js_response.ok

    @property
    def redirected(self) -> bool:
        return self.js_response.redirected

    @property
    def status(self) -> int:
        return self.js_response.status

    @property
    def status_text(self) -> str:
        return self.js_response.statusText

    @property
    def type(self) -> str:
        return self.js_response.type

    @property
    def url(self) -> str:
        return self.js_response.url

    def raise_for_status(self) -> None:
        if 400 <= self.status < 600:
            raise HttpStatusError(self.status, self.status_text, self.url)

    def clone(self) -> FetchResponse:
        if self.js_response.bodyUsed:
            raise BodyUsedError
        return FetchResponse(self._url, self.js_response.clone(), self.abort_controller, self.abort_signal)

    async def buffer(self) -> Any:
        self._raise_if_failed()
        return await self.js_response.arrayBuffer()

    async def text(self) -> str:
        self._raise_if_failed()
        return str(await self.js_response.text())

    async def string(self) -> str:
        return await self.text()

    async def json(self, **kwargs: Any) -> Any:
        self._raise_if_failed()
        return json.loads(await self.text(), **kwargs)

    async def memoryview(self) -> Any:
        self._raise_if_failed()
        return (await self.buffer()).to_memoryview()

    async def bytes(self) -> Any:
        self._raise_if_failed()
        return (await self.buffer()).to_bytes()

    @property
    def abort_controller(self) -> AbortController:
        """The switch of this fetch."""
        if self._abort_controller is None:
            self._abort_controller = AbortController()
            self.abort_signal = self._abort_controller.signal
        return self._abort_controller

    def abort(self, reason: Any = None) -> None:
        self.abort_controller.abort(reason)


def make_pyfetch(js_fetch: Fetcher) -> Callable[..., Awaitable[FetchResponse]]:
    """`pyfetch` on the runtime's `fetch`."""

    async def pyfetch(url: Any, /, *, signal: Any = None, fetcher: Any = None, **kwargs: Any) -> FetchResponse:
        """Fetches `url` (text or a JavaScript Request); AbortError, an OSError, when that fails."""
        send = fetcher or js_fetch
        try:
            if signal is None and not kwargs:
                # The common call: nobody can abort it before there is a response to call `abort` on, which makes its own controller.
                return FetchResponse(url, await send(url))
            controller = AbortController()
            watched = controller.signal if signal is None else AbortSignal.any(JsArray([signal, controller.signal]))
            kwargs["signal"] = watched
            return FetchResponse(url, await send(url, to_js_object(kwargs)), controller, watched)
        except JsException as error:
            raise AbortError(error) from None

    return pyfetch
