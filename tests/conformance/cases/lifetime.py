"""S-104 to S-107: what outlives a response, an abort, a client."""

from playbook.matching import ABSENT, Between, EachIs, Like, error, value
from playbook.programs import FRESH, LIFE, begin, call, catch, do, fn, fn_now, get, lives, note, notes, put, rows, settled, sleep, sql
from playbook.steps import Case, Http, Impatient, Noted, Run, Until, Wait

WORKER = ["+", "worker:", ["@me"]]
"""Where the Worker itself notes."""
HERE = ["@place"]
"""Where the object itself notes."""


def worker_noted(wanted: object) -> Until:
    return Until(["noted", WORKER], wanted)


def on_abort(text: str) -> list:
    """Note when the request's signal aborts, and why."""
    return do(
        ["let", "signal", ["@request.signal"]],
        ["!signal.addEventListener", "abort", fn_now("event", note(["list", text, ["@signal.reason.name"], ["@signal.reason.message"]]))],
    )


LEFT = ["AbortError", "The client has disconnected"]
STREAM = ["response", ["stream", WORKER, 2000, 65536, 0]]
SLOW_STREAM = ["response", ["stream", WORKER, 100, 10, 20]]

CASES = (
    Case(
        "S-104",
        "waitUntil does not delay the reply and goes on after it",
        (
            Http("/here", text="now", program=do(["!ctx.waitUntil", ["spawn", sleep(150), note("later")]], ["response", "now"])),
            Run(["noted", WORKER], []),
            worker_noted(["later"]),
            Run(catch(call(["spawn", sleep(50), put("late", 1)], "now")), value("now")),
            Until(call(get("late")), 1),
        ),
    ),
    Case(
        "S-104b",
        "waitUntil goes on when the client has left",
        (
            Impatient(
                "/here",
                do(["!ctx.waitUntil", ["spawn", sleep(200), note("later")]], note("begun"), sleep(5000)),
                until=worker_noted(["begun"]),
            ),
            worker_noted(["begun", "later"]),
        ),
    ),
    Case(
        "S-105",
        "ctx.abort: every call in flight gets the reason; the stub stays broken, a fresh one works",
        (
            Run(
                do(
                    ["let", "other", FRESH],
                    ["let", "fresh", FRESH],
                    [
                        "list",
                        settled(
                            begin(sleep(60), note("never")),
                            begin(sleep(10), ["!ctx.abort", "enough"], note("never")),
                            begin(sleep(60), to=["@other"]),
                        ),
                        catch(call(LIFE)),
                        catch(call(LIFE, to=["@other"])),
                        call(LIFE, to=["@fresh"]),
                    ],
                ),
                [
                    EachIs(3, error("enough", durableObjectReset=True, remote=ABSENT)),
                    error("enough"),
                    error("enough"),
                    2,
                ],
            ),
            Wait(80),
            Run(["list", notes(), lives()], [[], 2]),
            Run(catch(call(["!ctx.abort"])), error("Application called abort() to reset Durable Object.", durableObjectReset=True)),
        ),
    ),
    Case(
        "S-105b",
        "what a finally block of an aborted call writes never arrives",
        (
            Run(call(sql("CREATE TABLE t(x)"), put("k", "before"))),
            Run(
                settled(
                    begin(["finally", sleep(50), do(["!storage.put", "k", "after"])]),
                    begin(["finally", ["!ctx.abort", "enough"], sql("INSERT INTO t VALUES (1)")]),
                ),
                EachIs(2, error("enough")),
            ),
            Wait(80),
            Run(call(["list", get("k"), rows("SELECT * FROM t"), LIFE]), ["before", [], 2]),
        ),
    ),
    Case(
        "S-106",
        "a client's reset aborts request.signal in the Worker, whose code stops",
        (
            Impatient(
                "/here", do(on_abort("worker"), note("begun"), sleep(150), note("never"), ["response", "x"]), until=worker_noted(["begun"])
            ),
            worker_noted(["begun", ["worker", *LEFT]]),
            Wait(250),
            Run(["noted", WORKER], ["begun", ["worker", *LEFT]]),
        ),
    ),
    Case(
        "S-106b",
        "with passthrough also in the object, whose handler finishes",
        (
            Impatient(
                "/at/Probe/{me}",
                do(on_abort("object"), note("begun"), sleep(400), note("end"), ["response", "x"]),
                until=Noted(["begun"]),
            ),
            Noted(["begun", ["object", *LEFT], "end"]),
        ),
    ),
    Case(
        "S-106c",
        "an abort's listener is code of whoever added it: it stops with it, and waits for bcw",
        (
            Impatient(
                "/here",
                do(
                    ["let", "signal", ["@request.signal"]],
                    ["!signal.addEventListener", "abort", fn("event", note("aborted"), sleep(100), note("never"))],
                    note("begun"),
                    sleep(5000),
                ),
                until=worker_noted(["begun"]),
            ),
            worker_noted(["begun", "aborted"]),
            Impatient(
                "/at/Probe/{me}",
                do(
                    ["let", "signal", ["@request.signal"]],
                    ["!signal.addEventListener", "abort", fn_now("event", note("aborted"))],
                    ["ctx.blockConcurrencyWhile", fn("", note("begin"), sleep(400), note("end"))],
                ),
                until=Noted(["begin"]),
            ),
            Noted(["begin", "end", "aborted"]),
            Run(["noted", WORKER], ["begun", "aborted"]),
        ),
    ),
    Case(
        "S-107",
        "a disconnect during a streamed body calls the source's cancel",
        (
            Impatient("/here", SLOW_STREAM, read=200),
            worker_noted(["cancel"]),
            Impatient("/at/Probe/{me}", do(["response", ["stream", HERE, 100, 10, 20]]), read=200),
            Noted(["cancel"]),
        ),
    ),
    Case(
        "S-107b",
        "a slow reader stops the producer",
        (
            Impatient("/here", STREAM, read=65536, after_ms=500),
            worker_noted(["cancel"]),
            Run(["noted", ["+", WORKER, " pulled"]], [Between(1, 400)]),
        ),
    ),
    Case(
        "S-107c",
        "a slow reader stops an object's producer",
        (
            Impatient("/at/Probe/{me}", ["response", ["stream", HERE, 2000, 65536, 0]], read=65536, after_ms=500),
            Noted(["cancel"]),
            Run(["noted", ["+", ["+", "Probe:", ["!o.id.toString"]], " pulled"]], [Between(1, 400)]),
        ),
    ),
    Case(
        "S-107d",
        "a handler that does not read stops the sender",
        (Impatient("/here", do(sleep(2500), ["response", "x"]), body=256 * 1024 * 1024),),
        "slow",
    ),
    Case(
        "S-107e",
        "a whole body passes in both directions, through Worker and object",
        (
            Http(
                "/at/Probe/{me}",
                text="3000000",
                method="POST",
                body=b"y" * 3_000_000,
                program=["response", ["str", ["len", ["request.text"]]]],
            ),
            Http("/at/Probe/{me}", text=Like("^x{2000000}$"), program=["response", ["stream", HERE, 20, 100_000, 0]]),
            Noted(["end"]),
        ),
    ),
    Case(
        "S-107f",
        "an object reads a response's stream from another as it comes",
        (
            Run(
                do(
                    ["let", "r", ["o.fetch", "http://x/?p=" + "%5B%22response%22%2C%5B%22stream%22%2C%22S-107f%22%2C3%2C5%2C10%5D%5D"]],
                    ["r.text"],
                ),
                "x" * 15,
            ),
        ),
    ),
)
