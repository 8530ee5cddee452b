"""Whether the chat streams of one object keep the promises of the SDK's protocol (agents-protocol.md 8.3, 8.5 and 8.6).

The rules are those a client relies on when it shows every word once: one end for each request, no chunk twice, none lost, the replay
before what is live, one acknowledgement for each offer, silence between the two. They are judged by the frames of one object's sockets
alone, in the order in which they passed. What the SDKs do by design is no violation: an offer may come twice, a recovered turn goes on
under another id, an object that was cut loses the chunks that it had not stored (8.9), an empty end tells a late client to read the
transcript.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from emulator.core import stream_violations as words
from emulator.core.stream_violations import Evidence, Violation

Frame = dict[str, Any]

MARK = "cf_agent_"
"""In every frame of the protocol; text without it needs no second look."""
MAX_REQUESTS = 64
"""So many requests of one object are remembered, the newest."""
SHOWN = 200
"""Characters of a frame that a violation shows."""

_REQUEST, _RESPONSE = "cf_agent_use_chat_request", "cf_agent_use_chat_response"
_PROBE, _ACK, _OFFER = "cf_agent_stream_resume_request", "cf_agent_stream_resume_ack", "cf_agent_stream_resuming"
_CLEAR, _RECOVERING = "cf_agent_chat_clear", "cf_agent_chat_recovering"
_WATCHED = frozenset({_REQUEST, _RESPONSE, _PROBE, _ACK, _OFFER, _CLEAR, _RECOVERING})


def chat_frame(text: str) -> Frame | None:
    """The frame of the chat protocol that `text` is, None for anything else."""
    if MARK not in text:
        return None
    try:
        frame = json.loads(text)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) and frame.get("type") in _WATCHED else None


@dataclass(slots=True)
class _Request:
    """What is known of one request, whoever was told. `bodies` are the chunks by number, as hashes. `begun` is when the first one
    passed. `settled`: nobody is owed an end of it any more."""

    user_messages: frozenset[str] = frozenset()
    bodies: dict[int, int] = field(default_factory=dict)
    numbered: bool = False
    begun: int | None = None
    settled: bool = False


@dataclass(slots=True)
class _Hearing:
    """What one socket was told of one request since it began to listen, or since its last acknowledgement.

    `phase`: `live`, `acknowledged`, `replaying`, `caught up`. `last` is the number of the newest chunk, `count` how many there were.
    `replays_due`: acknowledgements that were not answered yet. `excused`: it may have missed some chunks without a violation.
    """

    phase: str = "live"
    last: int | None = None
    count: int = 0
    excused: bool = False
    replays_due: int = 0
    was_offered: bool = False
    newest: Evidence | None = None
    asked: Evidence | None = None
    acknowledged: Evidence | None = None
    probed: bool = False
    end: Evidence | None = None
    crossed: bool = False
    told: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Listener:
    """A socket. `ready` is when its first frame passed: before that it may miss what others hear. `offers` were not acknowledged yet.
    `probes` are resume requests, those in `answered` were sent before an acknowledgement: an offer for one of them crossed it."""

    connection: str | None
    ready: int | None = None
    offers: dict[str, Evidence] = field(default_factory=dict)
    probes: set[str] = field(default_factory=set)
    answered: set[str] = field(default_factory=set)
    hearings: dict[str, _Hearing] = field(default_factory=dict)


class StreamChecker:
    """The streams of one object. Sockets are numbers that the caller chooses; `at` numbers frames, and is given back as evidence."""

    def __init__(self) -> None:
        self._requests: dict[str, _Request] = {}
        self._listeners: dict[int, _Listener] = {}
        self._step = 0

    @property
    def idle(self) -> bool:
        """Nobody is connected: all that is left is what returning clients are measured by."""
        return not self._listeners

    def opened(self, socket: int, connection: str | None = None) -> None:
        """A socket, with the id that its client gave it (`_pk`). A socket that was never announced is one without."""
        self._listeners[socket] = _Listener(connection)

    def ended(self, socket: int) -> None:
        """The socket is closed: nobody waits there any more."""
        self._listeners.pop(socket, None)

    def interrupted(self) -> None:
        """The object lost its memory (crash, eviction, abort, new code), and with it the chunks that it had not stored (8.5)."""
        for request in self._requests.values():
            request.bodies.clear()
            request.begun = None
        for listener in self._listeners.values():
            listener.offers.clear()
            for hearing in listener.hearings.values():
                hearing.phase, hearing.last, hearing.count, hearing.excused = "live", None, 0, True

    def heard(self, socket: int, frame: Frame, text: str, at: int) -> list[Violation]:
        """A frame of the protocol (`chat_frame`) from a client."""
        listener = self._listener(socket)
        evidence = Evidence(at, socket, False, text[:SHOWN])
        match frame["type"], frame.get("id"):
            case "cf_agent_use_chat_request", str(ident):
                self._asked(listener, ident, frame, evidence)
            case "cf_agent_stream_resume_request", _:
                listener.probes.add(str(frame.get("probeId")))
                listener.answered.discard(str(frame.get("probeId")))
                for hearing in listener.hearings.values():
                    hearing.probed = True
            case "cf_agent_stream_resume_ack", str(ident):
                return list(self._acknowledged(listener, ident, evidence))
            case "cf_agent_chat_clear", _:
                for request in self._requests.values():
                    request.settled = True
        return []

    def told(self, socket: int, frame: Frame, text: str, at: int) -> list[Violation]:
        """A frame of the protocol (`chat_frame`) to a client."""
        listener = self._listener(socket)
        evidence = Evidence(at, socket, True, text[:SHOWN])
        match frame["type"], frame.get("id"):
            case "cf_agent_stream_resuming", str(ident):
                self._offered(listener, ident, frame, evidence)
            case "cf_agent_chat_recovering", str(ident) if frame.get("recovering") is False:
                self._request(ident).settled = True
            case "cf_agent_use_chat_response", str(ident):
                return list(self._response(listener, ident, frame, evidence))
        return []

    def ready(self, socket: int) -> None:
        """Some other text passed to or from this socket: its connection is established."""
        listener = self._listeners.get(socket)
        if listener is not None and listener.ready is None:
            listener.ready = self._next()

    def unfinished(self) -> list[Violation]:
        """What is wrong if nothing comes any more: requests without an end on the sockets that are still open."""
        return [
            violation
            for listener in self._listeners.values()
            for ident, hearing in listener.hearings.items()
            if self._is_owed(ident, hearing)
            for violation in [_no_end(ident, hearing, "and nothing more came")]
        ]

    # -- from clients

    def _asked(self, listener: _Listener, ident: str, frame: Frame, evidence: Evidence) -> None:
        messages = _messages_of(frame)
        if messages is None:
            return  # the SDK drops it, or leaves it to the user's onMessage (8.1)
        self._requests.pop(ident, None)
        self._request(ident).user_messages = _trailing_user_messages(messages)
        listener.hearings[ident] = _Hearing(asked=evidence)

    def _acknowledged(self, listener: _Listener, ident: str, evidence: Evidence) -> Iterator[Violation]:
        before = listener.hearings.get(ident)
        first = before.acknowledged if before is not None else None
        if before is not None and first is not None and before.end is None and not before.probed:
            yield Violation(
                words.SECOND_ACK, "the client acknowledged one offer twice on one socket", evidence.socket, ident, (first, evidence)
            )
        hearing = _Hearing(phase="acknowledged", acknowledged=evidence, was_offered=ident in listener.offers)
        hearing.replays_due = 1
        if before is not None:
            hearing.asked = before.asked
            hearing.replays_due += before.replays_due
            if not hearing.was_offered:  # it was not left out, so live chunks may be under way before the replay
                hearing.last, hearing.count = before.last, before.count
        listener.hearings[ident] = hearing
        # An acknowledgement of whatever puts the connection back among those that hear all that is live (8.5).
        listener.offers.clear()
        listener.answered |= listener.probes
        listener.probes.clear()
        self._request(ident)

    # -- to clients

    def _offered(self, listener: _Listener, ident: str, frame: Frame, evidence: Evidence) -> None:
        if frame.get("probeId") in listener.answered:
            return
        listener.offers.setdefault(ident, evidence)
        if listener.connection is None:
            return
        # The agent leaves out connections by their id, so the older socket of a twin falls silent too.
        for other in self._listeners.values():
            if other.connection == listener.connection:
                for hearing in other.hearings.values():
                    hearing.excused = True

    def _response(self, listener: _Listener, ident: str, frame: Frame, evidence: Evidence) -> Iterator[Violation]:
        request = self._request(ident)
        hearing = listener.hearings.setdefault(ident, _Hearing())
        done = frame.get("done") is True
        is_chunk = not done and not frame.get("error") and not frame.get("replayComplete")
        if hearing.end is not None and not hearing.crossed:
            code, what = (words.SECOND_END, "ended twice") if done else (words.AFTER_END, "went on after its end")
            yield from _once(hearing, code, f"request {ident} {what}", ident, hearing.end, evidence)
        if is_chunk:
            yield from self._others_ended(listener, ident, frame, evidence)
            yield from self._order(listener, hearing, ident, frame, evidence)
            yield from self._content(listener, request, hearing, ident, frame, evidence)
            hearing.newest = evidence
        elif done:
            yield from self._ended_whole(listener, request, hearing, ident, evidence)
            # An end that crossed the acknowledgement on the wire: that is still answered, by a replay with an end of its own (8.5).
            hearing.crossed = hearing.phase == "acknowledged" and not frame.get("replay") and hearing.end is None
            hearing.end = evidence
            listener.offers.pop(ident, None)
            self._settle(ident, request, frame)
        elif frame.get("replayComplete"):
            if hearing.phase != "replaying" and hearing.replays_due:
                hearing.replays_due -= 1
            hearing.phase = "caught up"

    def _others_ended(self, listener: _Listener, ident: str, frame: Frame, evidence: Evidence) -> Iterator[Violation]:
        """Turns run one by one, so the first chunk of one says that those before it are over; a continuation takes them up instead."""
        for other, hearing in listener.hearings.items():
            if other == ident or hearing.count == 0 or not self._is_owed(other, hearing):
                continue
            if frame.get("continuation"):
                self._request(other).settled = True
            elif not frame.get("replay"):
                yield from _mark(hearing, _no_end(other, hearing, f"but {ident} began", evidence))

    def _order(self, listener: _Listener, hearing: _Hearing, ident: str, frame: Frame, evidence: Evidence) -> Iterator[Violation]:
        replayed = frame.get("replay") is True
        offer = listener.offers.get(ident)
        if offer is not None and not replayed:
            yield from _once(hearing, words.BEFORE_ACK, f"{ident} was sent before its offer was acknowledged", ident, offer, evidence)
        if replayed:
            if hearing.phase != "replaying" and hearing.replays_due:
                hearing.replays_due -= 1
                hearing.phase, hearing.last, hearing.count = "replaying", None, 0
            elif hearing.phase != "replaying":
                why = "after replayComplete" if hearing.phase == "caught up" else "without an acknowledgement"
                yield from _once(hearing, words.UNASKED_REPLAY, f"{ident} was replayed {why}", ident, hearing.newest, evidence)
        elif hearing.phase == "replaying" or (hearing.phase == "acknowledged" and hearing.was_offered):
            what = f"a live chunk of {ident} came before its replay was complete"
            yield from _once(hearing, words.LIVE_BEFORE_REPLAY, what, ident, hearing.newest or hearing.acknowledged, evidence)

    def _content(
        self, listener: _Listener, request: _Request, hearing: _Hearing, ident: str, frame: Frame, evidence: Evidence
    ) -> Iterator[Violation]:
        number = frame.get("seq")
        digest = hash(frame.get("body"))
        if isinstance(number, int):
            request.numbered = True
            if hearing.last is not None and number <= hearing.last:
                what = f"chunk {number} of {ident} came twice to one client"
                yield from _once(hearing, words.TWICE, what, ident, hearing.newest, evidence)
                return
            missing = self._missing_before(listener, request, hearing, number, replayed=frame.get("replay") is True)
            if missing:
                what = f"{_chunks(missing)} of {ident} never came to this client"
                yield from _once(hearing, words.LOST, what, ident, hearing.newest, evidence)
            hearing.last = number
            hearing.excused = False
        elif request.numbered:
            return  # too large to be stored, so it has no number and never comes again (8.1)
        else:
            number = hearing.count  # servers before ai-chat 0.12 do not number chunks, so they are counted
        hearing.count += 1
        known = request.bodies.setdefault(number, digest)
        if known != digest:
            yield from self._mismatch(request, hearing, ident, number, digest, evidence)
        if request.begun is None:
            request.begun = self._next()

    def _missing_before(self, listener: _Listener, request: _Request, hearing: _Hearing, number: int, *, replayed: bool) -> list[int]:
        """Numbers below `number` that this client should have had and did not."""
        if hearing.last is not None:
            return [] if hearing.excused else list(range(hearing.last + 1, number))
        if hearing.excused:
            return []
        if replayed or hearing.phase == "caught up" or self._from_the_start(listener, request, hearing):
            return [n for n in range(number) if n in request.bodies]
        return []

    def _from_the_start(self, listener: _Listener, request: _Request, hearing: _Hearing) -> bool:
        """Whether the client was there, and not left out, when the first chunk passed."""
        if hearing.asked is not None:
            return True
        return listener.ready is not None and request.begun is not None and listener.ready < request.begun and not listener.offers

    def _mismatch(
        self, request: _Request, hearing: _Hearing, ident: str, number: int, digest: int, evidence: Evidence
    ) -> Iterator[Violation]:
        if request.numbered or digest not in request.bodies.values():
            what = f"chunk {number} of {ident} is not what was sent before under this number"
            yield from _once(hearing, words.OTHER_BODY, what, ident, hearing.newest, evidence)
            return
        first = next(n for n, body in request.bodies.items() if body == digest)
        if first < number:
            yield from _once(hearing, words.TWICE, f"chunk {first} of {ident} came twice to one client", ident, hearing.newest, evidence)
        else:
            what = f"{_chunks(list(range(number, first)))} of {ident} never came to this client"
            yield from _once(hearing, words.LOST, what, ident, hearing.newest, evidence)

    def _ended_whole(
        self, listener: _Listener, request: _Request, hearing: _Hearing, ident: str, evidence: Evidence
    ) -> Iterator[Violation]:
        """At its end a client has had all that others had. One that heard nothing at all reads the transcript instead (8.6)."""
        if hearing.last is None or hearing.excused or not request.numbered:
            return
        missing = [n for n in range(hearing.last + 1, max(request.bodies, default=-1) + 1) if n in request.bodies]
        if missing and ident not in listener.offers:
            yield from _once(
                hearing, words.LOST, f"{_chunks(missing)} of {ident} never came to this client", ident, hearing.newest, evidence
            )

    # -- books

    def _settle(self, ident: str, request: _Request, frame: Frame) -> None:
        """A recovered turn ends under another id and names the user's messages that it answers (8.9)."""
        answered = frame.get("messageIds")
        named = frozenset(answered) if isinstance(answered, list) else frozenset()
        for other, known in self._requests.items():
            if other != ident and named and known.user_messages and known.user_messages <= named:
                known.settled = True

    def _is_owed(self, ident: str, hearing: _Hearing) -> bool:
        return hearing.end is None and words.NO_END not in hearing.told and not self._request(ident).settled

    def _request(self, ident: str) -> _Request:
        request = self._requests.get(ident)
        if request is None:
            request = self._requests[ident] = _Request()
            while len(self._requests) > MAX_REQUESTS:
                oldest = next(iter(self._requests))
                del self._requests[oldest]
                for listener in self._listeners.values():
                    listener.hearings.pop(oldest, None)
        return request

    def _listener(self, socket: int) -> _Listener:
        listener = self._listeners.get(socket)
        if listener is None:
            listener = self._listeners[socket] = _Listener(None)
        if listener.ready is None:
            listener.ready = self._next()
        return listener

    def _next(self) -> int:
        self._step += 1
        return self._step


def _no_end(ident: str, hearing: _Hearing, why: str, *more: Evidence) -> Violation:
    seen = tuple(evidence for evidence in (hearing.asked, hearing.acknowledged, hearing.newest, *more) if evidence is not None)
    chunks = f"after {hearing.count} chunks " if hearing.count else ""
    what = f"request {ident} got no terminal frame: {chunks}{why}"
    return Violation(words.NO_END, what, seen[0].socket, ident, seen)


def _once(hearing: _Hearing, code: str, what: str, ident: str, *frames: Evidence | None) -> Iterator[Violation]:
    """The first violation of a rule by a request on a socket; those that follow from it say nothing new."""
    seen = tuple(evidence for evidence in frames if evidence is not None)
    return _mark(hearing, Violation(code, what, seen[-1].socket, ident, seen))


def _mark(hearing: _Hearing, violation: Violation) -> Iterator[Violation]:
    if violation.code not in hearing.told:
        hearing.told.add(violation.code)
        yield violation


def _chunks(numbers: list[int]) -> str:
    return f"chunk {numbers[0]}" if len(numbers) == 1 else f"chunks {numbers[0]} to {numbers[-1]}"


def _messages_of(frame: Frame) -> list[Any] | None:
    """The messages of a request that the SDK accepts."""
    init = frame.get("init")
    if not isinstance(init, dict) or init.get("method") != "POST" or not isinstance(init.get("body"), str):
        return None
    try:
        body = json.loads(init["body"])
    except ValueError:
        return None
    messages = body.get("messages") if isinstance(body, dict) else None
    return messages if isinstance(messages, list) else None


def _trailing_user_messages(messages: list[Any]) -> frozenset[str]:
    idents: set[str] = set()
    for message in reversed(messages):
        if not isinstance(message, dict) or message.get("role") != "user":
            break
        idents.add(str(message.get("id")))
    return frozenset(idents)
