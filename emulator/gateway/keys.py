"""What the hotkeys of a running server do. Each is a verb of the control API, and stands in the journal as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import quote, unquote

from emulator.config.instants import span_ms
from emulator.errors import EmuError, UsageError, UserCodeError
from emulator.gateway.console import Console, Key, Note, Trouble
from emulator.gateway.dispatcher import NoHost, Overloaded
from emulator.gateway.journal import Journal
from emulator.gateway.verbs.late import LateVerbs
from emulator.gateway.verbs.route import Call
from emulator.wire.exchange import LinkLost, RemoteError

MODES = ("auto", "replay", "new", "live", "stub")
"""What `p` goes through: the modes that throw no recording away."""


class Own(Protocol):
    """What is no verb of the control API."""

    async def reload(self) -> Any:
        """Load the code as it is now; it is told of."""

    async def evict_all(self) -> int:
        """Drop every instance that becomes quiet; gives how many."""


class Keys:
    """`pressed` starts what a key means and returns. What goes wrong is shown, and the server goes on."""

    def __init__(self, verbs: LateVerbs, own: Own, journal: Journal, console: Console, stop: Callable[[], None]) -> None:
        self._verbs = verbs
        self._own = own
        self._journal = journal
        self._console = console
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()
        self._actions: Mapping[Key, Callable[[], Awaitable[str | None]]] = {
            Key.FIRE: self._fire,
            Key.ADVANCE: self._ask_how_far,
            Key.HIBERNATE: self._evict,
            Key.EVICT: self._evict,
            Key.DROP: self._drop,
            Key.DEPLOY: self._deploy,
            Key.RELOAD: self._reload,
            Key.RESET: self._ask_whether_to_reset,
            Key.SNAPSHOT: self._save,
            Key.MODE: self._mode,
        }

    def pressed(self, key: Key) -> None:
        """A key was pressed."""
        if key is Key.QUIT:
            self._stop()
        else:
            self._start(key.name.lower(), self._actions[key]())

    def _start(self, name: str, action: Awaitable[str | None]) -> None:
        task = asyncio.get_running_loop().create_task(self._run(name, action))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, name: str, action: Awaitable[str | None]) -> None:
        try:
            text = await action
        except EmuError as error:
            self._console.show(Trouble(error))
        except RemoteError as error:
            self._console.show(Trouble(UserCodeError("E451", f"{error.fields.get('name')}: {error.fields.get('message')}")))
        except (NoHost, LinkLost, Overloaded) as error:
            self._console.show(Trouble(UserCodeError("E402", str(error))))
        else:
            if text is not None:
                self._console.show(Note(name, text))

    async def _verb(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """As a request to the control API would."""
        for route in (await self._verbs()).routes():
            parts = route.match(path.split("/"))
            if route.method == method and parts is not None:
                if method != "GET":
                    self._journal.verb(method, path, body or {})
                return await route.verb(Call({name: unquote(value) for name, value in parts.items()}, body=body or {}))
        raise UsageError("E225", f"there is nothing at {path}")

    # -- objects, clients, code

    async def _evict(self) -> str:
        return f"{await self._own.evict_all()} objects dropped; their sockets stay open"

    async def _drop(self) -> str:
        return f"{len((await self._verb('POST', 'sockets/drop', {'mode': 'reset'}))['dropped'])} sockets reset"

    async def _reload(self) -> None:
        await self._own.reload()

    async def _deploy(self) -> None:
        await self._verb("POST", "deploy")

    # -- time

    async def _fire(self) -> str:
        waiting = [row for row in (await self._verb("GET", "alarms"))["alarms"] if not row["running"]]
        if not waiting:
            return "no alarm is pending"
        name = waiting[0]["name"] or waiting[0]["id"]
        await self._verb("POST", f"alarms/{waiting[0]['class']}/{quote(name, safe='')}/fire")
        return f"the alarm of {waiting[0]['class']}/{name} runs"

    async def _ask_how_far(self) -> None:
        if (await self._verb("GET", "clock"))["mode"] == "real":
            await self._advance("0")  # says why not
        self._console.ask("advance the clock by (1h, 90s, 2d; Enter for no):", lambda span: self._answered("advance", span, self._advance))

    async def _advance(self, span: str) -> None:
        try:
            ms = span_ms(span)
        except ValueError as error:
            raise UsageError("E251", f'"{span}" makes no sense: {error} is expected') from None
        await self._verb("POST", "clock/advance", {"ms": ms})

    # -- state and models

    async def _save(self) -> str:
        name = f"snapshot-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        answer = await self._verb("POST", "state/save", {"name": name})
        return f"saved {answer['objects']} objects: agents-emu state load {name}"

    async def _ask_whether_to_reset(self) -> None:
        self._console.ask("remove every object with all it has stored? (y/N)", lambda word: self._answered("reset", word, self._reset))

    async def _reset(self, word: str) -> str:
        if word.lower() not in ("y", "yes"):
            return "nothing was removed"
        return f"{(await self._verb('POST', 'state/reset'))['removed']} objects removed"

    async def _mode(self) -> str:
        mode = (await self._verb("GET", "ai/session"))["mode"]
        following = MODES[(MODES.index(mode) + 1) % len(MODES)] if mode in MODES else MODES[0]
        await self._verb("POST", "ai/session", {"mode": following})
        return f"AI mode: {following}"

    def _answered(self, name: str, answer: str, act: Callable[[str], Awaitable[str | None]]) -> None:
        """An empty answer is none."""
        if answer.strip():
            self._start(name, act(answer.strip()))
