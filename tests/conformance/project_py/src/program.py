"""The probe language: what a probe does is a program, and a program is JSON (../../README.md).

One generator evaluates it and yields whatever must be awaited, so that the same program runs in async code (`run`) and where the
platform wants plain synchronous code, such as `transactionSync` and constructors (`run_now`).
"""

import asyncio
import json
from collections import ChainMap

import js
from pyodide.ffi import JsException, JsProxy, create_proxy, jsnull, to_js

NOTES = {}
"""What happened, by place: it outlives instances, so a case can see that one ended."""
LIVES = {}
"""place -> how many instances there have been."""
HANDLERS = {}
"""(place, event) -> program."""


def note(place, text):
    NOTES.setdefault(place, []).append(text)


async def run(program, scope):
    """Evaluate `program`, awaiting what it awaits."""
    steps = evaluate(program, scope)
    value = error = None
    while True:
        try:
            awaited = steps.send(value) if error is None else steps.throw(error)
        except StopIteration as end:
            return end.value
        value = error = None
        try:
            value = await awaited
        except Exception as failure:
            error = failure


def run_now(program, scope):
    """Evaluate `program` in one go; awaiting is an error."""
    try:
        next(evaluate(program, scope))
    except StopIteration as end:
        return end.value
    raise TypeError("a synchronous program cannot await")


def evaluate(program, scope):
    if program is None:
        return jsnull
    if isinstance(program, dict):
        if "$" in program:
            return literal(program)
        pairs = []
        for key, item in program.items():
            pairs.append((key, (yield from evaluate(item, scope))))
        return js.Object.fromEntries(to_js(pairs))
    if not isinstance(program, list):
        return program
    name, *args = program
    if name in SPECIAL:
        return (yield from SPECIAL[name](scope, *args))
    values = []
    for arg in args:
        values.append((yield from evaluate(arg, scope)))
    if name in PLAIN:
        return PLAIN[name](scope, *values)
    return (yield from member(scope, name, values))


def member(scope, name, values):
    """`root.path.method` calls and awaits; `!` before it does not await; `@` reads; `=` writes."""
    mode, path = (name[0], name[1:]) if name[0] in "!@=" else ("", name)
    root, *parts = path.split(".")
    target = scope[root]
    if mode == "@":
        for part in parts:
            target = step(target, part)
        return target
    for part in parts[:-1]:
        target = step(target, part)
    if mode == "=":
        setattr(target, parts[-1], *values)
        return None
    result = getattr(target, parts[-1])(*values) if parts else target(*values)
    if mode != "!" and hasattr(result, "then"):
        result = yield result
    return result


def step(target, part):
    return target[int(part)] if part.isdigit() else getattr(target, part, None)


# -- forms that decide themselves what is evaluated


def do(scope, *programs):
    value = None
    for program in programs:
        value = yield from evaluate(program, scope)
    return value


def let(scope, name, program):
    scope[name] = yield from evaluate(program, scope)
    return scope[name]


def code(scope, *programs):
    return json.dumps(["do", *programs])
    yield


def call(scope, target, *programs):
    """Run programs in another object and wait for their value."""
    target = yield from evaluate(target, scope)
    return Sent(json.loads((yield target.run(json.dumps(["do", *programs])))))


def begin(scope, target, *programs):
    """The same without waiting: the promise."""
    target = yield from evaluate(target, scope)
    return target.run(json.dumps(["do", *programs]))


def catch(scope, *programs):
    """`{value}` or `{error}`."""
    try:
        value = yield from do(scope, *programs)
    except Exception as error:
        return Sent({"error": error_data(error)})
    return Sent({"value": data(value)})


def finally_(scope, program, after):
    try:
        return (yield from evaluate(program, scope))
    finally:
        yield from evaluate(after, scope)


def repeat(scope, times, *programs):
    values = []
    for index in range(times):
        scope["index"] = index
        values.append((yield from do(scope, *programs)))
    return to_js(values)


def if_(scope, condition, then, otherwise=None):
    chosen = then if (yield from evaluate(condition, scope)) else otherwise
    return (yield from evaluate(chosen, scope))


def function(scope, parameters, *programs):
    def inner(*args):
        return run(["do", *programs], scope.new_child(dict(zip(parameters, args, strict=False))))

    return create_proxy(inner)
    yield


def function_now(scope, parameters, *programs):
    def inner(*args):
        return run_now(["do", *programs], scope.new_child(dict(zip(parameters, args, strict=False))))

    return create_proxy(inner)
    yield


def spawn(scope, *programs):
    """Start programs without waiting for them; a promise of their end."""
    return js.Promise.resolve(asyncio.ensure_future(run(["do", *programs], scope)))
    yield


def wait(scope, program):
    return (yield (yield from evaluate(program, scope)))


def settled(scope, *programs):
    """Start all, wait for all: a list of `{value}` and `{error}`."""
    promises, outcomes = [], []
    for program in programs:
        promise = yield from evaluate(program, scope)
        promises += list(promise) if js.Array.isArray(promise) else [promise]
    for promise in promises:
        try:
            value = yield promise
            outcomes.append({"value": data(parsed(value))})
        except Exception as error:
            outcomes.append({"error": error_data(error)})
    return Sent(outcomes)


def sleep(scope, ms):
    yield asyncio.sleep(ms / 1000)


SPECIAL = {
    "do": do,
    "let": let,
    "code": code,
    "call": call,
    "begin": begin,
    "catch": catch,
    "finally": finally_,
    "repeat": repeat,
    "if": if_,
    "fn": function,
    "fn!": function_now,
    "spawn": spawn,
    "await": wait,
    "settled": settled,
    "sleep": sleep,
}


# -- functions of their values


def throw(scope, message, name="Error", props=None):
    error = getattr(js, name, js.Error).new(message)
    error.name = name
    for key, value in props.object_entries() if props else ():
        setattr(error, key, value)
    raise error


def on(scope, class_name, name, event, text):
    """Let objects of that name run a program at an event; it holds until the process ends."""
    HANDLERS[place_of(scope, class_name, name), event] = json.loads(text)


def stream(scope, place, chunks, size, delay_ms):
    """A stream that notes how many chunks were pulled, its end and its cancellation."""
    made = 0

    async def pull(controller):
        nonlocal made
        if made == chunks:
            note(place, "end")
            controller.close()
            return
        if delay_ms:
            await asyncio.sleep(delay_ms / 1000)
        made += 1
        NOTES.setdefault(place + " pulled", [0])[0] = made
        controller.enqueue(to_js(b"x" * size))

    def cancel(reason=None):
        note(place, "cancel")

    return js.ReadableStream.new(to_js({"pull": pull, "cancel": cancel}, dict_converter=js.Object.fromEntries))


def response(scope, body=None, status=200, headers=None, socket=None):
    options = {"status": status, "headers": headers or js.Object.new()}
    if socket is not None:
        options["webSocket"] = socket
    return js.Response.new(None if body is jsnull else body, to_js(options, dict_converter=js.Object.fromEntries))


def place_of(scope, class_name, name):
    return f"{class_name}:{getattr(scope['env'], class_name).idFromName(name).toString()}"


PLAIN = {
    "list": lambda scope, *items: to_js(items),
    "=": lambda scope, left, right: data(left) == data(right),
    "+": lambda scope, *items: (items[0] or 0) + items[1],
    "-": lambda scope, left, right: left - right,
    "str": lambda scope, value: str(value),
    "alternate": lambda scope, notes, first, second: alternate([item for item in notes.value if item in (first, second)], first, second),
    "<": lambda scope, left, right: left < right,
    "each": lambda scope, items, method: to_js([getattr(item, method)() for item in items]),
    "dispose": lambda scope, stub: stub.dispose(),
    "sorted": lambda scope, items: to_js(sorted(items)),
    "upper": lambda scope, text: text.upper(),
    "len": lambda scope, value: len(value),
    "index": lambda scope, value, index: value[index],
    "is": lambda scope, left, right: left is right,
    "text": lambda scope, size: "x" * size,
    "bytes": lambda scope, size: to_js(bytes(size)),
    "now": lambda scope: js.Date.now(),
    "throw": throw,
    "note": lambda scope, value: note(scope["place"], data(value)),
    "notes": lambda scope, class_name, name: Sent(NOTES.get(place_of(scope, class_name, name), [])),
    "lives": lambda scope, class_name, name: LIVES.get(place_of(scope, class_name, name), 0),
    "noted": lambda scope, place: Sent(NOTES.get(place, [])),
    "on": on,
    "stream": stream,
    "response": response,
    "new": lambda scope, name, *args: getattr(js, name).new(*args),
    "memory": lambda scope, name, *value: memory(scope["memory"], name, *value),
    "type": lambda scope, value: kind(value),
}


def alternate(items, first, second):
    """Whether the two take turns."""
    return all(item == (first, second)[number % 2] for number, item in enumerate(items))


def memory(fields, name, *value):
    """Read or write a field of the instance."""
    if value:
        fields[name] = value[0]
    return fields.get(name, 0)


# -- values as JSON


class Sent:
    """A value that is JSON data already."""

    def __init__(self, value):
        self.value = value

    def __len__(self):
        return len(self.value)

    def __getitem__(self, key):
        return self.value[key]

    def __getattr__(self, name):
        try:
            return Sent(self.value[name]) if isinstance(self.value[name], dict | list) else self.value[name]
        except KeyError:
            raise AttributeError(name) from None


def parsed(value):
    return Sent(json.loads(value)) if isinstance(value, str) and value[:1] in '{["0123456789tfn-' else value


def literal(tagged):
    match tagged["$"]:
        case "undefined":
            return None
        case "number":
            return float(tagged["text"])
        case "bigint":
            return js.BigInt(tagged["text"])
        case "Date":
            return js.Date.new(tagged["ms"])
        case "ArrayBuffer":
            return to_js(bytes.fromhex(tagged["hex"])).buffer
        case "Uint8Array":
            return to_js(bytes.fromhex(tagged["hex"]))
        case "Map":
            return to_js(dict(tagged["entries"]))
        case "Set":
            return to_js(set(tagged["items"]))
        case "RegExp":
            return js.RegExp.new(tagged["source"], tagged["flags"])


def kind(value):
    if value is None or value is jsnull:
        return "undefined" if value is None else "null"
    if isinstance(value, JsProxy):
        return value.constructor.name
    # The SDK hands ArrayBuffers to handlers as memoryviews.
    known = {bool: "boolean", int: "number", float: "number", str: "string", memoryview: "ArrayBuffer"}
    return known.get(type(value), type(value).__name__)


def data(value):
    """Any value as JSON; what JSON has no form for is tagged with `$`."""
    if isinstance(value, Sent):
        return value.value
    if value is jsnull:
        return None
    if value is None:
        return {"$": "undefined"}
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return {"$": "number", "text": str(value)}
    if isinstance(value, int) and abs(value) > 2**53:
        return {"$": "bigint", "text": str(value)}
    if isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, JsException):
        return {"$": "Error", **error_data(value)}
    match kind(value):
        case "Array" | "list" | "tuple":
            return [data(item) for item in value]
        case "Object":
            return {key: data(item) for key, item in value.object_entries()}
        case "Map":
            return {"$": "Map", "entries": [[data(key), data(item)] for key, item in value.entries()]}
        case "Set":
            return {"$": "Set", "items": [data(item) for item in value.values()]}
        case "Date":
            return {"$": "Date", "ms": value.getTime()}
        case "RegExp":
            return {"$": "RegExp", "source": value.source, "flags": value.flags}
        case "BigInt":
            return {"$": "bigint", "text": str(value)}
        case "ArrayBuffer" | "Uint8Array" as name:
            return {"$": name, "hex": value.to_bytes().hex()}
        case name:
            return {"$": name}


def error_data(error):
    """Name, message and own flags of an error."""
    if not isinstance(error, JsException):
        return {"name": type(error).__name__, "message": str(error)}
    own = {key: data(item) for key, item in error.object_entries() if key not in ("stack",)}
    return {**own, "name": error.name, "message": error.message}


def new_scope(**names):
    return ChainMap({}, {"js": js, **names})
