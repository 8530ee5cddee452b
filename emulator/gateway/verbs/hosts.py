"""Verbs on host processes and the code they serve, and `scheduled` by hand."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from emulator.errors import UsageError
from emulator.gateway.clocks import Clock
from emulator.gateway.hosts import Hosts, Reloaded
from emulator.gateway.reload import Reloader
from emulator.gateway.verbs.asking import HostAsker
from emulator.gateway.verbs.route import Route

_DIGITS = re.compile(r"[0-9]{1,18}")


class HostVerbs:
    """Crash, restart, deploy."""

    def __init__(self, hosts: Hosts, reloader: Reloader, ask: HostAsker, clock: Clock) -> None:
        self._hosts = hosts
        self._reloader = reloader
        self._ask = ask
        self._clock = clock

    def routes(self) -> Sequence[Route]:
        """Where they are."""
        return [
            Route("POST", "hosts/{kind}/crash", lambda call: self.crash(call.parts["kind"], call.body.get("sockets"))),
            Route("POST", "hosts/{kind}/restart", lambda call: self.restart(call.parts["kind"]), whole=True),
            Route("POST", "deploy", lambda call: self.deploy(), whole=True),
        ]

    async def crash(self, kind: str, sockets: Any = None) -> Any:
        """Kill the host process, as a crash would. `sockets` is `keep` or `cut`; left out, what `--reload` says."""
        if sockets not in (None, "keep", "cut"):
            raise UsageError("E227", 'sockets must be "keep" or "cut"')
        self._check_kind(kind)
        pid = self._hosts.crash(keep_sockets=None if sockets is None else sockets == "keep")
        if pid is None:
            raise UsageError("E228", f"no {kind} host is running")
        return {"killed": pid}

    async def restart(self, kind: str) -> Any:
        """A new process with the code as it is."""
        self._check_kind(kind)
        return _outcome(await self._hosts.restart())

    async def deploy(self) -> Any:
        """What a deploy in production does: the configuration and the code as they are now, every client cut off without a Close frame,
        every turn ended at once with the platform's words. Those that follow each other wait for each other."""
        return _outcome(await self._reloader.deploy())

    async def scheduled(self, cron: str, time: str | None) -> None:
        """Run the Worker's `scheduled` handler. `time` is milliseconds since 1970, None for now. Raises RemoteError."""
        scheduled_ms = int(time) if time and _DIGITS.fullmatch(time) else self._clock.now_ms()
        await self._ask("scheduled", cron=cron, scheduled_ms=scheduled_ms)

    def _check_kind(self, kind: str) -> None:
        if kind != self._hosts.command.kind:
            raise UsageError("E228", f"there is no {kind} host", hint=f"this project runs on the {self._hosts.command.kind} host")


def _outcome(outcome: Reloaded) -> dict[str, Any]:
    return {"ms": outcome.ms, "sockets": outcome.sockets, "reset": outcome.reset, "error": outcome.error, "kept": outcome.kept}
