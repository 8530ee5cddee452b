"""All that a run has in its hands: the server, its clock, the clients and what came to them, variables, and the transcript."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import aiohttp
from yarl import URL

from emulator.config.shape import nearest
from emulator.core.routing import kebab
from emulator.errors import UsageError
from emulator.scenarios.chat_side import ChatSide, is_final, reconnect_ms
from emulator.scenarios.client import Client, Event, Refused, frame_text
from emulator.scenarios.control import Control
from emulator.scenarios.document import ClientPlan
from emulator.scenarios.lanes import Condition, Lanes
from emulator.scenarios.naming import Names
from emulator.scenarios.times import RealTime, Time, VirtualTime
from emulator.scenarios.transcript import Line, Transcript


@dataclass(frozen=True, slots=True)
class Place:
    """A server: its address with a slash at its end, its host's kind, and for each class (and binding) of objects the binding's name."""

    url: str
    host: str
    bindings: Mapping[str, str]


@dataclass(slots=True)
class Player:
    """A client with all that came to it. `seen` counts the frames that expectations have used up or passed over."""

    client: Client
    chat: ChatSide | None
    events: list[Event] = field(default_factory=list)
    frames: list[Any] = field(default_factory=list)
    seen: int = 0
    end: tuple[int, str] | None = None
    left: bool = False
    attempts: int = 0

    @property
    def reconnects(self) -> bool:
        """Whether it does what partysocket does when its connection breaks."""
        return self.chat is not None and self.client.plan.reconnects


class World:
    """Made by `opened`. `tell` hears each line of the transcript as it is written."""

    def __init__(
        self, place: Place, control: Control, session: aiohttp.ClientSession, tell: Callable[[Line], None], *, timeout_ms: int
    ) -> None:
        self.place = place
        self.control = control
        self.session = session
        self.timeout_ms = timeout_ms
        self.bound: dict[str, Any] = {}
        self.players: dict[str, Player] = {}
        self.waiting_for: list[str] = []
        self._tell = tell
        self._arrived = asyncio.Event()
        self._outbox: list[Coroutine[Any, Any, Any]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._timers: list[tuple[int, int, Callable[[], None]]] = []
        self._broken: BaseException | None = None

    async def open(self, name: str, words: frozenset[str]) -> None:
        """Ask the server for its clock, and begin the transcript."""
        shown = await self.control("GET", "clock")
        virtual = shown["mode"] == "virtual"
        self.time: Time = VirtualTime(self.control, self, shown) if virtual else RealTime(self, self._arrived)
        self.names = Names(words, self.time.start_ms)
        self.transcript = Transcript(name, self.names)
        self.lanes = Lanes(self.time, self._passing, lambda: min((when for when, _, _ in self._timers), default=None))

    # -- clients

    def add_client(self, plan: ClientPlan) -> Player:
        """A client that is not connected yet."""
        client = Client(plan, self._address(plan), self._on_event)
        player = Player(client, None)
        if plan.kind == "chat":
            player.chat = ChatSide(
                plan.name,
                lambda frame: self.soon(client.send(frame_text(frame))),
                lambda: self.soon(self._give_transcript(player)),
            )
            self.names.keep(*player.chat.ids)
        self.players[plan.name] = player
        return player

    def player(self, name: str) -> Player:
        """A client by its name. Raises UsageError E281."""
        if name not in self.players:
            close = nearest(name, list(self.players))
            hint = f'did you mean "{close}"?' if close else f"clients: {', '.join(self.players) or 'none'}"
            raise UsageError("E281", f'there is no client "{name}"', hint=hint)
        return self.players[name]

    async def connect(self, player: Player) -> Refused | None:
        """Open the client's WebSocket; what it does first by itself follows."""
        player.end, player.left = None, False
        refused = await player.client.connect()
        if refused is None:
            player.attempts = 0
            if player.chat is not None:
                player.chat.connected()
        return refused

    def http_url(self, path: str) -> URL:
        """The address of a path on the server."""
        return URL(self.place.url.rstrip("/") + path, encoded=True)

    def agent_path(self, name: str) -> str:
        """Where `routeAgentRequest` finds an object `CLASS/NAME` (agents-protocol.md 1.1). Raises UsageError E281."""
        class_name, _, rest = name.partition("/")
        binding = self.place.bindings.get(class_name)
        if binding is None:
            close = nearest(class_name, list(self.place.bindings))
            hint = f"did you mean {close}/{rest}?" if close else f"there is {', '.join(sorted(self.place.bindings)) or 'none'}"
            raise UsageError("E281", f'there is no agent "{class_name}"', hint=hint)
        return f"/agents/{kebab(binding)}/{quote(rest, safe='')}"

    async def messages(self, path: str) -> list[Any]:
        """The stored messages of a chat agent (agents-protocol.md 8.2); none when it has none, is no chat agent, or was cut off in its
        answer: SDK clients take all of that for none."""
        try:
            async with self.session.get(self.http_url(f"{path}/get-messages")) as response:
                text = await response.text()
        except (aiohttp.ClientError, OSError):
            return []
        try:
            found = json.loads(text) if response.ok and text else []
        except ValueError:
            return []
        return [message for message in found if isinstance(message, dict)] if isinstance(found, list) else []

    def path_of(self, plan: ClientPlan) -> str:
        """The path of a client's address, without its query."""
        path = plan.connect if plan.connect.startswith("/") else self.agent_path(plan.connect)
        return path.partition("?")[0]

    def _address(self, plan: ClientPlan) -> str:
        path = self.path_of(plan)
        query = plan.connect.partition("?")[2] if plan.connect.startswith("/") else ""
        if "_pk=" not in query and (plan.id is not None or path.startswith("/agents/")):
            query = "&".join(part for part in (f"_pk={quote(plan.connection_id, safe='')}", query) if part)
        return f"ws{self.place.url.rstrip('/').removeprefix('http')}{path}{f'?{query}' if query else ''}"

    def _on_event(self, client: Client, event: Event) -> None:
        player = self.players[client.name]
        player.events.append(event)
        self._arrived.set()
        if event.kind == "in" and player.chat is not None and isinstance(event.data, str):
            player.chat.receive(event.data)

    def _lost(self, player: Player, code: int) -> None:
        if player.left or not player.reconnects or is_final(code):
            return
        player.attempts += 1
        self._at(self.time.now_ms + reconnect_ms(player.attempts), lambda: self.soon(self._reconnect(player)))

    async def _reconnect(self, player: Player) -> None:
        if player.client.is_open or player.left:
            return
        player.events.append(Event("reconnect", self.path_of(player.client.plan)))
        if await self.connect(player) is not None:
            self._lost(player, 1006)

    async def _give_transcript(self, player: Player) -> None:
        messages = await self.messages(self.path_of(player.client.plan))
        if player.chat is not None:
            player.chat.transcript(messages)

    # -- what clients do by themselves

    def soon(self, work: Coroutine[Any, Any, Any]) -> None:
        """Something that goes on beside the steps, when the server has come to rest. What it raises ends the run."""
        self._outbox.append(work)
        if not self.time.is_virtual:
            self.flush()

    def flush(self) -> bool:
        """Begin what clients want to do by themselves, in order; whether there was anything."""
        works, self._outbox = self._outbox, []
        for work in works:
            task = asyncio.create_task(work)
            self._tasks.add(task)
            task.add_done_callback(self._done)
        return bool(works)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        self._arrived.set()
        if not task.cancelled() and (error := task.exception()) is not None and not isinstance(error, aiohttp.ClientError | OSError):
            self._broken = self._broken or error

    def _at(self, when_ms: int, callback: Callable[[], None]) -> None:
        self._timers.append((when_ms, len(self._timers), callback))

    async def barrier(self) -> None:
        """Wait until all that was sent has arrived."""
        await asyncio.gather(*(player.client.barrier() for player in self.players.values()))

    # -- time

    @property
    def at_ms(self) -> int | None:
        """The time since the start, None on the real clock."""
        return self.time.now_ms - self.time.start_ms if self.time.is_virtual else None

    async def settle(self) -> None:
        """Let everything happen that is due."""
        await self.lanes.settle()

    async def until(self, condition: Condition, what: str, timeout_ms: int | None) -> bool:
        """Wait for a condition; `what` is it in words. Whether it came true in time."""
        until_ms = self.time.now_ms + (self.timeout_ms if timeout_ms is None else timeout_ms)
        self.waiting_for.append(what)
        held = await self.lanes.until(condition, until_ms)
        self.waiting_for.remove(what)  # stays when the run is ended from outside: it is what was pending
        return held

    async def _passing(self) -> None:
        if self._broken is not None:
            raise self._broken
        for player in self.players.values():
            self._write_down(player)
        due = sorted((timer for timer in self._timers if timer[0] <= self.time.now_ms), key=lambda timer: timer[:2])
        if due:
            self._timers = [timer for timer in self._timers if timer not in due]
            for _, _, callback in due:
                callback()
            await self.time.settle()
            for player in self.players.values():
                self._write_down(player)

    def _write_down(self, player: Player) -> None:
        events, player.events = player.events, []
        for event in events:
            if event.kind == "in":
                player.frames.append(event.data)
                self.line(player.client.name, "<-", event.data)
            elif event.kind == "out":
                self.line(player.client.name, "->", event.data)
            elif event.kind == "reconnect":
                self.line(player.client.name, "reconnect", event.data)
            else:
                player.end = event.data
                code, reason = event.data
                self.line(player.client.name, "closed", f"{code} {reason}".rstrip())
                # Only now is it certain at which time it was.
                self._lost(player, code)

    # -- the transcript

    def line(self, who: str, verb: str, what: Any = "") -> None:
        """Write a line."""
        self._tell(self.transcript.add(self.at_ms, who, verb, what))

    # -- the end

    async def close(self) -> None:
        """Give everything back."""
        for work in self._outbox:
            work.close()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        for player in self.players.values():
            player.left = True
            await player.client.dispose()
