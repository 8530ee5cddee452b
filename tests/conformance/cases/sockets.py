"""S-79 to S-96: WebSockets."""

from playbook.matching import ANY, Between, Like, error, value
from playbook.programs import LIFE, UNDEFINED, call, catch, do, fn, fn_now, get, lives, note, notes, on, put, sleep, throw
from playbook.steps import Case, Close, Drop, Ended, Frame, Http, Noted, Open, Ping, Run, Send, Slept, Verb, Wait


def accept(*tags: str, attachment: object = None) -> list:
    program = ["do", ["let", "pair", ["new", "WebSocketPair"]], ["!ctx.acceptWebSocket", ["@pair.1"], ["list", *tags]]]
    return [*program, ["!pair.1.serializeAttachment", attachment]] if attachment is not None else program


def listed(*tag: str) -> list:
    """Attachments of the sockets that are listed."""
    return ["each", ["!ctx.getWebSockets", *tag], "deserializeAttachment"]


PAIR = ["let", "pair", ["new", "WebSocketPair"]]
SERVER = ["@pair.1"]

SET_AUTO = ["!ctx.setWebSocketAutoResponse", ["@p"]]


def auto(request: int, response: int) -> list:
    """An auto-response pair of these sizes."""
    return ["new", "WebSocketRequestResponsePair", ["text", request], ["text", response]]


CASES = (
    Case(
        "S-79",
        "messages arrive as string and as ArrayBuffer",
        (
            Open(),
            Run(on("message", note(["type", ["@message"]]))),
            Send("hello"),
            Send(b"\x00\xff"),
            Noted(["text hello", "string", "binary 00ff", "ArrayBuffer"]),
        ),
    ),
    Case(
        "S-79b",
        "invalid UTF-8 in a text frame becomes replacement characters; the connection stays",
        (
            Open(),
            Send(b"a\xffb", as_text=True),
            Noted(["text a\ufffdb"]),
            Send(["!ws.send", "still here"]),
            Frame("still here"),
        ),
    ),
    Case(
        "S-79c",
        "send takes strings and bytes, and text of everything else; frames before the 101 arrive after it",
        (
            Open(before=["do", ["!pair.1.send", "early"], ["!pair.1.send", {"$": "Uint8Array", "hex": "0102"}]]),
            Frame("early"),
            Frame(b"\x01\x02"),
            Send(do(["!ws.send", 5], ["!ws.send", None], ["!ws.send", {"a": 1}], ["!ws.send", UNDEFINED])),
            Frame("5"),
            Frame("null"),
            Frame("[object Object]"),
            Frame("undefined"),
        ),
    ),
    Case(
        "S-80",
        "getWebSockets filters by tag, getTags gives distinct ones",
        (
            Open("a", accept("x", "y", "x", attachment="a")),
            Open("b", accept("y", attachment="b")),
            Run(call(["list", listed("x"), listed("y"), listed("z"), listed()]), [["a"], ["a", "b"], [], ["b", "a"]]),
            Run(call(["let", "s", ["!ctx.getWebSockets", "x"]], ["!ctx.getTags", ["@s.0"]]), ["x", "y"]),
            Run(call(PAIR, catch(["!ctx.getTags", SERVER])), error(ANY)),
        ),
    ),
    Case(
        "S-81",
        "too many or too long tags, attachments and auto-responses are refused",
        (
            Run(call(PAIR, ["!pair.0.accept"], catch(["!ctx.acceptWebSocket", SERVER])), error(Like("its pair has already been accepted"))),
            Run(call(PAIR, ["!pair.1.accept"], catch(["!ctx.acceptWebSocket", SERVER])), error(Like("already accepted via `accept"))),
            Run(call(PAIR, catch(["!ctx.acceptWebSocket", SERVER, ["list", *"abcdefghijk"]])), error(Like("tags"))),
            Run(call(PAIR, catch(["!ctx.acceptWebSocket", SERVER, ["list", *"abcdefghij", "a"]])), error(Like("tags"))),
            Run(call(PAIR, catch(["!ctx.acceptWebSocket", SERVER, ["list", ["text", 257]]])), error(Like("tag"))),
            Run(call(PAIR, catch(["!ctx.acceptWebSocket", SERVER, ["list", *"abcdefghi", ["text", 256]]])), value()),
            Run(
                call(PAIR, catch(["!pair.1.serializeAttachment", ["text", 16_384]])),
                error(Like("^A WebSocket 'attachment' cannot be larger than 16384 bytes")),
            ),
            Run(call(PAIR, ["!pair.1.serializeAttachment", ["text", 16_376]], ["len", ["!pair.1.deserializeAttachment"]]), 16_376),
            Run(call(PAIR, catch(["!pair.1.serializeAttachment", fn("", 1)])), error(ANY, name="DataCloneError")),
            Run(call(["let", "p", auto(2049, 1)], catch(SET_AUTO)), error(Like("^Request cannot be larger than 2048"), name="RangeError")),
            Run(call(["let", "p", auto(1, 2049)], catch(SET_AUTO)), error(Like("^Response cannot be larger than 2048"), name="RangeError")),
            Run(call(["let", "p", auto(2048, 2048)], catch(SET_AUTO)), value()),
        ),
    ),
    Case(
        "S-81b",
        "accept and acceptWebSocket exclude each other",
        (
            Run(
                call(PAIR, ["!pair.1.accept"], catch(["!ctx.acceptWebSocket", SERVER])),
                error("Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`"),
            ),
            Run(
                call(PAIR, ["!ctx.acceptWebSocket", SERVER], catch(["!pair.1.accept"])),
                error("Can't accept() WebSocket after enabling hibernation."),
            ),
        ),
    ),
    Case(
        "S-82",
        "a client's Close is one webSocketClose; 1005 without a code",
        (
            Open("a"),
            Close(4000, "bye", name="a"),
            Noted(["close 4000 bye true"]),
            Open("b"),
            Close(None, name="b"),
            Noted(["close 4000 bye true", "close 1005  true"]),
        ),
    ),
    Case(
        "S-83",
        "a lost connection is one webSocketClose 1006, not clean",
        (
            Open(),
            Run(on("close", catch(["!ws.send", "nobody"]), catch(["!ws.close", 1000, "x"]), note("survived"))),
            Drop(),
            Noted(["close 1006 WebSocket disconnected without sending Close frame. false", "survived"]),
        ),
    ),
    Case(
        "S-84",
        "in webSocketClose the socket is listed with attachment and tags, afterwards not",
        (
            Open(accept=accept("t", attachment={"n": 1})),
            Run(on("close", note(listed("t")), note(["!ctx.getTags", ["@ws"]]), note(["@ws.readyState"]))),
            Close(1000),
            Noted(["close 1000  true", [{"n": 1}], ["t"], 2]),
            Run(call(listed()), []),
        ),
    ),
    Case(
        "S-85",
        "after the server's close send throws, a second close is ignored, messages still arrive",
        (
            Open(),
            Run(on("message", note(["@ws.readyState"]))),
            Send(
                do(
                    ["!ws.close", 4001, "bye"],
                    note(["@ws.readyState"]),
                    note(catch(["!ws.send", "x"])),
                    note(catch(["!ws.close", 4002, "again"])),
                )
            ),
            Ended(4001, "bye", reply=False),
            Send("late"),
            Noted([2, error("Can't call WebSocket send() after close()."), value(UNDEFINED), "text late", 2]),
            Run(on("close", note(["@ws.readyState"]))),
            Close(4001, "bye"),
            Noted([2, ANY, ANY, "text late", 2, "close 4001 bye true", 3]),
            Ended(None),
        ),
    ),
    Case(
        "S-85b",
        "close codes and reasons have limits",
        (
            Open(),
            Send(
                do(
                    *(note(catch(["!ws.close", code, "x"])) for code in (999, 1004, 1005, 1006, 1015, 5000)),
                    note(catch(["!ws.close", 1000, ["text", 124]])),
                    note(catch(["!ws.close", UNDEFINED, "reason"])),
                    ["!ws.close"],
                )
            ),
            Ended(1005),
            Noted(
                [
                    *(
                        error(f"Invalid WebSocket close code: {code}.", name="InvalidAccessError")
                        for code in (999, 1004, 1005, 1006, 1015, 5000)
                    ),
                    error(ANY, name="SyntaxError"),
                    error(ANY),
                    ANY,
                ]
            ),
        ),
    ),
    Case(
        "S-86",
        "a throw in webSocketMessage keeps socket and instance",
        (Open(), Send(throw("oops")), Send(["!ws.send", LIFE]), Frame("1"), Run(notes(), [])),
    ),
    Case(
        "S-87",
        "two messages of one socket overlap at awaits",
        (
            Open(),
            Send(do(note("a"), sleep(80), note("b"))),
            Send(note("c")),
            Noted(["a", "c", "b"]),
        ),
    ),
    Case(
        "S-88",
        "a protocol ping is answered without waking",
        (Open(), Slept(), Ping(b"payload"), Ping(b""), Run(lives(), 1)),
        "slow",
    ),
    Case(
        "S-89",
        "an auto-response matches exact text, wakes nobody, and leaves a time",
        (
            Open(),
            Run(
                call(
                    ["!ctx.setWebSocketAutoResponse", ["new", "WebSocketRequestResponsePair", "ping", "pong"]],
                    ["let", "s", ["!ctx.getWebSockets"]],
                    ["!ctx.getWebSocketAutoResponseTimestamp", ["@s.0"]],
                )
            ),
            Send("ping"),
            Frame("pong"),
            Slept(),
            Send("ping"),
            Frame("pong"),
            Run(lives(), 1),
            Send("ping "),
            Noted(["text ping "]),
            Send(b"ping"),
            Noted(["text ping ", "binary 70696e67"]),
            Run(
                call(
                    ["let", "s", ["!ctx.getWebSockets"]],
                    ["let", "at", ["!ctx.getWebSocketAutoResponseTimestamp", ["@s.0"]]],
                    ["let", "pair", ["!ctx.getWebSocketAutoResponse"]],
                    ["list", ["-", ["now"], ["!at.getTime"]], ["@pair.request"]],
                ),
                [Between(0, 8000), "ping"],
            ),
            Run(call(["!ctx.setWebSocketAutoResponse"], ["!ctx.getWebSocketAutoResponse"]), None),
            Send("ping"),
            Noted(["text ping ", "binary 70696e67", "text ping"]),
        ),
        "slow",
    ),
    Case(
        "S-90",
        "an oversized message: 1009 for the client, webSocketError for the object",
        (
            Open(),
            Send(bytes(31 * 1024 * 1024)),
            Noted([Like("^binary of 32505856")]),
            Send(bytes(33 * 1024 * 1024)),
            Ended(1009, "Message is too large: 34603008 > 33554432", reply=False),
            Noted([ANY, Like("^error ")]),
            Run(call(listed()), []),
        ),
        differs="workerd may reset the connection before its Close frame is read",
    ),
    Case(
        "S-91",
        "a reset drops all sockets without Close frame or close event",
        (
            Open("a"),
            Open("b"),
            Send(do(note("aborting"), ["!ctx.abort", "enough"]), name="a"),
            Ended(None, name="a"),
            Ended(None, name="b"),
            Run(call(["list", listed(), LIFE]), [[], 2]),
            Run(notes(), ["aborting"]),
        ),
    ),
    Case(
        "S-92",
        "a deploy drops sockets, storage stays",
        (Open(), Run(call(put("k", 1))), Verb("deploy"), Ended(None), Run(call(["list", get("k"), listed()]), [1, []])),
        "rough",
    ),
    Case(
        "S-93",
        "the event timeout cuts a long handler, object and socket stay",
        (
            Open(),
            Run(call(["!ctx.setHibernatableWebSocketEventTimeout", 50], ["!ctx.getHibernatableWebSocketEventTimeout"]), 50),
            Send(do(note("begin"), sleep(200), note("never"))),
            Noted(["begin"]),
            Wait(250),
            Send(["!ws.send", LIFE]),
            Frame("1"),
            Run(notes(), ["begin"]),
            Run(call(catch(["!ctx.setHibernatableWebSocketEventTimeout", 604_800_001])), error(ANY)),
        ),
    ),
    Case(
        "S-94",
        "101 for a request without Upgrade is a 500",
        (Http("/at/Probe/{me}", 500, program=["do", accept(), ["response", None, 101, {}, ["@pair.0"]]]),),
    ),
    Case(
        "S-95",
        "a client's Close is answered where the handler did not (accepted difference)",
        (
            Open("a"),
            Close(4000, "bye", name="a"),
            Ended(4000, "bye", name="a", reply=False),
            Ended(None, name="a"),
            Open("b"),
            Run(on("close", ["!ws.send", "last words"], ["!ws.close", 4005, "mine"])),
            Close(1000, name="b"),
            Frame("last words", name="b"),
            Ended(4005, "mine", name="b", reply=False),
            Ended(None, name="b"),
        ),
        differs="workerd sends no Close reply",
    ),
    Case(
        "S-96",
        "a standard socket answers Close by itself; binary comes as Blob",
        (
            Open(
                accept=["do", PAIR, ["!pair.1.accept"]],
                before=[
                    "do",
                    ["!pair.1.addEventListener", "message", fn("event", note(["type", ["@event.data"]]), ["!pair.1.send", "got it"])],
                    [
                        "!pair.1.addEventListener",
                        "close",
                        fn_now("event", note(["list", ["@event.code"], ["@event.reason"], ["@event.wasClean"], ["@pair.1.readyState"]])),
                    ],
                ],
            ),
            Run(call(listed()), []),
            Send("text"),
            Frame("got it"),
            Send(b"\x01"),
            Frame("got it"),
            Close(4002, "cl"),
            Ended(4002, "cl", reply=False),
            Ended(None),
            Noted(["string", "Blob", [4002, "cl", True, 3]]),
        ),
    ),
    Case(
        "S-96b",
        "a standard socket of a lost client: 1006",
        (
            Open(
                accept=["do", PAIR, ["!pair.1.accept"]],
                before=["!pair.1.addEventListener", "close", fn_now("event", note(["list", ["@event.code"], ["@event.wasClean"]]))],
            ),
            Drop(),
            Noted([[1006, False]]),
        ),
    ),
    Case(
        "S-96c",
        "a class without webSocketMessage drops messages silently",
        (
            Open(path="/at/Plain/{me}"),
            Send("hello"),
            Close(1000),
            Ended(1000, reply=False),
            Run(notes("Plain"), []),
        ),
        differs="workerd sends no Close reply",
    ),
    Case(
        "S-96d",
        "a Worker of its own serves standard sockets",
        (
            Open(
                path="/here",
                accept=["do", PAIR, ["!pair.1.accept"]],
                before=["!pair.1.addEventListener", "message", fn_now("event", ["!pair.1.send", ["+", "echo ", ["@event.data"]]])],
            ),
            Send("x"),
            Frame("echo x"),
            Close(1000),
            Ended(1000, reply=False),
        ),
    ),
)
