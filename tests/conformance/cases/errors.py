"""S-11 to S-16: constructors and errors."""

from playbook.matching import ABSENT, error, value
from playbook.programs import FRESH, LIFE, begin, call, catch, do, fn_now, lives, note, notes, on, settled, sleep, throw
from playbook.steps import Case, Http, Run

FAIL_TWICE = on(
    "constructor",
    ["if", ["<", LIFE, 3], throw("no luck", code=7)],
)
RUN = ["code", LIFE]

CASES = (
    Case(
        "S-11",
        "a constructor's error rejects the call with its message",
        (
            Run(FAIL_TWICE),
            Run(
                catch(call(LIFE)),
                error("no luck", name="Error", code=7, durableObjectReset=True, remote=ABSENT),
            ),
        ),
    ),
    Case(
        "S-12",
        "the stub stays broken, a new stub constructs again",
        (
            Run(FAIL_TWICE),
            Run(
                do(
                    ["let", "again", FRESH],
                    ["let", "third", FRESH],
                    settled(
                        begin(LIFE),
                        begin(LIFE),
                    ),
                ),
                [error("no luck"), error("no luck")],
            ),
            Run(
                do(
                    ["let", "b", FRESH],
                    ["list", catch(call(LIFE)), catch(call(LIFE)), catch(call(LIFE, to=["@b"])), catch(call(LIFE))],
                ),
                [error("no luck"), error("no luck"), value(3), error("no luck")],
            ),
            Run(lives(), 3),
        ),
    ),
    Case(
        "S-13",
        "application errors keep name, message and properties, are remote, and break nothing",
        (
            Run(
                do(
                    [
                        "list",
                        catch(call(throw("mine", "Custom", code=42))),
                        catch(call(throw("typed", "TypeError"))),
                        catch(call(throw("ranged", "RangeError"))),
                        catch(call(LIFE)),
                    ]
                ),
                [
                    error("mine", name="Custom", code=42, remote=True, durableObjectReset=ABSENT),
                    error("typed", name="TypeError", remote=True),
                    error("ranged", name="RangeError", remote=True),
                    value(1),
                ],
            ),
            Run(catch(["o.nothing"]), error('The RPC receiver does not implement the method "nothing".', name="TypeError", remote=True)),
        ),
    ),
    Case(
        "S-14",
        "an application error leaves the instance as it is",
        (
            Run(
                do(call(["memory", "x", 9]), catch(call(["memory", "x", 10], throw("no"))), ["list", call(["memory", "x"]), call(LIFE)]),
                [10, 1],
            ),
        ),
    ),
    Case(
        "S-15",
        "stub.fetch rejects when the handler throws",
        (
            Run(on("fetch", throw("not today"))),
            Run(catch(["o.fetch", "http://x/"]), error("not today", remote=True)),
            Http("/at/Probe/{me}", 500),
            Run(call(LIFE), 1),
        ),
    ),
    Case(
        "S-16",
        "unhandled rejections, throwing timers and rejected waitUntil leave the instance alive",
        (
            Run(
                call(
                    ["spawn", sleep(1), throw("nobody awaits")],
                    ["!js.setTimeout", fn_now("", note("timer"), throw("in a timer")), 1],
                    ["!ctx.waitUntil", ["spawn", sleep(1), throw("in waitUntil")]],
                    ["memory", "x", 3],
                    sleep(30),
                )
            ),
            Run(["list", call(["memory", "x"]), call(LIFE), notes()], [3, 1, ["timer"]]),
        ),
    ),
)
