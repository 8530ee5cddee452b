"""Number, String, Boolean and BigInt: conversion functions, their statics, and the boxes `new` makes."""

from __future__ import annotations

import math
import re
from typing import Any

from .dates import JsDate
from .errors import js_error
from .values import MAX_SAFE_INTEGER, JsBigInt, JsProxy, is_nullish, js_number, js_string, jsnull


class Boxed(JsProxy):
    """A primitive in an object."""

    __slots__ = ("_value",)

    def __init__(self, value: Any) -> None:
        self._value = value

    @classmethod
    def _js_new(cls, *args: Any) -> Boxed:
        return cls(cls._js_call(*args))

    def valueOf(self) -> Any:
        return self._value

    def toString(self) -> str:
        return js_string(self._value)


class JsNumber(Boxed):
    _js_name = "Number"
    _js_statics = (
        "EPSILON",
        "MAX_SAFE_INTEGER",
        "MAX_VALUE",
        "MIN_SAFE_INTEGER",
        "NEGATIVE_INFINITY",
        "NaN",
        "POSITIVE_INFINITY",
        "isFinite",
        "isInteger",
        "isNaN",
        "isSafeInteger",
        "parseFloat",
        "parseInt",
    )
    EPSILON = 2.0**-52
    MAX_SAFE_INTEGER = MAX_SAFE_INTEGER
    MIN_SAFE_INTEGER = -MAX_SAFE_INTEGER
    MAX_VALUE = 1.7976931348623157e308
    NaN = math.nan
    POSITIVE_INFINITY = math.inf
    NEGATIVE_INFINITY = -math.inf

    @classmethod
    def _js_call(cls, *args: Any) -> Any:
        return to_number(args[0]) if args else 0

    @staticmethod
    def isFinite(value: Any = None) -> bool:
        return is_number(value) and math.isfinite(value)

    @staticmethod
    def isInteger(value: Any = None) -> bool:
        return is_number(value) and math.isfinite(value) and value == math.trunc(value)

    @staticmethod
    def isSafeInteger(value: Any = None) -> bool:
        return JsNumber.isInteger(value) and abs(value) <= MAX_SAFE_INTEGER

    @staticmethod
    def isNaN(value: Any = None) -> bool:
        return is_number(value) and value != value

    @staticmethod
    def parseInt(text: Any, radix: Any = None) -> Any:
        return parse_int(text, radix)

    @staticmethod
    def parseFloat(text: Any) -> Any:
        return parse_float(text)


class JsString(Boxed):
    _js_name = "String"
    _js_statics = ("fromCharCode", "fromCodePoint")

    @classmethod
    def _js_call(cls, *args: Any) -> str:
        return js_string(args[0]) if args else ""

    @staticmethod
    def fromCharCode(*codes: int) -> str:
        units = b"".join((int(code) & 0xFFFF).to_bytes(2, "little") for code in codes)
        return units.decode("utf-16-le", "surrogatepass")

    @staticmethod
    def fromCodePoint(*codes: int) -> str:
        return "".join(map(chr, codes))


class JsBoolean(Boxed):
    _js_name = "Boolean"

    @classmethod
    def _js_call(cls, *args: Any) -> bool:
        value = args[0] if args else None
        return True if isinstance(value, JsProxy) else bool(value) and value == value


class JsBigIntBox(Boxed):
    """`BigInt` cannot be constructed; it converts."""

    _js_name = "BigInt"

    @classmethod
    def _js_new(cls, *_args: Any) -> Boxed:
        raise js_error("TypeError", "BigInt is not a constructor")

    @classmethod
    def _js_call(cls, *args: Any) -> JsBigInt:
        value = args[0] if args else None
        try:
            return JsBigInt(value.strip() or "0", 0) if isinstance(value, str) else JsBigInt(_whole(value))
        except (TypeError, ValueError):
            raise js_error("SyntaxError", f"Cannot convert {js_string(value)} to a BigInt") from None


def _whole(value: Any) -> int:
    if isinstance(value, float) and not value.is_integer():
        raise js_error("RangeError", f"The number {js_string(value)} cannot be converted to a BigInt because it is not an integer")
    return int(value)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool | JsBigInt)


def to_number(value: Any) -> Any:
    """`Number(value)`."""
    if isinstance(value, bool) or value is jsnull:
        return int(bool(value))
    if is_nullish(value):
        return math.nan
    if isinstance(value, int | float):
        return js_number(float(value)) if isinstance(value, JsBigInt) else js_number(value)
    if isinstance(value, JsDate):
        return value.getTime()
    text = js_string(value).strip()
    if not text:
        return 0
    prefixed = re.fullmatch(r"0([xXoObB])([0-9a-fA-F]+)", text)
    if prefixed is not None:
        try:
            return int(text, 0)
        except ValueError:
            return math.nan
    if re.fullmatch(r"[+-]?(Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", text) is None:
        return math.nan
    return js_number(float(text.replace("Infinity", "inf")))


def parse_int(text: Any, radix: Any = None) -> Any:
    """The integer at the beginning of `text`; NaN when there is none."""
    given = js_string(text).strip()
    base = 10 if is_nullish(radix) or radix == 0 else int(radix)
    sign = -1 if given.startswith("-") else 1
    given = given.lstrip("+-") if given[:1] in "+-" else given
    if given[:2].lower() == "0x" and (base == 16 or is_nullish(radix)):
        base, given = 16, given[2:]
    valid = "0123456789abcdefghijklmnopqrstuvwxyz"[:base]
    digits = re.match(f"[{valid}]*", given.lower())
    return sign * int(digits[0], base) if digits and digits[0] else math.nan


def parse_float(text: Any) -> Any:
    """The number at the beginning of `text`; NaN when there is none."""
    found = re.match(r"[+-]?(Infinity|(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)", js_string(text).strip())
    return js_number(float(found[0].replace("Infinity", "inf"))) if found else math.nan
