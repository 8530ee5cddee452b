"""What the verbs of a server are about."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from emulator.config import Options, Project
from emulator.gateway.ai.layer import Layer
from emulator.gateway.alarms import Alarms
from emulator.gateway.clocks import Clock
from emulator.gateway.console import Note
from emulator.gateway.crons import Crons
from emulator.gateway.hosts import Hosts
from emulator.gateway.journal import Journal
from emulator.gateway.object_files import ObjectFiles
from emulator.gateway.objects import ObjectBook
from emulator.gateway.reload import Reloader
from emulator.gateway.rewind import Rewind
from emulator.gateway.sockets import SocketBook
from emulator.gateway.stream_checker import StreamWatch
from emulator.gateway.timekeeper import Timekeeper
from emulator.gateway.traps import Traps
from emulator.gateway.verbs.asking import HostAsker


@dataclass(frozen=True, slots=True, kw_only=True)
class Nouns:
    """The parts of one gateway. `project` gives it as it is now, `classes` those that objects may have now; `time`, `crons` and `rewind`
    are None on the real clock; `tell` shows people something; `doubted` hears that the alarm index is to be looked at again."""

    project: Callable[[], Project]
    classes: Callable[[], AbstractSet[str]]
    options: Options
    clock: Clock
    time: Timekeeper | None
    crons: Crons | None
    journal: Journal
    tell: Callable[[Note], None]
    ask: HostAsker
    book: SocketBook
    objects: ObjectBook
    files: ObjectFiles
    alarms: Alarms
    hosts: Hosts
    reloader: Reloader
    traps: Traps
    streams: StreamWatch
    models: Layer
    rewind: Rewind | None
    doubted: Callable[[], None]
