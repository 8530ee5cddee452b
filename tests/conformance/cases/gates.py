"""S-26 to S-42: gates and transactions."""

from playbook.matching import ABSENT, Between, Like, error
from playbook.programs import (
    FRESH,
    LIFE,
    UNDEFINED,
    begin,
    block,
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
    times,
)
from playbook.steps import Case, Ended, Open, Run, Send

INCREMENT = ["storage.put", "n", ["+", get("n"), 1]]
SLOW_INCREMENT = do(["let", "v", get("n")], sleep(1), ["storage.put", "n", ["+", ["@v"], 1]])
FAR = ["+", ["now"], 3_600_000]
ORPHAN = do(
    sql("CREATE TABLE IF NOT EXISTS p(id INTEGER PRIMARY KEY)"),
    sql("CREATE TABLE IF NOT EXISTS c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)"),
    sql("INSERT INTO c VALUES (99)"),
)
CONSTRAINT = Like("^Durable Object was reset and rolled back to its last known good state because the application left the database")
COUNT = rows("SELECT count(*) AS n FROM sqlite_master WHERE name = 'c'")


def twenty(program: list) -> list:
    """20 calls at once, then the stored count."""
    return do(settled(times(20, begin(program))), call(get("n")))


def transaction(*programs: list) -> list:
    return ["storage.transaction", fn("txn", *programs)]


def transaction_sync(*programs: list) -> list:
    return ["!storage.transactionSync", fn_now("", *programs)]


CASES = (
    Case("S-26", "20 concurrent get and put give 20", (Run(twenty(INCREMENT), 20),)),
    Case("S-27", "with a sleep in between they lose updates", (Run(twenty(SLOW_INCREMENT), Between(1, 19)),)),
    Case("S-28", "inside bcw they give 20", (Run(twenty(block(SLOW_INCREMENT)), 20),)),
    Case(
        "S-28b",
        "inside transaction they give 20",
        (Run(twenty(transaction(["let", "v", ["txn.get", "n"]], sleep(1), ["txn.put", "n", ["+", ["@v"], 1]])), 20),),
    ),
    Case(
        "S-29",
        "a failed commit replaces the return value by its error",
        (
            Run(catch(call(ORPHAN, "premature")), error(CONSTRAINT, durableObjectReset=ABSENT, overloaded=ABSENT)),
            Run(call(LIFE), 2),
        ),
    ),
    Case(
        "S-30",
        "a failed commit: a frame sent in that turn never leaves",
        (Open(), Send(do(ORPHAN, ["!ws.send", "premature"])), Ended(None)),
    ),
    Case(
        "S-31",
        "a failed commit leaves the data as before the turn",
        (
            Run(call(sql("CREATE TABLE keep(x); INSERT INTO keep VALUES (1)"), put("k", "before"))),
            Run(catch(call(["!storage.put", "k", "after"], sql("DELETE FROM keep"), ORPHAN)), error(CONSTRAINT)),
            Run(call(["list", get("k"), rows("SELECT count(*) AS n FROM keep"), COUNT]), ["before", [{"n": 1}], [{"n": 0}]]),
        ),
    ),
    Case(
        "S-32",
        "code after an await is not run when the pending commit failed",
        (
            Run(catch(call(ORPHAN, sleep(20), note("never"))), error(CONSTRAINT)),
            Run(catch(call(ORPHAN, catch(["storage.sync"]), note("never"))), error(CONSTRAINT)),
            Run(do(sleep(60), notes()), []),
        ),
    ),
    Case(
        "S-33",
        "an exception after two writes keeps both",
        (
            Run(call(sql("CREATE TABLE t(x)"))),
            Run(catch(call(sql("INSERT INTO t VALUES ('a')"), sql("INSERT INTO t VALUES ('b')"), throw("late"))), error("late")),
            Run(call(rows("SELECT x FROM t ORDER BY x")), [{"x": "a"}, {"x": "b"}]),
        ),
    ),
    Case(
        "S-34",
        "a write directly followed by abort is lost",
        (
            Run(call(sql("CREATE TABLE t(x)"))),
            Run(catch(call(sql("INSERT INTO t VALUES ('a')"), ["!ctx.abort", "enough"])), error("enough", durableObjectReset=True)),
            Run(call(rows("SELECT x FROM t")), []),
        ),
    ),
    Case(
        "S-35",
        "with sync in between it is kept",
        (
            Run(call(sql("CREATE TABLE t(x)"))),
            Run(catch(call(sql("INSERT INTO t VALUES ('a')"), ["storage.sync"], ["!ctx.abort", "enough"])), error("enough")),
            Run(call(rows("SELECT x FROM t")), [{"x": "a"}]),
        ),
    ),
    Case(
        "S-36",
        "an un-awaited put before a throw is kept",
        (Run(catch(call(["!storage.put", "k", "v"], throw("late"))), error("late")), Run(call(get("k")), "v")),
    ),
    Case(
        "S-37",
        "transactionSync rolls back SQL, sync KV and setAlarm",
        (
            Run(call(sql("CREATE TABLE t(x)"))),
            Run(
                call(
                    catch(
                        transaction_sync(
                            sql("INSERT INTO t VALUES (1)"), ["!storage.kv.put", "k", 1], ["!storage.setAlarm", FAR], throw("back")
                        )
                    )
                ),
                error("back", durableObjectReset=ABSENT),
            ),
            Run(call(["list", rows("SELECT x FROM t"), get("k"), ["storage.getAlarm"], LIFE]), [[], UNDEFINED, None, 1]),
            Run(call(transaction_sync(sql("INSERT INTO t VALUES (2)"), "value")), "value"),
            Run(call(rows("SELECT x FROM t")), [{"x": 2}]),
        ),
    ),
    Case(
        "S-38",
        "a nested transactionSync that throws keeps the outer writes",
        (
            Run(
                call(
                    sql("CREATE TABLE t(x)"),
                    transaction_sync(
                        sql("INSERT INTO t VALUES ('outer')"),
                        catch(transaction_sync(sql("INSERT INTO t VALUES ('inner')"), throw("inner"))),
                        sql("INSERT INTO t VALUES ('after')"),
                    ),
                )
            ),
            Run(call(rows("SELECT x FROM t")), [{"x": "outer"}, {"x": "after"}]),
        ),
    ),
    Case(
        "S-39",
        "transaction rolls back SQL, KV and alarm, rejects with the error, resets nothing",
        (
            Run(call(sql("CREATE TABLE t(x)"))),
            Run(
                call(
                    catch(
                        transaction(
                            sql("INSERT INTO t VALUES (1)"),
                            ["txn.put", "k", 1],
                            ["storage.put", "k2", 1],
                            ["txn.setAlarm", FAR],
                            sleep(5),
                            sql("INSERT INTO t VALUES (2)"),
                            throw("back", code=3),
                        )
                    )
                ),
                error("back", code=3, durableObjectReset=ABSENT),
            ),
            Run(
                call(["list", rows("SELECT x FROM t"), get("k"), get("k2"), ["storage.getAlarm"], LIFE]),
                [[], UNDEFINED, UNDEFINED, None, 1],
            ),
        ),
    ),
    Case(
        "S-40",
        "txn.rollback keeps nothing, gives the value, and ends txn",
        (
            Run(
                call(
                    ["let", "kept", None],
                    [
                        "list",
                        transaction(
                            ["memory", "txn", ["@txn"]],
                            ["txn.put", "k", 1],
                            ["!txn.rollback"],
                            catch(["txn.put", "k", 2]),
                        ),
                        get("k"),
                        catch(do(["let", "t", ["memory", "txn"]], ["t.put", "k", 3])),
                    ],
                ),
                [error("Cannot put() on rolled back transaction"), UNDEFINED, error("Cannot put() on rolled back transaction")],
            ),
            Run(
                call(
                    transaction(["memory", "txn", ["@txn"]], ["txn.put", "k", 1]),
                    ["list", get("k"), catch(do(["let", "t", ["memory", "txn"]], ["t.put", "k", 3]))],
                ),
                [1, error(Like("^Cannot call put\\(\\) on transaction that has already committed"))],
            ),
        ),
    ),
    Case(
        "S-41",
        "other requests wait during an async transaction",
        (
            Run(
                do(
                    ["let", "long", begin(transaction(note("begin"), sleep(50), note("end")))],
                    sleep(15),
                    settled(["@long"], begin(note("other"), to=FRESH)),
                    notes(),
                ),
                ["begin", "end", "other"],
            ),
        ),
    ),
    Case(
        "S-42",
        "deleteAll inside an async transaction is refused",
        (
            Run(call(put("k", 1), catch(transaction(["storage.deleteAll"]))), error("Cannot call deleteAll() within a transaction")),
            Run(call(get("k")), 1),
        ),
    ),
)
