"""The tags of V8's serialization format, version 15, as its reader and writer use them."""

from __future__ import annotations

from typing import Final

from .buffers import TYPED_ARRAYS, DataView, JsBuffer

VERSION: Final = 15
VERSION_TAG: Final = 0xFF
PADDING: Final = 0x00

# Error prototypes by the letter that follows the error tag; a plain Error has none.
ERROR_LETTER: Final = {"EvalError": "E", "RangeError": "R", "ReferenceError": "F", "SyntaxError": "S", "TypeError": "T", "URIError": "U"}
ERROR_OF_LETTER: Final = {letter: name for name, letter in ERROR_LETTER.items()}

# Views by the letter that follows the view tag.
VIEW_LETTER: Final[dict[str, str]] = {
    "Int8Array": "b",
    "Uint8Array": "B",
    "Uint8ClampedArray": "C",
    "Int16Array": "w",
    "Uint16Array": "W",
    "Int32Array": "d",
    "Uint32Array": "D",
    "Float32Array": "f",
    "Float64Array": "F",
    "BigInt64Array": "q",
    "BigUint64Array": "Q",
    "DataView": "?",
}
_CLASSES: Final[dict[str, type[JsBuffer]]] = {**{cls._js_name: cls for cls in TYPED_ARRAYS}, "DataView": DataView}
VIEW_OF_LETTER: Final = {letter: _CLASSES[name] for name, letter in VIEW_LETTER.items()}

# Node's `v8.serialize` writes views as host objects: an index into this list, a length, the bytes.
NODE_VIEWS: Final[tuple[type[JsBuffer], ...]] = tuple(
    _CLASSES[name]
    for name in (
        "Int8Array",
        "Uint8Array",
        "Uint8ClampedArray",
        "Int16Array",
        "Uint16Array",
        "Int32Array",
        "Uint32Array",
        "Float32Array",
        "Float64Array",
        "DataView",
        "Uint8Array",  # Buffer
        "BigInt64Array",
        "BigUint64Array",
    )
)

REGEXP_FLAGS: Final = {"g": 1, "i": 2, "m": 4, "y": 8, "u": 16, "s": 32, "d": 128, "v": 256}
