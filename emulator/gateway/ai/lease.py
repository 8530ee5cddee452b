"""Who holds the session of a running server: one command at a time, and only while it lives (`agents-emu ai record -- <command>`).

A holder begins a session, and is the only one who can end it well: then what it recorded is kept. It shows that it lives by a connection
that it keeps open (`GET ai/session/holds/{token}`). When that ends first, because the holder was killed, the session is thrown away and
mode, cassette and speed are what they were. A holder that is only stopped (Ctrl-Z) keeps its connection, and so its session.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from emulator.config import AiMode
from emulator.config.speed import Speed
from emulator.errors import EmuError, UsageError
from emulator.gateway.ai.playback import Playback
from emulator.gateway.ai.sessions import Sessions
from emulator.gateway.console import SessionEnded

CONNECTS_WITHIN_S = 6.0
"""A holder that has not opened its connection by then is taken for dead."""


@dataclass(slots=True, eq=False)
class _Held:
    """One hold. `mode`, `cassette` and `speed` are those of before; `over` says why it ended."""

    token: str
    who: str
    since: datetime
    mode: AiMode
    cassette: str | None
    speed: Speed
    over: asyncio.Future[str]
    connections: int = 0
    deadline: asyncio.TimerHandle | None = None


@dataclass(slots=True)
class Lease:
    """At most one holder. `tell` hears in one sentence of a holder that is gone. `connects_within_s` is real time, whatever clock replays
    follow: holders are programs of this machine."""

    sessions: Sessions
    playback: Playback
    tell: Callable[[str], None] = lambda text: None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    connects_within_s: float = CONNECTS_WITHIN_S
    _held: _Held | None = field(default=None, init=False)

    def status(self) -> dict[str, Any] | None:
        """`{who, since}` of the holder, None without one. The token is nobody's business but the holder's."""
        return None if self._held is None else {"who": self._held.who, "since": _iso(self._held.since)}

    def require_free(self) -> None:
        """Raises UsageError E244 while somebody holds the session."""
        if self._held is not None:
            what = f"busy: {self._held.who} holds the session since {_iso(self._held.since)}"
            raise UsageError("E244", what, hint="wait for its end, or throw away what it recorded: agents-emu ai mode auto --force")

    def hold(self, who: str, begin: Callable[[], SessionEnded]) -> tuple[str, SessionEnded]:
        """Begin a session for `who`, by `begin`. The token that ends it, and how the session before ended. Raises E244, and what `begin`
        raises; then nobody holds anything."""
        self.require_free()
        playback, loop = self.playback, asyncio.get_running_loop()
        before = (playback.mode, playback.library.cassette, playback.pacer.speed)
        ended = begin()
        held = self._held = _Held(uuid4().hex, who, self.now(), *before, loop.create_future())
        self.sessions.provisional = True
        self._expect(held)
        return held.token, ended

    def give_back(self, token: str, *, commit: bool, prune: bool = False) -> SessionEnded:
        """The holder ends its session: mode, cassette and speed are as before. Raises UsageError E245 when it holds nothing any more, and
        what Sessions.restart raises."""
        return self._end(self._of(token), "ended", commit=commit, prune=prune)

    def take_away(self) -> SessionEnded | None:
        """Throw the held session away, whatever its holder is about; None when nobody holds one."""
        return None if self._held is None else self._end(self._held, "taken away", commit=False)

    async def keep(self, token: str) -> str:
        """Hold for as long as this is awaited; why the hold ended. Cancelled, which is what a closed connection does, it ends the hold.
        Raises UsageError E245."""
        held = self._of(token)
        held.connections += 1
        if held.deadline is not None:
            held.deadline.cancel()
        try:
            return await asyncio.shield(held.over)
        finally:
            held.connections -= 1
            if not held.connections:
                self._lost(held)

    def _of(self, token: str) -> _Held:
        if self._held is None or self._held.token != token:
            what = "this session is not held any more: it was taken away, or the connection of its holder was lost"
            raise UsageError("E245", what, hint="what it recorded was thrown away: run the command again")
        return self._held

    def _expect(self, held: _Held) -> None:
        held.deadline = asyncio.get_running_loop().call_later(self.connects_within_s, self._lost, held)

    def _lost(self, held: _Held) -> None:
        if held is not self._held:
            return
        text = f"{held.who} is gone before its end: what it recorded is thrown away, and the mode is {held.mode.value} again"
        try:
            self._end(held, "lost", commit=False)
        except (EmuError, OSError) as error:
            text += f" ({error})"
        self.tell(text)

    def _end(self, held: _Held, why: str, *, commit: bool, prune: bool = False) -> SessionEnded:
        self._held = None
        self.sessions.provisional = False
        if held.deadline is not None:
            held.deadline.cancel()
        try:
            return self.sessions.restart(mode=held.mode, cassette=held.cassette, speed=held.speed, commit=commit, prune=prune)
        finally:
            if not held.over.done():
                held.over.set_result(why)


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
