"""What is done to the server, through its control API: eviction, faults, the clock. And what is read from it at the end."""

from __future__ import annotations

import asyncio
import fnmatch
import json
from collections import Counter
from typing import Any

from emulator.errors import EmuError, UsageError
from emulator.scenarios import steps
from emulator.scenarios.client_steps import filled, holds, span_words
from emulator.scenarios.control import object_path
from emulator.scenarios.failures import ScenarioFailed, differs
from emulator.scenarios.matching import brief, match
from emulator.scenarios.steps import NOT_GIVEN
from emulator.scenarios.world import World

WHO = "server"
DAY_MS = 86_400_000
"""How long time passes at most in `run_until_idle` without a limit."""
_STATE_QUERY = "SELECT state FROM cf_agents_state WHERE id = 'cf_state_row_id'"
"""Where the SDK keeps an agent's state (agents-protocol.md 3.2)."""


async def call(world: World, step: steps.Call) -> Any:
    """A method over RPC; gives its result."""
    name, args = filled(world, step.object), filled(world, list(step.args))
    what = f"{name}.{step.method}"
    world.line("call", step.method, f"{name} {json.dumps(args, ensure_ascii=False)}" if args else name)
    try:
        result = await _rpc(world, step, name, args)
    except EmuError as error:
        world.line("call", "raises", error.what)
        if step.error is NOT_GIVEN:
            raise
        holds(world, f"the error of {what}", step.error, error.what)
        return None
    world.line("call", "returns", result if isinstance(result, dict | list) else json.dumps(result, ensure_ascii=False))
    if step.error is not NOT_GIVEN:
        raise ScenarioFailed("E481", f"{what} returned {brief(result)}, and should have raised {brief(step.error)}")
    holds(world, f"the result of {what}", step.result, result)
    return result


async def _rpc(world: World, step: steps.Call, name: str, args: list[Any]) -> Any:
    asking = asyncio.ensure_future(world.control("POST", object_path(name, "call"), {"method": step.method, "args": args}))
    try:
        if not await world.until(asking.done, f"{name}.{step.method}", step.timeout_ms):
            raise ScenarioFailed("E480", f"{name}.{step.method} did not return within {span_words(step.timeout_ms or world.timeout_ms)}")
        return asking.result()
    finally:
        asking.cancel()


# -- interruptions


async def drop(world: World, step: steps.Drop) -> None:
    """Cut the client's connection, now or later."""
    player = world.player(step.client)
    when = f"after {step.after_frames} frames" if step.after_frames else f"after {step.after_chunks} chunks" if step.after_chunks else ""
    how = step.mode if step.mode == "reset" else f"close {step.code} {step.reason}".rstrip()
    world.line(step.client, "drop", " ".join(word for word in (how, when) if word))
    body: dict[str, Any] = {"mode": step.mode}
    if step.mode == "close":
        body |= {"code": step.code, "reason": step.reason}
    if step.after_frames:
        body["after_frames"] = step.after_frames
    if step.after_chunks:
        body["after_chunks"] = step.after_chunks
    await player.client.barrier()
    await world.control("POST", f"sockets/{await _socket(world, step.client)}/drop", body)


async def stall(world: World, step: steps.Stall) -> None:
    """Nothing reaches the client any more."""
    player = world.player(step.client)
    world.line(step.client, "stall")
    await player.client.barrier()
    await world.control("POST", f"sockets/{await _socket(world, step.client)}/drop", {"mode": "stall"})
    player.client.stalled = True


async def resume(world: World, step: steps.Resume) -> None:
    """What was held back reaches it."""
    player = world.player(step.client)
    world.line(step.client, "resume")
    await world.control("POST", f"sockets/{await _socket(world, step.client)}/resume", {})
    player.client.stalled = False


async def _socket(world: World, name: str) -> int:
    """The server's number for a client's socket: the newest with its address. Raises ScenarioFailed E483."""
    player = world.player(name)
    local = player.client.url.partition("://")[2].partition("/")[2]
    rows = (await world.control("GET", "sockets"))["sockets"]
    found = [int(row["id"]) for row in rows if str(row["url"]).partition("://")[2].partition("/")[2] == local]
    if not found:
        raise ScenarioFailed("E483", f"the server has no open socket of {name}", hint=f"- connect: {name}")
    return max(found)


async def evict(world: World, step: steps.Evict) -> None:
    """Drop an instance."""
    name = filled(world, step.object)
    world.line(WHO, "evict", name if step.sockets == "hibernate" else f"{name} sockets: {step.sockets}")
    _gone(name, await world.control("POST", object_path(name, "evict"), {"sockets": step.sockets}))


async def hibernate(world: World, step: steps.Hibernate) -> None:
    """Let an object hibernate."""
    name = filled(world, step.object)
    world.line(WHO, "hibernate", name)
    _gone(name, await world.control("POST", object_path(name, "hibernate"), {}))


def _gone(name: str, answer: dict[str, Any]) -> None:
    if not answer.get("evicted", True) and answer.get("why"):
        raise ScenarioFailed("E486", f"{name} stays in memory: {answer['why']}", hint=f"agents-emu awake {name}")


async def abort(world: World, step: steps.Abort) -> None:
    """Reset an object."""
    name = filled(world, step.object)
    world.line(WHO, "abort", f"{name} {step.reason or ''}".rstrip())
    await world.control("POST", object_path(name, "abort"), {"reason": step.reason})


async def crash(world: World, step: steps.Crash) -> None:
    """Kill the host; clients hear of it as in production."""
    world.line(WHO, "crash")
    await world.control("POST", f"hosts/{step.host or world.place.host}/crash", {"sockets": "cut"})


async def restart(world: World, step: steps.Restart) -> None:
    """Begin a new host."""
    world.line(WHO, "restart")
    _came_up(await world.control("POST", f"hosts/{step.host or world.place.host}/restart", {}))


async def deploy(world: World, _: steps.Deploy) -> None:
    """New code, objects reset."""
    world.line(WHO, "deploy")
    _came_up(await world.control("POST", "deploy", {}))


def _came_up(answer: dict[str, Any]) -> None:
    if answer.get("error"):
        raise ScenarioFailed("E486", "the code does not load", hint=brief(answer["error"], 600))


# -- time


async def advance(world: World, step: steps.Advance) -> None:
    """Let time pass."""
    world.line(WHO, "advance", span_words(step.ms))
    await world.until(lambda: False, f"{span_words(step.ms)} to pass", step.ms)


async def run_until_idle(world: World, step: steps.RunUntilIdle) -> None:
    """Let time pass until nothing waits."""
    if not world.time.is_virtual:
        what = "run_until_idle needs a virtual clock: on the real one nobody knows when nothing waits"
        raise UsageError("E283", what, hint="clock: virtual")
    world.line(WHO, "run until", "idle")
    await world.lanes.until_idle(world.time.now_ms + (DAY_MS if step.limit_ms is None else step.limit_ms))


async def fire(world: World, step: steps.Fire) -> None:
    """Run an alarm."""
    world.line(WHO, "fire", step.object)
    class_name, _, name = filled(world, step.object).partition("/")
    await world.control("POST", object_path(f"{class_name}/{name}", "fire").replace("objects/", "alarms/", 1), {})


async def skip(world: World, step: steps.Skip) -> None:
    """Take an alarm away."""
    world.line(WHO, "skip", step.object)
    await world.control("POST", object_path(filled(world, step.object), "skip").replace("objects/", "alarms/", 1), {})


async def state(world: World, step: steps.State) -> None:
    """Load, save or reset the state of objects."""
    world.line(WHO, f"{step.verb}", f"state {step.name}")
    if step.verb == "reset":
        class_name, _, name = step.name.partition("/")
        body = {} if step.name == "all" else {"class": class_name, **({"object": name} if name else {})}
    else:
        body = {"name": step.name}
    await world.control("POST", f"state/{step.verb}", body)


async def fault(world: World, step: steps.Fault) -> None:
    """Break model calls, or stop doing so."""
    if step.clear is not None:
        world.line(WHO, "fault", f"clear {step.clear}")
        await world.control("DELETE", "ai/faults" if step.clear == "all" else f"ai/faults/{step.clear}")
    else:
        world.line(WHO, "fault", step.rule)
        await world.control("POST", "ai/faults", filled(world, step.rule))


# -- checks


async def sql(world: World, step: steps.Sql) -> Any:
    """Read an object's storage; gives the rows."""
    rows = (await world.control("POST", object_path(step.object, "sql"), {"query": step.query}))["rows"]
    world.line("check", "sql", {"object": step.object, "rows": rows})
    holds(world, f"the rows in {step.object}", step.rows, rows)
    return rows


async def agent_state(world: World, step: steps.AgentState) -> Any:
    """Read an agent's state."""
    rows = (await world.control("POST", object_path(step.object, "sql"), {"query": _STATE_QUERY}))["rows"]
    value = json.loads(rows[0]["state"]) if rows and rows[0]["state"] else None
    world.line("check", "state", {"object": step.object, "value": value})
    holds(world, f"the state of {step.object}", step.value, value)
    return value


async def messages(world: World, step: steps.Messages) -> Any:
    """Read a chat agent's transcript: each message's role and text."""
    stored = await world.messages(world.agent_path(step.object))
    found = [{"role": message.get("role"), "text": _text(message)} for message in stored]
    world.line("check", "chat", {"object": step.object, "messages": found})
    holds(world, f"the messages of {step.object}", step.messages, found)
    return found


def _text(message: dict[str, Any]) -> str:
    return "".join(part.get("text", "") for part in message.get("parts", ()) if part.get("type") == "text")


async def requests(world: World, step: steps.Requests) -> dict[str, int]:
    """Count what the agents asked others."""
    counts = await outside_requests(world)
    world.line("check", "requests", counts)
    if step.counts is not NOT_GIVEN:
        for name, pattern in step.counts.items():
            count = sum(number for request, number in counts.items() if fnmatch.fnmatchcase(request, name))
            found = match(pattern, count, world.bound)
            if not found.fits:
                asked = ", ".join(f"{request} ({number})" for request, number in counts.items()) or "none"
                failure = differs(f"the count of {name}", found.differences)
                failure.hint = f"{failure.hint}\nrequests were: {asked}"
                raise failure
    return counts


async def outside_requests(world: World) -> dict[str, int]:
    """How often each `METHOD URL` was asked since the start; model calls do not count."""
    found: Counter[str] = Counter()
    for line in (await world.control.lines("journal?kinds=egress")).splitlines():
        entry = json.loads(line)
        if entry.get("kind") == "egress" and not entry.get("model"):
            found[f"{entry.get('method')} {entry.get('url')}"] += 1
    return dict(sorted(found.items()))


async def alarms(world: World, step: steps.Alarms) -> list[dict[str, Any]]:
    """The alarms that wait, each with its object and the ms until then."""
    rows = (await world.control("GET", "alarms"))["alarms"]
    found = [{"object": f"{row['class']}/{row['name'] or row['id']}", "in": row["time_ms"] - world.time.now_ms} for row in rows]
    world.line("check", "alarms", found)
    holds(world, "the list of alarms", step.alarms, found)
    return found
