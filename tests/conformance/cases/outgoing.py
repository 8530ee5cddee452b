"""Beyond the numbered statements: outgoing requests and sockets, cron, console, errors on the terminal."""

from playbook.matching import ANY, Between, Has, Like, error
from playbook.programs import FRESH, LIFE, begin, call, catch, do, fn, fn_now, note, notes, on, settled, sleep, throw
from playbook.steps import Case, Http, Noted, Open, Printed, Run, Send, Slept, StayedAwake, Until

SOCKET = ["let", "ws", ["new", "WebSocket", "ws://{peer}/ws"]]
SAID = ["!ws.addEventListener", "message", fn_now("event", note(["@event.data"]))]
CLOSED = ["!ws.addEventListener", "close", fn_now("event", note(["list", ["@event.code"], ["@event.reason"]]))]


def listening(*programs: list) -> list:
    """Open the peer's socket in the object and note what it says."""
    return call(SOCKET, SAID, CLOSED, *programs)


CASES = (
    Case(
        "X-01",
        "fetch goes out and comes back",
        (
            Run(
                call(
                    ["let", "r", ["js.fetch", "http://{peer}/echo", {"method": "POST", "body": "hello", "headers": {"x-probe": "me"}}]],
                    ["list", ["@r.status"], ["!r.headers.get", "x-peer"], ["r.json"]],
                ),
                [200, "yes", {"method": "POST", "body": "hello", "probe": "me"}],
            ),
            Run(do(["let", "r", ["js.fetch", "http://{peer}/echo"]], ["@r.status"]), 200),
            Run(catch(call(["js.fetch", "http://127.0.0.1:9/"])), error(ANY)),
        ),
    ),
    Case(
        "X-02",
        "a fetch opens the input gate, its answer waits for bcw",
        (
            Run(
                do(
                    ["let", "a", begin(["let", "r", ["js.fetch", "http://{peer}/echo"]], note("fetched"))],
                    ["let", "b", begin(["ctx.blockConcurrencyWhile", fn("", note("begin"), sleep(250), note("end"))], to=FRESH)],
                    settled(["@a"], ["@b"]),
                    notes(),
                ),
                ["begin", "end", "fetched"],
            ),
        ),
    ),
    Case(
        "X-03", "a pending fetch keeps an object awake", (Run(call(["spawn", ["js.fetch", "http://{peer}/slow"]])), StayedAwake()), "slow"
    ),
    Case(
        "X-04",
        "an outgoing WebSocket talks, closes, and keeps its object awake",
        (
            Run(listening(["!ws.addEventListener", "open", fn_now("event", ["!ws.send", "one"])], ["memory", "ws", ["@ws"]])),
            Noted(["welcome", "echo one"]),
            StayedAwake(),
            Run(call(["let", "ws", ["memory", "ws"]], ["!ws.send", "bye"])),
            Noted(["welcome", "echo one", [4010, "so long"]]),
            Slept(),
        ),
        "slow",
    ),
    Case(
        "X-05",
        "an outgoing WebSocket that nobody answers fails with an error event",
        (
            Run(
                call(
                    ["let", "ws", ["new", "WebSocket", "ws://127.0.0.1:9/"]],
                    ["!ws.addEventListener", "error", fn_now("event", note("failed"))],
                )
            ),
            Noted(["failed"]),
        ),
    ),
    Case(
        "X-06",
        "a reader that stops stops the sender of a fetched body; cancel ends it",
        (
            Run(
                call(
                    ["let", "r", ["js.fetch", "http://{peer}/endless"]],
                    ["let", "reader", ["!r.body.getReader"]],
                    ["reader.read"],
                    sleep(600),
                    ["let", "s", ["js.fetch", "http://{peer}/sent"]],
                    ["let", "n", ["s.json"]],
                    ["reader.cancel"],
                    ["@n"],
                ),
                Between(1, 400),
            ),
            Until(do(["let", "s", ["js.fetch", "http://{peer}/sent"]], ["s.json"]), "cut"),
        ),
        differs="workerd keeps the connection for a while",
    ),
    Case(
        "X-07",
        "an aborted fetch rejects with AbortError",
        (
            Run(
                call(
                    ["let", "c", ["new", "AbortController"]],
                    ["let", "p", ["!js.fetch", "http://{peer}/slow", {"signal": ["@c.signal"]}]],
                    sleep(30),
                    ["!c.abort"],
                    catch(["await", ["@p"]]),
                ),
                error(ANY, name="AbortError"),
            ),
        ),
    ),
    Case(
        "X-08",
        "the scheduled handler by hand",
        (
            Http("/cdn-cgi/handler/scheduled?cron=*+*+*+*+*&x={me}", text="ok"),
            Http("/cdn-cgi/handler/scheduled?cron=1+1+1+1+1", 500, text="exception"),
            Run(["noted", "scheduled"], ["* * * * *", "1 1 1 1 1"]),
            Printed({"data": Has({"error": Has({"what": Like("the first of January"), "where": Like(r"entry\.(py|mjs):\d+$")})})}),
        ),
    ),
    Case(
        "X-09",
        "console lines carry the object they came from",
        (
            Run(call(["!js.console.warn", "from X-09", {"a": 1}])),
            Printed({"agent": "Probe", "name": Like("^X-09"), "lvl": "warn", "data": Has({"text": Like("from X-09.*a")})}),
        ),
    ),
)


def names_the_place(number: str, where: str, *steps: object) -> Case:
    """An error in user code: the terminal names its object, file and line, and the server goes on."""
    return Case(
        number,
        f"an error in {where} is shown with its place, and the server goes on",
        (
            *steps,
            Printed(
                {
                    "agent": "Probe",
                    "name": Like(f"^{number}"),
                    "lvl": "error",
                    "data": Has({"error": Has({"what": Like(f"oops {number}"), "where": Like(r"program\.(py|mjs):\d+$")})}),
                }
            ),
            Run(on("constructor", None)),
            Run(call(LIFE), ANY),
        ),
    )


CASES = (
    *CASES,
    names_the_place("X-10", "a constructor", Run(on("constructor", throw("oops X-10"))), Run(catch(call(LIFE)), error("oops X-10"))),
    names_the_place("X-11", "webSocketMessage", Open(), Send(throw("oops X-11"))),
    names_the_place(
        "X-12",
        "alarm",
        Run(on("alarm", throw("oops X-12"))),
        Run(call(["storage.setAlarm", ["+", ["now"], 1]])),
        Noted(["alarm 0 false"]),
        Run(call(["storage.deleteAlarm"])),
    ),
    names_the_place(
        "X-13", "blockConcurrencyWhile", Run(catch(call(["ctx.blockConcurrencyWhile", fn("", throw("oops X-13"))])), error("oops X-13"))
    ),
    names_the_place("X-14", "un-awaited work", Run(call(["spawn", throw("oops X-14")], sleep(20)))),
    names_the_place("X-15", "a timer", Run(call(["!js.setTimeout", fn_now("", throw("oops X-15")), 1], sleep(20)))),
    names_the_place("X-16", "waitUntil", Run(call(["!ctx.waitUntil", ["spawn", throw("oops X-16")]], sleep(20)))),
    Case(
        "X-17",
        "an error that reaches the client is shown with its place",
        (
            Http("/at/Probe/{me}", 500, program=throw("oops X-17")),
            Printed({"lvl": "error", "data": Has({"error": Has({"what": Like("oops X-17"), "where": Like(r"program\.(py|mjs):\d+$")})})}),
        ),
    ),
)
