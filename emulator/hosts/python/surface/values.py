"""What a JavaScript value is on CPython: the proxy base, plain objects, functions and constructors.

Every object that stands for a JavaScript object is an instance of a `JsProxy` subclass; there is no
JavaScript engine and so nothing behind the proxy. Primitives are Python values: `None` is `undefined`,
`jsnull` is `null`, numbers are `int` or `float` (integral floats become `int`, JavaScript has one number
type), integers beyond 2**53 - 1 and `JsBigInt` are BigInts. Rules: python-workers-surface.md 3.2, 4.1.

Names that start with `_js_` belong to this package; everything else on a proxy is what user code may see.
"""

from __future__ import annotations

import functools
import keyword
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import Any, ClassVar, Final, Self, final

MAX_SAFE_INTEGER: Final = 2**53 - 1


@final
class JsNull:
    """The type of `jsnull`, JavaScript's `null`: falsy, one instance."""

    __slots__ = ()
    _instance: ClassVar[JsNull | None] = None

    def __new__(cls) -> JsNull:
        if cls._instance is None:
            cls._instance = object.__new__(cls)
        return cls._instance

    def __bool__(self) -> bool:
        return False

    def __repr__(self) -> str:
        return "jsnull"

    def __reduce__(self) -> str:
        return "jsnull"


jsnull: Final = JsNull()


class JsBigInt(int):
    """An integer that stays a BigInt although it would fit a JavaScript number."""

    __slots__ = ()


def is_nullish(value: object) -> bool:
    """True for `undefined` and `null`."""
    return value is None or value is jsnull


def js_number(value: float) -> int | float:
    """A JavaScript number as Python code sees it: integral values are `int` (and -0 is 0)."""
    if value.__class__ is float and value.is_integer() and abs(value) <= MAX_SAFE_INTEGER:
        return int(value)
    return value


class _LazyConstructor:
    """Stands for a class's constructor until somebody asks for it."""

    def __get__(self, _instance: object, cls: type[JsProxy]) -> JsConstructor:
        found = constructor_of(cls)
        cls.constructor = found
        return found


class JsProxy:
    """Base of all JavaScript objects. Compared by identity, not hashable (python-workers-surface.md 3.2).

    A subclass names its JavaScript class in `_js_name`. The SDK dispatches on `value.constructor.name`,
    so that name must be the platform's exact one.
    """

    __slots__ = ()

    _js_name: ClassVar[str] = "Object"
    _js_tag: ClassVar[str | None] = None  # what Object.prototype.toString says; the class name when None
    _js_statics: ClassVar[tuple[str, ...]] = ()  # attributes of the Python class reachable on the constructor

    _js_constructor: ClassVar[Any]  # what constructor_of made for exactly this class

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    constructor: Any = _LazyConstructor()
    """The class's constructor object; `.name` is what the SDK looks at."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        # A class attribute that makes itself at first use: the SDK reads it many times for every request.
        if "constructor" not in cls.__dict__:
            cls.constructor = _LazyConstructor()

    @property
    def typeof(self) -> str:
        return "function" if callable(self) else "object"

    @property
    def js_id(self) -> int:
        return id(self)

    def to_py(self, *, depth: int = -1, default_converter: ToPyConverter | None = None) -> Any:
        """This value in Python's own types, `depth` levels deep (-1: all). What has none stays a proxy."""
        return ToPy(default_converter).convert(self, depth)

    def object_keys(self) -> Any:
        from .containers import JsArray

        return JsArray(list(self._js_own()))

    def object_values(self) -> Any:
        from .containers import JsArray

        return JsArray(list(self._js_own().values()))

    def object_entries(self) -> Any:
        from .containers import JsArray

        return JsArray([JsArray([key, value]) for key, value in self._js_own().items()])

    def toString(self) -> str:
        return class_tag(self)

    def __repr__(self) -> str:
        return self.toString()

    @classmethod
    def _js_new(cls, *args: Any) -> Any:
        """`new Class(*args)`; the default passes them to the Python class."""
        return cls(*args)

    @classmethod
    def _js_call(cls, *_args: Any) -> Any:
        """`Class(*args)` without `new`."""
        raise _type_error(f"Class constructor {cls._js_name} cannot be invoked without 'new'")

    def _js_own(self) -> dict[str, Any]:
        """Own enumerable properties, in order; never modified by callers."""
        return {}

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        """This object in Python's types; `walk.leave(self)` for what has none."""
        return walk.leave(self)


type ToPyConverter = Callable[[Any, Callable[[Any], Any], Callable[[Any, Any], None]], Any]


class ToPy:
    """One `to_py` call: cycles and shared references keep their shape through `seen`."""

    __slots__ = ("default_converter", "seen")

    def __init__(self, default_converter: ToPyConverter | None) -> None:
        self.default_converter = default_converter
        self.seen: dict[int, tuple[Any, Any]] = {}  # id -> (the source, kept alive; its Python form)

    def convert(self, value: Any, depth: int) -> Any:
        if not isinstance(value, JsProxy) or depth == 0:
            return value
        known = self.seen.get(id(value))
        return known[1] if known is not None else value._js_to_py(self, depth)

    def remember(self, source: Any, result: Any) -> None:
        self.seen[id(source)] = (source, result)

    def leave(self, value: JsProxy) -> Any:
        """A proxy without a Python form: the caller's converter decides, otherwise it stays."""
        if self.default_converter is None:
            return value
        return self.default_converter(value, lambda inner: self.convert(inner, -1), self.remember)


class JsObject(JsProxy):
    """A plain object. Attribute access reads and writes its own properties.

    Own properties win over everything JavaScript would inherit (`toString`, `constructor`), and only lose
    against the proxy's own Python methods (`to_py`, `object_keys`, ...), as in Pyodide. A Python keyword is
    reachable with a trailing underscore: `obj.class_`.
    """

    __slots__ = ("__props", "__weakref__")
    __props: dict[str, Any]

    def __init__(self, props: dict[str, Any] | None = None) -> None:
        """Takes ownership of `props`."""
        object.__setattr__(self, "_JsObject__props", {} if props is None else props)

    @property
    def constructor(self) -> Any:
        props = self.__props
        return props["constructor"] if "constructor" in props else constructor_of(type(self))

    @property
    def toString(self) -> Any:
        props = self.__props
        return props["toString"] if "toString" in props else functools.partial(class_tag, self)

    def __repr__(self) -> str:
        return class_tag(self)

    def __getattr__(self, name: str) -> Any:
        props = self.__props
        key = property_key(name, props)
        if key in props:
            return props[key]
        if key == "hasOwnProperty":
            return props.__contains__
        if key == "valueOf":
            return lambda: self
        raise AttributeError(name)

    def __setattr__(self, name: str, value: Any) -> None:
        self.__props[property_key(name, self.__props)] = value

    def __delattr__(self, name: str) -> None:
        key = property_key(name, self.__props)
        if key not in self.__props:
            raise AttributeError(name)
        del self.__props[key]

    def __dir__(self) -> Iterable[str]:
        return [*object.__dir__(self), *self.__props]

    def as_object_map(self, *, hereditary: bool = False) -> dict[str, Any]:
        """The properties as a live mapping (Pyodide's `as_object_map`)."""
        return self.__props

    @classmethod
    def _js_new(cls, *args: Any) -> Any:
        return args[0] if args and not is_nullish(args[0]) else cls()

    @classmethod
    def _js_call(cls, *args: Any) -> Any:
        return cls._js_new(*args)

    def _js_own(self) -> dict[str, Any]:
        return self.__props

    def _js_to_py(self, walk: ToPy, depth: int) -> Any:
        if self._js_name != "Object":
            return walk.leave(self)
        result: dict[str, Any] = {}
        walk.remember(self, result)
        for key, value in self.__props.items():
            result[key] = walk.convert(value, depth - 1)
        return result


def property_key(name: str, props: dict[str, Any]) -> str:
    """The JavaScript property a Python attribute name means: `class_` is `class` unless `class_` exists."""
    if name[-1:] == "_" and name not in props and keyword.iskeyword(name[:-1]):
        return name[:-1]
    return name


def properties(obj: JsObject) -> dict[str, Any]:
    """The live property table of a plain object."""
    return obj._js_own()


def option(init: Any, name: str, default: Any = None) -> Any:
    """Member `name` of a JavaScript options bag; `default` where it is missing or undefined."""
    if init is None or init is jsnull:
        return default
    value = init._js_own().get(name) if init.__class__ is JsObject else getattr(init, name, None)
    return default if value is None else value


def takes_options[**P, R](function: Callable[P, R]) -> Callable[..., R]:
    """Keyword arguments become one trailing options object, as for every JavaScript function in Pyodide."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> R:
        return function(*args, JsObject(kwargs)) if kwargs else function(*args)  # type: ignore[call-arg, arg-type]

    return call


class JsFunction(JsProxy):
    """A JavaScript function made of a Python callable."""

    __slots__ = ("__weakref__", "_function", "name")
    _js_name = "Function"

    def __init__(self, function: Callable[..., Any], name: str | None = None) -> None:
        self._function = function
        self.name = name if name is not None else getattr(function, "__name__", "")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, JsObject(kwargs)) if kwargs else self._function(*args)

    def call(self, _this: Any = None, *args: Any) -> Any:
        return self._function(*args)

    def apply(self, _this: Any = None, args: Iterable[Any] = ()) -> Any:
        return self._function(*args)

    def bind(self, _this: Any = None, *bound: Any) -> JsFunction:
        return JsFunction(functools.partial(self._function, *bound), f"bound {self.name}")

    def toString(self) -> str:
        return f"function {self.name}() {{ [native code] }}"


class ThisFunction(JsFunction):
    """A function that is about its `this`: `Object.prototype.toString.call(value)`."""

    __slots__ = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(None, *args)

    def call(self, this: Any = None, *args: Any) -> Any:
        return self._function(this, *args)

    def apply(self, this: Any = None, args: Iterable[Any] = ()) -> Any:
        return self._function(this, *args)


class JsConstructor(JsFunction):
    """A JavaScript class: `.new(...)`, `.name`, `.prototype` and the statics its Python class lists."""

    __slots__ = ("_class", "_construct", "_statics")

    def __init__(self, cls: type[JsProxy], construct: Callable[..., Any] | None = None, *, statics: type[JsProxy] | None = None) -> None:
        """`construct` and `statics` replace the class's own where they need the runtime."""
        holder = statics or cls
        super().__init__(holder._js_call, cls._js_name)
        self._class = cls
        self._construct = construct or cls._js_new
        self._statics = holder

    def new(self, *args: Any, **kwargs: Any) -> Any:
        """`new Class(...)`; keyword arguments are one trailing options object."""
        return self._construct(*args, JsObject(kwargs)) if kwargs else self._construct(*args)

    @property
    def prototype(self) -> JsObject:
        return JsObject({"constructor": self, "toString": ThisFunction(class_tag, "toString")})

    def __getattr__(self, name: str) -> Any:
        statics = self._statics._js_statics
        attribute = name if name in statics else name + "_"  # `Array.from` and `Response.json` are spelled with `_` in Python
        if attribute in statics:
            value = getattr(self._statics, attribute)
            return JsFunction(value, name) if callable(value) and not isinstance(value, JsProxy) else value
        raise AttributeError(f"{self.name}.{name} is not emulated")

    def __instancecheck__(self, value: object) -> bool:
        return isinstance(value, self._class)

    def toString(self) -> str:
        return f"class {self.name} {{ [native code] }}"


def constructor_of(cls: type[JsProxy]) -> JsConstructor:
    """The one constructor object of a proxy class, made at first use."""
    found = cls.__dict__.get("_js_constructor")
    if found is None:
        found = JsConstructor(cls)
        cls._js_constructor = found
    return found


def class_tag(value: Any = None) -> str:
    """`Object.prototype.toString.call(value)`: `[object Array]` and so on."""
    if isinstance(value, JsProxy):
        return f"[object {value._js_tag or value._js_name}]"
    match value:
        case None:
            return "[object Undefined]"
        case JsNull():
            return "[object Null]"
        case bool():
            return "[object Boolean]"
        case str():
            return "[object String]"
        case JsBigInt():
            return "[object BigInt]"
        case int() | float():
            return "[object Number]"
    return "[object Function]" if callable(value) else "[object Object]"


def js_string(value: Any) -> str:
    """`String(value)`, as the platform coerces arguments that should be strings."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "undefined"
    if value is jsnull:
        return "null"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, JsProxy):
        text = value.toString
        return js_string(text()) if callable(text) else class_tag(value)
    return str(value)


def number_text(value: float) -> str:
    """A JavaScript number as text: `NaN`, `Infinity`, `1.5`, `1e+21`."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    number = js_number(value)
    if isinstance(number, int):
        return str(number)
    mantissa, mark, exponent = repr(number).partition("e")
    if not mark:
        return mantissa
    power = int(exponent)
    if -7 < power < 21:
        return format(Decimal(repr(number)), "f")
    return f"{mantissa}e{'+' if power > 0 else '-'}{abs(power)}"


class JsIterator(JsProxy):
    """What `map.keys()` and friends return: a Python iterator with JavaScript's `next()`."""

    __slots__ = ("_source",)
    _js_name = "Iterator"

    def __init__(self, source: Iterable[Any]) -> None:
        self._source = iter(source)

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Any:
        return next(self._source)

    def next(self, _value: Any = None) -> JsObject:
        for value in self._source:
            return JsObject({"done": False, "value": value})
        return JsObject({"done": True, "value": None})


def iterate(value: Any) -> Iterator[Any]:
    """Iterates what JavaScript would: a Python iterable or an iterable proxy; TypeError otherwise."""
    if is_nullish(value) or not hasattr(value, "__iter__"):
        raise _type_error(f"{js_string(value)} is not iterable")
    return iter(value)


def _type_error(message: str) -> Exception:
    from .errors import js_error

    return js_error("TypeError", message)
