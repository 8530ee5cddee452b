"""`ctx.storage` as user code sees it (durable-objects.md 2.6, 3.5 to 3.7, 4.1).

Storage never waits: a method does its work when it is called and returns a promise that is settled already. Only
`transaction`, which runs user code, and `sync`, which waits for the host's commit, take time.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emulator.hosts.python.database import ExplicitTransaction
from emulator.hosts.python.kv import EVERYTHING, UNDEFINED_VALUE, ListOptions
from emulator.hosts.python.sql_storage import SqlStorage
from emulator.hosts.python.sql_text import well_formed
from emulator.hosts.python.surface.containers import JsArray, JsMap
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.promise import JsPromise
from emulator.hosts.python.surface.values import (
    JsBigInt,
    JsIterator,
    JsObject,
    JsProxy,
    is_nullish,
    js_string,
    jsnull,
    option,
    properties,
    takes_options,
)

if TYPE_CHECKING:
    from emulator.hosts.python.storage import ObjectStorage

_ENABLE_SQLITE = (
    "change `new_classes` to `new_sqlite_classes` within the 'migrations' field in your wrangler.jsonc or wrangler.toml file. "
    "If using workerd directly,{space}set `enableSql = true` in your workerd config for the class. Note that this change cannot "
    "be made after the class is already deployed to production."
)
NO_SQL = "SQL is not enabled for this Durable Object class. To enable it, " + _ENABLE_SQLITE.format(space="")
NO_KV = (
    "The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects, but this object's namespace is not "
    "declared to use SQLite. You can use the older, asyncronous interface via methods of `storage` itself (e.g. `storage.get()`). "
    "Alternatively, to enable SQLite, " + _ENABLE_SQLITE.format(space=" ")
)
NO_POINT_IN_TIME = "This Durable Object's storage back-end does not implement point-in-time recovery."
FIRST_BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000"
DELETE_ALL_IN_TRANSACTION = "Cannot call deleteAll() within a transaction"
DELETE_ALL_IN_SAVEPOINT = "internal error; deleteAll() cannot run inside transactionSync()"
ASYNC_CALLBACK = (
    "transactionSync() was given an async callback: what it writes after its first await would be outside of the transaction, so "
    "agents-emu rolled it back. Use `await storage.transaction(callback)` for async code."
)
ALARM_NOT_POSITIVE = "setAlarm() cannot be called with an alarm time <= 0"
ALARM_NO_DATE = "The value cannot be converted because it is not a valid Date."
ALARM_TOO_LATE = "This API doesn't support dates after 2189."
_MAX_ALARM_MS = (2**63 - 1) // 1_000_000
_MAX_INT32 = 2**31 - 1


class _KeyValueApi(JsProxy):
    """What `ctx.storage` and the `txn` of a transaction share. `_open(method)` refuses calls on a transaction that is over."""

    __slots__ = ("__weakref__", "_storage")

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    def _open(self, method: str) -> None:
        """Nothing to check on the storage itself."""

    def _settle(self, method: str, work: Callable[[], Any]) -> JsPromise:
        try:
            self._open(method)
            return JsPromise.resolved(work())
        except JsException as error:
            return JsPromise.rejected(error)

    @takes_options
    def get(self, *args: Any) -> JsPromise:
        """`get(key)` or `get([keys])`, which gives a Map of those that exist."""

        def work() -> Any:
            key = self._argument("get", args, "string or Array")
            if isinstance(key, JsArray):
                return JsMap(self._storage.kv.get_many([_key(item) for item in key]))
            return self._storage.kv.get(_key(key))

        return self._settle("get", work)

    @takes_options
    def put(self, *args: Any) -> JsPromise:
        """`put(key, value)` or `put({key: value})`."""

        def work() -> None:
            key = self._argument("put", args, "string or object")
            if isinstance(key, JsProxy) and (len(args) < 2 or isinstance(args[1], JsObject)) and not isinstance(key, JsArray):
                entries = properties(key) if isinstance(key, JsObject) else {}
                self._storage.kv.put_many([(_key(k), v) for k, v in entries.items() if v is not None])
                return
            value = args[1] if len(args) > 1 else None
            if value is None:
                raise js_error("TypeError", UNDEFINED_VALUE)
            self._storage.kv.put(_key(key), value)

        return self._settle("put", work)

    @takes_options
    def delete(self, *args: Any) -> JsPromise:
        """`delete(key)` tells whether it existed, `delete([keys])` how many did."""

        def work() -> bool | int:
            key = self._argument("delete", args, "string or Array")
            if isinstance(key, JsArray):
                return self._storage.kv.delete_many([_key(item) for item in key])
            return self._storage.kv.delete(_key(key))

        return self._settle("delete", work)

    @takes_options
    def list(self, options: Any = None) -> JsPromise:
        return self._settle("list", lambda: JsMap(self._storage.kv.list(_list_options(self._js_name, options))))

    @takes_options
    def getAlarm(self, _options: Any = None) -> JsPromise:
        """Milliseconds, or null; null too while the alarm's own handler runs."""

        def work() -> Any:
            time_ms = self._storage.alarm.get()
            return jsnull if time_ms is None else time_ms

        return self._settle("getAlarm", work)

    @takes_options
    def setAlarm(self, *args: Any) -> JsPromise:
        """`setAlarm(ms | Date)` replaces the alarm."""

        def work() -> None:
            time_ms = self._alarm_time(self._argument("setAlarm", args, "date"))
            if self._storage.alarm_refusal is not None:
                raise js_error("TypeError", self._storage.alarm_refusal)
            self._storage.alarm.set(time_ms)

        return self._settle("setAlarm", work)

    @takes_options
    def deleteAlarm(self, _options: Any = None) -> JsPromise:
        return self._settle("deleteAlarm", self._storage.alarm.delete)

    def _alarm_time(self, value: Any) -> int:
        if isinstance(value, JsDate):
            value = value.getTime()
        if not isinstance(value, int | float) or isinstance(value, bool | JsBigInt):
            raise self._not_of_type("setAlarm", "date")
        if not math.isfinite(value):
            raise js_error("TypeError", ALARM_NO_DATE)
        if int(value) <= 0:
            raise js_error("TypeError", ALARM_NOT_POSITIVE)
        if value > _MAX_ALARM_MS:
            raise js_error("TypeError", ALARM_TOO_LATE)
        return int(value)

    def _argument(self, method: str, args: tuple[Any, ...], wanted: str) -> Any:
        if not args:
            raise self._not_of_type(method, wanted)
        return args[0]

    def _not_of_type(self, method: str, wanted: str) -> JsException:
        return js_error("TypeError", f"Failed to execute '{method}' on '{self._js_name}': parameter 1 is not of type '{wanted}'.")


class DurableObjectStorage(_KeyValueApi):
    """`ctx.storage`."""

    __slots__ = ("_kv", "_sql")
    _js_name = "DurableObjectStorage"

    def __init__(self, storage: ObjectStorage) -> None:
        super().__init__(storage)
        self._sql = SqlStorage(storage.sql)
        self._kv = SyncKvStorage(storage)

    @property
    def sql(self) -> SqlStorage:
        if not self._storage.sqlite_class:
            raise js_error("Error", NO_SQL)
        return self._sql

    @property
    def kv(self) -> SyncKvStorage:
        if not self._storage.sqlite_class:
            raise js_error("Error", NO_KV)
        return self._kv

    @takes_options
    def deleteAll(self, _options: Any = None) -> JsPromise:
        """Removes KV, SQL and, depending on the compatibility date, the alarm; at once, not at the end of the turn."""

        def work() -> None:
            if self._storage.database.in_explicit:
                raise js_error("Error", DELETE_ALL_IN_TRANSACTION)
            if self._storage.database.in_savepoint:
                raise js_error("Error", DELETE_ALL_IN_SAVEPOINT)
            self._storage.delete_all()

        return self._settle("deleteAll", work)

    def transactionSync(self, *args: Any) -> Any:
        """Runs the callback in a savepoint; its exception passes through unchanged and rolls SQL, KV and alarm back."""
        callback = self._callback("transactionSync", args)

        def run() -> Any:
            result = callback()
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise js_error("TypeError", ASYNC_CALLBACK)
            return result

        return self._storage.database.transaction_sync(run)

    def transaction(self, *args: Any) -> JsPromise:
        """Runs `callback(txn)` as a critical section of the object; an exception rolls everything in it back."""
        try:
            callback = self._callback("transaction", args)
        except JsException as error:
            return JsPromise.rejected(error)

        async def critical() -> Any:
            level = self._storage.database.begin_explicit()
            try:
                result = callback(DurableObjectTransaction(self._storage, level))
                if inspect.isawaitable(result):
                    result = await result
            except BaseException:
                level.rollback()
                raise
            level.commit()
            return result

        return JsPromise.from_awaitable(self._storage.hooks.block(critical))

    def sync(self) -> JsPromise:
        """Resolves when everything written so far is in the file."""
        return self._storage.synced()

    def getCurrentBookmark(self) -> JsPromise:
        return JsPromise.resolved(FIRST_BOOKMARK)

    def getBookmarkForTime(self, _time: Any = None) -> JsPromise:
        return JsPromise.rejected(js_error("Error", NO_POINT_IN_TIME))

    def onNextSessionRestoreBookmark(self, _bookmark: Any = None) -> JsPromise:
        return JsPromise.rejected(js_error("Error", NO_POINT_IN_TIME))

    def _callback(self, method: str, args: tuple[Any, ...]) -> Callable[..., Any]:
        if not args or not callable(args[0]):
            raise self._not_of_type(method, "function")
        return args[0]


class DurableObjectTransaction(_KeyValueApi):
    """The `txn` of an async transaction. What `ctx.storage` does meanwhile belongs to the transaction as well."""

    __slots__ = ("_level",)
    _js_name = "DurableObjectTransaction"

    def __init__(self, storage: ObjectStorage, level: ExplicitTransaction) -> None:
        super().__init__(storage)
        self._level = level

    def _open(self, method: str) -> None:
        if self._level.state == "rolled back":
            raise js_error("Error", f"Cannot {method}() on rolled back transaction")
        if self._level.state == "committed":
            raise js_error(
                "Error",
                f"Cannot call {method}() on transaction that has already committed: did you move `txn` outside of the closure?",
            )

    def rollback(self) -> None:
        """Drops what the transaction did so far; `txn` is of no use afterwards."""
        if self._level.state == "committed":
            self._open("rollback")
        self._level.rollback()

    @takes_options
    def deleteAll(self, _options: Any = None) -> JsPromise:
        return JsPromise.rejected(js_error("Error", DELETE_ALL_IN_TRANSACTION))


class SyncKvStorage(JsProxy):
    """`ctx.storage.kv`: the same table, without promises."""

    __slots__ = ("__weakref__", "_storage")
    _js_name = "SyncKvStorage"

    def __init__(self, storage: ObjectStorage) -> None:
        self._storage = storage

    def get(self, *args: Any) -> Any:
        return self._storage.kv.get(_key(self._argument("get", args, 1, "string")))

    def put(self, *args: Any) -> None:
        """Unlike the async `put` it stores undefined."""
        key = _key(self._argument("put", args, 1, "string"))
        self._storage.kv.put(key, self._argument("put", args, 2, "Value"))

    def delete(self, *args: Any) -> bool:
        return self._storage.kv.delete(_key(self._argument("delete", args, 1, "string")))

    @takes_options
    def list(self, options: Any = None) -> JsIterator:
        """An iterator of `[key, value]`."""
        pairs = self._storage.kv.list(_list_options(self._js_name, options))
        return JsIterator(JsArray([key, value]) for key, value in pairs)

    def _argument(self, method: str, args: tuple[Any, ...], position: int, wanted: str) -> Any:
        if len(args) < position:
            message = f"Failed to execute '{method}' on '{self._js_name}': parameter {position} is not of type '{wanted}'."
            raise js_error("TypeError", message)
        return args[position - 1]


def _key(value: Any) -> str:
    key = value if value.__class__ is str else js_string(value)
    return key if key.isascii() else well_formed(key)


def _list_options(owner: str, options: Any) -> ListOptions:
    """The options bag: undefined members are absent, everything else is coerced as JavaScript does."""
    if is_nullish(options):
        return EVERYTHING
    if not isinstance(options, JsProxy):
        message = f"Failed to execute 'list' on '{owner}': parameter 1 is not of type 'ListOptions'."
        raise js_error("TypeError", message)
    texts = {name: option(options, name) for name in ("prefix", "start", "startAfter", "end")}
    given = {name: None if value is None else _key(value) for name, value in texts.items()}
    limit = option(options, "limit")
    return ListOptions(
        prefix=given["prefix"],
        start=given["start"],
        start_after=given["startAfter"],
        end=given["end"],
        limit=None if limit is None else _int32(limit),
        reverse=bool(option(options, "reverse", False)),
    )


def _int32(value: Any) -> int:
    """A number argument as JavaScript coerces it to a 32-bit integer; what is no number counts as 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return 0
    if not -_MAX_INT32 - 1 <= number <= _MAX_INT32:
        if math.isnan(number):
            return 0
        raise js_error("TypeError", "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).")
    return int(number)
