"""The real agents SDK on a virtual clock and a seed: schedules and keepAlive fire by the clock, and a run repeats to the byte."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from link_gateway import START_MS, Gateway
from node_gateway import host
from node_project import NodeProject

SOURCE = """
import { Agent, getAgentByName } from "agents";
import { nanoid } from "nanoid";

export class Box extends Agent<any> {
  fired: unknown[] = [];

  async plan() {
    const once = await this.schedule(3600, "tell", "in an hour");
    const at = await this.schedule(new Date("2026-01-01T06:30:00Z"), "tell", "at half past six");
    const daily = await this.schedule("0 8 * * *", "tell", "every morning");
    const often = await this.scheduleEvery(5400, "tell", "every ninety minutes");
    return [once.id, at.id, daily.id, often.id, nanoid()];
  }
  tell(text: string) { this.fired.push([text, Date.now(), new Date().toISOString()]); }
  async alive(ms: number) {
    const end = await this.keepAlive();
    this.ctx.waitUntil(scheduler.wait(ms).then(() => { this.fired.push(["kept", Date.now()]); end(); }));
  }
  told() { return this.fired; }
  rows() {
    const tables = this.ctx.storage.sql.exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'cf_agents%' ORDER BY 1");
    return tables.toArray().map(({ name }) => [name, ...this.ctx.storage.sql.exec(`SELECT * FROM "${name}"`).raw()]);
  }
}

export default {
  async fetch(request: Request, env: any) {
    const [, method, ...given] = new URL(request.url).pathname.split("/");
    const box = await getAgentByName(env.BOX, "me");
    return Response.json((await (box as any)[method](...given.map(Number))) ?? null);
  },
};
"""
HOUR_MS = 3_600_000


async def advance(gateway: Gateway, to_ms: int) -> None:
    """From deadline to deadline, as the gateway does."""
    while True:
        next_ms = await gateway.clock()
        alarm_ms = gateway.alarms[-1] if gateway.alarms else None
        due = min((when for when in (next_ms, alarm_ms) if when is not None), default=to_ms + 1)
        if due > to_ms:
            await gateway.clock(to_ms - gateway.now_ms)
            return
        if due > gateway.now_ms:
            gateway.now_ms = due
        if due == alarm_ms:
            gateway.alarms.append(None)
            call = {"class": "Box", "id": gateway.id("me"), "name": "me", "scheduled_ms": due, "retry": 0}
            assert (await gateway.call("alarm", **call))["outcome"] == "done"


async def run(root: Path, node: Path, *, idle_ms: int = 0) -> dict[str, Any]:
    async with host(root, node, seed=7, idle_ms=idle_ms) as gateway:
        ids = await gateway.fetch("/plan")
        await advance(gateway, START_MS + 24 * HOUR_MS)
        await gateway.fetch("/alive/100000")
        await advance(gateway, gateway.now_ms + 200_000)
        return {"ids": ids, "told": await gateway.fetch("/told"), "rows": await gateway.fetch("/rows")}


async def test_schedules_fire_by_the_clock_and_a_run_repeats(real_project: NodeProject) -> None:
    root, node = real_project.write({"src/main.ts": SOURCE}).root, real_project.node
    first = await run(root, node)
    fired = [(text, round((at - START_MS) / HOUR_MS, 2)) for text, at, *_ in first["told"]]
    assert [entry for entry in fired if entry[0] != "every ninety minutes"] == [
        ("in an hour", 1.0),
        ("at half past six", 6.5),
        ("every morning", 8.0),
        ("kept", 24.03),
    ]
    assert [at for text, at in fired if text == "every ninety minutes"] == [1.5 * number for number in range(1, 17)]
    assert all(date == f"{date[:19]}.000Z" for _, _, *dates in first["told"] for date in dates)
    assert len(set(first["ids"])) == 5
    for path in (root / "state").rglob("*.sqlite*"):
        path.unlink()
    assert await run(root, node) == first
