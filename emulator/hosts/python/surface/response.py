"""Response. User code makes them; the host reads status, header pairs, body source and socket."""

from __future__ import annotations

import http
from typing import Any, Final

from . import json as js_json
from .body import Body, extract
from .errors import js_error
from .headers import Headers, headers_from
from .readable import ByteSource
from .text import utf8
from .url import normalize_url
from .values import JsObject, is_nullish, js_number, js_string, jsnull, option

NULL_BODY_STATUS: Final = frozenset({101, 204, 205, 304})
REDIRECT_STATUS: Final = frozenset({301, 302, 303, 307, 308})
REASONS: Final = {status.value: status.phrase for status in http.HTTPStatus}


class JsResponse(Body):
    """An HTTP response; with `webSocket` (a socket's client end) and status 101 it is an accepted upgrade."""

    __slots__ = ("cf", "encodeBody", "redirected", "status", "statusText", "url", "webSocket")
    _js_name = "Response"
    _js_statics = ("error", "json_", "redirect")
    type = "default"
    status: int
    statusText: str
    url: str
    webSocket: Any

    def __init__(self, body: Any = None, init: Any = None) -> None:
        """`new Response(body, init)`; `init` may be another response."""
        status = option(init, "status", 200)
        socket = option(init, "webSocket", jsnull)
        self.status = int(status) if isinstance(status, int | float) else int(js_number(float(js_string(status) or "nan")))
        self._check_status(socket)
        text = option(init, "statusText")
        self.statusText = REASONS.get(self.status, "") if text is None else js_string(text)
        headers = option(init, "headers")
        self._headers = Headers() if headers is None else headers_from(headers)
        self.webSocket = socket
        self.encodeBody = js_string(option(init, "encodeBody", "automatic"))
        self.cf = option(init, "cf", jsnull)
        self.url = ""
        self.redirected = False
        self._known, self._stream, content_type = extract(body)
        self._source = None
        self._used = False
        if self.status in NULL_BODY_STATUS and (self._known is not None or self._stream is not None):
            if self._known != b"":
                raise js_error("TypeError", f"Response with null body status ({self.status}) cannot have a body.")
            self._known = content_type = None
        if content_type is not None and not self._headers.has("content-type"):
            self._headers.set("content-type", content_type)

    @classmethod
    def received(
        cls,
        status: int,
        headers: list[tuple[str, str]],
        body: bytes | ByteSource | None = None,
        *,
        url: str = "",
        status_text: str | None = None,
        redirected: bool = False,
        socket: Any = None,
    ) -> JsResponse:
        """A response as it came over the wire, headers immutable; nothing is parsed or copied."""
        response = cls.__new__(cls)
        response.status = status
        response.statusText = REASONS.get(status, "") if status_text is None else status_text
        response._receive(headers, body)
        response.url = url
        response.redirected = redirected
        response.webSocket = jsnull if socket is None else socket
        response.encodeBody = "automatic"
        response.cf = jsnull
        return response

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    def clone(self) -> JsResponse:
        """The same response again, its body readable independently; not possible with a socket."""
        if not is_nullish(self.webSocket):
            raise js_error("TypeError", "Cannot clone a response to a WebSocket handshake.")
        copy = JsResponse.__new__(JsResponse)
        self._give_to(copy)
        copy.status, copy.statusText, copy.url, copy.redirected = self.status, self.statusText, self.url, self.redirected
        copy.webSocket, copy.encodeBody, copy.cf = jsnull, self.encodeBody, self.cf
        copy._headers = self._headers.copy()
        return copy

    @staticmethod
    def redirect(url: Any, status: Any = 302) -> JsResponse:
        # The status is looked at first: the SDK's tests redirect to "" with 502 and expect a RangeError.
        if status not in REDIRECT_STATUS:
            raise js_error("RangeError", f"{js_string(status)} is not a redirect status code.")
        location = normalize_url(url, what="Unable to parse URL: ")
        return JsResponse(None, JsObject({"status": status, "headers": JsObject({"location": location})}))

    @staticmethod
    def json_(data: Any = None, init: Any = None) -> JsResponse:
        """`Response.json(data, init)`."""
        response = JsResponse(None, init)
        if response.status in NULL_BODY_STATUS:
            raise js_error("TypeError", f"Response with null body status ({response.status}) cannot have a body.")
        response._known = utf8(js_json.plain_text(data))
        if not response._headers.has("content-type"):
            response._headers.set("content-type", "application/json")
        return response

    @staticmethod
    def error() -> JsResponse:
        raise js_error("TypeError", "Response.error() is not emulated: a network error cannot be returned to a client.")

    def _check_status(self, socket: Any) -> None:
        if is_nullish(socket):
            if not 200 <= self.status <= 599:
                raise js_error("RangeError", "Responses may only be constructed with status codes in the range 200 to 599, inclusive.")
        elif self.status != 101:
            raise js_error("RangeError", "Responses with a WebSocket must have status code 101.")
