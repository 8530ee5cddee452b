"""Every set of verbs is made here, of the parts that it is about."""

from __future__ import annotations

from emulator.gateway.snapshots.library import SNAPSHOTS, SnapshotLibrary
from emulator.gateway.snapshots.live import LiveState
from emulator.gateway.snapshots.snapshots import Snapshots, shape_of
from emulator.gateway.verbs.alarms import AlarmVerbs
from emulator.gateway.verbs.all import Verbs
from emulator.gateway.verbs.asking import ObjectNames
from emulator.gateway.verbs.awake import AwakeVerbs
from emulator.gateway.verbs.clock import ClockVerbs
from emulator.gateway.verbs.hosts import HostVerbs
from emulator.gateway.verbs.journal import JournalVerbs
from emulator.gateway.verbs.models import ModelVerbs
from emulator.gateway.verbs.nouns import Nouns
from emulator.gateway.verbs.objects import ObjectVerbs
from emulator.gateway.verbs.rewind import RewindVerbs
from emulator.gateway.verbs.sockets import SocketVerbs
from emulator.gateway.verbs.state import StateVerbs
from emulator.gateway.verbs.traps import TrapVerbs
from emulator.gateway.verbs.violations import ViolationVerbs


def make(of: Nouns) -> Verbs:
    """The verbs of one server."""
    worker = of.project().name
    names = ObjectNames(worker, of.classes)
    return Verbs(
        objects=ObjectVerbs(of.ask, names, book=of.book, objects=of.objects, files=of.files, alarms=of.alarms),
        awake=AwakeVerbs(of.ask, names, of.book, of.clock, of.options.idle_ms),
        sockets=SocketVerbs(of.book, names),
        hosts=HostVerbs(of.hosts, of.reloader, of.ask, of.clock),
        alarms=AlarmVerbs(of.alarms, names, of.ask, of.clock),
        clock=ClockVerbs(of.clock, of.alarms, of.time, of.crons, of.tell),
        state=StateVerbs(_live_state(of), worker, of.clock, virtual=of.time is not None),
        journal=JournalVerbs(of.journal),
        violations=ViolationVerbs(of.streams),
        models=ModelVerbs(of.models.verbs),
        traps=TrapVerbs(of.traps),
        rewind=RewindVerbs(of.rewind),
    )


def _live_state(of: Nouns) -> LiveState:
    library = SnapshotLibrary(of.options.fixtures / SNAPSHOTS)
    clock_ms = (lambda: None) if of.time is None else of.clock.now_ms
    return LiveState(
        Snapshots(library, of.options.persist_to, lambda: shape_of(of.project()), of.clock.now_ms, clock_ms),
        of.hosts,
        book=of.book,
        objects=of.objects,
        alarms=of.alarms,
        journal=of.journal,
        on_failure=of.doubted,
    )
