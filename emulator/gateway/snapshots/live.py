"""State verbs on a running server: the host stands still while its objects are copied, and none is there while they are exchanged."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator.errors import EmuError, UserCodeError
from emulator.gateway.alarms import Alarms
from emulator.gateway.hosts import Hosts, Reloaded
from emulator.gateway.journal import Journal
from emulator.gateway.objects import ObjectBook
from emulator.gateway.snapshots import databases
from emulator.gateway.snapshots.failures import cannot_save, cannot_stage, locked, unfinished
from emulator.gateway.snapshots.manifest import Manifest
from emulator.gateway.snapshots.scope import Scope
from emulator.gateway.snapshots.snapshots import Change, Snapshots
from emulator.gateway.sockets import SocketBook

TRIES = 20
PAUSE_S = 0.02
"""A host that was stopped while it held the lock of a file runs on for so long before it is stopped again."""


@dataclass(frozen=True, slots=True)
class Exchanged:
    """How an exchange went: objects that went and came, sockets that were ended, milliseconds without a host."""

    removed: int
    objects: int
    alarms: int
    sockets: int
    ms: int
    manifest: Manifest | None


class LiveState:
    """`on_failure` hears of an exchange that could not be finished: the alarm index is to be looked at again."""

    def __init__(
        self,
        snapshots: Snapshots,
        hosts: Hosts,
        *,
        book: SocketBook,
        objects: ObjectBook,
        alarms: Alarms,
        journal: Journal,
        on_failure: Callable[[], None],
    ) -> None:
        self.snapshots = snapshots
        self._hosts = hosts
        self._book = book
        self._objects = objects
        self._alarms = alarms
        self._journal = journal
        self._on_failure = on_failure
        self._one = asyncio.Lock()

    async def save(self, name: str, scope: Scope, *, replace: bool) -> tuple[Manifest, list[str]]:
        """A snapshot of one instant: what all objects had committed then. No client notices. Gives the manifest, and classes that were left
        out. Raises UsageError E260, E262, E267, UserCodeError E268 or StartError E325."""
        async with self._one:
            try:
                with self.snapshots.library.draft(name, replace=replace) as draft:
                    left_out = await self._copy(draft, scope)
                    manifest = await asyncio.to_thread(self.snapshots.describe_draft, draft, scope)
            except (databases.Damaged, OSError) as error:
                raise cannot_save(name, error) from error
        self._journal.add("state.saved", name=name, objects=len(manifest.objects), **scope.as_json())
        return manifest, left_out

    async def load(self, name: str, scope: Scope | None) -> Exchanged:
        """Exchange the objects of a snapshot for those there are. Everything is checked first. Raises UsageError E260 to E267 or
        UserCodeError E411: then nothing happened; StartError E324: it will be finished at the next start."""
        async with self._one:
            change = await _prepared(lambda: self.snapshots.prepare_load(name, scope))
            done = await self._exchange(change)
        self._journal.add("state.loaded", name=name, objects=done.objects, removed=done.removed, **change.scope.as_json())
        return done

    async def reset(self, scope: Scope) -> Exchanged:
        """Remove objects with all they have stored. Raises as `load`."""
        async with self._one:
            change = await _prepared(lambda: self.snapshots.prepare_reset(scope))
            done = await self._exchange(change)
        self._journal.add("state.reset", removed=done.removed, **scope.as_json())
        return done

    async def _copy(self, draft: Any, scope: Scope) -> list[str]:
        for _ in range(TRIES):
            async with self._hosts.still():
                try:
                    return await asyncio.to_thread(self.snapshots.copy, draft, scope)
                except databases.Busy:
                    await asyncio.to_thread(_empty, draft)
            await asyncio.sleep(PAUSE_S)
        raise locked()

    async def _exchange(self, change: Change) -> Exchanged:
        removed, sockets, tried = 0, 0, False
        failure: Exception | None = None

        async def between() -> None:
            nonlocal removed, sockets, tried, failure
            tried = True
            try:
                if not await self._alarms.written():
                    raise OSError("the alarm index cannot be written")
                removed = await asyncio.to_thread(self.snapshots.apply, change)
            except Exception as error:  # whatever it is: a host must serve again
                failure = error
                return
            self._alarms.replace(change.scope.covers, change.alarms)
            self._objects.forget(change.scope.covers)
            sockets += self._book.cut_objects(change.scope.covers)

        breaking = change.scope.class_name is None
        if breaking:
            sockets = len(self._book.sockets)
        try:
            outcome = await self._hosts.exchange(between, breaking=breaking)
        except BaseException:
            self._on_failure()
            raise
        if not tried:
            self.snapshots.abandon()
            raise _does_not_load(outcome)
        if failure is not None:
            self._on_failure()
            raise (cannot_stage if self.snapshots.abandon() else unfinished)(failure) from failure
        return Exchanged(removed, change.objects, len(change.alarms), sockets, outcome.ms, change.manifest)


async def _prepared(prepare: Callable[[], Change]) -> Change:
    try:
        return await asyncio.to_thread(prepare)
    except (OSError, sqlite3.Error) as error:
        raise cannot_stage(error) from error


def _empty(draft: Any) -> None:
    for path in draft.glob("*/*"):
        path.unlink()


def _does_not_load(outcome: Reloaded) -> EmuError:
    error = outcome.error or {}
    what = f"the project's code does not load, so the state stays as it is: {error.get('message', '')}".rstrip(": ")
    return UserCodeError("E411", what, where=error.get("where"), hint="correct the code and save, then try again")
