"""Schedules and the queue, with every run written down."""

from datetime import UTC, datetime, timedelta
from typing import Any

from agents import Agent, RetryOptions, Schedule, callable


class Clockwork(Agent):
    async def on_start(self) -> None:
        self.sql("CREATE TABLE IF NOT EXISTS runs (n INTEGER PRIMARY KEY, what TEXT)")

    async def on_error(self, connection: Any, error: Exception) -> None:
        self.note(f"on_error:{error}")

    def note(self, what: str) -> None:
        self.sql("INSERT INTO runs (what) VALUES (?)", what)
        self.broadcast(what)

    @callable
    async def runs(self) -> list[str]:
        return [row["what"] for row in self.sql("SELECT what FROM runs ORDER BY n")]

    @callable
    async def plan_in(self, seconds: float, text: str, idempotent: bool | None = None) -> dict[str, Any]:
        return shown(await self.schedule(seconds, self.tick, text, idempotent=idempotent))

    @callable
    async def plan_past(self, text: str) -> dict[str, Any]:
        return shown(await self.schedule(datetime.now(UTC) - timedelta(hours=1), self.tick, text))

    @callable
    async def plan_cron(self, cron: str, text: str) -> dict[str, Any]:
        return shown(await self.schedule(cron, self.tick, text))

    @callable
    async def plan_every(self, seconds: float, text: str) -> dict[str, Any]:
        return shown(await self.schedule_every(seconds, self.tick, text))

    @callable
    async def plan_failure(self) -> dict[str, Any]:
        return shown(await self.schedule(0, self.fail, "bad", retry=RetryOptions(max_attempts=2, base_delay=0.01, max_delay=0.02)))

    @callable
    async def planned(self) -> list[dict[str, Any]]:
        return [shown(schedule) for schedule in await self.list_schedules()]

    @callable
    async def forget(self, id: str) -> bool:
        return await self.cancel_schedule(id)

    @callable
    async def queue_up(self, texts: list[str]) -> list[str]:
        return [await self.queue(self.queued, text) for text in texts]

    async def tick(self, text: str, schedule: Schedule) -> None:
        self.note(f"{schedule.type}:{text}")

    async def queued(self, text: str, item: Any) -> None:
        self.note(f"queued:{text}")

    async def fail(self, text: str, schedule: Schedule) -> None:
        self.note(f"failing:{text}")
        raise RuntimeError("planned to fail")


def shown(schedule: Schedule) -> dict[str, Any]:
    return {"id": schedule.id, "type": schedule.type, "cron": schedule.cron, "due": schedule.time.timestamp()}
