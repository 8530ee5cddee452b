"""Reminders: after a delay, at a date, by a cron expression, at an interval. They ring with nobody connected and after a restart."""

from datetime import datetime
from typing import Any, TypedDict

from agents import Agent, Schedule, callable, route_agent_request
from workers import Request, Response, WorkerEntrypoint


class Rung(TypedDict):
    rung: list[str]


def described(schedule: Schedule) -> dict[str, Any]:
    return {
        "id": schedule.id,
        "type": schedule.type,
        "text": schedule.payload,
        "next": schedule.time.isoformat(),
        "cron": schedule.cron,
        "every": schedule.interval.total_seconds() if schedule.interval else None,
    }


class Reminders(Agent[Rung]):
    initial_state = Rung(rung=[])

    @callable
    async def remind_in(self, seconds: float, text: str) -> dict[str, Any]:
        return described(await self.schedule(seconds, self.ring, text))

    @callable
    async def remind_at(self, when: str, text: str) -> dict[str, Any]:
        return described(await self.schedule(datetime.fromisoformat(when), self.ring, text))

    @callable
    async def remind_by_cron(self, cron: str, text: str) -> dict[str, Any]:
        return described(await self.schedule(cron, self.ring, text))

    @callable
    async def remind_every(self, seconds: float, text: str) -> dict[str, Any]:
        return described(await self.schedule_every(seconds, self.ring, text))

    @callable
    async def upcoming(self) -> list[dict[str, Any]]:
        return [described(schedule) for schedule in await self.list_schedules()]

    @callable
    async def forget(self, id: str) -> bool:
        return await self.cancel_schedule(id)

    async def ring(self, text: str, schedule: Schedule) -> None:
        # The state goes to every connected client and stays for the others.
        self.set_state(Rung(rung=[*(self.state["rung"] if self.state else []), text]))

    async def on_request(self, request: Request) -> Response:
        return Response.from_json({"upcoming": await self.upcoming(), "rung": self.state["rung"] if self.state else []})


class Default(WorkerEntrypoint):
    async def fetch(self, request: Request) -> Response:
        return await route_agent_request(request, self.env) or Response("Not found", status=404)
