"""`Object`, `Math`, `JSON`, `console`, `crypto`, `performance`: constructors and namespaces of functions."""

from __future__ import annotations

import hashlib
import math
import time
import uuid
from collections.abc import Callable
from typing import Any, Final

from . import json as js_json
from .boxed import to_number
from .buffers import ArrayBuffer, JsBuffer, TypedArray
from .containers import JsArray, object_from_entries, same_value_zero
from .errors import js_error
from .port import Runtime
from .promise import JsPromise
from .values import JsConstructor, JsFunction, JsObject, JsProxy, is_nullish, js_number, js_string


class Namespace(JsObject):
    """An object of functions, such as `JSON`."""

    __slots__ = ()

    def __init__(self, members: dict[str, Any]) -> None:
        own = {key: JsFunction(item, key) if callable(item) and not isinstance(item, JsProxy) else item for key, item in members.items()}
        super().__init__(own)


def own_properties(value: Any) -> dict[str, Any]:
    """What `Object.keys` and its relatives look at; TypeError for null and undefined."""
    if is_nullish(value):
        raise js_error("TypeError", "Cannot convert undefined or null to object")
    if isinstance(value, str):
        return {str(index): char for index, char in enumerate(value)}
    return value._js_own() if isinstance(value, JsProxy) else {}


class ObjectStatics(JsObject):
    """`Object`: constructs plain objects; its functions are here."""

    __slots__ = ()
    _js_statics = (
        "assign",
        "create",
        "entries",
        "freeze",
        "fromEntries",
        "getOwnPropertyNames",
        "getPrototypeOf",
        "hasOwn",
        "is_",
        "keys",
        "values",
    )
    fromEntries = staticmethod(object_from_entries)

    @classmethod
    def _js_new(cls, *args: Any) -> Any:
        return args[0] if args and not is_nullish(args[0]) else JsObject()

    @staticmethod
    def keys(value: Any = None) -> JsArray:
        return JsArray(list(own_properties(value)))

    @staticmethod
    def values(value: Any = None) -> JsArray:
        return JsArray(list(own_properties(value).values()))

    @staticmethod
    def entries(value: Any = None) -> JsArray:
        return JsArray([JsArray([key, item]) for key, item in own_properties(value).items()])

    getOwnPropertyNames = keys

    @staticmethod
    def assign(target: Any, *sources: Any) -> Any:
        for source in sources:
            for key, item in {} if is_nullish(source) else own_properties(source).items():
                setattr(target, key, item)
        return target

    @staticmethod
    def create(_prototype: Any = None) -> JsObject:
        return JsObject()

    @staticmethod
    def freeze(value: Any = None) -> Any:
        return value

    @staticmethod
    def getPrototypeOf(value: Any) -> Any:
        return value.constructor.prototype

    @staticmethod
    def hasOwn(value: Any, key: Any) -> bool:
        return js_string(key) in own_properties(value)

    @staticmethod
    def is_(left: Any = None, right: Any = None) -> bool:
        return same_value_zero(left, right)


OBJECT: Final = JsConstructor(JsObject, ObjectStatics._js_new, statics=ObjectStatics)
"""`js.Object`. Its functions live apart from JsObject, where they would hide data keys such as "keys"."""

JsObject._js_constructor = OBJECT


def json_namespace() -> Namespace:
    return Namespace({"parse": js_json.parse, "stringify": js_json.stringify})


UNARY: Final = ("sin", "cos", "tan", "exp", "log", "log2", "log10", "sqrt", "cbrt", "trunc", "floor", "ceil")


def math_namespace(random: Callable[[], float]) -> Namespace:
    """`Math`; randomness comes from the host."""

    def on_number(function: Callable[[float], float]) -> Callable[[Any], Any]:
        def call(value: Any = None) -> Any:
            number = to_number(value)
            if number != number or number in (math.inf, -math.inf):
                return number if function in (math.floor, math.ceil, math.trunc, abs) else js_number(float(function(number)))
            try:
                return js_number(function(number))
            except ValueError:
                return math.nan

        return call

    unary = (
        math.sin,
        math.cos,
        math.tan,
        math.exp,
        math.log,
        math.log2,
        math.log10,
        math.sqrt,
        math.cbrt,
        math.trunc,
        math.floor,
        math.ceil,
    )
    members: dict[str, Any] = {function.__name__: on_number(function) for function in unary}
    members |= {
        "abs": on_number(abs),
        "sign": on_number(lambda value: (value > 0) - (value < 0)),
        "round": on_number(lambda value: math.floor(value + 0.5)),
        "pow": lambda base, power: js_number(float(base) ** power),
        "hypot": lambda *values: js_number(math.hypot(*values)),
        "max": lambda *values: max(map(to_number, values), default=-math.inf),
        "min": lambda *values: min(map(to_number, values), default=math.inf),
        "random": random,
        "PI": math.pi,
        "E": math.e,
    }
    return Namespace(members)


def console_namespace(runtime: Runtime) -> Namespace:
    """`console`: every call is one `runtime.log`; `assert_`, counters and timers as in JavaScript."""
    counts: dict[str, int] = {}
    timers: dict[str, float] = {}

    def at(level: str) -> Callable[..., None]:
        return lambda *args: runtime.log(level, args)

    def check(condition: Any = False, *args: Any) -> None:
        if not condition:
            runtime.log("error", ("Assertion failed", *args))

    def count(label: Any = "default") -> None:
        name = js_string(label)
        counts[name] = counts.get(name, 0) + 1
        runtime.log("log", (f"{name}: {counts[name]}",))

    def begin(label: Any = "default") -> None:
        timers[js_string(label)] = time.perf_counter()

    def end(label: Any = "default") -> None:
        started = timers.pop(js_string(label), None)
        if started is not None:
            runtime.log("log", (f"{js_string(label)}: {(time.perf_counter() - started) * 1000:.3f}ms",))

    levels = {
        "log": "log",
        "debug": "debug",
        "info": "info",
        "warn": "warn",
        "error": "error",
        "trace": "log",
        "dir": "log",
        "table": "log",
    }
    members: dict[str, Any] = {name: at(level) for name, level in levels.items()}
    members |= {"group": at("log"), "groupEnd": lambda *args: None, "assert": check, "count": count, "time": begin, "timeEnd": end}
    return Namespace(members)


DIGESTS: Final = {"SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", "MD5": "md5"}


def crypto_namespace(runtime: Runtime) -> Namespace:
    """`crypto`: randomUUID, getRandomValues, subtle.digest."""

    def random_uuid() -> str:
        return str(uuid.UUID(bytes=runtime.random_bytes(16), version=4))

    def fill(view: TypedArray) -> TypedArray:
        if view.byteLength > 65_536:
            raise js_error("QuotaExceededError", "getRandomValues() only accepts buffers of size <= 64K.")
        view.assign(runtime.random_bytes(view.byteLength))
        return view

    def digest(algorithm: Any, data: JsBuffer) -> JsPromise:
        name = js_string(algorithm.name if isinstance(algorithm, JsObject) else algorithm).upper()
        if name not in DIGESTS:
            return JsPromise.rejected(js_error("NotSupportedError", f"Unrecognized or unimplemented digest algorithm requested: {name}"))
        return JsPromise.resolved(ArrayBuffer(hashlib.new(DIGESTS[name], data.data()).digest()))

    subtle = Namespace({"digest": digest})
    return Namespace({"randomUUID": random_uuid, "getRandomValues": fill, "subtle": subtle})
