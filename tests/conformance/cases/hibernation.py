"""S-97 to S-103: hibernation. The idle time is short here; what keeps an object awake does not depend on it."""

from playbook.matching import Like
from playbook.programs import LIFE, call, do, fn, fn_now, get, lives, note, notes, on, put, sleep
from playbook.steps import Case, Close, Drop, Ended, Frame, InOrder, Noted, Open, Run, Send, Slept, StayedAwake, Together, Until, Verb, Wait

from cases.sockets import accept, listed


def awake(number: str, title: str, *steps: object) -> Case:
    """Something that keeps an object awake."""
    return Case(number, title, (*steps, StayedAwake()), "slow")


NEVER = ["new", "Promise", fn_now("resolve reject", None)]

CASES = (
    Case(
        "S-97",
        "an idle object with hibernatable sockets is constructed anew by the next event",
        (
            Open("a", accept("x", attachment={"who": "a"})),
            Open("b", accept("y", attachment={"who": "b"})),
            Run(call(["memory", "x", 5], put("k", 1))),
            Slept(),
            Run(lives(), 1),
            Send(["!ws.send", ["+", "life ", ["str", LIFE]]], name="a"),
            Frame("life 2", name="a"),
            Run(
                call(["list", LIFE, ["memory", "x"], get("k"), listed("x"), listed("y")]),
                [2, 0, 1, [{"who": "a"}], [{"who": "b"}]],
            ),
            Send(["!ws.send", "b too"], name="b"),
            Frame("b too", name="b"),
        ),
        "slow",
    ),
    Case(
        "S-98",
        "before the idle time has passed it is the same instance",
        (Run(call(["memory", "x", 5])), Wait(100), Run(call(["list", LIFE, ["memory", "x"]]), [1, 5])),
    ),
    Case(
        "S-98b",
        "an idle object without sockets goes too",
        (Run(call(["memory", "x", 5])), Slept(), Run(call(["list", LIFE, ["memory", "x"]]), [2, 0])),
        "slow",
    ),
    awake("S-99a", "a pending timer keeps it awake", Run(call(["!js.setTimeout", fn_now("", None), 6000]))),
    awake("S-99b", "an interval keeps it awake", Run(call(["!js.setInterval", fn_now("", None), 200]))),
    awake("S-99c", "waitUntil keeps it awake", Run(call(["!ctx.waitUntil", ["spawn", sleep(6000)]]))),
    awake("S-99d", "waitUntil of what never ends keeps it awake", Run(call(["!ctx.waitUntil", NEVER]))),
    awake("S-99e", "un-awaited work keeps it awake", Run(call(["spawn", sleep(6000)]))),
    awake(
        "S-99f",
        "a standard client socket keeps it awake",
        Open(accept=["do", ["let", "pair", ["new", "WebSocketPair"]], ["!pair.1.accept"]]),
    ),
    awake("S-99g", "a running webSocketMessage keeps it awake", Open(), Send(sleep(6000))),
    awake(
        "S-99h",
        "a pending call to another object keeps it awake",
        Run(call(["spawn", call(sleep(6000), to=["!env.Probe.getByName", "S-99h other"])])),
    ),
    Case(
        "S-99i",
        "a stub that a caller holds keeps it awake, until it is disposed",
        (
            Run(
                do(
                    ["let", "f", ["o.give", ["code", fn("x", ["+", ["@x"], LIFE])]]],
                    ["let", "first", ["f", 10]],
                    sleep(2500),
                    ["list", ["@first"], ["f", 20], call(LIFE)],
                ),
                [11, 21, 1],
            ),
            Slept(),
        ),
        "slow",
    ),
    Case(
        "S-99j",
        "after a timer has fired it sleeps again",
        (Run(call(["!js.setTimeout", fn_now("", note("fired")), 1500])), Noted(["fired"]), Slept(), Run(call(LIFE), 2)),
        "slow",
    ),
    Case(
        "S-100",
        "a future alarm and an auto-response do not keep it awake",
        (
            Run(
                call(
                    ["storage.setAlarm", ["+", ["now"], 3_600_000]],
                    ["!ctx.setWebSocketAutoResponse", ["new", "WebSocketRequestResponsePair", "ping", "pong"]],
                )
            ),
            Open(),
            Slept(),
            Run(call(LIFE), 2),
        ),
        "slow",
    ),
    Case(
        "S-100b",
        "an auto-response outlives the host's process, as the sockets that it answers do",
        (
            Open(accept=accept()),
            Run(call(["!ctx.setWebSocketAutoResponse", ["new", "WebSocketRequestResponsePair", "ping", "pong"]])),
            Verb("hosts/{host}/restart"),
            Until(call(["let", "pair", ["!ctx.getWebSocketAutoResponse"]], ["@pair.request"]), "ping"),
        ),
        "rough",
    ),
    Case(
        "S-101",
        "in the constructor after a wake sockets and attachments are there",
        (
            Open(accept=accept("t", attachment=["list", 1, "two"])),
            Run(on("constructor", note(listed()), note(listed("t")))),
            Slept(),
            Send("wake"),
            Noted([[[1, "two"]], [[1, "two"]], "text wake"]),
        ),
        "slow",
    ),
    Case(
        "S-102",
        "a close wakes a hibernated object, with the attachment",
        (
            Open("a", accept(attachment="a")),
            Open("b", accept(attachment="b")),
            Run(on("close", note(["!ws.deserializeAttachment"]))),
            Slept(),
            Close(1000, "done", name="a"),
            Noted(["close 1000 done true", "a"]),
            Slept(),
            Drop("b"),
            Noted(["close 1000 done true", "a", Like("^close 1006 "), "b"]),
            Run(call(listed()), []),
        ),
        "slow",
    ),
    Case(
        "S-103",
        "a forced evict keeps storage and, as told, sockets",
        (
            Open("a", accept(attachment="a")),
            Run(call(["memory", "x", 5], put("k", 1))),
            Verb("objects/Probe/{me}/evict", {"sockets": "hibernate"}),
            Run(call(["list", LIFE, ["memory", "x"], get("k"), listed()]), [2, 0, 1, ["a"]]),
            Send(["!ws.send", "still"], name="a"),
            Frame("still", name="a"),
            Verb("objects/Probe/{me}/evict", {"sockets": "close"}),
            Ended(None, name="a"),
            Run(call(["list", LIFE, listed(), get("k")]), [3, [], 1]),
            Verb("objects/Probe/{me}/abort", {"reason": "told to"}),
            Run(call(LIFE), 4),
        ),
    ),
    Case(
        "S-103b",
        "an evict waits for what is in flight",
        (
            Together(
                (Run(call(note("begun"), sleep(300), note("ended"))), InOrder((Noted(["begun"]), Verb("objects/Probe/{me}/evict")))),
                emulator_only=True,
            ),
            Run(["list", notes(), call(LIFE)], [["begun", "ended"], 2]),
        ),
    ),
)
