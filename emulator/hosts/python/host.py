"""The host once the project is loaded: builds every part and is what they ask of it (the composition root of this process)."""

from __future__ import annotations

import asyncio
import os
import platform
import sys
from pathlib import Path
from typing import Any

from emulator.core.alarms import MAX_RETRIES
from emulator.core.lifecycle import State
from emulator.hosts.python import loader, outbound
from emulator.hosts.python.ai import Ai
from emulator.hosts.python.console import ConsoleStream
from emulator.hosts.python.context import DurableObjectState, ExportedClass
from emulator.hosts.python.dispatch import Dispatcher
from emulator.hosts.python.faults import error_object, origin_of
from emulator.hosts.python.instance import Instance, InstanceGone, Turn
from emulator.hosts.python.loop import HostLoop
from emulator.hosts.python.namespace import DurableObjectId, DurableObjectNamespace, DurableObjectStub
from emulator.hosts.python.objects import ObjectHandle, ObjectTable
from emulator.hosts.python.owner import Owner
from emulator.hosts.python.runtime import HostRuntime, runner_of_caller
from emulator.hosts.python.service import Fetcher
from emulator.hosts.python.sockets import SocketHub
from emulator.hosts.python.storage import ObjectStorage, OpenFiles, StorageRevoked
from emulator.hosts.python.surface import structured_clone, suspend
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.events import EventTarget
from emulator.hosts.python.surface.install import install
from emulator.hosts.python.surface.json import from_json
from emulator.hosts.python.surface.promise import JsPromise, report_rejections
from emulator.hosts.python.surface.request import JsRequest
from emulator.hosts.python.surface.response import JsResponse
from emulator.hosts.python.surface.values import JsObject, js_string
from emulator.hosts.python.surface.websocket import WebSocket
from emulator.hosts.python.worker import Invocation, RequestHandler
from emulator.wire.exchange import Incoming
from emulator.wire.link import Link

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
        self.sockets = SocketHub(self, link)
        self._files = OpenFiles(MAX_OPEN_FILES)
        self._fallback_path = fallback_path
        self._prepared = False
        self.project: dict[str, Any]
        self.idle_ms: int
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
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(self._stray_error)
        report_rejections(loop, self.runtime.unhandled)
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
        loop = asyncio.get_running_loop()
        assert isinstance(loop, HostLoop)
        loop.suspends = suspend.AVAILABLE and loader.uses_run_sync(Path(project["root"]) / project["main"])
        self._fill_exports()
        self.requests = RequestHandler(self, self.code, abort_signal=bool(self.flags.get("enable_request_signal")))

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
        root = handle
        while root.parent is not None:
            root = root.parent
        return ObjectStorage(
            handle.path,
            handle.name,
            files=self._files,
            codec=structured_clone,
            has_alarm_handler=hasattr(self.code.objects.get(handle.class_name), "alarm"),
            sqlite_class=self.project["classes"].get(root.class_name) == "sqlite",
            is_facet=handle.parent is not None,
            flags=self.flags,
            hooks=instance,
        )

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
        return outbound.send(self.link, target, request)

    def connect(self, socket: WebSocket, url: str, protocols: list[str]) -> None:
        """Open an outgoing WebSocket."""
        self.sockets.connect(socket, url, protocols)

    def _fetch_self(self, request: JsRequest) -> JsPromise:
        """`ctx.exports.default.fetch`: another invocation of this Worker."""
        invocation = Invocation(self, self.code)
        return JsPromise.from_awaitable(invocation.run(invocation.fetch(request), "fetch"))

    # -- what the gateway asks (session.py)

    async def operate(self, call: dict[str, Any]) -> Any:
        """A CALL of the gateway; its result, or an exception that becomes its error."""
        match call["op"]:
            case "alarm":
                return await self._alarm(call)
            case "scheduled":
                await self.requests.scheduled(call["cron"], call["scheduled_ms"])
                return {}
            case "rpc":
                return {"result": await self._rpc(call)}
            case "evict":
                return await self._evict(call)
            case "abort":
                handle = self._known(call)
                handle.reset(js_error("Error", call.get("reason") or "reset by agents-emu", durableObjectReset=True))
                return {}
            case "objects":
                return [handle.describe() for handle in self.objects]
            case "awake":
                return self._known(call).awake_because()
        raise js_error("Error", f"unknown operation {call['op']!r}")

    def _known(self, call: dict[str, Any]) -> ObjectHandle:
        return self.objects.get(call["class"], self._id(call), call.get("name"))

    def _id(self, call: dict[str, Any]) -> str:
        namespace = self.objects.namespace(call["class"])
        return namespace.check(call["id"]) if call.get("id") else namespace.id_from_name(call["name"])

    async def _alarm(self, call: dict[str, Any]) -> dict[str, Any]:
        handle = self._known(call)
        answer: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        state = {"dropped": False}

        async def work(instance: Instance) -> None:
            storage = instance.storage
            if not storage.alarm_started(call["scheduled_ms"]):
                state["dropped"] = True
                return
            info = JsObject({"retryCount": call["retry"], "isRetry": call["retry"] > 0, "scheduledTime": call["scheduled_ms"]})
            try:
                await self.dispatcher.handle(instance.user_object, "alarm", info)
            except Exception:
                storage.alarm_finished(retry=call["retry"] < MAX_RETRIES)
                raise
            storage.alarm_finished(retry=False)

        def settle(outcome: str, instance: Instance | None) -> None:
            rearmed = instance is not None and not instance.dead and instance.storage.alarm.get() is not None
            if not answer.done():
                answer.set_result({"outcome": outcome, "rearmed": rearmed})

        def failed(error: JsException, reset: bool) -> None:
            self.user_error("alarm", error, handle)
            if reset:
                settle("aborted" if turn.retry_alarm else "dropped", None)
            else:
                settle("failed", handle.instance)

        turn = Turn("alarm", work, lambda _: settle("dropped" if state["dropped"] else "done", handle.instance), failed)
        handle.deliver(turn, now=True)
        return await answer

    async def _rpc(self, call: dict[str, Any]) -> Any:
        handle = self._known(call)
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        async def work(instance: Instance) -> Any:
            args = [from_json(arg) for arg in call["args"]]
            return await self.dispatcher.call_method(instance.user_object, call["method"], args)

        turn = Turn(call["method"], work, answer.set_result, lambda error, _reset: answer.set_exception(error))
        handle.deliver(turn)
        return _plain(await answer)

    async def _evict(self, call: dict[str, Any]) -> dict[str, Any]:
        """Drop an instance as soon as it is quiet, within 30 s (durable-objects.md 6.3)."""
        handle = self.objects.find(call["class"], self._id(call))
        if handle is None:
            return {"evicted": False, "why": "the object is not in memory"}
        loop = asyncio.get_running_loop()
        give_up = loop.time() + 30
        while handle.instance is not None and handle.awake_because():
            if loop.time() >= give_up:
                return {"evicted": False, "why": ", ".join(handle.awake_because())}
            await asyncio.sleep(0.02)
        if call.get("sockets") == "close":
            handle.cut_sockets()
        handle.retire()
        return {"evicted": True}

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


def _plain(value: Any) -> Any:
    """A JavaScript result as JSON data for people; what has no JSON form as its text."""
    converted = value.to_py() if hasattr(value, "to_py") else value
    return _json(converted)


def _json(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, dict):
        return {js_string(key): _json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_json(item) for item in value]
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    return None if not value and type(value).__name__ == "JsNull" else js_string(value)
