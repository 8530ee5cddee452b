"""Every verb of a running server, joined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields

from emulator.gateway.verbs.alarms import AlarmVerbs
from emulator.gateway.verbs.awake import AwakeVerbs
from emulator.gateway.verbs.clock import ClockVerbs
from emulator.gateway.verbs.hosts import HostVerbs
from emulator.gateway.verbs.journal import JournalVerbs
from emulator.gateway.verbs.models import ModelVerbs
from emulator.gateway.verbs.objects import ObjectVerbs
from emulator.gateway.verbs.rewind import RewindVerbs
from emulator.gateway.verbs.route import Route, VerbSet
from emulator.gateway.verbs.sockets import SocketVerbs
from emulator.gateway.verbs.state import StateVerbs
from emulator.gateway.verbs.traps import TrapVerbs
from emulator.gateway.verbs.violations import ViolationVerbs


@dataclass(frozen=True, slots=True)
class Verbs:
    """One set for each noun (making.py)."""

    objects: ObjectVerbs
    awake: AwakeVerbs
    sockets: SocketVerbs
    hosts: HostVerbs
    alarms: AlarmVerbs
    clock: ClockVerbs
    state: StateVerbs
    journal: JournalVerbs
    violations: ViolationVerbs
    models: ModelVerbs
    traps: TrapVerbs
    rewind: RewindVerbs

    def routes(self) -> Iterator[Route]:
        """All of them, in the order of the fields."""
        for one in fields(self):
            verbs: VerbSet = getattr(self, one.name)
            yield from verbs.routes()
