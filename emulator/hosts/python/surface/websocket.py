"""WebSocket: pairs inside the process, and ends bound to a real socket through a transport.

An end's `send` goes to its outlet: the other end of a pair, or the transport after `attach`. What arrives
goes to listeners after `accept()`, or to the host's `SocketEvents` after `accept_hibernatable`. Frames wait
in order for whoever is missing: sent before the transport is there, arrived before the end is accepted.
Rules and texts: durable-objects.md 5.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any, Final, Protocol

from emulator.core.sockets import MAX_ATTACHMENT

from .blob import Blob
from .buffers import ArrayBuffer, JsBuffer
from .containers import JsArray
from .errors import JsException, js_error
from .events import CloseEvent, ErrorEvent, Event, EventTarget, MessageEvent
from .structured_clone import dumps, loads
from .values import JsObject, JsProxy, is_nullish, js_string, jsnull, option, takes_options

CONNECTING, OPEN, CLOSING, CLOSED = range(4)
MAX_REASON_BYTES: Final = 123
RESERVED_CODES: Final = frozenset({1004, 1005, 1006, 1015})
LOST_REASON: Final = "WebSocket disconnected without sending Close frame."
PAIR_IN_USE: Final = "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response."


class Transport(Protocol):
    """The real socket behind an end; calls never block and never raise."""

    def send_text(self, text: str) -> None: ...

    def send_binary(self, data: bytes) -> None: ...

    def close(self, code: int | None, reason: str) -> None:
        """Sends a Close frame, an empty one when `code` is None."""

    def attachment(self, data: bytes) -> None:
        """The new serialized attachment, to be kept with the socket."""


class SocketEvents(Protocol):
    """Who takes what arrives at a hibernatable end."""

    def text(self, socket: WebSocket, text: str) -> None: ...

    def binary(self, socket: WebSocket, data: bytes) -> None: ...

    def close(self, socket: WebSocket, code: int, reason: str, was_clean: bool) -> None: ...

    def error(self, socket: WebSocket, error: JsException) -> None: ...


type Frame = tuple[str, tuple[Any, ...]]  # a method of SocketEvents (and of `_Pipe`) and its arguments


class WebSocket(EventTarget):
    """One end of a connection."""

    _js_name = "WebSocket"
    _js_statics = ("CLOSED", "CLOSING", "CONNECTING", "OPEN", "READY_STATE_OPEN")
    CONNECTING, OPEN, CLOSING, CLOSED = CONNECTING, OPEN, CLOSING, CLOSED
    READY_STATE_OPEN = OPEN

    line_of_caller: Callable[[], Any] = staticmethod(lambda: None)
    """Where the running code stands; the host knows."""

    def __init__(self, url: str | None = None, *, protocol: str = "", extensions: str = "", connecting: bool = False) -> None:
        super().__init__()
        self.url: Any = jsnull if url is None else url
        self.protocol = protocol
        self.extensions = extensions
        self.binaryType = "arraybuffer"
        self.peer: WebSocket | None = None
        """The other end, while it is in this process."""
        self.close_reply = True
        """Whether a standard socket answers the other side's Close by itself (durable-objects.md 5.1)."""
        self.owner: Any = None
        """Whose code keeps this end, for the host's bookkeeping."""
        self.line: Any = None
        """The line that accepted it, for the same."""
        self._transport: Transport | None = None
        self._events: SocketEvents | None = None
        self._attachment: bytes | None = None
        self._outbox: list[Frame] = []  # sent while neither peer nor transport is there
        self._inbox: deque[Frame] = deque()
        self._connecting = connecting
        self._accepted = connecting  # a client socket needs no accept()
        self._draining = self._close_sent = self._close_received = self._lost = False

    # -- user code

    @property
    def readyState(self) -> int:
        if self._connecting:
            return CONNECTING
        if self._close_sent and self._close_received:
            return CLOSED
        return CLOSING if self._close_sent or self._close_received else OPEN

    @takes_options
    def accept(self, options: Any = None) -> None:
        """Begins delivering events to listeners."""
        if self._events is not None:
            raise js_error("TypeError", "Can't accept() WebSocket after enabling hibernation.")
        if self._accepted:
            return
        if option(options, "allowHalfOpen", False):
            self.close_reply = False
        self._accepted = True
        self.line = self.line_of_caller()
        self._wake()

    def send(self, *args: Any) -> None:
        """A text or binary frame; what is neither a string nor a buffer is sent as its string."""
        if not args:
            raise js_error("TypeError", "Failed to execute 'send' on 'WebSocket': 1 argument required, but only 0 present.")
        self._check_accepted()
        if self._close_sent:
            raise js_error("TypeError", "Can't call WebSocket send() after close().")
        message = args[0]
        if isinstance(message, JsBuffer):
            self._emit("binary", message.to_bytes())
        elif isinstance(message, Blob):
            self._emit("binary", message.data())
        else:
            self._emit("text", js_string(message))

    def close(self, code: Any = None, reason: Any = None) -> None:
        """Sends Close. A second call does nothing."""
        number = None if is_nullish(code) else int(code)
        text = "" if is_nullish(reason) else js_string(reason)
        if number is None and text:
            raise js_error("TypeError", "If you specify a WebSocket close reason, you must also specify a code.")
        if number is not None and (not 1000 <= number < 5000 or number in RESERVED_CODES):
            raise js_error("InvalidAccessError", f"Invalid WebSocket close code: {number}.")
        if len(text.encode()) > MAX_REASON_BYTES:
            raise js_error("SyntaxError", f"WebSocket close reason must not be longer than {MAX_REASON_BYTES} bytes when UTF-8 encoded.")
        self._check_accepted()
        if not self._close_sent:
            self._close_sent = True
            self._emit("close", number, text)

    def serializeAttachment(self, value: Any = None) -> None:
        """Keeps a structured clone with the socket, at most 16,384 bytes; allowed before accept."""
        data = dumps(value)
        if len(data) > MAX_ATTACHMENT:
            message = f"A WebSocket 'attachment' cannot be larger than {MAX_ATTACHMENT} bytes."
            raise js_error("Error", f"{message}'attachment' was {len(data)} bytes.")
        self._attachment = data
        if self._transport is not None:
            self._transport.attachment(data)

    def deserializeAttachment(self) -> Any:
        """A fresh copy of the attachment; null when there is none."""
        return jsnull if self._attachment is None else loads(self._attachment)

    # -- the host

    def attach(self, transport: Transport) -> None:
        """From now on the other side is `transport`; what waits for it is flushed in order."""
        waiting: list[Frame] = self._outbox
        self._outbox = []
        peer, self.peer = self.peer, None
        if peer is not None:
            waiting = [*peer._inbox, *waiting]
            peer._inbox.clear()
            peer.peer = None
        self._transport = transport
        if self._attachment is not None:
            transport.attachment(self._attachment)
        for frame in waiting:
            self._transmit(frame)

    def accept_hibernatable(self, events: SocketEvents) -> None:
        """`ctx.acceptWebSocket(ws)`: arrivals go to `events`, listeners are never called."""
        if self._accepted:
            raise js_error("Error", "Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`")
        if self.peer is not None and self.peer.accepted:
            raise js_error("Error", PAIR_IN_USE)
        self._accepted = True
        self._events = events
        self._wake()

    @classmethod
    def restored(cls, events: SocketEvents, *, attachment: bytes | None, url: str | None, protocol: str, close_sent: bool) -> WebSocket:
        """A hibernatable end that outlived its object (durable-objects.md 5.5); `attach` follows."""
        socket = cls(url, protocol=protocol)
        socket._attachment = attachment
        socket._close_sent = close_sent
        socket.accept_hibernatable(events)
        return socket

    @property
    def attachment(self) -> bytes | None:
        """The serialized attachment."""
        return self._attachment

    @property
    def hibernatable(self) -> bool:
        return self._events is not None

    @property
    def accepted(self) -> bool:
        return self._accepted

    @property
    def close_sent(self) -> bool:
        """Whether this end has sent its Close."""
        return self._close_sent

    def deliver_open(self, protocol: str = "", extensions: str = "") -> None:
        """The client socket is connected."""
        self._connecting = False
        self.protocol, self.extensions = protocol, extensions
        self.dispatchEvent(Event("open"))

    def deliver_text(self, text: str) -> None:
        self._arrive("text", text)

    def deliver_binary(self, data: bytes) -> None:
        self._arrive("binary", data)

    def deliver_close(self, code: int | None, reason: str = "") -> None:
        """A Close frame came; None means it was empty."""
        self._arrive("close", code, reason)

    def deliver_lost(self) -> None:
        """The connection ended without a Close frame."""
        self._arrive("lost")

    def peer_ended(self, *, lost: bool) -> None:
        """The other side said Close, or is `lost`; for a hibernatable end, whose close event the host delivers itself."""
        self._close_received = self._close_received or not lost
        self._lost = self._lost or lost

    def deliver_error(self, message: str) -> None:
        self._arrive("error", js_error("Error", message))

    # -- inside

    def _check_accepted(self) -> None:
        if self._connecting:
            raise js_error("InvalidStateError", "The WebSocket is still connecting.")
        if not self._accepted:
            raise js_error(
                "TypeError", "You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages."
            )

    def _emit(self, kind: str, *args: Any) -> None:
        if not self._lost:
            self._transmit((kind, args))

    def _transmit(self, frame: Frame) -> None:
        kind, args = frame
        if self.peer is not None:
            self.peer._arrive(kind, *args)
        elif self._transport is None:
            self._outbox.append(frame)
        elif kind == "text":
            self._transport.send_text(*args)
        elif kind == "binary":
            self._transport.send_binary(*args)
        else:
            self._transport.close(*args)

    def _arrive(self, kind: str, *args: Any) -> None:
        if self._events is not None and not self._inbox and self.peer is None:
            self._hand_over(kind, args)
        else:
            self._inbox.append((kind, args))
            self._wake()

    def _wake(self) -> None:
        if self._accepted and self._inbox and not self._draining:
            self._draining = True
            asyncio.get_running_loop().call_soon(self._drain)

    def _drain(self) -> None:
        self._draining = False
        while self._inbox:
            kind, args = self._inbox.popleft()
            self._hand_over(kind, args)

    def _hand_over(self, kind: str, args: tuple[Any, ...]) -> None:
        if kind == "close":
            self._close_received = True
            code, reason = args
            self._closed(1005 if code is None else code, reason, clean=True)
        elif kind == "lost":
            self._lost = True
            self._closed(1006, LOST_REASON, clean=False)
        elif self._events is not None:
            getattr(self._events, kind)(self, *args)
        elif kind == "error":
            self._connecting = False
            self._lost = True
            self.dispatchEvent(ErrorEvent("error", JsObject({"error": args[0], "message": args[0].message})))
        else:
            self.dispatchEvent(MessageEvent("message", JsObject({"data": self._payload(*args)})))

    def _closed(self, code: int, reason: str, *, clean: bool) -> None:
        if self._events is not None:
            self._events.close(self, code, reason, clean)
            return
        if clean and self.close_reply and not self._close_sent:
            self._close_sent = True
            self._emit("close", None if code in RESERVED_CODES else code, reason)
        self.dispatchEvent(CloseEvent("close", JsObject({"code": code, "reason": reason, "wasClean": clean})))

    def _payload(self, data: str | bytes) -> Any:
        if isinstance(data, str):
            return data
        return Blob(data) if self.binaryType == "blob" else ArrayBuffer(data)


class WebSocketPair(JsObject):
    """Two ends, `0` for the client and `1` for the server; also unpacks into them."""

    __slots__ = ()
    _js_name = "WebSocketPair"

    def __init__(self, *, binary_type: str = "arraybuffer", close_reply: bool = True) -> None:
        """What each end does when it is accepted by `accept()` depends on the compatibility date (durable-objects.md 5.1)."""
        client, server = WebSocket(), WebSocket()
        client.peer, server.peer = server, client
        for end in (client, server):
            end.binaryType = binary_type
            end.close_reply = close_reply
        super().__init__({"0": client, "1": server})

    @classmethod
    def _js_new(cls, *_args: Any) -> WebSocketPair:
        return cls()

    def __iter__(self) -> Iterator[Any]:
        return iter(JsArray(list(self._js_own().values())))

    def __getitem__(self, index: int) -> Any:
        return list(self._js_own().values())[index]


class WebSocketRequestResponsePair(JsProxy):
    """An automatic answer to a text message (durable-objects.md 5.6); `setWebSocketAutoResponse` looks at its size."""

    __slots__ = ("_request", "_response")
    _js_name = "WebSocketRequestResponsePair"

    def __init__(self, request: Any, response: Any) -> None:
        self._request, self._response = js_string(request), js_string(response)

    @property
    def request(self) -> str:
        return self._request

    @property
    def response(self) -> str:
        return self._response

    def getRequest(self) -> str:
        return self._request

    def getResponse(self) -> str:
        return self._response
