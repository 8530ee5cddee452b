"""S-17 to S-25: blockConcurrencyWhile."""

from playbook.matching import EachIs, error, value
from playbook.programs import FRESH, LIFE, begin, block, call, catch, do, fn, fn_now, lives, note, notes, on, settled, sleep, throw
from playbook.steps import Case, Frame, Noted, Open, Run, Send

START_BLOCK = ["!ctx.blockConcurrencyWhile", fn("", sleep(60), ["memory", "ready", True], note("ready"))]


def nested(depth: int) -> list:
    """bcw calls inside each other, `depth` of them."""
    program = note("innermost")
    for _ in range(depth):
        program = block(program)
    return program


CASES = (
    Case(
        "S-17",
        "requests wait for bcw in the constructor",
        (
            Run(on("constructor", START_BLOCK)),
            Run(
                settled(begin(["memory", "ready"]), begin(["memory", "ready"], to=FRESH), begin(["memory", "ready"], to=FRESH)),
                EachIs(3, value(True)),
            ),
            Run(["list", notes(), lives()], [["ready"], 1]),
        ),
    ),
    Case(
        "S-18",
        "bcw failing in the constructor fails all that wait; the next stub constructs anew",
        (
            Run(
                on(
                    "constructor",
                    ["if", ["<", LIFE, 2], ["!ctx.blockConcurrencyWhile", fn("", sleep(30), throw("not ready"))]],
                )
            ),
            Run(
                settled(begin(LIFE), begin(LIFE, to=FRESH), begin(LIFE, to=FRESH)),
                EachIs(3, error("not ready", durableObjectReset=True)),
            ),
            Run(call(LIFE), 2),
        ),
    ),
    Case(
        "S-19",
        "during bcw in a handler another request waits",
        (
            Run(
                do(
                    ["let", "long", begin(block(note("begin"), sleep(60), note("end")))],
                    sleep(15),
                    settled(["@long"], begin(note("other"), to=FRESH)),
                    notes(),
                ),
                ["begin", "end", "other"],
            ),
        ),
    ),
    Case(
        "S-20",
        "a timer armed before bcw fires after it, one armed inside fires inside",
        (
            Run(
                call(
                    ["!js.setTimeout", fn_now("", note("outer timer")), 5],
                    block(
                        ["!js.setTimeout", fn_now("", note("inner timer")), 5],
                        note("begin"),
                        sleep(60),
                        note("end"),
                    ),
                    note("continued"),
                    sleep(20),
                )
            ),
            Run(notes(), ["begin", "inner timer", "end", "continued", "outer timer"]),
        ),
    ),
    Case(
        "S-21",
        "bcw gives the callback's value, and starts after the caller's next statement",
        (
            Run(
                call(
                    ["let", "p", ["!ctx.blockConcurrencyWhile", fn("", note("inside"), 42)]],
                    note("next statement"),
                    ["let", "got", ["await", ["@p"]]],
                    note("continuation"),
                    ["@got"],
                ),
                42,
            ),
            Run(notes(), ["next statement", "inside", "continuation"]),
        ),
    ),
    Case(
        "S-22",
        "a throw in bcw kills the other requests in flight and cannot be caught",
        (
            Run(
                do(
                    ["let", "other", begin(sleep(80), note("never: other"))],
                    ["let", "guilty", begin(catch(block(sleep(20), throw("bang"))), note("never: caught"), to=FRESH)],
                    settled(["@other"], ["@guilty"]),
                ),
                EachIs(2, error("bang", durableObjectReset=True)),
            ),
            Run(do(sleep(100), ["list", call(LIFE), notes()]), [2, []]),
        ),
    ),
    Case(
        "S-23",
        "bcw for more than 30 s resets",
        (
            Run(
                settled(begin(block(sleep(40000))), begin(LIFE)),
                EachIs(
                    2,
                    error(
                        "A call to blockConcurrencyWhile() in a Durable Object waited for too long. "
                        "The call was canceled and the Durable Object was reset.",
                        overloaded=True,
                        durableObjectReset=True,
                    ),
                ),
            ),
            Run(call(LIFE), 2),
        ),
        "slow",
    ),
    Case(
        "S-24",
        "WebSocket messages during bcw are handled after it, in order",
        (
            Open(),
            Send(block(note("begin"), ["!ws.send", "in bcw"], sleep(60), note("end"))),
            Frame("in bcw"),
            Send("one"),
            Send("two"),
            Noted(["begin", "end", "text one", "text two"]),
        ),
    ),
    Case(
        "S-25",
        "64 nested bcw work, the 65th fails",
        (
            Run(do(call(nested(64)), notes()), ["innermost"]),
            Run(catch(call(nested(65))), error("blockConcurrencyWhile() calls are nested too deeply.", durableObjectReset=True)),
            Run(call(LIFE), 2),
        ),
    ),
)
