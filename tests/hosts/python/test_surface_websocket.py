"""WebSocket ends: pairs, transports, hibernatable mode, closing rules and texts of durable-objects.md 5."""

from __future__ import annotations

import asyncio
import contextvars

import pytest

from emulator.hosts.python.surface.buffers import Uint8Array
from emulator.hosts.python.surface.convert import create_proxy
from emulator.hosts.python.surface.errors import JsException
from emulator.hosts.python.surface.promise import report_rejections
from emulator.hosts.python.surface.structured_clone import dumps
from emulator.hosts.python.surface.values import JsObject, constructor_of, jsnull
from emulator.hosts.python.surface.websocket import WebSocket, WebSocketPair


class Wire:
    """A transport that remembers; also the host's SocketEvents."""

    def __init__(self) -> None:
        self.frames: list[tuple] = []

    def send_text(self, text):
        self.frames.append(("text", text))

    def send_binary(self, data):
        self.frames.append(("binary", data))

    def close(self, *args):
        self.frames.append(("close", *args))

    def attachment(self, data):
        self.frames.append(("attachment", data))


class Events:
    """The host's side of a hibernatable end."""

    def __init__(self) -> None:
        self.seen: list[tuple] = []

    def text(self, socket, text):
        self.seen.append(("text", text))

    def binary(self, socket, data):
        self.seen.append(("binary", data))

    def close(self, socket, code, reason, was_clean):
        self.seen.append(("close", code, reason, was_clean))

    def error(self, socket, error):
        self.seen.append(("error", error.message))


async def turns(count: int = 5) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def listen(socket) -> list:
    """Everything an accepted end hears."""
    heard: list = []
    socket.addEventListener("message", create_proxy(lambda event: heard.append(event.data)))
    socket.addEventListener("close", create_proxy(lambda event: heard.append((event.code, event.reason, event.wasClean))))
    return heard


def test_pair_unpacks_in_every_way():
    pair = constructor_of(WebSocketPair).new()
    client, server = pair
    assert list(pair.object_values()) == [client, server]
    assert getattr(pair, "0") is pair[0] is client
    assert client == pair[0]
    assert client != server


async def test_pair_talks_in_order():
    client, server = WebSocketPair()
    server.accept()
    server.send("before")
    server.send(Uint8Array(b"\x01"))
    heard = listen(client)
    await turns()
    assert heard == []
    client.accept()
    await turns()
    assert heard[0] == "before"
    assert heard[1].to_bytes() == b"\x01"
    client.send("back")
    assert heard[2:] == []


async def test_frames_before_attach_are_flushed_in_order():
    _client, server = WebSocketPair()
    server.accept()
    server.serializeAttachment(JsObject({"id": 1}))
    server.send("one")
    server.send(Uint8Array(b"two"))
    server.close(4001, "bye")
    wire = Wire()
    server.attach(wire)
    assert wire.frames == [("attachment", dumps(JsObject({"id": 1}))), ("text", "one"), ("binary", b"two"), ("close", 4001, "bye")]


@pytest.mark.parametrize(
    ("value", "text"),
    [(5, "5"), (jsnull, "null"), (None, "undefined"), (JsObject(), "[object Object]"), (True, "true"), (b"x", "b'x'")],
)
def test_send_makes_text_of_anything_else(value, text):
    _, server = WebSocketPair()
    server.accept()
    wire = Wire()
    server.attach(wire)
    server.send(value)
    assert wire.frames == [("text", text)]


def test_sending_rules():
    _, server = WebSocketPair()
    with pytest.raises(JsException, match="must call one of accept"):
        server.send("x")
    server.accept()
    with pytest.raises(JsException, match="TypeError"):
        server.send()
    server.close()
    with pytest.raises(JsException, match=r"^TypeError: Can't call WebSocket send\(\) after close\(\)\.$"):
        server.send("x")
    server.close(1000, "again")
    assert server.readyState == 2


@pytest.mark.parametrize(
    ("args", "name", "text"),
    [
        ((1005,), "InvalidAccessError", "Invalid WebSocket close code: 1005."),
        ((1006,), "InvalidAccessError", "Invalid WebSocket close code: 1006."),
        ((1015,), "InvalidAccessError", "Invalid WebSocket close code: 1015."),
        ((999,), "InvalidAccessError", "Invalid WebSocket close code: 999."),
        ((5000,), "InvalidAccessError", "Invalid WebSocket close code: 5000."),
        ((1000, "x" * 124), "SyntaxError", "123 bytes"),
        ((None, "why"), "TypeError", "must also specify a code"),
    ],
)
def test_close_validation(args, name, text):
    _, server = WebSocketPair()
    server.accept()
    with pytest.raises(JsException, match=text) as caught:
        server.close(*args)
    assert caught.value.name == name
    assert server.readyState == 1


async def test_standard_close_is_answered():
    _, server = WebSocketPair()
    server.accept()
    wire = Wire()
    server.attach(wire)
    states = []
    server.onclose = lambda event: states.append((event.code, event.reason, event.wasClean, server.readyState))
    server.deliver_close(4002, "cl")
    await turns()
    assert wire.frames == [("close", 4002, "cl")]
    assert states == [(4002, "cl", True, 3)]


async def test_half_open_is_not_answered():
    _, server = WebSocketPair()
    server.accept(allowHalfOpen=True)
    wire = Wire()
    server.attach(wire)
    server.deliver_close(None)
    await turns()
    assert wire.frames == []
    assert server.readyState == 2
    server.send("still")
    assert wire.frames == [("text", "still")]


async def test_lost_connection():
    _, server = WebSocketPair()
    server.accept()
    wire = Wire()
    server.attach(wire)
    heard = listen(server)
    server.deliver_lost()
    await turns()
    assert heard == [(1006, "WebSocket disconnected without sending Close frame.", False)]
    server.send("nobody")
    server.close(1000, "x")
    assert wire.frames == []


async def test_hibernatable_events_belong_to_the_host():
    _, server = WebSocketPair()
    heard = listen(server)
    server.serializeAttachment("early")  # allowed before accept
    events = Events()
    server.accept_hibernatable(events)
    server.attach(Wire())
    server.deliver_text("a")
    server.deliver_binary(b"b")
    server.deliver_close(None)
    assert events.seen == [("text", "a"), ("binary", b"b"), ("close", 1005, "", True)]
    await turns()
    assert heard == []
    assert server.readyState == 2
    server.close(1000, "")
    assert server.readyState == 3


async def test_hibernatable_end_of_a_pair_in_process():
    client, server = WebSocketPair()
    events = Events()
    server.accept_hibernatable(events)
    client.accept()
    client.send("a")
    assert events.seen == []
    await turns()
    assert events.seen == [("text", "a")]


def test_accept_twice_in_different_ways():
    _, server = WebSocketPair()
    server.accept()
    server.accept()
    with pytest.raises(JsException, match=r"already accepted via `accept\(\)`"):
        server.accept_hibernatable(Events())
    _, other = WebSocketPair()
    other.accept_hibernatable(Events())
    with pytest.raises(JsException, match=r"Can't accept\(\) WebSocket after enabling hibernation\."):
        other.accept()


def test_attachments():
    _, server = WebSocketPair()
    assert server.deserializeAttachment() is jsnull
    value = JsObject({"n": 1})
    server.serializeAttachment(value)
    copy = server.deserializeAttachment()
    assert copy.n == 1
    assert copy is not value
    server.serializeAttachment("x" * 16_376)
    with pytest.raises(JsException) as caught:
        server.serializeAttachment("x" * 16_384)
    assert caught.value.message == "A WebSocket 'attachment' cannot be larger than 16384 bytes.'attachment' was 16390 bytes."
    with pytest.raises(JsException, match="DataCloneError"):
        server.serializeAttachment(len)
    assert len(server.deserializeAttachment()) == 16_376


def test_restored_end():
    events = Events()
    socket = WebSocket.restored(events, attachment=dumps("kept"), url=None, protocol="p", close_sent=True)
    assert (socket.deserializeAttachment(), socket.protocol, socket.hibernatable, socket.readyState) == ("kept", "p", True, 2)


async def test_client_socket_connects():
    socket = WebSocket("wss://h/", connecting=True)
    heard = listen(socket)
    opened = []
    socket.onopen = lambda event: opened.append(socket.readyState)
    assert socket.readyState == 0
    with pytest.raises(JsException, match="InvalidStateError"):
        socket.send("early")
    socket.attach(Wire())
    socket.deliver_open("chat")
    assert (opened, socket.protocol) == ([1], "chat")
    socket.binaryType = "blob"
    socket.deliver_binary(b"x")
    await turns()
    assert heard[0].constructor.name == "Blob"


async def test_failed_connection_is_an_error_event():
    socket = WebSocket("wss://h/", connecting=True)
    errors = []
    socket.addEventListener("error", lambda event: errors.append(event.message), once=True)
    socket.deliver_error("refused")
    await turns()
    assert errors == ["refused"]
    socket.deliver_error("again")
    await turns()
    assert errors == ["refused"]


async def test_listeners_run_in_an_empty_context_and_may_be_async():
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="empty")
    variable.set("set")
    _, server = WebSocketPair()
    server.accept()
    seen = []

    async def listener(event):
        seen.append(variable.get())
        await asyncio.sleep(0)
        seen.append(event.data)

    server.addEventListener("message", create_proxy(listener))
    server.deliver_text("x")
    await turns()
    assert seen == ["empty", "x"]


async def test_failing_listener_is_reported_and_the_rest_go_on():
    reports: list[BaseException] = []
    report_rejections(asyncio.get_running_loop(), reports.append)
    _, server = WebSocketPair()
    server.accept()
    seen = []
    server.addEventListener("message", lambda event: 1 / 0)
    removed = lambda event: seen.append("removed")  # noqa: E731
    server.addEventListener("message", create_proxy(removed))
    server.removeEventListener("message", create_proxy(removed))
    server.addEventListener("message", lambda event: seen.append(event.data))
    server.deliver_text("x")
    await turns()
    assert seen == ["x"]
    assert [type(error) for error in reports] == [ZeroDivisionError]
