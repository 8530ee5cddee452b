"""The Python API: the steps of a scenario file as methods, for pytest and for programs.

    from emulator.scenarios import Scenario

    async def test_the_client_catches_up():
        async with Scenario.serving("sample_agents/chat_py") as scenario:
            await scenario.connect("a", "Chat/me", kind="chat")
            await scenario.chat("a", "hello", wait=False)
            await scenario.drop("a", after_chunks=4)
            assert (await scenario.answer("a")).startswith("Hello")

Each method does what the step of its name does (docs/scenarios.md), and raises ScenarioFailed when it does not go as expected. Times are
texts such as `"30s"`. Patterns are the same as in files.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from emulator.config.instants import span_ms
from emulator.config.wrangler import find_config
from emulator.errors import UsageError
from emulator.scenarios import runner, steps
from emulator.scenarios.document import DEFAULT_TIMEOUT_MS, ClientPlan, Settings
from emulator.scenarios.performing import Performer
from emulator.scenarios.server import own_server
from emulator.scenarios.steps import NOT_GIVEN, Step
from emulator.scenarios.world import Place, World

Timeout = str | None


class Scenario:
    """Steps on a server. Make one with `serving`, or with `on` for a server that runs."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._performer = Performer(world)

    @classmethod
    @asynccontextmanager
    async def serving(cls, project: str | Path, *, timeout: str = "30s", **settings: Any) -> AsyncIterator[Scenario]:
        """On a server of its own, for the project in a folder. `settings` are those of a file: clock, seed, ai, cassette, speed, state."""
        root = find_config(Path(project)).parent
        async with (
            own_server(root, Settings(**settings), os.environ) as served,
            cls.on(served.place, timeout=timeout) as scenario,
        ):
            if settings.get("state") is not None:
                await scenario.load_state(settings["state"])
            yield scenario

    @classmethod
    @asynccontextmanager
    async def on(cls, place: Place, *, timeout: str = "30s") -> AsyncIterator[Scenario]:
        """On a server that runs, as it is."""
        timeout_ms = span_ms(timeout) if timeout else DEFAULT_TIMEOUT_MS
        async with runner.opened(place, "python", frozenset(), timeout_ms=timeout_ms) as world:
            yield cls(world)

    @property
    def url(self) -> str:
        """The server's address, with a slash at its end."""
        return self._world.place.url

    @property
    def variables(self) -> dict[str, Any]:
        """What patterns have bound."""
        return self._world.bound

    @property
    def now_ms(self) -> int:
        """The time that agents see, in ms since 1970."""
        return self._world.time.now_ms

    @property
    def transcript(self) -> str:
        """What has happened, as the text of a transcript."""
        return self._world.transcript.text()

    def frames(self, client: str) -> list[Any]:
        """All frames that came to a client so far: texts, and bytes."""
        return list(self._world.player(client).frames)

    async def perform(self, step: Step) -> Any:
        """Do any step of steps.py."""
        return await self._performer.perform(step)

    # -- clients

    async def connect(
        self, client: str, address: str | None = None, *, refused: Any = NOT_GIVEN, timeout: Timeout = None, **plan: Any
    ) -> None:
        """Connect a client; the first time with its address, and what a file has for it: kind, id, headers, protocols, reconnects."""
        if address is not None:
            found = self._world.players.get(client)
            if found is not None and found.client.is_open:
                raise UsageError("E283", f"the client {client} is connected already")
            self._world.add_client(ClientPlan(client, address, **plan))
        await self.perform(steps.Connect(client=client, refused=refused, timeout_ms=_ms(timeout)))

    async def disconnect(self, client: str, code: int = 1000, reason: str = "", *, abort: bool = False) -> None:
        """The client leaves."""
        await self.perform(steps.Disconnect(client=client, code=code, reason=reason, abort=abort))

    async def send(self, client: str, data: Any) -> None:
        """Send a frame: text as it is, bytes as binary, anything else as JSON."""
        await self.perform(steps.Send(client=client, data=data, is_json=not isinstance(data, str | bytes)))

    async def expect(self, client: str, *frames: Any, any_order: bool = False, only: bool = False, timeout: Timeout = None) -> Any:
        """Wait for frames; gives the one, or a list of several."""
        found = await self.perform(steps.Expect(client=client, frames=frames, any_order=any_order, only=only, timeout_ms=_ms(timeout)))
        return found[0] if len(frames) == 1 else found

    async def expect_none(self, client: str, pattern: Any = None, *, within: str = "0ms") -> None:
        """No frame that fits may come (without a pattern: none at all)."""
        pattern = {"$any": True} if pattern is None else pattern
        await self.perform(steps.ExpectNone(client=client, pattern=pattern, within_ms=span_ms(within)))

    async def expect_close(
        self, client: str, code: Any = NOT_GIVEN, reason: Any = NOT_GIVEN, *, timeout: Timeout = None
    ) -> tuple[int, str]:
        """The connection must end; gives code and reason."""
        found: tuple[int, str] = await self.perform(steps.ExpectClose(client=client, code=code, reason=reason, timeout_ms=_ms(timeout)))
        return found

    async def chat(
        self,
        client: str,
        text: str,
        *,
        answer: Any = NOT_GIVEN,
        outcome: str = "completed",
        wait: bool = True,
        timeout: Timeout = None,
    ) -> str | None:
        """Say something; gives the answer, None without `wait`."""
        found: str | None = await self.perform(
            steps.Chat(client=client, text=text, answer=answer, outcome=outcome, wait=wait, timeout_ms=_ms(timeout))
        )
        return found

    async def answer(self, client: str, text: Any = NOT_GIVEN, *, outcome: str = "completed", timeout: Timeout = None) -> str:
        """Wait for the end of the turn; gives its text."""
        found: str = await self.perform(steps.Answer(client=client, text=text, outcome=outcome, timeout_ms=_ms(timeout)))
        return found

    async def drop(
        self,
        client: str,
        *,
        mode: str = "reset",
        code: int = 1001,
        reason: str = "",
        after_frames: int | None = None,
        after_chunks: int | None = None,
    ) -> None:
        """Cut the client's connection, now or after so many frames or chunks."""
        await self.perform(
            steps.Drop(client=client, mode=mode, code=code, reason=reason, after_frames=after_frames, after_chunks=after_chunks)
        )

    async def stall(self, client: str) -> None:
        """Nothing reaches the client until `resume`."""
        await self.perform(steps.Stall(client=client))

    async def resume(self, client: str) -> None:
        """What was held back reaches it."""
        await self.perform(steps.Resume(client=client))

    # -- requests

    async def http(
        self,
        request: str,
        *,
        json: Any = None,
        text: str | None = None,
        headers: Mapping[str, str] | None = None,
        status: Any = NOT_GIVEN,
        body: Any = NOT_GIVEN,
        timeout: Timeout = None,
    ) -> Any:
        """A request such as `GET /path`, which sends `json` or `text`; `body` is a pattern for the answer's JSON. Gives that."""
        method, _, path = request.partition(" ")
        return await self.perform(
            steps.Http(
                method=method,
                path=path,
                headers=dict(headers or {}),
                body=text if json is None else json,
                is_json=json is not None,
                status=status,
                json=body,
                timeout_ms=_ms(timeout),
            )
        )

    async def call(self, object: str, method: str, *args: Any, error: Any = NOT_GIVEN, timeout: Timeout = None) -> Any:
        """A method over RPC; gives its result. With `error` it must raise."""
        return await self.perform(steps.Call(object=object, method=method, args=args, error=error, timeout_ms=_ms(timeout)))

    # -- the server

    async def evict(self, object: str, sockets: str = "hibernate") -> None:
        """Drop an instance when it is quiet."""
        await self.perform(steps.Evict(object=object, sockets=sockets))

    async def hibernate(self, object: str) -> None:
        """Let an idle object hibernate."""
        await self.perform(steps.Hibernate(object=object))

    async def abort(self, object: str, reason: str | None = None) -> None:
        """Reset an object."""
        await self.perform(steps.Abort(object=object, reason=reason))

    async def crash(self) -> None:
        """Kill the host process."""
        await self.perform(steps.Crash())

    async def restart(self) -> None:
        """Begin a new host process."""
        await self.perform(steps.Restart())

    async def deploy(self) -> None:
        """What a deploy does."""
        await self.perform(steps.Deploy())

    async def advance(self, span: str) -> None:
        """Let time pass, such as `"1h"`."""
        await self.perform(steps.Advance(ms=span_ms(span)))

    async def run_until_idle(self, limit: str | None = None) -> None:
        """Let time pass until nothing waits for it."""
        await self.perform(steps.RunUntilIdle(limit_ms=_ms(limit)))

    async def fire(self, object: str) -> None:
        """Run an alarm now."""
        await self.perform(steps.Fire(object=object))

    async def skip(self, object: str) -> None:
        """Take an alarm away."""
        await self.perform(steps.Skip(object=object))

    async def load_state(self, name: str) -> None:
        """Load a snapshot."""
        await self.perform(steps.State(verb="load", name=name))

    async def save_state(self, name: str) -> None:
        """Save a snapshot."""
        await self.perform(steps.State(verb="save", name=name))

    async def reset_state(self, what: str = "all") -> None:
        """Forget the state of all objects, of a class, or of one object."""
        await self.perform(steps.State(verb="reset", name=what))

    async def fault(self, do: Mapping[str, Any], *, when: Mapping[str, Any] | None = None, name: str | None = None) -> None:
        """Break model calls (docs/ai-faults.md)."""
        rule: dict[str, Any] = {"do": dict(do), **({"when": dict(when)} if when else {}), **({"name": name} if name else {})}
        await self.perform(steps.Fault(rule=rule))

    async def clear_faults(self, name: str = "all") -> None:
        """End one fault, or all."""
        await self.perform(steps.Fault(clear=name))

    async def parallel(self, *branches: Sequence[Step]) -> None:
        """Steps (of steps.py) side by side, always in the same order."""
        await self.perform(steps.Parallel(branches=tuple(tuple(branch) for branch in branches)))

    async def note(self, text: str) -> None:
        """A line for the transcript."""
        await self.perform(steps.Note(text=text))

    # -- looking; wakes nobody

    async def sql(self, object: str, query: str) -> list[dict[str, Any]]:
        """Rows of a query that only reads, in an object's storage."""
        found: list[dict[str, Any]] = await self.perform(steps.Sql(object=object, query=query))
        return found

    async def state(self, object: str) -> Any:
        """The stored state of an agent."""
        return await self.perform(steps.AgentState(object=object))

    async def requests(self) -> dict[str, int]:
        """How often each `METHOD URL` was asked by the agents."""
        found: dict[str, int] = await self.perform(steps.Requests())
        return found

    async def alarms(self) -> list[dict[str, Any]]:
        """The alarms that wait: `{object, in}`, in ms from now."""
        found: list[dict[str, Any]] = await self.perform(steps.Alarms())
        return found

    async def messages(self, object: str) -> list[dict[str, Any]]:
        """The stored transcript of a chat agent: `{role, text}`. This asks the agent, which wakes it."""
        found: list[dict[str, Any]] = await self.perform(steps.Messages(object=object))
        return found


def _ms(span: Timeout) -> int | None:
    return None if span is None else span_ms(span)
