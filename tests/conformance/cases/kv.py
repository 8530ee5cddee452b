"""S-57 to S-64: key-value storage."""

from playbook.matching import ANY, Like, error, value
from playbook.programs import UNDEFINED, call, catch, do, fn, fn_now, get, put, rows, sql, throw
from playbook.steps import Case, Run

LEGACY = ["!env.Legacy.getByName", ["@me"]]


def keys(options: dict) -> list:
    """The keys of `list(options)`, in order."""
    return ["!js.Array.from", do(["let", "m", ["storage.list", options]], ["!m.keys"])]


CASES = (
    Case(
        "S-57",
        "get of a missing key is undefined; several come as a Map in key order",
        (
            Run(call(get("nothing")), UNDEFINED),
            Run(
                call(["storage.put", {"b": 2, "a": 1}], ["storage.get", ["list", "b", "missing", "a"]]),
                {"$": "Map", "entries": [["a", 1], ["b", 2]]},
            ),
        ),
    ),
    Case(
        "S-58",
        "delete tells whether, of several how many",
        (
            Run(
                call(
                    ["storage.put", {"a": 1, "b": 2}],
                    ["list", ["storage.delete", "a"], ["storage.delete", "a"], ["storage.delete", ["list", "a", "b", "c"]]],
                ),
                [True, False, 1],
            ),
        ),
    ),
    Case(
        "S-59",
        "list honours its options and byte order",
        (
            Run(call(["storage.put", {"B": 1, "a": 2, "é": 3, "😀": 4, "ab": 5, "b": 6}], keys({})), ["B", "a", "ab", "b", "é", "😀"]),
            Run(
                call(
                    [
                        "list",
                        keys({"prefix": "a"}),
                        keys({"start": "ab"}),
                        keys({"startAfter": "ab"}),
                        keys({"end": "b"}),
                        keys({"limit": 2}),
                        keys({"reverse": True, "limit": 2}),
                        keys({"start": "a", "end": "b", "reverse": True}),
                        keys({"prefix": "a", "start": "ab"}),
                        keys({"start": "z", "end": "a"}),
                    ]
                ),
                [["a", "ab"], ["ab", "b", "é", "😀"], ["b", "é", "😀"], ["B", "a", "ab"], ["B", "a"], ["😀", "é"], ["ab", "a"], ["ab"], []],
            ),
        ),
    ),
    Case(
        "S-60",
        "limit 0 and start with startAfter are TypeErrors",
        (
            Run(catch(call(["storage.list", {"limit": 0}])), error("List limit must be positive.", name="TypeError")),
            Run(
                catch(call(["storage.list", {"start": "a", "startAfter": "b"}])),
                error("list() cannot be called with both start and startAfter values.", name="TypeError"),
            ),
        ),
    ),
    Case(
        "S-61",
        "undefined is refused; structured clones round-trip",
        (
            Run(catch(call(put("k", UNDEFINED))), error("put() called with undefined value.", name="TypeError")),
            *(
                Run(call(put("k", given), get("k")), given)
                for given in (
                    None,
                    {"$": "Date", "ms": 86400000},
                    {"$": "Map", "entries": [["a", 1], ["b", 2]]},
                    {"$": "Set", "items": [1]},
                    {"$": "bigint", "text": "12345678901234567890"},
                    {"$": "Uint8Array", "hex": "00ff10"},
                    {"$": "ArrayBuffer", "hex": "00ff"},
                    {"$": "RegExp", "source": "a+", "flags": "gi"},
                )
            ),
            Run(call(put("k", {"deep": ["list", 1, {"x": "ü"}, 1.5]}), get("k")), {"deep": [1, {"x": "ü"}, 1.5]}),
            Run(catch(call(put("k", fn("", 1)))), error(ANY, name="DataCloneError")),
        ),
    ),
    Case(
        "S-62",
        "sync and async KV share a table; KV and SQL share a transaction",
        (
            Run(
                call(
                    ["!storage.kv.put", "s", 1],
                    put("a", 2),
                    [
                        "list",
                        get("s"),
                        ["!storage.kv.get", "a"],
                        ["!js.Array.from", ["!storage.kv.list"]],
                        ["!storage.kv.delete", "a"],
                        get("a"),
                    ],
                ),
                [1, 2, [["a", 2], ["s", 1]], True, UNDEFINED],
            ),
            Run(call(catch(["!storage.kv.put", "u", UNDEFINED])), value()),
            Run(
                call(
                    sql("CREATE TABLE t(x)"),
                    catch(["!storage.transactionSync", fn_now("", ["!storage.put", "k", 1], sql("INSERT INTO t VALUES (1)"), throw("no"))]),
                    ["list", get("k"), rows("SELECT * FROM t")],
                ),
                [UNDEFINED, []],
            ),
        ),
    ),
    Case(
        "S-63",
        "deleteAll empties KV, SQL, counters and the alarm",
        (
            Run(
                call(
                    put("k", 1),
                    sql("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO t(x) VALUES (1), (2)"),
                    ["storage.setAlarm", ["+", ["now"], 3600000]],
                    ["storage.deleteAll"],
                    [
                        "list",
                        get("k"),
                        ["storage.getAlarm"],
                        rows("SELECT name FROM sqlite_master WHERE name = 't'"),
                        do(
                            sql("CREATE TABLE t(id INTEGER PRIMARY KEY AUTOINCREMENT, x); INSERT INTO t(x) VALUES (9)"),
                            rows("SELECT id FROM t"),
                        ),
                    ],
                ),
                [UNDEFINED, None, [], [{"id": 1}]],
            ),
        ),
    ),
    Case(
        "S-64",
        "a legacy class has neither sql nor kv",
        (
            Run(
                call(["list", catch(["@storage.sql"]), catch(["@storage.kv"]), do(put("k", 1), get("k"))], to=LEGACY),
                [error(Like("^SQL is not enabled.*new_sqlite_classes")), error(Like("^The storage.kv .*new_sqlite_classes")), 1],
            ),
        ),
        differs="bare workerd gives SQL to every class on disk; miniflare refuses as here",
    ),
)
