"""Request. The host makes one per incoming event with `JsRequest.received`; user code with `js.Request.new`."""

from __future__ import annotations

from typing import Any

from .abort import AbortSignal
from .body import Body, extract
from .errors import js_error
from .headers import Headers, headers_from
from .readable import ByteSource
from .url import normalize_url
from .values import JsObject, is_nullish, js_string, jsnull, option

NORMALIZED_METHODS = frozenset({"DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH"})
_SIGNAL_ONLY = {"signal"}

INVALID_REDIRECT = (
    'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented since it does not make sense at the edge; '
    'use "manual" and check the response status code).'
)
"""What workerd says, whatever was given."""


class JsRequest(Body):
    """An HTTP request: method, absolute URL, headers, body."""

    __slots__ = ("_signal", "cache", "cf", "fetcher", "integrity", "keepalive", "method", "redirect", "url")
    _js_name = "Request"
    url: str
    method: str
    redirect: str
    cf: Any
    fetcher: Any
    _signal: AbortSignal | None

    def __init__(self, source: Any, init: Any = None) -> None:
        """`new Request(input, init)`; a request as input gives its body away."""
        if isinstance(source, JsRequest) and init.__class__ is JsObject and init._js_own().keys() == _SIGNAL_ONLY:
            self._take_over(source, init._js_own()["signal"])
            return
        other = source if isinstance(source, JsRequest) else None
        base = init if isinstance(init, JsRequest) else other
        self.url = other.url if other is not None else normalize_url(source)
        self.method = self._method(option(init, "method", base.method if base is not None else "GET"))
        headers = option(init, "headers")
        self._headers = headers_from(headers) if headers is not None else base.headers.copy() if base is not None else Headers()
        self.redirect = js_string(option(init, "redirect", base.redirect if base is not None else "follow"))
        if self.redirect not in ("follow", "manual"):
            raise js_error("TypeError", INVALID_REDIRECT)
        self.cf = option(init, "cf", base.cf if base is not None else jsnull)
        self.fetcher = option(init, "fetcher", base.fetcher if base is not None else jsnull)
        self.integrity = option(init, "integrity", "")
        self.cache = option(init, "cache")
        self.keepalive = False
        signal = init._signal if isinstance(init, JsRequest) else option(init, "signal", other._signal if other is not None else None)
        self._signal = None if is_nullish(signal) else signal
        self._init_body(init, base)

    @classmethod
    def received(
        cls,
        method: str,
        url: str,
        headers: list[tuple[str, str]],
        body: bytes | ByteSource | None = None,
        *,
        cf: Any = None,
        signal: AbortSignal | None = None,
        redirect: str = "manual",
    ) -> JsRequest:
        """A request as it came over the wire; nothing is parsed, checked or copied. `url` is absolute and normalised."""
        request = cls.__new__(cls)
        request.method = method
        request.url = url
        request._receive(headers, body)
        request._signal = signal
        request.cf = jsnull if cf is None else cf
        request.redirect = redirect
        request.fetcher = jsnull
        request.integrity = ""
        request.cache = None
        request.keepalive = False
        return request

    def _take_over(self, other: JsRequest, signal: Any) -> None:
        """The common case, `fetch(request)` through the SDK: the same request, its body moved, another signal."""
        self.url, self.method, self.redirect, self.cf = other.url, other.method, other.redirect, other.cf
        self.fetcher, self.integrity, self.cache, self.keepalive = other.fetcher, other.integrity, other.cache, other.keepalive
        self._headers = other._headers.copy()
        self._signal = None if is_nullish(signal) else signal
        self._used = False
        if other._known is None and other._source is None and other._stream is None:
            self._known = self._source = self._stream = None
        else:
            other._move_to(self)

    @property
    def signal(self) -> AbortSignal:
        """Aborted when the client is gone."""
        if self._signal is None:
            self._signal = AbortSignal()
        return self._signal

    def announce_length(self) -> None:
        """What the other side of a `stub.fetch` sees of a body whose size is known, as over HTTP: `content-length`."""
        if self._known is not None and not self._headers.has("content-length"):
            self._headers = self._headers.copy()
            self._headers.set("content-length", str(len(self._known)))

    def clone(self) -> JsRequest:
        """The same request again, its body readable independently."""
        copy = JsRequest.__new__(JsRequest)
        self._give_to(copy)
        copy.method, copy.url, copy.redirect, copy.cf = self.method, self.url, self.redirect, self.cf
        copy.fetcher, copy.integrity, copy.cache, copy.keepalive = self.fetcher, self.integrity, self.cache, self.keepalive
        copy._headers = self._headers.copy()
        copy._signal = self._signal
        return copy

    @staticmethod
    def _method(value: Any) -> str:
        name = js_string(value)
        upper = name.upper()
        return upper if upper in NORMALIZED_METHODS else name

    def _init_body(self, init: Any, base: JsRequest | None) -> None:
        given = None if isinstance(init, JsRequest) else option(init, "body")
        self._used = False
        if given is None and base is not None:
            if self.method in ("GET", "HEAD"):
                self._known = self._source = self._stream = None
            else:
                base._move_to(self)
            return
        self._known, self._stream, content_type = extract(given)
        self._source = None
        if self.method in ("GET", "HEAD") and not is_nullish(given):
            raise js_error("TypeError", "Request with a GET or HEAD method cannot have a body.")
        if content_type is not None and not self._headers.has("content-type"):
            self._headers.set("content-type", content_type)
