"""One object's storage without a host: hooks that only take notes, and the operations of tests/vectors/storage.json on it."""

from __future__ import annotations

import json
import math
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from emulator.hosts.python.storage import CommitFailed, ObjectStorage, OpenFiles
from emulator.hosts.python.surface.buffers import ArrayBuffer, JsBuffer, Uint8Array
from emulator.hosts.python.surface.containers import JsArray, JsMap, JsSet
from emulator.hosts.python.surface.dates import JsDate
from emulator.hosts.python.surface.errors import JsException, js_error
from emulator.hosts.python.surface.values import JsBigInt, JsIterator, JsObject, iterate, jsnull, properties


class Notes:
    """StorageHooks that note what they were told; async transactions run at once."""

    def __init__(self) -> None:
        self.dirty_calls = 0
        self.alarms: list[int | None] = []

    def dirty(self) -> None:
        self.dirty_calls += 1

    def block(self, critical: Callable[[], Coroutine[Any, Any, Any]]) -> Awaitable[Any]:
        return critical()

    def committed(self) -> None:
        pass

    def alarm_changed(self, time_ms: int | None) -> None:
        self.alarms.append(time_ms)


class Rig:
    """A storage and what its hooks heard; `reopen` is a new instance on the same file."""

    def __init__(self, path: Path, files: OpenFiles, **options: Any) -> None:
        self.path = path
        self.files = files
        self.options = options
        self.notes = Notes()
        self.storage = self._make()

    def _make(self) -> ObjectStorage:
        defaults: dict[str, Any] = {
            "has_alarm_handler": True,
            "flags": {"delete_all_deletes_alarm": True},
        }
        return ObjectStorage(self.path, files=self.files, hooks=self.notes, **{**defaults, **self.options})

    @property
    def js(self) -> Any:
        return self.storage.js_storage

    def reopen(self) -> Rig:
        self.storage.revoke()
        self.storage = self._make()
        return self

    def rows(self, query: str, *bindings: Any) -> list[list[Any]]:
        return [list(row) for row in self.js.sql.exec(query, *bindings).raw()]


@pytest.fixture
def make_rig(tmp_path: Path) -> Callable[..., Rig]:
    files = OpenFiles()

    def make_one(name: str = "object", **options: Any) -> Rig:
        return Rig(tmp_path / f"{name}.sqlite", options.pop("files", files), **options)

    return make_one


@pytest.fixture
def rig(make_rig: Callable[..., Rig]) -> Rig:
    return make_rig()


def show(value: Any) -> Any:
    """A JavaScript value as the JSON of the vectors."""
    match value:
        case None:
            return {"t": "undefined"}
        case bool() | str():
            return value
        case JsBigInt():
            return {"t": "bigint", "v": str(int(value))}
        case float() if not math.isfinite(value):
            return {"t": "number", "v": "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"}
        case int() | float():
            return value
        case JsArray():
            return [show(item) for item in value]
        case ArrayBuffer():
            return {"t": "ArrayBuffer", "v": list(value.to_bytes())}
        case JsBuffer():
            return {"t": value.constructor.name, "v": list(value.to_bytes())}
        case JsMap():
            return {"t": "Map", "v": [[show(key), show(value.get(key))] for key in value]}
        case JsSet():
            return {"t": "Set", "v": [show(item) for item in value]}
        case JsDate():
            return {"t": "Date", "v": value.getTime()}
        case JsObject():
            return {key: show(item) for key, item in properties(value).items()}
    assert value is jsnull, value
    return None


def make(value: Any) -> Any:
    """The JavaScript value that `value` of the vectors stands for."""
    if value is None:
        return jsnull
    if isinstance(value, list):
        return JsArray([make(item) for item in value])
    if not isinstance(value, dict):
        return value
    match value:
        case {"t": "undefined"}:
            return None
        case {"t": "bigint", "v": text}:
            return JsBigInt(text)
        case {"t": "number", "v": text}:
            return float(text)
        case {"t": "ArrayBuffer", "v": data}:
            return ArrayBuffer(bytes(data))
        case {"t": "Uint8Array", "v": data}:
            return Uint8Array(bytes(data))
        case {"t": "Date", "v": ms}:
            return JsDate(ms)
        case {"t": "Map", "v": pairs}:
            return JsMap([(make(key), make(item)) for key, item in pairs])
        case {"t": "Set", "v": items}:
            return JsSet([make(item) for item in items])
    return JsObject({key: make(item) for key, item in value.items()})


class Operations:
    """The vectors' operations on our storage; tests/hosts/python/storage/peer/peer.mjs has the same for the real runtime."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.txn: Any = None

    async def turn(self, operations: list[list[Any]]) -> list[dict[str, Any]]:
        """One request: a result per operation, or `[{"thrown": text}]` when the object was reset."""
        results = []
        try:
            for name, *arguments in operations:
                results.append(await self._attempt(name, [make(argument) for argument in arguments]))
            self.rig.storage.commit()
        except CommitFailed as failure:
            self.rig.reopen()
            return [{"thrown": f"Error: {failure}"}]
        return results

    async def _attempt(self, name: str, arguments: list[Any]) -> dict[str, Any]:
        try:
            return {"ok": show(await self._run(name, arguments))}
        except JsException as error:
            return {"error": str(error)}

    async def _run(self, name: str, arguments: list[Any]) -> Any:
        js = self.rig.js
        match name:
            case "exec" | "one" | "size" | "txsync" | "try" | "kv.get" | "kv.put" | "kv.delete" | "kv.list":
                return self._run_sync(name, arguments)
            case "sleep":
                self.rig.storage.commit()
                return None
            case "tx":
                return await js.transaction(lambda txn: self._inside(txn, arguments))
            case "oldtxn":
                return await _settled(getattr(self.txn, arguments[0])(*arguments[1:]))
        promise = getattr(js, name)(*arguments)
        if name == "sync":
            self.rig.storage.commit()
        return await _settled(promise)

    async def _inside(self, txn: Any, arguments: list[Any]) -> Any:
        self.txn = txn
        results = []
        for inner, *rest in arguments[0]:
            if inner.startswith("txn."):
                results.append(await _settled(getattr(txn, inner[4:])(*rest)))
            else:
                results.append(await self._run(inner, rest))
        if len(arguments) > 1:
            raise js_error("Error", arguments[1])
        return JsArray(results)

    def _run_sync(self, name: str, arguments: list[Any]) -> Any:
        js = self.rig.js
        match name:
            case "exec":
                cursor = js.sql.exec(*arguments)
                return JsObject({"names": cursor.columnNames, "rows": JsArray(list(cursor.raw()))})
            case "one":
                return js.sql.exec(*arguments).one()
            case "size":
                return js.sql.databaseSize
            case "setAlarm":
                js.setAlarm(*arguments)
                return None
            case "try":
                try:
                    return self._run_sync(arguments[0][0], list(arguments[0])[1:])
                except JsException as error:
                    return str(error)
            case "txsync":
                return js.transactionSync(lambda: self._inside_sync(arguments)) if arguments else js.transactionSync()
        result = getattr(js.kv, name[3:])(*arguments)
        return JsArray(list(result)) if isinstance(result, JsIterator) else result

    def _inside_sync(self, arguments: list[Any]) -> Any:
        results = [self._run_sync(inner[0], list(inner)[1:]) for inner in iterate(arguments[0])]
        if len(arguments) > 1:
            raise js_error("Error", arguments[1])
        return JsArray(results)


async def _settled(value: Any) -> Any:
    return await value if hasattr(value, "then") else value


def _number(digits: str) -> int | float:
    """JSON written by JavaScript: what is beyond 2**53 was a double."""
    return int(digits) if abs(int(digits)) < 2**53 else float(digits)


VECTORS = json.loads((Path(__file__).parents[3] / "vectors" / "storage.json").read_text(), parse_int=_number)
CLASSES: dict[str, dict[str, Any]] = {
    "STORE": {},
    "NOALARM": {"has_alarm_handler": False},
    "LEGACY": {"sqlite_class": False},
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """`case` is each case of the vectors in turn."""
    if "case" in metafunc.fixturenames:
        metafunc.parametrize("case", VECTORS["cases"], ids=[case["name"].replace(" ", "-") for case in VECTORS["cases"]])


@pytest.fixture
def operations(case: dict[str, Any], make_rig: Callable[..., Rig]) -> Operations:
    rig = make_rig(name="case", **CLASSES[case["class"]])
    if case["class"] != "LEGACY":
        rig.storage.name = "case"
        rig.storage.write_name()
        rig.storage.commit()
    return Operations(rig)
