"""The `js` module: everything user code may import from it, built for one runtime."""

from __future__ import annotations

import math
import types
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, unquote

from . import boxed, buffers
from .abort import AbortController, AbortSignal
from .blob import Blob, File
from .containers import JsArray, JsMap, JsSet
from .convert import is_function
from .dates import JsDate
from .errors import error_constructors, js_error
from .events import CloseEvent, CustomEvent, ErrorEvent, Event, EventTarget, MessageEvent
from .formdata import FormData
from .headers import Headers
from .namespaces import OBJECT, console_namespace, crypto_namespace, json_namespace, math_namespace
from .port import Runtime
from .promise import JsPromise
from .readable import ReadableStream
from .regexp import JsRegExp
from .request import JsRequest
from .response import JsResponse
from .structured_clone import clone
from .text import TextDecoder, TextEncoder, atob, btoa
from .url import URL, URLSearchParams
from .values import JsConstructor, JsFunction, JsObject, JsProxy, constructor_of, is_nullish, iterate, js_string
from .websocket import WebSocket, WebSocketPair, WebSocketRequestResponsePair
from .writable import FixedLengthStream, IdentityTransformStream, TransformStream, WritableStream

CLASSES: tuple[type[JsProxy], ...] = (
    AbortController,
    Blob,
    CloseEvent,
    CustomEvent,
    ErrorEvent,
    Event,
    EventTarget,
    File,
    FixedLengthStream,
    FormData,
    Headers,
    IdentityTransformStream,
    JsArray,
    JsMap,
    JsPromise,
    JsRegExp,
    JsRequest,
    JsResponse,
    JsSet,
    MessageEvent,
    ReadableStream,
    TextDecoder,
    TextEncoder,
    TransformStream,
    URL,
    URLSearchParams,
    WebSocketRequestResponsePair,
    WritableStream,
    boxed.JsBigIntBox,
    boxed.JsBoolean,
    boxed.JsNumber,
    boxed.JsString,
    buffers.ArrayBuffer,
    buffers.DataView,
    *buffers.TYPED_ARRAYS,
)


class JsModule(types.ModuleType):
    """`import js`. What is not there raises AttributeError (so `from js import X` an ImportError) and is recorded."""

    def __init__(self, runtime: Runtime) -> None:
        super().__init__("js", "JavaScript's global scope, emulated.")
        self.__dict__["_missing"] = runtime.missing
        self.__dict__.update(global_scope(runtime))
        self.__dict__["self"] = self.__dict__["globalThis"] = self

    def __getattr__(self, name: str) -> Any:
        if not (name.startswith("__") and name.endswith("__")):
            self.__dict__["_missing"](name)
        raise AttributeError(f"js.{name} is not emulated", name=name, obj=self)


def global_scope(runtime: Runtime) -> dict[str, Any]:
    """Every global by name."""
    scope: dict[str, Any] = {cls._js_name: constructor_of(cls) for cls in CLASSES}
    scope |= error_constructors()
    scope |= {
        "Object": OBJECT,
        "JSON": json_namespace(),
        "Math": math_namespace(lambda: int.from_bytes(runtime.random_bytes(7), "little") / 2**56),
        "console": console_namespace(runtime),
        "crypto": crypto_namespace(runtime),
        "performance": JsObject({"now": JsFunction(runtime.now_ms, "now"), "timeOrigin": 0}),
        "Date": date_constructor(runtime),
        "WebSocket": websocket_constructor(runtime),
        "WebSocketPair": pair_constructor(runtime),
        "AbortSignal": abort_signal(runtime),
        "undefined": None,
        "NaN": math.nan,
        "Infinity": math.inf,
    }
    functions: dict[str, Callable[..., Any]] = {
        "fetch": fetch_function(runtime),
        **timer_functions(runtime),
        "atob": atob,
        "btoa": btoa,
        "structuredClone": lambda value=None, _options=None: clone(value),
        "parseInt": boxed.parse_int,
        "parseFloat": boxed.parse_float,
        "isNaN": lambda value=None: boxed.JsNumber.isNaN(boxed.to_number(value)),
        "isFinite": lambda value=None: boxed.JsNumber.isFinite(boxed.to_number(value)),
        "encodeURIComponent": lambda text: quote(js_string(text), safe="!'()*~-._"),
        "decodeURIComponent": decode_uri,
        "encodeURI": lambda text: quote(js_string(text), safe="!#$&'()*+,/:;=?@~-._"),
        "decodeURI": decode_uri,
    }
    return scope | {name: JsFunction(function, name) for name, function in functions.items()}


def fetch_function(runtime: Runtime) -> Callable[..., JsPromise]:
    """`fetch(input, init)`: builds the request, then it is the host's."""

    def fetch(resource: Any, init: Any = None) -> JsPromise:
        try:
            plain = isinstance(resource, JsRequest) and is_nullish(init)
            request = resource if plain else JsRequest(resource, init)
            signal = request._signal
            if signal is not None:
                signal.throwIfAborted()
        except Exception as error:
            return JsPromise.rejected(error)
        answer = JsPromise.resolve(runtime.fetch(request))
        if signal is None or answer.done:
            return answer
        first = JsPromise.race([answer])
        signal.addEventListener("abort", lambda _event: first.fail(signal.reason))
        return first

    return fetch


def timer_functions(runtime: Runtime) -> dict[str, Callable[..., Any]]:
    """`setTimeout` and its relatives. What callbacks raise is reported as an unhandled rejection."""

    def start(repeat: bool) -> Callable[..., int]:
        def set_timer(function: Any, delay: Any = 0, *args: Any) -> int:
            if not is_function(function):
                raise js_error("TypeError", "The callback of a timer must be a function.")
            wait = boxed.to_number(delay)
            return runtime.set_timer(max(0.0, wait) if wait == wait else 0.0, lambda: JsPromise.attempt(function, *args), repeat)

        return set_timer

    def stop(timer_id: Any = None) -> None:
        if isinstance(timer_id, int):
            runtime.clear_timer(timer_id)

    def queue_microtask(function: Any) -> None:
        runtime.queue_microtask(lambda: JsPromise.attempt(function))

    return {
        "setTimeout": start(False),
        "setInterval": start(True),
        "clearTimeout": stop,
        "clearInterval": stop,
        "queueMicrotask": queue_microtask,
        "setImmediate": lambda function, *args: start(False)(function, 0, *args),
    }


def date_constructor(runtime: Runtime) -> JsConstructor:
    """`Date` on the runtime's clock."""

    class Clocked(JsDate):
        __slots__ = ()
        _js_statics = ("UTC", "now", "parse")

        @staticmethod
        def now() -> int:
            return int(runtime.now_ms())

        @classmethod
        def _js_call(cls, *_args: Any) -> str:
            return JsDate(runtime.now_ms()).toString()

    return JsConstructor(JsDate, lambda *args: JsDate._js_new(*args) if args else JsDate(runtime.now_ms()), statics=Clocked)


def websocket_constructor(runtime: Runtime) -> JsConstructor:
    """`new WebSocket(url, protocols)` connects through the host."""

    def connect(url: Any, protocols: Any = None) -> WebSocket:
        address = URL(url)
        if address.protocol not in ("ws:", "wss:", "http:", "https:"):
            raise js_error("SyntaxError", f"WebSocket Constructor: The url scheme must be ws or wss, not {address.protocol}")
        names = [] if is_nullish(protocols) else [protocols] if isinstance(protocols, str) else [js_string(p) for p in iterate(protocols)]
        socket = WebSocket(address.href, connecting=True)
        socket.binaryType = binary_type(runtime)
        runtime.open_socket(socket, address.href, names)
        return socket

    return JsConstructor(WebSocket, connect)


def pair_constructor(runtime: Runtime) -> JsConstructor:
    """`new WebSocketPair()`, whose ends follow the compatibility date (durable-objects.md 10.5)."""

    def make(*_args: Any) -> WebSocketPair:
        reply = bool(runtime.flags.get("web_socket_auto_reply_to_close"))
        return WebSocketPair(binary_type=binary_type(runtime), close_reply=reply)

    return JsConstructor(WebSocketPair, make)


def binary_type(runtime: Runtime) -> str:
    """What binary messages of standard sockets arrive as."""
    return "blob" if runtime.flags.get("websocket_standard_binary_type") else "arraybuffer"


def abort_signal(runtime: Runtime) -> JsConstructor:
    """`AbortSignal.timeout` on the runtime's timers."""

    class Timed(AbortSignal):
        _js_statics = ("abort", "any", "timeout")

        @staticmethod
        def timeout(delay_ms: float) -> AbortSignal:
            signal = AbortSignal()
            error = js_error("TimeoutError", "The operation was aborted due to timeout")
            runtime.set_timer(float(delay_ms), lambda: signal.trigger(error), False)
            return signal

    return JsConstructor(AbortSignal, statics=Timed)


def decode_uri(text: Any) -> str:
    try:
        return unquote(js_string(text), errors="strict")
    except UnicodeDecodeError:
        raise js_error("URIError", "URI malformed") from None
