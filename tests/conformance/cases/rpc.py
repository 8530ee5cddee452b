"""S-108 to S-112: RPC and facets."""

from playbook.matching import ANY, Like, error
from playbook.programs import (
    FRESH,
    LIFE,
    UNDEFINED,
    begin,
    call,
    catch,
    do,
    fn,
    fn_now,
    get,
    note,
    notes,
    put,
    rows,
    settled,
    sleep,
    sql,
    throw,
)
from playbook.steps import ACCEPT, REPLY_101, Case, Frame, Open, Run, Send, Verb


def give(*programs: list) -> list:
    """A method whose result is the program's value as it is."""
    return ["o.give", ["code", *programs]]


def use(given: list, *programs: list) -> list:
    """A method that takes `given` as `value`."""
    return ["o.use", ["code", *programs], given]


UPGRADE = {"headers": {"upgrade": "websocket"}}
FACET = fn_now("", {"class": ["@ctx.exports.Facet"]})
CHILD = ["let", "f", ["!ctx.facets.get", "child", FACET]]
F = ["@f"]
PLACE = ["+", "Facet:", ["!o.id.toString"]]


def in_child(*programs: list) -> list:
    """Run programs in the facet `child`, from its parent."""
    return call(*programs, to=F)


def nest(depth: int, program: list) -> list:
    """Facets of facets, `depth` of them; the program runs in the last."""
    for _ in range(depth):
        program = do(CHILD, in_child(program))
    return program


CASES = (
    Case(
        "S-108",
        "reserved names are no methods, prototype getters are readable",
        (
            Run(["await", ["@o.greeting"]], "from a getter"),
            *(
                Run(catch([f"o.{name}"]), error(f"'{name}' is a reserved method and cannot be called over RPC.", name="TypeError"))
                for name in ("alarm", "webSocketMessage", "webSocketClose", "webSocketError")
            ),
            Run(catch(["o.missing"]), error('The RPC receiver does not implement the method "missing".', name="TypeError", remote=True)),
            Run(
                ["list", ["@o.name"], ["!o.id.toString"], ["type", ["@o.id"]]], [Like("^S-108"), Like("^[0-9a-f]{64}$"), "DurableObjectId"]
            ),
        ),
    ),
    Case(
        "S-109",
        "functions pass by reference in both directions",
        (
            Run(do(["let", "f", give(fn("x", note("called"), ["+", ["@x"], LIFE]))], ["f", 41]), 42),
            Run(notes(), ["called"]),
            Run(
                do(
                    use(fn("x", note(["@x"]), "back"), ["let", "r", ["value", 7]], note(["@r"])),
                    ["list", notes(), ["noted", ["+", "worker:", ["@me"]]]],
                ),
                [["called", "back"], [7]],
            ),
            Run(
                do(["let", "f", give(fn("", ["throw", "from afar", "TypeError", {"code": 4}]))], catch(["f"])),
                error("from afar", name="TypeError", code=4, remote=True),
            ),
        ),
    ),
    Case(
        "S-109b",
        "a disposed stub throws",
        (Run(do(["let", "f", give(fn("", 1))], ["dispose", ["@f"]], catch(["f"])), error("RPC stub used after being disposed.")),),
    ),
    Case(
        "S-109c",
        "values are copied, Responses and streams pass",
        (
            Run(do(["let", "v", {"a": ["list", 1]}], use(["@v"], ["=value.a", 2]), ["@v"]), {"a": [1]}),
            Run(give({"d": {"$": "Date", "ms": 5}, "m": {"$": "Map", "entries": [[1, 2]]}}), {"d": ANY, "m": ANY}),
            Run(do(["let", "r", give(["response", "hello", 201, {"x-a": "b"}])], ["list", ["@r.status"], ["r.text"]]), [201, "hello"]),
            Run(do(["let", "s", give(["stream", "S-109c", 3, 4, 5])], ["let", "r", ["response", ["@s"]]], ["r.text"]), "x" * 12),
            Run(use(FRESH, call(LIFE, to=["!env.Probe.getByName", "S-109c other"])), "1"),
        ),
    ),
    Case(
        "S-110",
        "URLs, promises and too much are refused",
        (
            Run(catch(use(["new", "URL", "http://x/"], 1)), error(ANY, name="DataCloneError")),
            Run(catch(give(["new", "URL", "http://x/"])), error(ANY, name="DataCloneError")),
            Run(catch(use(["new", "Promise", fn_now("resolve", 1)], 1)), error(ANY, name="DataCloneError")),
            Run(catch(use(["new", "AbortController"], 1)), error(ANY, name="DataCloneError")),
            Run(catch(use(["text", 33 * 1024 * 1024], 1)), error(Like("limited to 32MiB"))),
            Run(catch(give(["text", 33 * 1024 * 1024])), error(Like("limited to 32MiB"))),
            Run(use(["text", 31 * 1024 * 1024], ["len", ["@value"]]), str(31 * 1024 * 1024)),
        ),
    ),
    Case(
        "S-111",
        "a facet has storage and an instance of its own",
        (
            Run(call(put("k", "parent"), CHILD, in_child(put("k", "child"), sql("CREATE TABLE t(x)"), ["memory", "x", 1]))),
            Run(
                call(
                    CHILD,
                    [
                        "list",
                        get("k"),
                        rows("SELECT name FROM sqlite_master WHERE name = 't'"),
                        in_child(["list", get("k"), ["memory", "x"]]),
                    ],
                ),
                ["parent", [], ["child", 1]],
            ),
        ),
    ),
    Case(
        "S-111b",
        "abort keeps a facet's data, delete wipes it",
        (
            Run(call(CHILD, in_child(put("k", "child"), ["memory", "x", 1]))),
            Run(
                call(
                    CHILD,
                    ["let", "pending", begin(sleep(5000), to=F)],
                    sleep(10),
                    ["!ctx.facets.abort", "child", ["new", "Error", "out"]],
                    ["let", "outcomes", settled(["@pending"])],
                    ["let", "f2", ["!ctx.facets.get", "child", FACET]],
                    ["list", ["@outcomes"], call(["list", get("k"), ["memory", "x"]], to=["@f2"])],
                ),
                [[error("out")], ["child", 0]],
            ),
            Run(
                call(
                    CHILD,
                    in_child(1),
                    ["!ctx.facets.delete", "child"],
                    ["let", "old", catch(in_child(get("k")))],
                    ["let", "f2", ["!ctx.facets.get", "child", FACET]],
                    ["list", ["@old"], call(get("k"), to=["@f2"])],
                ),
                [error("Facet was deleted."), UNDEFINED],
            ),
        ),
    ),
    Case(
        "S-111c",
        "a facet's stub cannot leave its parent",
        (Run(catch(give(CHILD, F)), error("Stubs pointing to Durable Object facets are not serializable.", name="DataCloneError")),),
    ),
    Case(
        "S-111d",
        "a facet cannot set an alarm",
        (Run(call(CHILD, catch(in_child(["storage.setAlarm", ["+", ["now"], 1000]]))), error("Facets currently cannot set alarms.")),),
    ),
    Case(
        "S-111e",
        "a facet's abort resets only itself, a parent's takes it down too",
        (
            Run(call(CHILD, in_child(["memory", "x", 1]), ["list", catch(in_child(["!ctx.abort", "me"])), LIFE]), [error("me"), 1]),
            Run(call(CHILD, in_child(put("k", 1), ["list", LIFE, ["memory", "x", 7]])), [2, 7]),
            Run(
                catch(call(CHILD, ["let", "pending", begin(sleep(5000), note("never"), to=F)], sleep(10), ["!ctx.abort", "all"])),
                error("all"),
            ),
            Run(call(CHILD, ["list", LIFE, in_child(["list", LIFE, ["memory", "x"], get("k")])]), [2, [3, 0, 1]]),
            Run(["noted", PLACE], []),
        ),
    ),
    Case(
        "S-111f",
        "facets hibernate with their parent",
        (
            Run(call(CHILD, in_child(["memory", "x", 1], put("k", 1)))),
            Verb("objects/Probe/{me}/evict"),
            Run(call(CHILD, in_child(["list", ["memory", "x"], get("k"), LIFE])), [0, 1, 2]),
        ),
    ),
    Case(
        "S-111g",
        "a facet's getter may be async, and calls meanwhile keep their order",
        (
            Run(
                call(
                    ["let", "f", ["!ctx.facets.get", "child", fn("", sleep(20), {"class": ["@ctx.exports.Facet"]})]],
                    settled(begin(note("a"), to=F), begin(note("b"), to=F)),
                    in_child(LIFE),
                ),
                1,
            ),
            Run(["noted", PLACE], ["a", "b"]),
            Run(call(["let", "f", ["!ctx.facets.get", "bad", fn_now("", throw("no class"))]], catch(in_child(1))), error("no class")),
        ),
    ),
    Case(
        "S-111i",
        "clone gives a facet the data of another and of all below it, in place of its own",
        (
            Run(call(CHILD, in_child(put("k", "first"), CHILD, in_child(put("k", "below"))))),
            Run(
                call(
                    ["let", "copy", ["!ctx.facets.get", "copy", FACET]],
                    call(put("k", "own"), to=["@copy"]),
                    ["!ctx.facets.clone", "child", "copy"],
                    CHILD,
                    in_child(put("k", "second")),
                    ["let", "again", ["!ctx.facets.get", "copy", FACET]],
                    [
                        "list",
                        catch(call(get("k"), to=["@copy"])),
                        call(["list", get("k"), do(CHILD, in_child(get("k")))], to=["@again"]),
                        in_child(get("k")),
                    ],
                ),
                [error("Facet was cloned-over."), ["first", "below"], "second"],
            ),
            Run(
                call(
                    ["!ctx.facets.clone", "no such facet", "copy"],
                    ["let", "copy", ["!ctx.facets.get", "copy", FACET]],
                    call(get("k"), to=["@copy"]),
                ),
                UNDEFINED,
            ),
        ),
        only="node",
    ),
    Case(
        "S-111h",
        "a facet keeps its sockets and its memory through a nap",
        (
            Open(program=do(CHILD, ["f.fetch", ["+", "http://x/?p=", ["!js.encodeURIComponent", ["code", ACCEPT, REPLY_101]]], UPGRADE])),
            Send(["!ws.send", ["+", "life ", ["str", LIFE]]]),
            Frame("life 1"),
            Verb("objects/Probe/{me}/evict"),
            Send(["!ws.send", ["+", "life ", ["str", LIFE]]]),
            Frame("life 2"),
            Run(call(CHILD, ["list", LIFE, in_child(["list", LIFE, ["len", ["!ctx.getWebSockets"]]])]), [2, [2, 1]]),
        ),
    ),
    Case(
        "S-112",
        "a facet without id has its parent's ctx.id; depth 5 is refused",
        (
            Run(
                call(CHILD, ["list", ["=", in_child(["!ctx.id.toString"]), ["!ctx.id.toString"]], in_child(["@ctx.id.name"])]),
                [True, Like("^S-112")],
            ),
            Run(
                call(
                    ["let", "g", ["!ctx.facets.get", "named", fn_now("", {"class": ["@ctx.exports.Facet"], "id": "my-id"})]],
                    call(["list", ["!ctx.id.toString"], ["@ctx.id.name"]], to=["@g"]),
                ),
                ["my-id", UNDEFINED],
            ),
            Run(call(nest(3, put("k", "deep"))), UNDEFINED),
            Run(catch(call(nest(4, LIFE))), error(Like("^Facet nesting depth limit exceeded."))),
            Run(call(["!ctx.facets.delete", "no such facet"]), UNDEFINED),
            Run(call(nest(3, get("k"))), "deep"),
        ),
    ),
    Case(
        "S-112b",
        "ctx.exports has the Worker's classes and default",
        (
            Run(call(["sorted", ["!js.Object.keys", ["@ctx.exports"]]]), ["Facet", "Legacy", "Plain", "Probe", "default"]),
            Run(call(["let", "s", ["!ctx.exports.Probe.getByName", ["@ctx.id.name"]]], ["@s.name"]), Like("^S-112b")),
            Run(
                call(["let", "r", ["ctx.exports.default.fetch", "http://x/here?p=%5B%22response%22%2C%22looped%22%5D"]], ["r.text"]),
                "looped",
            ),
        ),
    ),
)
