"""The host once the project is loaded: builds every part and is what they ask of it (the composition root of this process)."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from emulator.clock.virtual import VirtualClock
from emulator.core.lifecycle import State
from emulator.hosts.python import loader, outbound
from emulator.hosts.python.ai import Ai
from emulator.hosts.python.console import ConsoleStream
from emulator.hosts.python.context import DurableObjectState, ExportedClass
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.faults import error_object, origin_of
from emulator.hosts.python.holds import UserLines
from emulator.hosts.python.instance import Instance, InstanceGone, Turn
from emulator.hosts.python.loop import HostLoop, host_loop
from emulator.hosts.python.namespace import DurableObjectId, DurableObjectNamespace, DurableObjectStub
from emulator.hosts.python.network.dialer import Dialer
from emulator.hosts.python.network.guard import Guard, Reach
from emulator.hosts.python.network.libraries import adapt_libraries
from emulator.hosts.python.network.waiting import Waiting
from emulator.hosts.python.objects import ObjectHandle, ObjectTable
from emulator.hosts.python.operations import Operations
from emulator.hosts.python.owner import Owner
from emulator.hosts.python.points import Points, identity, turn_lines
from emulator.hosts.python.runtime import HostRuntime, runner_of_caller
from emulator.hosts.python.service import Fetcher
from emulator.hosts.python.sockets import SocketHub
from emulator.hosts.python.sql_clock import Functions, chance_functions, clock_functions
from emulator.hosts.python.storage import ObjectStorage, OpenFiles, StorageHooks, StorageRevoked
from emulator.hosts.python.surface import structured_clone, suspend
from emulator.hosts.python.surface.errors import js_error
from emulator.hosts.python.surface.events import EventTarget
from emulator.hosts.python.surface.install import install, watch
from emulator.hosts.python.surface.json import from_json
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject
from emulator.hosts.python.surface.websocket import WebSocket
from emulator.hosts.python.worker import Invocation, RequestHandler
from emulator.wire.exchange import Incoming
from emulator.wire.frames import Kind
from emulator.wire.link import Link

_TURN = int(Kind.TURN)

MAX_OPEN_FILES = 256
"""Databases open at once; further ones close the one unused longest."""

LATEST_PYODIDE = "314.0.0"
PYODIDE_OF = {"3.12": "0.26.2", "3.13": "0.28.2", "3.14": LATEST_PYODIDE}
"""`pyodide.__version__` by emulated Python (python-workers-surface.md 11). Not 0.26.0a2: the SDK takes an old fetch path there."""


class Host:
    """One per process."""

    def __init__(self, link: Link, fallback_path: list[str]) -> None:
        """Knows nothing of a project yet: `prepare` and `preload` are what a spare process does ahead of `load`."""
        self.link = link
        self.flags: dict[str, bool] = {}
        self.env = JsObject()
        self.exports = JsObject()
        self.notices: list[str] = []
        self.runtime = HostRuntime(self, self.flags, PYODIDE_OF.get(platform.python_version().rpartition(".")[0], LATEST_PYODIDE))
        self.lines = UserLines()
        self.points = Points(link)
        self.sockets = SocketHub(self, link)
        self.guard = Guard(self._denied)
        self._loop = asyncio.get_running_loop()
        self._files = OpenFiles(MAX_OPEN_FILES)
        self._sql_functions: list[Functions] = []
        self._fallback_path = fallback_path
        self._prepared = False
        self.project: dict[str, Any]
        self.idle_ms: int
        self.operations = Operations(self)
        self.objects: ObjectTable
        self.code: loader.UserCode
        self.dispatcher: Dispatcher
        self.requests: RequestHandler

    # -- loading

    def prepare(self) -> None:
        """Make this process a JavaScript runtime as far as Python code can tell; once."""
        if self._prepared:
            return
        self._prepared = True
        install(self.runtime)
        EventTarget.runner_of_caller = staticmethod(runner_of_caller)
        WebSocket.line_of_caller = staticmethod(self.lines.here)
        loop = self._loop
        assert isinstance(loop, HostLoop)
        loop.set_exception_handler(self._stray_error)
        watch(loop, self.runtime)
        adapt_libraries(Dialer(lambda *request: outbound.RawExchange(self.link, self.points, *request), Waiting(loop)))
        self.guard.install()
        sys.stdout = ConsoleStream("log", self.write_log)
        sys.stderr = ConsoleStream("error", self.write_log)
        self.notices += loader.add_fallback(self._fallback_path)

    def preload(self, modules: list[str]) -> None:
        """Import libraries ahead of the user's code."""
        self.prepare()
        loader.preload(modules)

    def load(self, project: dict[str, Any]) -> None:
        """Import the user's code and build env. Raises UserCodeError."""
        self.prepare()
        self.project = project
        self.idle_ms = project["idle_ms"]
        self.lines.settle(Path(project["root"]))
        self._make_repeatable(project)
        self.flags.update(project["flags"])
        sys.modules["pyodide"].__version__ = PYODIDE_OF.get(project.get("python") or "", LATEST_PYODIDE)  # type: ignore[attr-defined]
        self.objects = ObjectTable(self, project["name"], Path(project["state_dir"]))
        loader.add_project(Path(project["root"]) / project["main"], Path(project["root"]))
        # env must be filled before the import: `from workers import env` is legal at module level.
        self._fill_values()
        import workers

        self.dispatcher = Dispatcher(workers)
        self._fill_bindings()
        self.code = loader.load(project)
        loop = host_loop()
        waits = loader.may_wait(Path(project["root"]) / project["main"], virtual_clock=loop.clock is not None)
        loop.suspends = loop.suspends or (suspend.available() and waits)
        self._fill_exports()
        self.requests = RequestHandler(self, self.code, abort_signal=bool(self.flags.get("enable_request_signal")))

    def _make_repeatable(self, project: dict[str, Any]) -> None:
        """Before any of the user's code: a clock that the gateway moves, randomness from a seed, where the project has them."""
        clock, seed = project.get("clock"), project.get("seed")
        if clock is not None and clock["virtual"]:
            from emulator.hosts.python.repeatable.times import install_clock

            virtual = VirtualClock(clock["now_ms"])
            host_loop().go_by(virtual)
            self.link.tell_time(host_loop().hear_time)
            install_clock(virtual)
            self._sql_functions.append(clock_functions())
        if seed is not None:
            from emulator.hosts.python.repeatable.chance import install_seed

            install_seed(seed)
            host_loop().count_tasks()
            self._sql_functions.append(chance_functions())

    def network(self, reach: str) -> None:
        """How far sockets may go from now on (the gateway's `network` note)."""
        self.guard.reach = Reach(reach)

    def _denied(self, what: str, where: str | None) -> None:
        """A socket or process was refused: whoever runs a replay must hear of it, also when the agent swallows the error."""
        if asyncio._get_running_loop() is self._loop:
            # At once: it shall be there before the answer of the event that tried.
            self.link.note("denied", what=what, where=where)
        else:
            self._loop.call_soon_threadsafe(lambda: self.link.note("denied", what=what, where=where))

    def _stray_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What asyncio has nobody to tell of: a task that failed unawaited resets nothing (S-16), a reset's own unwinding is no news."""
        error = context.get("exception")
        if error is None:
            self.write_log("warn", f"asyncio: {context.get('message')}", None)
        elif not isinstance(error, InstanceGone | StorageRevoked):
            task = context.get("future") or context.get("task")
            self.user_error(f"task {task.get_name()}" if isinstance(task, asyncio.Task) else "callback", error, None)

    def _fill_values(self) -> None:
        for name, value in {**self.project["vars"], **self.project["secrets"]}.items():
            setattr(self.env, name, from_json(value))

    def _fill_bindings(self) -> None:
        for binding in self.project["bindings"]:
            match binding["kind"]:
                case "durable_object":
                    setattr(self.env, binding["name"], self._namespace(binding["class"]))
                case "ai":
                    setattr(self.env, binding["name"], Ai(lambda request: self.send(b"ai", request)))
                case "service":
                    setattr(self.env, binding["name"], Fetcher(self._fetch_self))
                case "assets":
                    setattr(self.env, binding["name"], Fetcher(lambda request: self.send(b"assets", request)))

    def _fill_exports(self) -> None:
        bound = {binding["class"] for binding in self.project["bindings"] if binding["kind"] == "durable_object"}
        for name in self.code.objects:
            setattr(self.exports, name, self._namespace(name) if name in bound or self._is_migrated(name) else ExportedClass(name))
        if self.code.default is not None:
            self.exports.default = Fetcher(self._fetch_self)
        for name in self.code.entrypoints:
            setattr(self.exports, name, Fetcher(self._fetch_self))

    def _is_migrated(self, class_name: str) -> bool:
        """A class that a migration names is an object namespace of its own, bound or not."""
        return class_name in self.project["classes"]

    def _namespace(self, class_name: str) -> DurableObjectNamespace:
        ids = self.objects.namespace(class_name)
        return DurableObjectNamespace(
            class_name, ids, lambda text, name: self.objects.get(class_name, text, name), self.dispatcher, os.urandom
        )

    def describe(self) -> dict[str, Any]:
        """READY (wire/README.md)."""
        exports = [{"name": name, "kind": "durable_object", "alarm": hasattr(cls, "alarm")} for name, cls in self.code.objects.items()]
        if self.code.default is not None:
            exports.append({"name": "default", "kind": "worker", "alarm": False})
        exports += [{"name": name, "kind": "worker", "alarm": False} for name in self.code.entrypoints]
        main = Path(self.project["root"]) / self.project["main"]
        return {"exports": exports, "handlers": self.code.handlers, "modules": loader.library_modules(main), "warnings": self.notices}

    # -- what objects need (ObjectWorld)

    def storage_of(self, handle: ObjectHandle, instance: Instance) -> ObjectStorage:
        """Storage for a new instance."""
        return self._storage(handle, instance)

    def _storage(self, handle: ObjectHandle, hooks: StorageHooks) -> ObjectStorage:
        root = handle
        while root.parent is not None:
            root = root.parent
        return ObjectStorage(
            handle.path,
            handle.name,
            files=self._files,
            codec=structured_clone,
            # A Python class need not define alarm() to set one: the SDK's own tests do (a JavaScript class must, S-67).
            has_alarm_handler=True,
            sqlite_class=self.project["classes"].get(root.class_name) == "sqlite",
            is_facet=handle.parent is not None,
            flags=self.flags,
            hooks=hooks,
            functions=self._sql_functions,
        )

    def drop_alarm(self, handle: ObjectHandle) -> None:
        """Nobody will run this object's alarm again: clear it, in the live instance's turn or, without one, in the file."""
        instance = handle.instance
        if instance is not None:
            instance.storage.alarm_dropped()
            return
        storage = self._storage(handle, AlarmNews(self, handle))
        storage.alarm_dropped()
        storage.commit()
        storage.close()

    def construct(self, instance: Instance) -> Any:
        """Call the user's class with `ctx` and `env`."""
        cls = self.code.objects.get(instance.handle.class_name)
        if cls is None:
            raise js_error("Error", f"No such Durable Object class is exported: {instance.handle.class_name}.")
        return instance.fresh_context().run(cls, DurableObjectState(instance, self), self.env)

    def index_alarm(self, handle: ObjectHandle, time_ms: int | None) -> asyncio.Future[Any]:
        """Tell the gateway."""
        return self.link.call("alarm", **{"class": handle.class_name}, id=handle.id, name=handle.name, time_ms=time_ms)

    def object_changed(self, handle: ObjectHandle) -> None:
        """Tell the gateway; an object with nothing left is forgotten here."""
        if handle.instance is None:
            self.sockets.cut_orphans()
        if handle.parent is None:
            self.link.note("object", **handle.describe())
            if handle.lifecycle.state is State.INACTIVE:
                self.objects.forget(handle)

    def turn_ended(self, instance: Instance, turn: Turn) -> None:
        """Tell the gateway."""
        who = instance.identity = instance.identity or identity(instance.handle)
        self.link.add(_TURN, turn_lines(who, turn, time.time()))

    def user_error(self, where: str, error: BaseException, handle: ObjectHandle | None) -> None:
        """Show an error of user code that no caller hears, unless it has been shown where it began."""
        origin = origin_of(error)
        if origin is not None and origin.shown:
            return
        self.link.note("exception", where=where, object=handle.reference() if handle else None, error=error_object(error))

    def write_log(self, level: str, text: str, who: Owner | None) -> None:
        """One line of user output."""
        self.link.note("log", level=level, text=text, object=who.handle.reference() if isinstance(who, Instance) else None)

    # -- what contexts need (ContextWorld, WorkerWorld, RuntimeWorld)

    def stub_of(self, handle: ObjectHandle, object_id: DurableObjectId) -> DurableObjectStub:
        """A stub to a known object."""
        return DurableObjectStub(object_id, lambda: handle, self.dispatcher)

    def accept_socket(self, socket: WebSocket, instance: Instance, tags: list[str]) -> None:
        """`ctx.acceptWebSocket`."""
        self.sockets.accept(socket, instance, tags)

    def auto_response_changed(self, handle: ObjectHandle) -> None:
        """Tell the gateway, which answers for sleeping objects; not for facets, whose sockets it does not know."""
        if handle.parent is not None:
            return
        request, response = handle.auto_response or (None, None)
        self.link.note("auto_response", **{"class": handle.class_name}, id=handle.id, request=request, response=response)

    def bind_client(self, incoming: Incoming, response: JsResponse, owner: Owner) -> None:
        """Connect the socket of a 101 response with the client that asked for it."""
        self.sockets.bind(incoming, response, owner)

    def send(self, target: bytes, request: JsRequest) -> JsPromise:
        """Send a request over the link."""
        return outbound.send(self.link, self.sockets, self.points, target, request)

    def connect(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """Open an outgoing WebSocket."""
        self.sockets.connect(socket, url, protocols)

    def _fetch_self(self, request: JsRequest) -> JsPromise:
        """`ctx.exports.default.fetch`: another invocation of this Worker."""
        invocation = Invocation(self, self.code)
        return JsPromise.from_awaitable(invocation.run(invocation.fetch(request), "fetch"))

    # -- the end

    async def drain(self, grace_ms: int, message: str) -> int:
        """Let what somebody waits for end within the grace, reset the rest with `message`; how many were reset.

        Timers and sockets that user code merely keeps are not waited for: an object with an interval would delay every reload.
        """
        loop = asyncio.get_running_loop()
        give_up = loop.time() + grace_ms / 1000
        while loop.time() < give_up and self._answering():
            await asyncio.sleep(0.005)
        reset = self.objects.reset_all(message)
        self.link.flush()
        self._files.close_all()
        return reset

    def _answering(self) -> bool:
        return self.requests.answering or any(handle.instance is not None and handle.instance.answering for handle in self.objects)


class AlarmNews:
    """StorageHooks of a file that is touched without an instance: only the alarm is of interest."""

    def __init__(self, host: Host, handle: ObjectHandle) -> None:
        self._host = host
        self._handle = handle

    def dirty(self) -> None:
        """Who opened the file commits it."""

    def block(self, critical: Callable[[], Any]) -> JsPromise:
        """No user code is there to block."""
        return JsPromise.attempt(critical)

    def committed(self) -> None:
        """No turn is concerned."""

    def alarm_changed(self, time_ms: int | None) -> None:
        """Tell the gateway."""
        self._host.index_alarm(self._handle, time_ms)
