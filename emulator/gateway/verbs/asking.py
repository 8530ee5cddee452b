"""How verbs reach the host, and how objects are named to them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

from emulator.core.ids import InvalidId, Namespace
from emulator.errors import UsageError, UserCodeError
from emulator.gateway.dispatcher import Dispatcher
from emulator.gateway.hosts import Hosts

ANSWER_WITHIN_S = 1.0
"""A verb that has waited for so long looks whether the host is there at all."""
BLOCKED_AFTER_S = 4.0
"""A host that does not answer a ping for so long is blocked by user code, or held by a debugger."""


class HostAsker:
    """CALLs to the host that serves, or to the next one while there is none."""

    def __init__(self, dispatcher: Dispatcher, hosts: Hosts) -> None:
        self._dispatcher = dispatcher
        self._hosts = hosts

    @property
    def served(self) -> bool:
        """Whether there is a host to be asked now."""
        return self._dispatcher.link is not None

    async def __call__(self, op: str, **fields: Any) -> Any:
        """It may take its time, but only while the host lives: raises UserCodeError E405 when user code blocks it."""
        asking = asyncio.ensure_future(self._dispatcher.call(op, **fields))
        try:
            while not (await asyncio.wait({asking}, timeout=ANSWER_WITHIN_S))[0]:
                host = self._hosts.active
                if host is None or host.link is None or await host.link.ping(BLOCKED_AFTER_S) or host is not self._hosts.active:
                    continue
                by = "a debugger holds it" if host.debugged else "user code blocks its event loop"
                hint = f"POST hosts/{host.kind}/restart of the control API starts it anew; sockets stay open"
                raise UserCodeError("E405", f"the {host.kind} host does not answer: {by}", where=host.blocked_at, hint=hint)
            return await asking
        finally:
            asking.cancel()


class ObjectNames:
    """Ids of this Worker's objects. An object is named by its class and by its name or its 64 hex digits. `classes` gives those that there
    are now."""

    def __init__(self, worker: str, classes: Callable[[], AbstractSet[str]]) -> None:
        self._worker = worker
        self._classes = classes

    def id(self, class_name: str, name: str) -> str:
        """The id, whether or not there is such an object. Raises UsageError E228 for a class that there is not."""
        classes = self._classes()
        if class_name not in classes:
            raise UsageError("E228", f"there is no class {class_name}", hint=f"classes of this project: {', '.join(sorted(classes))}")
        namespace = Namespace.of(self._worker, class_name)
        try:
            return namespace.check(name)
        except InvalidId:
            return namespace.id_from_name(name)
