"""What can be wrong with a resumable stream, in words that teach: one code each, E460 to E469 (agents-protocol.md 8.3 and 8.5).

`emulator/core/resumable_streams.py` finds violations; this module only names them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NO_END = "E460"
SECOND_END = "E461"
AFTER_END = "E462"
TWICE = "E463"
LOST = "E464"
SECOND_ACK = "E465"
BEFORE_ACK = "E466"
UNASKED_REPLAY = "E467"
LIVE_BEFORE_REPLAY = "E468"
OTHER_BODY = "E469"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One frame that a violation is about. `at` is what the caller gave with it (the journal's number), `out` is to the client."""

    at: int
    socket: int
    out: bool
    text: str


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule broken towards one client. `what` is a sentence, `frames` the frames concerned in the order in which they passed."""

    code: str
    what: str
    socket: int
    request: str
    frames: tuple[Evidence, ...]

    def as_json(self) -> dict[str, Any]:
        """`{code, what, socket, request, frames: [{at, socket, dir, text}]}`."""
        frames = [{"at": f.at, "socket": f.socket, "dir": "out" if f.out else "in", "text": f.text} for f in self.frames]
        return {"code": self.code, "what": self.what, "socket": self.socket, "request": self.request, "frames": frames}


def explain(code: str) -> str | None:
    """What the rule is, why it exists and where to look, as plain text of a few lines; None for a code of another kind."""
    return _EXPLANATIONS.get(code)


_EXPLANATIONS = {
    NO_END: """\
Every chat request that an agent accepts ends with exactly one terminal frame, `"done": true`, on every socket that follows it. Without
it the client shows the answer as still being written, for ever: useAgentChat stays `submitted` or `streaming`, and the next turn's text
runs into this one's.
Look for: an `onChatMessage` that throws before it returns a Response (the SDK then sends nothing), an instance that was cut in mid-turn
and whose turn nobody took up again, a response body that never closes.""",
    SECOND_END: """\
A request ends once. A second `"done": true` on the same socket, without an acknowledgement from the client in between, ends whatever the
client has begun since: useAgentChat drops the ids of a request at its first end and takes the second for another tab's.
Look for: two producers of one request id, a turn that is retried under its old id after it had ended, a proxy that repeats frames.""",
    AFTER_END: """\
Nothing of a request may follow its terminal frame, unless the client acknowledges an offer of it anew. Text that comes after the end is
shown as a message of its own or not at all.
Look for: a writer that is not awaited before the stream is closed, a cancelled turn that goes on writing.""",
    TWICE: """\
Each chunk reaches a client once: replayed chunks first, then live ones from the next number on. A chunk that comes twice on one socket is
text that appears twice.
Look for: a client that is sent live chunks and a replay of the same at once, a replay that starts after live chunks were let through, a
second acknowledgement (E465).""",
    LOST: """\
A client that follows a request gets every chunk of it. Here numbers are missing that other clients had, or that were sent before: the
client shows a text with a hole.
Look for: a socket that was left out of a broadcast without having been offered the stream, a replay from storage that was not flushed.""",
    SECOND_ACK: """\
A client acknowledges an offer (`cf_agent_stream_resuming`) once on each socket. The agent may offer the same request twice, once on
connect and once in answer to the client's resume request; that is no mistake of it. It answers every acknowledgement with a full
replay, so the second one shows the text twice (cloudflare/agents #1733).
Look for: an acknowledgement in the handler of every offer; remember what this socket has acknowledged, and forget it when the
socket closes or the request ends.""",
    BEFORE_ACK: """\
A connection that was offered a stream hears nothing of it until it has acknowledged the offer: the replay comes first. A chunk before that
comes again with the replay, so the client shows it twice or in the wrong place.
Look for: a broadcast that does not leave out the connections that were offered the stream; an old socket with the same `_pk` whose
close takes the new one off that list.""",
    UNASKED_REPLAY: """\
A replay answers an acknowledgement. Replayed chunks that no acknowledgement asked for, or that come after `replayComplete`, are
shown twice.
Look for: a replay that is sent on connect, two replays that answer one acknowledgement.""",
    LIVE_BEFORE_REPLAY: """\
After an acknowledgement come the stored chunks, then `replayComplete`, then live ones, without gap or overlap. A live chunk before
`replayComplete` is shown in the middle of older text.
Look for: a connection that is put back into the broadcast before its replay was written, an `await` between the two.""",
    OTHER_BODY: """\
A chunk has the same number and the same body for every client, live or replayed. Here one number stood for two bodies: two clients show
different texts.
Look for: two producers of one request id, chunks that are changed after they were stored.""",
}
