"""The objects of this host: each identity once, with what outlives its instances.

An `ObjectHandle` keeps the sockets, their attachments, the storage file's place and the facets; the `Instance` comes and goes. Hibernation,
crash, eviction and reset all end in `instance_ended`, and all begin again in `deliver`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emulator.clock.virtual import VirtualTimer
from emulator.core.ids import Namespace, visible_name
from emulator.core.lifecycle import Lifecycle, State, Step
from emulator.hosts.python.awake import Reason, reasons
from emulator.hosts.python.facet_files import ROOT, FacetFiles
from emulator.hosts.python.holds import UserLines
from emulator.hosts.python.instance import Instance, Turn
from emulator.hosts.python.loop import host_loop
from emulator.hosts.python.sockets import SocketRecord
from emulator.hosts.python.storage import ObjectStorage
from emulator.hosts.python.surface.errors import JsException, Origin, js_error, python_error

if TYPE_CHECKING:
    from emulator.hosts.python.points import Points

MAX_FACET_DEPTH = 4
"""Levels of a facet tree, the root included (durable-objects.md 8)."""


class ObjectWorld(Protocol):
    """What an object needs of the host it lives in."""

    idle_ms: int
    lines: UserLines
    points: Points

    def turn_ended(self, instance: Instance, turn: Turn) -> None:
        """An event that had started has its end."""

    def storage_of(self, handle: ObjectHandle, instance: Instance) -> ObjectStorage:
        """Open storage for a new instance."""

    def construct(self, instance: Instance) -> Any:
        """Call the user's class; runs in the instance's context."""

    def index_alarm(self, handle: ObjectHandle, time_ms: int | None) -> asyncio.Future[Any]:
        """Tell the gateway a committed alarm; done when it is on disk there."""

    def object_changed(self, handle: ObjectHandle) -> None:
        """An instance began or ended."""

    def auto_response_changed(self, handle: ObjectHandle) -> None:
        """The gateway answers for sleeping objects, so it must know the pair."""

    def user_error(self, where: str, error: BaseException, handle: ObjectHandle | None) -> None:
        """Show an error of user code that nobody else hears."""


class Bond:
    """What ties stubs to an object until its next reset; then it is broken, and they with it, for good (durable-objects.md 1.6).
    Hibernation breaks nothing.
    """

    __slots__ = ("broken",)

    def __init__(self) -> None:
        self.broken: JsException | None = None


class ObjectHandle:
    """One object: class, id and, when it was ever addressed by it, name."""

    def __init__(
        self,
        world: ObjectWorld,
        class_name: str,
        object_id: str,
        name: str | None,
        path: Path,
        parent: ObjectHandle | None = None,
        facet_number: int = ROOT,
    ) -> None:
        self.world = world
        self.class_name = class_name
        self.id = object_id
        self.name = name
        self.path = path
        self.parent = parent
        self.depth: int = 1 if parent is None else parent.depth + 1
        self.facet_number = facet_number
        self.facet_files: FacetFiles = FacetFiles(path) if parent is None else parent.facet_files
        self.lifecycle = Lifecycle(world.idle_ms)
        self.instance: Instance | None = None
        self.sockets: dict[int, SocketRecord] = {}
        self.auto_response: tuple[str, str] | None = None
        self.event_timeout_ms: int | None = None
        self.facets: dict[str, ObjectHandle] = {}
        self.bond = Bond()
        self._expiry: asyncio.TimerHandle | VirtualTimer | None = None
        self._quiet: asyncio.Future[None] | None = None

    @property
    def label(self) -> str:
        """How people see it: `Chat/me`, or class and the start of the id."""
        return f"{self.class_name}/{self.name if self.name is not None else self.id[:12]}"

    # -- events

    def deliver(self, turn: Turn, *, now: bool = False) -> None:
        """Hand an event to the live instance; where there is none, one is constructed for it."""
        instance = self.instance
        if instance is None:
            instance = self._begin()
        elif self.lifecycle.state is State.IDLE:
            self.lifecycle.step(Step.BUSY, _now_ms())
        instance.deliver(turn, now=now)

    def _begin(self) -> Instance:
        instance = Instance(self)
        self.lifecycle.step(Step.START, _now_ms())
        self.instance = instance
        return instance

    def construct(self, instance: Instance) -> None:
        """Run the constructor, as the instance's first code. Its failure is the instance's end, and every waiting caller's error."""
        try:
            instance.user_object = self.world.construct(instance)
        except Exception as error:
            failure = python_error(error)
            failure.durableObjectReset = True
            self.world.user_error("constructor", error, self)
            failure._origin = Origin(error, self.reference(), shown=True)
            instance.reset(failure)
            return
        self.lifecycle.step(Step.CONSTRUCTED, _now_ms())
        self.world.object_changed(self)

    # -- the instance's life

    def instance_quiet(self, instance: Instance) -> None:
        """Nothing is unfinished: from now it has `idle_ms` until it is dropped."""
        if instance is not self.instance or self.lifecycle.state is not State.ACTIVE:
            return
        self._tell_quiet()
        self.lifecycle.step(Step.QUIET, _now_ms())
        if self._expiry is None and self.lifecycle.idle_ms > 0:
            self._arm(self.lifecycle.idle_ms)

    def _arm(self, delay_ms: int) -> None:
        # One timer per object, re-armed when it finds the object was busy meanwhile: events themselves stay cheap.
        self._expiry = host_loop().platform_later(delay_ms / 1000, self._expire)

    def _expire(self) -> None:
        self._expiry = None
        deadline = self.lifecycle.next_deadline()
        if deadline is None:
            return
        left = deadline - _now_ms()
        if left > 0:
            self._arm(left)
        elif self.awake():
            self._arm(self.lifecycle.idle_ms)
        else:
            self.retire()

    def awake(self) -> list[Reason]:
        """What keeps this object from being dropped; empty when nothing does."""
        instance = self.instance
        if instance is None:
            return []
        found = reasons(instance)
        for key, facet in self.facets.items():
            found += [{**reason, "text": f"facet {key}: {reason['text']}"} for reason in facet.awake()]
        return found

    async def until_quiet(self, within_s: float) -> bool:
        """Wait until nothing keeps it awake, in real time; False when that took too long."""
        loop = asyncio.get_running_loop()
        give_up = loop.time() + within_s
        while self.awake():
            if self._quiet is None or self._quiet.done():
                self._quiet = loop.create_future()
            done, _ = await asyncio.wait([self._quiet], timeout=give_up - loop.time())
            if not done:
                return not self.awake()
        return True

    def _tell_quiet(self) -> None:
        """For those who wait for it, or for the object it belongs to."""
        if self._quiet is not None and not self._quiet.done():
            self._quiet.set_result(None)
        if self.parent is not None:
            self.parent._tell_quiet()

    def retire(self) -> None:
        """Drop the instance and its facets' (S-97); storage, sockets, tags and attachments stay."""
        for facet in self.facets.values():
            facet.retire()
        if self.instance is not None:
            self.instance.retire()

    def reset(self, error: JsException, *, cut_sockets: bool = True) -> None:
        """Destroy the instance and its facets'; without one only the stubs and sockets are concerned."""
        if self.instance is not None:
            self.instance.reset(error, cut_sockets=cut_sockets)
            return
        self._break_stubs(error)
        if cut_sockets:
            self.cut_sockets()

    def _break_stubs(self, error: JsException) -> None:
        self.bond.broken = error
        self.bond = Bond()

    def instance_ended(self, instance: Instance, step: Step, *, cut_sockets: bool) -> None:
        """The instance is over (Instance calls this)."""
        if instance is not self.instance:
            return
        self.instance = None
        self._tell_quiet()
        if step is Step.RESET and instance.broken is not None:
            self._break_stubs(instance.broken)
        for facet in self.facets.values():
            if step is Step.RESET and instance.broken is not None:
                facet.reset(instance.broken)
        if cut_sockets:
            self.cut_sockets()
        for record in list(self.sockets.values()):  # those that no client ever got leave the table here
            record.forget_object()
        instance.storage.close()
        hibernatable = bool(self.sockets)
        if not hibernatable and self.auto_response is not None:
            # Without a socket there is nobody to answer: the next life's constructor sets the pair again.
            self.auto_response = None
            self.world.auto_response_changed(self)
        if self.lifecycle.state is State.STARTING and step is Step.EXPIRE:
            step = Step.RESET
        self.lifecycle.step(step, _now_ms(), hibernatable=hibernatable)
        self.world.object_changed(self)

    def sleep_with_sockets(self) -> None:
        """Sockets of a host before this one are still open: the object is hibernating (S-97)."""
        if self.instance is None:
            self.lifecycle.step(Step.RESTORE, _now_ms())

    def cut_sockets(self) -> None:
        """Drop every client of this object without a Close frame and without a close event (S-91)."""
        records, self.sockets = list(self.sockets.values()), {}
        for record in records:
            record.cut()

    def index_alarm(self, time_ms: int | None) -> asyncio.Future[Any]:
        """A commit changed this object's alarm."""
        return self.world.index_alarm(self, time_ms)

    def reference(self) -> dict[str, Any]:
        """Which object, and which of its lives, for notes about it (wire/README.md)."""
        return {"class": self.class_name, "id": self.id, "name": self.name, "generation": self.lifecycle.generation}

    def describe(self) -> dict[str, Any]:
        """The object as the control API shows it."""
        return {
            "class": self.class_name,
            "id": self.id,
            "name": self.name,
            "state": self.lifecycle.state.value,
            "generation": self.lifecycle.generation,
            "sockets": len(self.sockets),
        }


class ObjectTable:
    """Every object this host knows, by class and id."""

    def __init__(self, world: ObjectWorld, worker: str, state_dir: Path) -> None:
        self._world = world
        self._worker = worker
        self._state_dir = state_dir
        self._handles: dict[tuple[str, str], ObjectHandle] = {}
        self._namespaces: dict[str, Namespace] = {}

    def namespace(self, class_name: str) -> Namespace:
        """The ids of a class."""
        found = self._namespaces.get(class_name)
        if found is None:
            found = self._namespaces[class_name] = Namespace.of(self._worker, class_name)
        return found

    def get(self, class_name: str, object_id: str, name: str | None) -> ObjectHandle:
        """The object, known from now on. The name sticks when nothing lives that was started without it (S-05, S-06)."""
        handle = self._handles.get((class_name, object_id))
        if handle is None:
            handle = ObjectHandle(self._world, class_name, object_id, visible_name(name), self._path(class_name, object_id))
            self._handles[class_name, object_id] = handle
        elif handle.name is None and name is not None and handle.instance is None:
            handle.name = visible_name(name)
        return handle

    def facet(self, parent: ObjectHandle, key: str, class_name: str, object_id: str, name: str | None) -> ObjectHandle:
        """A child of `parent`, listed with it from now on; its file's number is given at first use and kept for good."""
        if parent.depth >= MAX_FACET_DEPTH:
            raise js_error(
                "Error", f"Facet nesting depth limit exceeded. The maximum depth including the root Durable Object is {MAX_FACET_DEPTH}."
            )
        known = parent.facets.get(key)
        if known is not None:
            if (known.class_name, known.id) == (class_name, object_id):
                return known
            known.reset(js_error("Error", "Facet was restarted as another class or with another id."))
        number = parent.facet_files.number(parent.facet_number, key)
        path = parent.facet_files.path(number)
        facet = ObjectHandle(self._world, class_name, object_id, visible_name(name), path, parent, number)
        parent.facets[key] = facet
        return facet

    def find(self, class_name: str, object_id: str) -> ObjectHandle | None:
        """The object if this host knows it; looking makes nothing."""
        return self._handles.get((class_name, object_id))

    def __iter__(self) -> Iterator[ObjectHandle]:
        return iter(list(self._handles.values()))

    def forget(self, handle: ObjectHandle) -> None:
        """An object with nothing left in memory needs no handle: thousands of sleeping objects cost nothing."""
        if handle.instance is None and not handle.sockets and not handle.facets and handle.auto_response is None:
            self._handles.pop((handle.class_name, handle.id), None)

    def reset_all(self, message: str) -> int:
        """Reset whatever still lives, keeping hibernatable sockets; how many had unfinished work."""
        unfinished = 0
        for handle in self:
            instance = handle.instance
            if instance is None:
                continue
            if instance.busy:
                unfinished += 1
                instance.reset(js_error("Error", message, durableObjectReset=True, retryable=True), cut_sockets=False)
            else:
                handle.retire()
        return unfinished

    def _path(self, class_name: str, object_id: str) -> Path:
        return self._state_dir / "v3" / "do" / f"{self._worker}-{class_name}" / f"{object_id}.sqlite"


def _now_ms() -> int:
    """Idle time is one of the platform's limits."""
    return int(host_loop().platform_time() * 1000)
