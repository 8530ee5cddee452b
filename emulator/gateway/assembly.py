"""The composition root: every part of the gateway is made and joined here, in reading order, and taken down in the other."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator.config import HtmlHandling, Notice, Options, Project, Redactor, Reload, Secrets
from emulator.config.document import shown
from emulator.core.routing import INSPECTOR
from emulator.errors import InternalError, RecordingError
from emulator.gateway import adoption, banner, ports, ready
from emulator.gateway.ai.ai_gateway.public_urls import parse_address
from emulator.gateway.ai.cassettes.recording_shape import validator
from emulator.gateway.ai.layer import Layer
from emulator.gateway.ai.providers import is_model_call
from emulator.gateway.ai.replay import Pacer
from emulator.gateway.ai.service import wall_ms
from emulator.gateway.alarm_index import AlarmIndex
from emulator.gateway.alarms import Alarms
from emulator.gateway.asset_folder import AssetFolder
from emulator.gateway.assets import AssetService
from emulator.gateway.chance import Chance
from emulator.gateway.clocks import Clock, SystemClock, Work, unmarked
from emulator.gateway.console import Binding, Caution, Console, Key, Note, Ready, Trouble
from emulator.gateway.dispatcher import CODE_UPDATED, Dispatcher
from emulator.gateway.exchange import Request as ServiceRequest
from emulator.gateway.from_host import FromHost
from emulator.gateway.front.assets import NO_KEYS, FrontAssets
from emulator.gateway.front.front import Front
from emulator.gateway.front.tunnel import Tunnels
from emulator.gateway.host_process import HostProcess
from emulator.gateway.hosts import Hosts
from emulator.gateway.http import Edge
from emulator.gateway.journal import Journal
from emulator.gateway.load_message import load_message
from emulator.gateway.main import Start
from emulator.gateway.model_sockets import ModelSockets
from emulator.gateway.narrator import Narrator
from emulator.gateway.object_files import ObjectFiles
from emulator.gateway.objects import ObjectBook
from emulator.gateway.outgoing_sockets import OutgoingSockets
from emulator.gateway.own_paths import OwnPaths
from emulator.gateway.reach import reach_of
from emulator.gateway.ready import RunningServer
from emulator.gateway.reload import Reloader
from emulator.gateway.services import Services
from emulator.gateway.sockets import SocketBook
from emulator.gateway.stream_checker import KINDS, StreamWatch
from emulator.gateway.traps import Faults, Traps
from emulator.gateway.verbs.asking import HostAsker
from emulator.gateway.verbs.late import LateVerbs

if TYPE_CHECKING:
    from emulator.clock.virtual import VirtualClock
    from emulator.gateway.crons import Crons
    from emulator.gateway.keys import Keys
    from emulator.gateway.rewind import Rewind
    from emulator.gateway.timekeeper import Timekeeper
    from emulator.gateway.verbs.nouns import Nouns

GRACE_S = 0.7
HOSTS_WITHIN_S = 1.3
STOPPING = "The server is shutting down."


class Gateway:
    """All parts of one running server. `start` serves, `stop` ends it; `url` ends with a slash."""

    def __init__(self, project: Project, options: Options, console: Console, start: Start) -> None:
        """Needs a running event loop."""
        self.project = project
        self.options = options
        self.console = console
        self._start = start
        start_ms = options.clock.start_ms
        virtual: VirtualClock | None = None
        if start_ms is not None:
            # Late, as all that a virtual clock needs: most servers start without one.
            from emulator.clock.virtual import VirtualClock

            virtual = VirtualClock(start_ms)
        self.clock: Clock = virtual or SystemClock()
        self.chance = Chance(options.seed)
        self.redact = Redactor(project.secrets)
        # One server of a project at a time is the one that other commands find; another (a scenario's own) takes nothing from it.
        first = ready.read(ready.default_path(project.root)) is None
        journal_file = project.state_folder / "journal.ndjson" if first else None
        self.journal = Journal(self.clock, journal_file, self.redact)
        Narrator(console).attach(self.journal)
        self.stopped: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        # What must outlive user code.
        self.book = SocketBook(self.clock, self.journal, max_message=adoption.max_message(project))
        self.streams = StreamWatch(self.journal, self.book.sockets, self.redact)
        self.journal.subscribe(self.streams, KINDS)
        self.journal.watch_frames(self.streams.frame)
        self.dispatcher = Dispatcher(self.book)
        self.objects = ObjectBook()
        index = AlarmIndex(options.persist_to, project.name)
        self.alarms = Alarms(index, self.dispatcher, self.clock, self.journal, self.chance.fraction, awaited=virtual is None)
        self.time: Timekeeper | None = None
        self.crons: Crons | None = None
        if virtual is not None:
            from emulator.gateway.crons import Crons
            from emulator.gateway.timekeeper import Timekeeper

            self.time = Timekeeper(virtual, self.dispatcher, self.journal, held=self._held, pending=self._waits_for)
            self.crons = Crons(virtual, self.dispatcher, self.journal)
        # What user code reaches outside.
        machine = pacer = Pacer(options.ai_speed)
        work: Work = unmarked
        if virtual is not None:
            pacer, work = Pacer(options.ai_speed, virtual.now_ms, virtual.sleep), _external_work()
        self.models = Layer(
            project.root,
            options,
            self.journal,
            self.redact,
            lambda: self.project.secrets,
            pacer=pacer,
            now_ms=self.clock.now_ms,
            machine=machine,
            machine_ms=wall_ms,
            work=work,
            tell=console.show,
            entropy=self.chance.bytes,
        )
        self.playback = self.models.playback
        self.tunnels = Tunnels(self._vite_socket)
        self.front: Front | None = None
        if start.front is not None:
            self.front = Front(start.front.process, start.front.spawn, console, self.journal, on_swap=self.tunnels.close)
        self.assets = self._assets()
        self.outgoing = OutgoingSockets(self.book, self.journal, self.models.egress.lets_out)
        served: dict[str, Any] = {"ai": self.models.service.serve, "egress": self.models.egress.serve}
        if self.assets is not None:
            served["assets"] = self.assets.serve
        upgrades = {"egress": self.outgoing.open, "ai": ModelSockets(self.book, self.models.service.converse).open}
        services = Services(served, upgrades, self.journal, asks_model=self._asks_model, on_chunk=self.book.chunk_delivered)
        # Hosts.
        faults = Faults(self._kill, self._deploy_over, self._evict)
        self.traps = Traps(lambda: self.hosts.active, self.book, faults, self.journal, work)
        from_host = FromHost(self.journal, self.book, self.objects, services, self.alarms, self.traps, self.playback.denied)
        self.hosts = Hosts(
            start.command,
            start.runtime,
            lambda: load_message(self.project, self.options, now_ms=self.clock.now_ms(), seed=self.chance.host_seed()),
            dispatcher=self.dispatcher,
            book=self.book,
            listener=from_host,
            journal=self.journal,
            stamp=self.clock.now_ms if self.time is None else self.time.stamp,
            on_host_ended=self.objects.host_ended,
            on_warning=lambda text: console.show(Caution(Notice(text))),
            on_loaded=self._loaded,
            reach=lambda: reach_of(self.playback),
            on_serving=self.traps.greet,
            crash_keeps_sockets=self.options.reload is not Reload.CLOSE,
            after_crash=self.alarms.after_crash,
            first=start.first,
        )
        self.playback.on_restart = self.hosts.network_changed
        self.reloader = Reloader(
            project,
            options.reload,
            self.hosts,
            console,
            self.journal,
            reread=start.reread,
            adopt=self._adopt,
            ignored=(options.persist_to, options.fixtures),
        )
        # The edge.
        address = start.listener.getsockname()
        self.url = f"http://{_in_url(address[0])}:{address[1]}/"
        self._set_crons()
        self._ask = HostAsker(self.dispatcher, self.hosts)
        files = ObjectFiles(options.persist_to, project.name)
        # Now: what is in the state folder already was not made by this server.
        rewind = self._rewind(files)
        self.verbs = LateVerbs(lambda: self._nouns(files, rewind))
        self.token = None if ports.is_loopback(address[0]) else secrets.token_urlsafe(24)
        self.own_paths = OwnPaths(self.verbs, self.journal, ip=address[0], token=self.token, enabled=options.inspector)
        self.edge = Edge(
            self.dispatcher,
            self.book,
            self.journal,
            reserved=self.own_paths.protocol,
            attributor=adoption.attributor(project),
            address=f"{_in_url(address[0])}:{address[1]}",
            assets=self.assets,
            hot=self.tunnels if self.front else None,
        )
        self._server: asyncio.Server | None = None
        self._watching: asyncio.Task[None] | None = None
        self._inspector = self.url.rstrip("/") + INSPECTOR if options.inspector else None
        self._announced = False
        self._keys: Keys | None = None
        self.strict_code = 0
        self._ready_files = [path for path in (ready.default_path(project.root) if first else None, options.ready_file) if path]

    async def start(self) -> None:
        """Load the project, then serve. A project that does not load is served as an error, and recovers on save."""
        loop = asyncio.get_running_loop()
        self.models.start()
        loading = loop.create_task(self.hosts.begin(self._load_alarms()))
        if self.front is not None:
            self.front.start()
        if self.options.reload is not Reload.OFF:
            # From the first moment: a save while the code loads must not be missed. The reload waits its turn behind the load.
            self._watching = loop.create_task(self.reloader.run())
            self._watching.add_done_callback(self._watched)
        self._server = await loop.create_server(self.edge.connection, sock=self._start.listener, backlog=ports.BACKLOG)
        if self.options.fixtures.is_dir():
            # While the host starts, and not on the loop: requests may be answered before this is done.
            await loop.run_in_executor(None, validator)
        outcome = await loading
        if outcome.error is not None:
            self.journal.add("load.failed", error=outcome.error, kept=False)
        server = self._announce(self._bindings())
        self.console.show(
            Ready(
                project=self.project.name,
                url=self.url,
                inspector=server.inspector,
                bindings=server.bindings,
                state=self.options.persist_to,
                reload=self.options.reload.value,
                started_ms=round((time.monotonic() - self._start.began_s) * 1000),
                pid=os.getpid(),
                environment=self.project.environment,
                seed=self.options.seed,
                clock=str(self.options.clock) if self.options.clock.virtual else None,
                loaded=outcome.error is None,
                routes=tuple(map(banner.route_words, self.models.routes.rows())) if self.project.ai_binding else (),
            )
        )
        for row in self.playback.status()["broken"]:
            self.console.show(Caution(Notice(f"{row['code']} {row['what']}", row["where"], row["next"])))
        if self.token is not None:
            use = f"in the terminal for objects, call and evict: export AGENTS_EMU_TOKEN={self.token}"
            self.console.show(Note("token", f"other machines can reach this server, so its control API needs a token; {use}"))
        self.console.listen(loop, self._pressed)

    async def stop(self) -> None:
        """End everything: turns get a moment, clients a Close frame, processes no choice."""
        try:
            await self._stop()
        finally:
            # Also when the bound strikes: what was recorded is kept, and the last entries say what hung.
            self._end_session()
            self.journal.close()

    async def _stop(self) -> None:
        for path in self._ready_files:
            ready.remove(path, os.getpid())
        if self._server is not None:
            self._server.close()
        self.reloader.stop()
        await self.traps.close()
        try:
            async with asyncio.timeout(HOSTS_WITHIN_S):
                await self.hosts.stop(STOPPING, GRACE_S)
        except TimeoutError:
            self.hosts.kill_all()
        self.book.close_all(1001, STOPPING)
        if self.front is not None:
            await self.front.stop()
        self.tunnels.close()
        if self._watching is not None:
            self._watching.cancel()
        if self.crons is not None:
            self.crons.close()
        await self.alarms.close()
        if self.alarms.unwritten:
            self._start.lock.doubted()
        await asyncio.gather(self.models.close(), self.outgoing.close())
        await self.own_paths.close(0.2)
        self.edge.close()

    def _end_session(self) -> None:
        """Keep what was recorded, tell the score; requests without a recording are what a strict server ends with."""
        try:
            self.strict_code = self.models.sessions.end().exit_code
        except (RecordingError, OSError) as error:
            self.console.show(Trouble(error if isinstance(error, RecordingError) else InternalError("E900", str(error))))

    def kill_all(self) -> None:
        """Every process of ours ends now."""
        self.hosts.kill_all()
        if self.front is not None:
            self.front.kill()

    def quit(self, code: int) -> None:
        """Ask for the end; the first code stays."""
        if not self.stopped.done():
            self.stopped.set_result(code)

    async def _load_alarms(self) -> None:
        await self.alarms.load(reconcile=self._start.lock.unclean)
        self._start.lock.settled()

    # -- what happens

    def _rewind(self, files: ObjectFiles) -> Rewind | None:
        """There is no way back on the real clock."""
        keeper, crons = self.time, self.crons
        if keeper is None or crons is None:
            return None
        from emulator.gateway.rewind import Rewind

        remember = (self.chance, self.objects, self.book, self.traps, self.models, self.streams, crons)
        restarts = [*(one.restart for one in remember), self._set_crons, self.journal.restart]
        return Rewind(self.options.persist_to, self.hosts, files, self.alarms, clock=keeper.clock, keeper=keeper, restarts=restarts)

    def _nouns(self, files: ObjectFiles, rewind: Rewind | None) -> Nouns:
        from emulator.gateway.verbs.nouns import Nouns

        return Nouns(
            project=lambda: self.project,
            classes=self._classes,
            options=self.options,
            clock=self.clock,
            time=self.time,
            crons=self.crons,
            journal=self.journal,
            tell=self.console.show,
            ask=self._ask,
            book=self.book,
            objects=self.objects,
            files=files,
            alarms=self.alarms,
            hosts=self.hosts,
            reloader=self.reloader,
            traps=self.traps,
            streams=self.streams,
            models=self.models,
            rewind=rewind,
            doubted=self._start.lock.doubted,
        )

    def _kill(self, host: HostProcess) -> None:
        """A trap's crash: its clients hear of it as in production."""
        self.hosts.kill(host, keep_sockets=False)

    async def _deploy_over(self) -> dict[str, Any] | None:
        """A deploy over a host that is stopped: no turn of it goes on, not even to its end."""
        return (await self.hosts.begin_anew(CODE_UPDATED)).error

    async def _evict(self, class_name: str, ident: str) -> dict[str, Any]:
        found: dict[str, Any] = await self._ask("evict", **{"class": class_name, "id": ident, "sockets": "hibernate"})
        return found

    def _asks_model(self, target: str, request: ServiceRequest) -> bool:
        if target != "egress":
            return target == "ai"
        return parse_address(request.url) is not None or is_model_call(request.method, request.url, self.options.ai.backends)

    def _classes(self) -> set[str]:
        """Names of the classes that objects may have: those that the configuration names, and those that the serving code exports."""
        project, host = self.project, self.hosts.active
        exports = host.ready.exports if host is not None and host.ready is not None else []
        return {
            *project.storage,
            *(binding.class_name for binding in project.durable_objects),
            *(export["name"] for export in exports if export["kind"] == "durable_object"),
        }

    def _secrets(self) -> Secrets:
        return self.project.secrets

    def _assets(self) -> AssetService | FrontAssets | None:
        """What may answer before the Worker: the project's Vite, or the wrangler file's folder."""
        project = self.project
        navigation = project.flag("assets_navigation_prefers_asset_serving")
        if self.front is not None:
            return FrontAssets(self.front, project.assets or NO_KEYS, self._warn, self.journal, navigation=navigation)
        if project.assets is None or project.assets.directory is None:
            if project.assets is not None and project.front_end is not None:
                self._warn(Notice('no files are served: there is no front end, and no "assets.directory"', shown(project.config_path)))
            return None
        files = AssetFolder(project.assets.directory, self._warn, html=project.assets.html is not HtmlHandling.NONE)
        return AssetService(project.assets, files, navigation=navigation)

    def _warn(self, notice: Notice) -> None:
        self.console.show(Caution(notice))

    async def _vite_socket(self) -> Path:
        assert self.front is not None
        return await self.front.socket()

    def _pressed(self, key: Key) -> None:
        if self._keys is None:
            from emulator.gateway.keys import Keys

            self._keys = Keys(self.verbs, self, self.journal, self.console, lambda: self.quit(0))
        self._keys.pressed(key)

    def _watched(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self.journal.add("internal", text=f"saves are not watched any more: {type(error).__name__}: {error}")

    def _loaded(self, inputs: list[str] | None, where: str | None) -> None:
        self.reloader.loaded(inputs, where)

    def _adopt(self, project: Project) -> None:
        """Take what is looked up anew at each use. Raises ConfigError E116 for what this process is built around."""
        adoption.check(self.project, project)
        self.redact.learn(project.secrets)
        self.project = project
        self.edge.attributor = adoption.attributor(project)
        self.book.max_message = adoption.max_message(project)
        self._set_crons()
        if self._announced:
            try:
                self._announce(self._bindings())
            except OSError as error:
                self.console.show(Caution(Notice(f"the ready file keeps the bindings of before: {error}")))

    def _bindings(self) -> tuple[Binding, ...]:
        return banner.bindings(self.project, self.playback.status() if self.project.ai_binding else None, vite=self.front is not None)

    def _held(self) -> bool:
        """Whether a debugger may hold the host."""
        return self.hosts.active is not None and self.hosts.active.debugged

    async def _waits_for(self) -> list[str]:
        from emulator.gateway.waiting import Waiting

        return await Waiting(self.alarms, self.hosts, self._ask).words()

    def _set_crons(self) -> None:
        """What the project's triggers are now; told when production would not take one."""
        crons, problems = adoption.crons(self.project)
        for problem in problems:
            self._warn(problem)
        if self.crons is not None:
            self.crons.set(crons)

    def _announce(self, bindings: tuple[Binding, ...]) -> RunningServer:
        server = RunningServer(self.url, self._inspector, os.getpid(), (self.hosts.command.kind,), bindings)
        for path in self._ready_files:
            ready.write(path, server)
        self._announced = True
        return server

    async def reload(self) -> None:
        """By hand: the code as it is now."""
        await self.reloader.reload()

    async def evict_all(self) -> int:
        """By hand: every object that becomes quiet."""
        return await (await self.verbs()).objects.evict_all()


def _external_work() -> Work:
    from emulator.clock.idle_loop import IdleLoop

    loop = asyncio.get_running_loop()
    assert isinstance(loop, IdleLoop)
    return loop.external


def _in_url(ip: str) -> str:
    return f"[{ip}]" if ":" in ip else ip
