"""S-43 to S-56: SQL."""

from playbook.matching import Has, Like, error
from playbook.programs import call, catch, do, get, put, rows, sql
from playbook.steps import Case, Run, Until, Verb

TABLE = sql("CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, x)")
THREE = do(TABLE, sql("INSERT INTO t(x) VALUES ('a'), ('b'), ('c')"))


def cursor(query: str, *bindings: object) -> list:
    return ["let", "c", ["!storage.sql.exec", query, *bindings]]


def refused(query: str, *bindings: object, message: object = Like(".")) -> Run:
    return Run(catch(call(sql(query, *bindings))), error(message))


def works(query: str, *bindings: object, gives: object = None) -> Run:
    return Run(call(rows(query, *bindings)), gives)


NOT_AUTHORIZED = Like("SQLITE_AUTH|prohibited|not authorized")
USE_JS = Like("state.storage.transaction\\(\\)")

CASES = (
    Case(
        "S-43",
        "one() fails on no row and on several",
        (
            Run(call(THREE)),
            Run(
                call(["list", catch(do(cursor("SELECT x FROM t WHERE 0"), ["!c.one"])), catch(do(cursor("SELECT x FROM t"), ["!c.one"]))]),
                [
                    error("Expected exactly one result from SQL query, but got no results."),
                    error("Expected exactly one result from SQL query, but got multiple results."),
                ],
            ),
            Run(call(cursor("SELECT x FROM t WHERE id = 2"), ["!c.one"]), {"x": "b"}),
        ),
    ),
    Case(
        "S-44",
        "raw() and the cursor share a position",
        (
            Run(
                call(
                    THREE,
                    cursor("SELECT id, x FROM t ORDER BY id"),
                    ["let", "r", ["!c.raw"]],
                    ["list", ["!c.next"], ["!r.next"], ["!c.next"], ["!c.next"], ["!c.toArray"]],
                ),
                [
                    {"done": False, "value": {"id": 1, "x": "a"}},
                    {"done": False, "value": [2, "b"]},
                    {"done": False, "value": {"id": 3, "x": "c"}},
                    Has({"done": True}),
                    [],
                ],
            ),
        ),
    ),
    Case(
        "S-45",
        "duplicate column names: the last wins in objects, raw has both",
        (
            Run(
                call(
                    cursor("SELECT 1 AS a, 2 AS a"),
                    [
                        "list",
                        ["!c.toArray"],
                        ["@c.columnNames"],
                        do(cursor("SELECT 1 AS a, 2 AS a"), ["let", "r", ["!c.raw"]], ["!r.toArray"]),
                    ],
                ),
                [[{"a": 2}], ["a", "a"], [[1, 2]]],
            ),
        ),
    ),
    Case(
        "S-46",
        "only the last statement takes bindings; earlier effects stay when it fails",
        (
            Run(call(TABLE)),
            refused(
                "INSERT INTO t(x) VALUES (?); SELECT 1",
                "a",
                message="When executing multiple SQL statements in a single call, only the last statement can have parameters.",
            ),
            Run(call(rows("SELECT x FROM t")), []),
            refused(
                "INSERT INTO t(x) VALUES ('kept'); SELECT missing_column", message=Like("^no such column: missing_column.*SQLITE_ERROR")
            ),
            works("INSERT INTO t(x) VALUES ('two'); SELECT x FROM t WHERE x <> ? ORDER BY id", "no", gives=[{"x": "kept"}, {"x": "two"}]),
        ),
    ),
    Case(
        "S-47",
        "a wrong number of bindings fails before any effect",
        (
            Run(call(TABLE)),
            refused("INSERT INTO t(x) VALUES (?)", message="Wrong number of parameter bindings for SQL query."),
            refused("INSERT INTO t(x) VALUES (?)", 1, 2, message="Wrong number of parameter bindings for SQL query."),
            works("SELECT x FROM t", gives=[]),
            refused("", message="SQL code did not contain a statement."),
            refused("SELECT 1; -- nothing", message="SQL code did not contain a statement."),
        ),
    ),
    Case(
        "S-48",
        "transaction control points to the JavaScript API",
        tuple(refused(query, message=USE_JS) for query in ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT a", "RELEASE a", "BEGIN IMMEDIATE")),
    ),
    Case(
        "S-49",
        "reserved names, TEMP, ATTACH and private pragmas are refused",
        (
            *(
                refused(query, message=NOT_AUTHORIZED)
                for query in (
                    "CREATE TABLE _cf_mine(x)",
                    "CREATE TEMP TABLE t2(x)",
                    "ATTACH ':memory:' AS other",
                    "PRAGMA user_version",
                    "PRAGMA journal_mode",
                    "SELECT sqlite_version()",
                )
            ),
            Run(call(put("k", 1), catch(sql("SELECT * FROM _cf_KV"))), error(NOT_AUTHORIZED)),
        ),
    ),
    Case(
        "S-50",
        "the allowed pragmas work",
        (
            Run(call(TABLE)),
            works("PRAGMA table_info(t)", gives=[Has({"name": "id"}), Has({"name": "x"})]),
            works("PRAGMA foreign_keys", gives=[{"foreign_keys": 1}]),
            works("PRAGMA defer_foreign_keys = 1"),
            works("PRAGMA quick_check", gives=[{"quick_check": "ok"}]),
            works("PRAGMA optimize"),
            works("SELECT name FROM pragma_table_info('t')", gives=[{"name": "id"}, {"name": "x"}]),
        ),
    ),
    Case(
        "S-51",
        "fts5, json, math, windows, RETURNING, UPSERT, STRICT",
        (
            works(
                "CREATE VIRTUAL TABLE f USING fts5(body); INSERT INTO f VALUES ('the quick fox'); SELECT body FROM f WHERE f MATCH 'fox'",
                gives=[{"body": "the quick fox"}],
            ),
            works("SELECT json_extract('{\"a\":[1,2]}', '$.a[1]') AS v, pow(2, 3) AS p", gives=[{"v": 2, "p": 8}]),
            Run(call(THREE)),
            works("SELECT x, row_number() OVER (ORDER BY id DESC) AS n FROM t ORDER BY n LIMIT 1", gives=[{"x": "c", "n": 1}]),
            works(
                "INSERT INTO t(id, x) VALUES (1, 'z') ON CONFLICT(id) DO UPDATE SET x = excluded.x RETURNING id, x",
                gives=[{"id": 1, "x": "z"}],
            ),
            Run(call(sql("CREATE TABLE s(n INTEGER) STRICT"), sql("INSERT INTO s VALUES (?)", 1))),
            refused("INSERT INTO s VALUES (?)", 1.5, message=Like("cannot store REAL value in INTEGER column s.n")),
        ),
    ),
    Case(
        "S-52",
        "bindings, columns, patterns, statements and UNIONs over the limit are refused",
        (
            Run(call(sql(f"SELECT {','.join('?' * 100)}", *range(100)))),
            refused(f"SELECT {','.join('?' * 101)}", *range(101), message=Like("too many SQL variables")),
            refused(f"CREATE TABLE wide({','.join(f'c{n}' for n in range(101))})", message=Like("too many columns")),
            refused(f"SELECT 'a' LIKE '{'%' * 51}'", message=Like("LIKE or GLOB pattern too complex")),
            refused(f"SELECT '{'x' * 100_000}'", message=Like("too (long|big).*SQLITE_TOOBIG")),
            refused(" UNION ALL ".join(["SELECT 1"] * 6), message=Like("too many terms in compound SELECT")),
            works(" UNION ALL ".join(["SELECT 1 AS n"] * 5), gives=[{"n": 1}] * 5),
        ),
    ),
    Case(
        "S-53",
        "foreign keys are enforced, at once unless deferred",
        (
            Run(call(sql("CREATE TABLE p(id INTEGER PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id))"))),
            refused("INSERT INTO c VALUES (1)", message=Like("^FOREIGN KEY constraint failed: SQLITE_CONSTRAINT")),
            Run(call(sql("PRAGMA defer_foreign_keys = 1"), sql("INSERT INTO c VALUES (1)"), sql("INSERT INTO p VALUES (1)"))),
            works("SELECT p FROM c", gives=[{"p": 1}]),
        ),
    ),
    Case(
        "S-54",
        "numbers bind as REAL",
        (
            works("SELECT typeof(?) AS t, ? / ? AS q, CAST(? AS TEXT) AS s", 5, 5, 2, 5, gives=[{"t": "real", "q": 2.5, "s": "5.0"}]),
            Run(call(sql("CREATE TABLE n(i INTEGER, s TEXT, u)"), sql("INSERT INTO n VALUES (?, ?, ?)", 5, 5, 5))),
            works(
                "SELECT i, s, u, typeof(i) AS ti, typeof(u) AS tu FROM n",
                gives=[{"i": 5, "s": "5.0", "u": 5, "ti": "integer", "tu": "real"}],
            ),
        ),
    ),
    Case(
        "S-55",
        "booleans as text, no bigint, NaN as NULL, blobs as ArrayBuffer",
        (
            works("SELECT ? AS t, ? AS f", True, False, gives=[{"t": "true", "f": "false"}]),
            refused("SELECT ?", {"$": "bigint", "text": "5"}, message="Cannot convert a BigInt value to a number"),
            works(
                "SELECT ? AS n, ? AS u, ? AS x",
                None,
                {"$": "undefined"},
                {"$": "number", "text": "nan"},
                gives=[{"n": None, "u": None, "x": None}],
            ),
            works(
                "SELECT ? AS b, typeof(?) AS t",
                {"$": "Uint8Array", "hex": "00ff"},
                {"$": "ArrayBuffer", "hex": "01"},
                gives=[{"b": {"$": "ArrayBuffer", "hex": "00ff"}, "t": "blob"}],
            ),
        ),
    ),
    Case(
        "S-56",
        "an acknowledged write survives a kill -9",
        (
            Run(call(TABLE)),
            *(
                step
                for number in range(1, 6)
                for step in (
                    Run(call(sql("INSERT INTO t(x) VALUES (?)", f"row {number}"), put("last", number))),
                    Verb("hosts/{host}/crash"),
                    Until(call(["list", rows("SELECT count(*) AS n FROM t"), get("last")]), [[{"n": number}], number]),
                )
            ),
        ),
        "rough",
    ),
)
