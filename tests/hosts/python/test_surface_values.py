"""Values and conversions: the rows of python-workers-surface.md 3.2 and the traps of 12."""

from __future__ import annotations

import math

import pytest

from emulator.hosts.python.surface import globals as js_globals
from emulator.hosts.python.surface import json as js_json
from emulator.hosts.python.surface.buffers import ArrayBuffer, BufferLease, DataView, Float64Array, Int16Array, Uint8Array
from emulator.hosts.python.surface.containers import ConversionError, JsArray, JsMap, JsSet, object_from_entries
from emulator.hosts.python.surface.convert import create_once_callable, create_proxy, to_js, to_py
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error, python_error
from emulator.hosts.python.surface.regexp import JsRegExp
from emulator.hosts.python.surface.values import JsObject, JsProxy, class_tag, constructor_of, jsnull, number_text


@pytest.mark.parametrize(
    ("value", "back"),
    [
        (None, None),
        (True, True),
        (2.0, 2),
        (2.5, 2.5),
        (2**60, 2**60),
        ("x", "x"),
        ([1, (2, 3)], [1, [2, 3]]),
        ({1, 2}, {1, 2}),
        ({1: {"a": 2.0}}, {1: {"a": 2}}),
        (jsnull, jsnull),
    ],
)
def test_values_survive_both_ways(value, back):
    result = to_py(to_js(value))
    assert result == back
    assert type(result) is type(back)


def test_dict_becomes_map_unless_told_otherwise():
    assert to_js({"a": 1}).constructor.name == "Map"
    plain = to_js({1: "one"}, dict_converter=object_from_entries)
    assert plain.constructor.name == "Object"
    assert plain.to_py() == {"1": "one"}  # keys become strings


def test_bytes_are_copied_out_as_memoryview():
    source = bytearray(b"abc")
    array = to_js(source)
    source[0] = 0
    view = array.to_py()
    assert isinstance(view, memoryview)
    assert view.tobytes() == array.to_bytes() == b"abc"


def test_cycles_and_shared_references_keep_their_shape():
    inner: list = [1]
    outer: list = [inner, inner]
    outer.append(outer)
    converted = to_js(outer)
    assert converted[0] is converted[1]
    assert converted[2] is converted
    back = converted.to_py()
    assert back[0] is back[1]
    assert back[2] is back


def test_objects_without_a_form():
    class Thing:
        pass

    thing = Thing()
    proxy = to_js(thing)
    assert isinstance(proxy, JsProxy)
    assert proxy.unwrap() is thing
    assert to_js([thing])[0] is thing
    with pytest.raises(ConversionError):
        to_js([thing], create_pyproxies=False)
    assert to_js([thing], default_converter=lambda value, convert, cache: "T").to_py() == ["T"]


def test_plain_object_keys_win_over_inherited_names():
    keys = {"toString": 1, "keys": 2, "length": 3, "class": 4, "constructor": 5, "valueOf": 6, "hasOwnProperty": 7}
    plain = JsObject(dict(keys))
    assert (plain.toString, plain.keys, plain.length, plain.class_, plain.constructor, plain.valueOf) == (1, 2, 3, 4, 5, 6)
    assert plain.to_py() == keys
    assert repr(plain) == "[object Object]"
    assert JsObject().constructor.name == "Object"
    with pytest.raises(AttributeError):
        _ = JsObject().missing


def test_proxies_compare_by_identity_and_do_not_hash():
    assert JsObject() != JsObject()
    with pytest.raises(TypeError):
        hash(JsArray())


@pytest.mark.parametrize(
    ("value", "tag"),
    [
        (JsArray(), "Array"),
        (JsObject(), "Object"),
        (JsDate(0), "Date"),
        (ArrayBuffer(), "ArrayBuffer"),
        (Uint8Array(), "Uint8Array"),
        (DataView(ArrayBuffer()), "DataView"),
        (JsRegExp("a"), "RegExp"),
        (js_error("TypeError", "x"), "Error"),
        (None, "Undefined"),
        (jsnull, "Null"),
        (1, "Number"),
        ("", "String"),
        (True, "Boolean"),
    ],
)
def test_object_prototype_to_string(value, tag):
    assert class_tag(value) == f"[object {tag}]"


def test_map_keys_follow_javascript():
    mapping = JsMap([[1, "number"], [True, "bool"], ["1", "text"], [math.nan, "nan"]])
    assert mapping.size == 4
    assert (mapping.get(1), mapping.get(True), mapping.get("1"), mapping.get(math.nan)) == ("number", "bool", "text", "nan")
    key = JsObject()
    mapping.set(key, 5)
    assert mapping.get(key) == 5
    assert mapping.get(JsObject()) is None
    with pytest.raises(ConversionError):
        JsMap([[JsObject(), 1]]).to_py()


def test_set_and_array():
    assert JsSet([1, 1, True, "1"]).size == 3
    array = JsArray([3, 1, 2])
    assert array.sort(lambda a, b: a - b).join("-") == "1-2-3"
    assert array.map(lambda item, index, whole: item * index).to_py() == [0, 2, 6]
    assert array.splice(1, 1, "x", "y").to_py() == [2]
    assert array.to_py() == [1, "x", "y", 3]
    first, *rest = array
    assert (first, rest) == (1, ["x", "y", 3])


def test_bytes_are_shared_until_written():
    data = b"abcd"
    buffer = ArrayBuffer(data)
    view = Uint8Array(buffer, 1, 2)
    assert view.to_bytes() == b"bc"
    view[0] = 0x141  # modulo 256
    assert buffer.to_bytes() == b"aAcd"
    assert data == b"abcd"
    assert constructor_of(Int16Array).new(buffer, 2).length == 1
    with pytest.raises(JsException, match="multiple of 2"):
        constructor_of(Int16Array).new(buffer, 1)
    assert list(constructor_of(Float64Array).new(JsArray([1, 2.5]))) == [1, 2.5]


def test_data_view():
    view = DataView(ArrayBuffer(bytes(8)))
    view.setUint16(0, 0x0102)
    view.setInt32(4, -2, True)
    assert view.to_bytes().hex() == "01020000feffffff"
    assert (view.getUint8(1), view.getInt32(4, True)) == (2, -2)
    with pytest.raises(JsException, match="outside the bounds"):
        view.getFloat64(1)


def test_proxy_of_bytes_lends_its_buffer():
    lease = create_proxy(b"abc").getBuffer()
    assert isinstance(lease, BufferLease)
    assert lease.data.to_bytes() == b"abc"
    lease.release()


def test_proxies_die():
    proxy = create_proxy(lambda value: value + 1)
    assert proxy(1) == 2
    proxy.destroy()
    with pytest.raises(JsException, match="already been destroyed"):
        proxy(1)
    once = create_once_callable(lambda: 1)
    assert once() == 1
    with pytest.raises(JsException, match="only be called once"):
        once()


def test_errors_are_exceptions_and_proxies():
    error = js_error("RangeError", "too much", retryable=True)
    assert isinstance(error, JsProxy)
    assert (error.name, error.message, error.retryable, error.constructor.name) == ("RangeError", "too much", True, "RangeError")
    with pytest.raises(JsException, match=r"^RangeError: too much$"):
        raise error
    assert js_error("DataCloneError", "x").constructor.name == "DOMException"
    assert js_error("Custom", "x").constructor.name == "Error"
    assert not hasattr(error, "overloaded")


def test_python_exceptions_cross_as_python_error():
    try:
        raise ValueError("inner")
    except ValueError as caught:
        crossed = python_error(caught)
    assert crossed.name == "PythonError"
    assert crossed.type == "ValueError"
    assert crossed.message.rstrip().endswith("ValueError: inner")
    assert python_error(crossed) is crossed


@pytest.mark.parametrize(
    ("number", "text"),
    [(1.5, "1.5"), (1e21, "1e+21"), (1e-7, "1e-7"), (123456789012345680000.0, "123456789012345680000"), (1.5e-6, "0.0000015")],
)
def test_number_text(number, text):
    assert number_text(number) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"a": [1, 2.5, None], "b": jsnull, "c": None}, '{"a":[1,2.5,null],"b":null}'),
        ("é\n", '"é\\n"'),
        (math.nan, "null"),
        (1e21, "1e+21"),
        (JsDate(0), '"1970-01-01T00:00:00.000Z"'),
        ({"toJSON": "data"}, '{"toJSON":"data"}'),
    ],
)
def test_json_text(value, text):
    assert js_json.stringify(to_js(value, dict_converter=object_from_entries)) == text


def test_json_edges():
    assert js_json.stringify(None) is None
    assert js_json.parse('{"a":[1,2.0,null]}').to_py() == {"a": [1, 2, jsnull]}
    with pytest.raises(JsException, match="SyntaxError"):
        js_json.parse("{")
    with pytest.raises(JsException, match="SyntaxError"):
        js_json.parse("NaN")
    with pytest.raises(JsException, match="BigInt"):
        js_json.stringify(2**60)
    loop = JsObject()
    loop.me = loop
    with pytest.raises(JsException, match="circular"):
        js_json.stringify(loop)
    assert js_json.stringify(JsObject({"a": JsArray([1])}), None, 2) == '{\n  "a": [\n    1\n  ]\n}'


def test_dates():
    moment = JsDate(1_700_000_000_123)
    assert moment.toISOString() == "2023-11-14T22:13:20.123Z"
    assert JsDate.parse("2023-11-14T22:13:20.123Z") == moment.getTime()
    assert constructor_of(JsDate).new(2020, 0, 1).getFullYear() == 2020
    assert math.isnan(JsDate(math.nan).getTime())
    with pytest.raises(JsException, match="Invalid time value"):
        JsDate(math.nan).toISOString()
    assert JsDate(-1).toISOString() == "1969-12-31T23:59:59.999Z"


def test_regexp():
    pattern = JsRegExp("(?<year>\\d+)-x", "g")
    found = pattern.exec("a 2020-x 2021-x")
    assert (found[0], found[1], found.index, found.groups.year) == ("2020-x", "2020", 2, "2020")
    assert pattern.exec("a 2020-x 2021-x")[1] == "2021"
    assert pattern.exec("a 2020-x 2021-x") is jsnull
    with pytest.raises(JsException, match="Invalid flags"):
        JsRegExp("a", "gg")


def test_every_class_has_a_constructor_of_its_name():
    for cls in js_globals.CLASSES:
        assert constructor_of(cls).name == cls._js_name
