"""Does steps, one after the other, and says where in the file it was when one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from emulator.errors import EmuError
from emulator.scenarios import client_steps, server_steps, steps
from emulator.scenarios.steps import Step
from emulator.scenarios.world import World

Place = Callable[[Step], str]


class Performer:
    """`place` gives the `file:line` of a step; None for steps of a program, which has its own lines."""

    def __init__(self, world: World, place: Place | None = None) -> None:
        self._world = world
        self._place = place
        self._told: EmuError | None = None
        self.step: Step | None = None
        """The step that is being done, or was done last."""

    async def all(self, rows: Sequence[Step]) -> None:
        """Do steps in their order."""
        for step in rows:
            await self.perform(step)

    async def perform(self, step: Step) -> Any:
        """Do one step, and let all happen that follows from it at this instant; gives what it found."""
        self.step = step
        try:
            found = await self._do(step)
            await self._world.settle()
        except EmuError as error:
            if self._place is not None and error is not self._told:
                self._told = error
                error.where = "\n".join(place for place in (self._place(step), error.where) if place)
            raise
        return found

    async def _do(self, step: Step) -> Any:
        world = self._world
        if isinstance(step, steps.Parallel):
            await world.lanes.together([self.all(branch) for branch in step.branches])
        elif isinstance(step, steps.Repeat):
            for number in range(1, step.times + 1):
                if step.counter is not None:
                    world.bound[step.counter] = number
                await self.all(step.steps)
        elif isinstance(step, steps.Note):
            world.line("note", "", client_steps.filled(world, step.text))
        else:
            return await _DOING[type(step)](world, step)
        return None


_DOING: dict[type[Step], Callable[[World, Any], Awaitable[Any]]] = {
    steps.Connect: client_steps.connect,
    steps.Disconnect: client_steps.disconnect,
    steps.Send: client_steps.send,
    steps.Expect: client_steps.expect,
    steps.ExpectNone: client_steps.expect_none,
    steps.ExpectClose: client_steps.expect_close,
    steps.Chat: client_steps.chat,
    steps.Answer: client_steps.answer,
    steps.Http: client_steps.http,
    steps.Call: server_steps.call,
    steps.Drop: server_steps.drop,
    steps.Stall: server_steps.stall,
    steps.Resume: server_steps.resume,
    steps.Evict: server_steps.evict,
    steps.Hibernate: server_steps.hibernate,
    steps.Abort: server_steps.abort,
    steps.Crash: server_steps.crash,
    steps.Restart: server_steps.restart,
    steps.Deploy: server_steps.deploy,
    steps.Advance: server_steps.advance,
    steps.RunUntilIdle: server_steps.run_until_idle,
    steps.Fire: server_steps.fire,
    steps.Skip: server_steps.skip,
    steps.State: server_steps.state,
    steps.Fault: server_steps.fault,
    steps.Sql: server_steps.sql,
    steps.AgentState: server_steps.agent_state,
    steps.Messages: server_steps.messages,
    steps.Requests: server_steps.requests,
    steps.Alarms: server_steps.alarms,
}
