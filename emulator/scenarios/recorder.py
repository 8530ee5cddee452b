"""Follows the journal of a running server and writes a scenario of what its clients do (recording.py)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from emulator.config.document import shown
from emulator.core.routing import CONTROL
from emulator.errors import BackendError, UsageError
from emulator.scenarios import recording, yaml_text
from emulator.scenarios.control import Control
from emulator.scenarios.recording import Recording

_LINE_BYTES = 8 * 1024 * 1024
_CHAT_END = '"done":true'


@dataclass(frozen=True, slots=True)
class Recorded:
    """The file's text; how many steps it has; model calls by who answered them; the snapshot that it starts from, if any."""

    text: str
    steps: int
    sources: dict[str, int]
    state: str | None


class Recorder:
    """Records the server at `url` into a file that will be called `path`. `heard` is told the count of steps when it has grown."""

    def __init__(self, url: str, path: Path, project: Path, heard: Callable[[int], None]) -> None:
        self._url = url
        self._path = path
        self._project = project
        self._heard = heard
        self._turns = 0
        self.began = asyncio.Event()
        """Set when nothing that clients do is missed any more."""

    async def record(self, stop: asyncio.Event, *, turns: int | None = None) -> Recorded:
        """Until `stop` is set, or so many chat turns have ended. Raises UsageError E285 when nothing was seen."""
        async with aiohttp.ClientSession(read_bufsize=_LINE_BYTES, timeout=aiohttp.ClientTimeout(total=None)) as session:
            control = Control(session, self._url)
            clock = await control("GET", "clock")
            ai = await control("GET", "ai/session")
            state = await self._snapshot(control)
            since = await self._newest(control)
            found = Recording(clock["now_ms"])
            for row in (await control("GET", "sockets"))["sockets"]:
                found.already_open(int(row["id"]), str(row["url"]))
            following = asyncio.create_task(self._follow(session, since, found, stop, turns))
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({following, stopping}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            following.cancel()
            await asyncio.wait({following, stopping})
            if not following.cancelled() and (error := following.exception()) is not None and not found.steps:
                raise error
        if not found.steps:
            hint = "use the agent while it records: a page, agents-emu chat, curl"
            raise UsageError("E285", "no client did anything, so there is nothing to write", where=self._url, hint=hint)
        return self._finished(found, clock, ai, state)

    async def _snapshot(self, control: Control) -> str | None:
        """What the agents know already belongs to the scenario: it is saved under the file's name."""
        if not (await control("GET", "objects"))["objects"]:
            return None
        await control("POST", "state/save", {"name": self._path.stem, "replace": True})
        return self._path.stem

    @staticmethod
    async def _newest(control: Control) -> int:
        lines = (await control.lines("journal")).splitlines()
        return int(json.loads(lines[-1])["seq"]) if lines else 0

    async def _follow(self, session: aiohttp.ClientSession, since: int, found: Recording, stop: asyncio.Event, turns: int | None) -> None:
        kinds = ",".join(recording.KINDS)
        address = f"{self._url.rstrip('/')}{CONTROL}journal?follow=1&since={since}&kinds={kinds}"
        try:
            async with session.get(address) as response:
                self.began.set()
                async for line in response.content:
                    entry = json.loads(line)
                    found.add(entry)
                    self._heard(found.steps)
                    if _ends_turn(entry):
                        self._turns += 1
                        if turns is not None and self._turns >= turns:
                            stop.set()
                            return
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise BackendError("E651", f"the server went away: {error or type(error).__name__}", where=self._url) from error

    def _finished(self, found: Recording, clock: dict[str, Any], ai: dict[str, Any], state: str | None) -> Recorded:
        mode = str(ai.get("mode", "replay"))
        stubbed = bool(found.sources) and set(found.sources) <= {"stub"}
        settings: dict[str, Any] = {"name": self._path.stem.replace("_", " ").replace("-", " ")}
        if self._project.resolve() not in self._path.resolve().parents:
            settings["project"] = str(self._project.resolve())
        if clock["mode"] == "virtual":
            settings["clock"] = f"virtual@{clock['iso']}"
        if stubbed:
            settings["ai"] = "stub"
        if ai.get("cassette") and ai["cassette"] != "default":
            settings["cassette"] = ai["cassette"]
        if state is not None:
            settings["state"] = state
        head = [f"Recorded from {self._url}", "docs/scenarios.md has every step."]
        others = {source: count for source, count in found.sources.items() if source not in ("recording", "stub")}
        if others and not stubbed:
            command = f"agents-emu ai record -- agents-emu scenario run {shown(self._path)} --server"
            head += [f"Model calls were answered by {', '.join(sorted(others))} (mode {mode}). To run it without them:", f"  {command}"]
        return Recorded(yaml_text.text({**settings, **found.data()}, tuple(head)), found.steps, dict(found.sources), state)


def _ends_turn(entry: dict[str, Any]) -> bool:
    text = str(entry.get("text", ""))
    return entry.get("kind") == "frame" and entry.get("dir") == "out" and "cf_agent_use_chat_response" in text and _is_done(text)


def _is_done(text: str) -> bool:
    return _CHAT_END in text.replace(" ", "")
