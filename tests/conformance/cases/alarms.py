"""S-65 to S-78: alarms."""

from playbook.matching import ANY, Between, error
from playbook.programs import (
    LIFE,
    call,
    catch,
    do,
    fn_now,
    note,
    notes,
    on,
    sleep,
    throw,
)
from playbook.steps import Case, Frame, Noted, Open, Restart, Run, Slept, Until, Verb, Wait

PLAIN = ["!env.Plain.getByName", ["@me"]]


def in_ms(ms: int) -> list:
    return ["storage.setAlarm", ["+", ["now"], ms]]


FIRE = Verb("alarms/Probe/{me}/fire")
NO_ALARM = Until(call(["storage.getAlarm"]), None)

CASES = (
    Case(
        "S-65",
        "getAlarm gives what setAlarm set; setting replaces; it fires once",
        (
            Run(
                call(
                    ["let", "at", ["+", ["now"], 5000]],
                    ["storage.setAlarm", ["@at"]],
                    ["=", ["storage.getAlarm"], ["@at"]],
                ),
                True,
            ),
            Run(call(in_ms(80))),
            Noted(["alarm 0 false"]),
            Wait(100),
            Run(["list", notes(), call(["storage.getAlarm"])], [["alarm 0 false"], None]),
        ),
    ),
    Case(
        "S-66",
        "a past time fires at once, a future one never early",
        (
            Run(on("alarm", note(["+", ["now"], 0]))),
            Run(call(["storage.setAlarm", 1000])),
            Noted(["alarm 0 false", ANY]),
            Run(
                on("alarm", note(["<", ["now"], ["memory", "at"]])),
            ),
            Run(call(["memory", "at", ["+", ["now"], 60]], ["storage.setAlarm", ["memory", "at"]])),
            Noted(["alarm 0 false", ANY, "alarm 0 false", False]),
            Run(catch(call(["storage.setAlarm", 0])), error("setAlarm() cannot be called with an alarm time <= 0", name="TypeError")),
            Run(catch(call(["storage.setAlarm", "soon"])), error(ANY, name="TypeError")),
        ),
    ),
    Case(
        "S-67",
        "a class without alarm() cannot set one",
        (
            Run(
                catch(call(in_ms(3600000), to=PLAIN)),
                error("Your Durable Object class must have an alarm() handler in order to call setAlarm()", name="TypeError"),
            ),
        ),
        only="node",
    ),
    Case(
        "S-67b",
        "a Python class without alarm() can set one, as the SDK's own tests do",
        (Run(call(in_ms(3600000), ["<", ["now"], ["storage.getAlarm"]], to=PLAIN), True),),
        only="python",
    ),
    Case(
        "S-68",
        "in the handler getAlarm is null, or what the handler set",
        (
            Run(
                on(
                    "alarm",
                    note(["storage.getAlarm"]),
                    in_ms(3600000),
                    note(["<", ["now"], ["storage.getAlarm"]]),
                )
            ),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false", None, True]),
            Run(call(["<", ["now"], ["storage.getAlarm"]]), True),
        ),
    ),
    Case(
        "S-69",
        "a throw is retried after about 2 s with the same time",
        (
            Run(on("alarm", note(["now"]), note(["@info.scheduledTime"]), throw("not yet"))),
            Run(call(["!js.setTimeout", fn_now("", None), 6000], in_ms(1))),
            Noted(["alarm 0 false", ANY, ANY]),
            Run(do(["let", "t", call(["storage.getAlarm"])], ["let", "n", notes()], ["=", ["@t"], ["index", ["@n"], 2]]), True),
            Noted(["alarm 0 false", ANY, ANY, "alarm 1 true", ANY, ANY]),
            Run(
                do(
                    ["let", "n", notes()],
                    ["list", ["=", ["index", ["@n"], 2], ["index", ["@n"], 5]], ["-", ["index", ["@n"], 4], ["index", ["@n"], 1]]],
                ),
                [True, Between(1990, 3200)],
            ),
            Run(call(LIFE), 1),
            Run(call(["storage.deleteAlarm"])),
        ),
        "slow",
    ),
    Case(
        "S-70",
        "delays double, and after seven failing runs the alarm is gone",
        (
            Run(on("alarm", throw("never"))),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false"]),
            *(
                step
                for retry in range(1, 7)
                for step in (
                    Verb("alarms/Probe/{me}/fire"),
                    Until(["len", notes()], retry + 1),
                )
            ),
            Run(notes(), ["alarm 0 false", *(f"alarm {retry} true" for retry in range(1, 7))]),
            NO_ALARM,
        ),
    ),
    Case(
        "S-71",
        "setAlarm in the handler, then a throw: the new alarm is a first run",
        (
            Run(on("alarm", ["if", ["<", ["memory", "runs"], 1], do(["memory", "runs", 1], in_ms(50), throw("after setting"))])),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false", "alarm 0 false"]),
            NO_ALARM,
        ),
    ),
    Case(
        "S-72",
        "deleteAlarm during backoff stops the retries",
        (
            Run(on("alarm", throw("no"))),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false"]),
            Run(do(sleep(20), call(["storage.deleteAlarm"], ["storage.getAlarm"])), None),
            Wait(2700),
            Run(notes(), ["alarm 0 false"]),
        ),
        "slow",
    ),
    Case(
        "S-73",
        "an alarm set while the handler runs comes after it",
        (
            Run(on("alarm", note("begin"), sleep(80), note("end"))),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false", "begin"]),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false", "begin", "end", "alarm 0 false", "begin", "end"]),
        ),
    ),
    Case(
        "S-74",
        "requests are served while an alarm handler sleeps",
        (
            Run(on("alarm", sleep(800), note("end"))),
            Run(call(in_ms(1))),
            Noted(["alarm 0 false"]),
            Run(call(note("request"))),
            Noted(["alarm 0 false", "request", "end"]),
        ),
    ),
    Case(
        "S-75",
        "an alarm due while the process was down fires at start",
        (
            Run(call(in_ms(300))),
            Restart(500, kill=True),
            Until(call(["!storage.kv.get", "alarms"]), 1),
            Run(notes(), ["alarm 0 false"]),
        ),
        "rough",
    ),
    Case(
        "S-75b",
        "an alarm due while the host was down fires after it",
        (
            Run(call(in_ms(150))),
            Verb("hosts/{host}/crash"),
            Until(call(["!storage.kv.get", "alarms"]), 1),
        ),
        "rough",
    ),
    Case(
        "S-76",
        "an alarm wakes a hibernated object; its sockets work",
        (
            Open(),
            Run(on("alarm", ["let", "all", ["!ctx.getWebSockets"]], ["!all.0.send", ["+", "life ", ["str", LIFE]]])),
            Run(call(in_ms(15_000))),
            Slept(),
            Frame("life 2", within_s=20),
        ),
        "slow",
    ),
    Case(
        "S-77",
        "ctx.abort in the handler is retried on a new instance",
        (
            Run(on("alarm", ["if", ["<", LIFE, 2], ["!ctx.abort", "stop"]])),
            Run(call(in_ms(500))),
            Noted(["alarm 0 false", "alarm 1 true"]),
            NO_ALARM,
        ),
        "slow",
    ),
    Case(
        "S-77b",
        "with retryAlarm false it is not",
        (
            Run(on("alarm", ["!ctx.abort", "stop", {"retryAlarm": False}])),
            Run(call(in_ms(500))),
            Noted(["alarm 0 false"]),
            Run(do(sleep(150), call(["storage.getAlarm"])), None),
        ),
    ),
    Case(
        "S-78",
        "two alarms of one object never overlap",
        (
            Run(on("alarm", note("begin"), in_ms(1), sleep(20), note("end"))),
            Run(call(in_ms(1))),
            Until(["<", 20, ["len", notes()]], True),
            Run(call(in_ms(1))),
            Run(on("alarm", note("last"))),
            Until(do(["let", "n", notes()], ["index", ["@n"], -1]), "last"),
            Run(["alternate", notes(), "begin", "end"], True),
        ),
    ),
)
