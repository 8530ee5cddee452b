"""The virtual clock as user code in the Python host sees it: it stands still until the gateway moves it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from link_gateway import START_MS, Gateway, host

SOURCE = """
import asyncio, datetime, email.utils, json, js, logging, time
from datetime import date, datetime as DateTime
from time import monotonic, sleep, time as now
from urllib.parse import urlsplit
from workers import DurableObject, Response, WorkerEntrypoint

class Box(DurableObject):
    def __init__(self, ctx, env):
        super().__init__(ctx, env)
        self.log = []
        self.born = now()

    async def fetch(self, request):
        name = urlsplit(request.url).path.strip("/").split("/")[1]
        value = getattr(self, name)()
        return Response(json.dumps(await value if asyncio.iscoroutine(value) else value))

    def clocks(self):
        loop = asyncio.get_running_loop()
        return {
            "time": time.time(), "by name": now(), "ns": time.time_ns(), "monotonic": time.monotonic() - monotonic(),
            "perf": time.perf_counter() - time.perf_counter(), "loop": loop.time() - monotonic(),
            "process": time.process_time() - monotonic(), "gettime": time.clock_gettime(time.CLOCK_REALTIME),
            "gmtime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "asctime": time.asctime(), "ctime": time.ctime(),
            "strftime": time.strftime("%Y"), "localtime": time.localtime().tm_year,
            "now": DateTime.now(datetime.UTC).isoformat(), "utcnow": DateTime.utcnow().isoformat(),
            "naive": DateTime.now().isoformat(), "today": str(date.today()), "datetime today": DateTime.today().year,
            "still datetime": type(DateTime.now()) is datetime.datetime,
            "Date.now": js.Date.now(), "Date": js.Date.new().toISOString(), "performance": js.performance.now(),
            "email": email.utils.formatdate(), "log": logging.makeLogRecord({}).created,
        }

    def sql(self):
        db = self.ctx.storage.sql
        db.exec("CREATE TABLE IF NOT EXISTS t (a, at TEXT DEFAULT CURRENT_TIMESTAMP, day TEXT DEFAULT (date('now')))")
        db.exec("CREATE INDEX IF NOT EXISTS i ON t (date(at))")
        db.exec("INSERT INTO t (a) VALUES (1)")
        row = db.exec("SELECT at, day, datetime('now', '+1 hour') AS later, unixepoch() AS s, strftime('%H:%M:%f', 'NOW') AS f,"
                      " julianday('2000-01-01') AS j, CURRENT_TIME AS t, date() AS d, datetime('now', 'subsec') AS ms FROM t").toArray()[0]
        return {name: getattr(row, name) for name in ("at", "day", "later", "s", "f", "j", "t", "d", "ms")}

    def arm(self):
        loop = asyncio.get_running_loop()
        self.beats = js.setInterval(lambda: self.log.append(f"interval {now() - self.born:.3f}"), 400)
        js.setTimeout(lambda: self.log.append(f"timeout {now() - self.born:.3f}"), 1000)
        loop.call_at(loop.time() + 0.5, lambda: self.log.append(f"call_at {now() - self.born:.3f}"))
        self.work = asyncio.create_task(self.wait())
        return "armed"

    async def wait(self):
        for _ in range(2):
            await asyncio.sleep(0.3)
            self.log.append(f"slept {now() - self.born:.3f}")
        try:
            await asyncio.wait_for(asyncio.Event().wait(), 0.15)
        except TimeoutError:
            self.log.append(f"timed out {now() - self.born:.3f}")
        js.clearInterval(self.beats)

    def read(self):
        return self.log

    async def zero(self):
        done = asyncio.Event()
        js.setTimeout(done.set, 0)
        await done.wait()
        await asyncio.sleep(0)
        asyncio.get_running_loop().call_later(0, done.clear)
        async with asyncio.timeout(5):
            while done.is_set():
                await asyncio.sleep(0)
        return now() - self.born

    async def blocking(self):
        began = now()
        sleep(90)
        return now() - began

    async def threaded(self):
        return await asyncio.to_thread(lambda: (sleep(0.01), now())[1])

    async def outside(self):
        answer = await js.fetch("https://example.com/x")
        return await answer.text()

    async def alarm(self):
        self.log.append(f"alarm {now() - self.born:.3f}")

    def ring(self):
        self.ctx.storage.setAlarm(js.Date.now() + 1000)
        js.setTimeout(lambda: self.log.append(f"timeout {now() - self.born:.3f}"), 1000)
        return "set"

    async def stuck(self):
        async def section():
            await asyncio.Event().wait()
        await self.ctx.blockConcurrencyWhile(section)

class Default(WorkerEntrypoint):
    async def fetch(self, request):
        name = urlsplit(request.url).path.strip("/").split("/")[0]
        if name == "left":
            try:
                await asyncio.sleep(3600)
            finally:
                print("stopped")
        if name == "late":
            self.ctx.waitUntil(asyncio.sleep(60))
            return Response("{}")
        return await self.env.BOX.getByName(name).fetch(request)
"""


async def test_every_clock_of_user_code_is_the_virtual_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    async with host(tmp_path, SOURCE) as gateway:
        first = await gateway.fetch("/a/clocks")
        second = await gateway.fetch("/a/clocks")
        await gateway.clock(90_061_001)
        later = await gateway.fetch("/a/clocks")
    assert second == first, "a clock that nobody moves stands still"
    assert first["time"] == first["by name"] == first["gettime"] == first["log"] == START_MS / 1000
    assert first["ns"] == START_MS * 1_000_000
    assert first["Date.now"] == first["performance"] == START_MS
    assert first["now"] == "2026-01-01T00:00:00+00:00" and first["Date"] == "2026-01-01T00:00:00.000Z"
    assert first["email"] == "Thu, 01 Jan 2026 00:00:00 -0000" and first["still datetime"] is True
    for difference in ("monotonic", "perf", "loop", "process"):
        assert first[difference] == 0
    assert later["now"] == "2026-01-02T01:01:01.001000+00:00" and later["utcnow"] == "2026-01-02T01:01:01.001000"
    assert later["gmtime"] == "2026-01-02T01:01:01Z" and later["Date"] == "2026-01-02T01:01:01.001Z"
    assert {later[name] for name in ("strftime", "localtime", "datetime today")} == {"2026", 2026}
    assert later["naive"] == later["utcnow"], "local time is UTC, as on the platform"
    assert later["today"] == "2026-01-02" and later["ctime"] == later["asctime"] == "Fri Jan  2 01:01:01 2026"


async def test_the_machines_clock_stays_where_none_is_virtual(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE, virtual=False) as gateway:
        clocks = await gateway.fetch("/a/clocks")
        assert clocks["time"] > 1_780_000_000 and clocks["still datetime"] is True
        assert clocks["perf"] < 0
        try:
            await gateway.call("clock", to_ms=START_MS)
        except Exception as error:
            assert "machine's clock" in str(error)
        else:
            raise AssertionError("there is nothing to move")


async def test_sqlite_tells_the_same_time(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.clock(3_723_456)
        row = await gateway.fetch("/a/sql")
    assert row == {
        "at": "2026-01-01 01:02:03",
        "day": "2026-01-01",
        "later": "2026-01-01 02:02:03",
        "s": START_MS // 1000 + 3723,
        "f": "01:02:03.456",
        "j": 2451544.5,
        "t": "01:02:03",
        "d": "2026-01-01",
        "ms": row["ms"],
    }


async def test_timers_fire_in_order_at_their_own_times(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/a/arm")
        assert await gateway.clock() == START_MS + 300
        assert await gateway.fetch("/a/read") == []
        deadlines = []
        while (next_ms := await gateway.clock()) is not None and next_ms <= START_MS + 1000:
            deadlines.append(next_ms - START_MS)
            await gateway.clock(next_ms - gateway.now_ms)
        assert deadlines == [300, 400, 500, 600, 750, 1000]
        assert await gateway.fetch("/a/read") == [
            "slept 0.300",
            "interval 0.400",
            "call_at 0.500",
            "slept 0.600",
            "timed out 0.750",
            "timeout 1.000",
        ]


async def test_what_takes_no_time_needs_no_clock(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        assert await gateway.fetch("/a/zero") == 0


async def test_time_sleep_waits_for_the_clock_and_others_go_on(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        waiting = gateway.request("/a/blocking").answer
        assert await gateway.clock() == START_MS + 90_000
        assert await gateway.fetch("/a/read") == [] and not waiting.done()
        await gateway.clock(90_000)
        answer = await asyncio.wait_for(waiting, 5)
        assert answer.body == b"90.0"


async def test_a_thread_is_work_that_the_clock_waits_for(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        waiting = gateway.request("/a/threaded").answer
        await gateway.clock(5)
        assert waiting.done() and waiting.result().body in (b"1767225600.0", b"1767225600.005")


async def test_waiting_for_the_gateway_is_not_being_runnable(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        gateway.answer = lambda incoming: None
        waiting = gateway.request("/a/outside").answer
        assert await gateway.clock() is None
        assert not waiting.done()
        gateway.asked[0].respond(200, b"OK", [], b"x")
        assert (await asyncio.wait_for(waiting, 5)).body == b'"x"'


async def test_at_one_instant_the_gateways_events_go_first(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/a/ring")
        assert gateway.alarms == [START_MS + 1000]
        assert await gateway.clock() == START_MS + 1000
        gateway.now_ms += 1000
        alarm = {"class": "Box", "id": gateway.id("a"), "name": "a", "scheduled_ms": gateway.now_ms, "retry": 0}
        ringing = gateway.link.call("alarm", **alarm)
        await gateway.clock()
        assert (await ringing)["outcome"] == "done"
        assert await gateway.fetch("/a/read") == ["alarm 1.000", "timeout 1.000"]


async def test_idle_objects_are_dropped_by_the_clock(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/a/read")
        assert await gateway.clock() == START_MS + 10_000
        await gateway.clock(9_999)
        assert _states(gateway)[-1] != "inactive"
        assert await gateway.clock(1) is None
        assert _states(gateway)[-1] == "inactive"


async def test_wait_until_is_cut_off_by_the_clock(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        await gateway.fetch("/late")
        assert await gateway.clock() == START_MS + 30_000
        assert await gateway.clock(30_000) is None
        assert any("did not complete within 30 s" in note["text"] for note in gateway.notes if note["op"] == "log")


async def test_a_section_is_cut_off_by_the_clock(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        waiting = gateway.request("/a/stuck").answer
        assert await gateway.clock() == START_MS + 30_000
        assert not waiting.done()
        await gateway.clock(30_000)
        assert "waited for too long" in str(waiting.exception())


async def test_code_whose_client_has_left_stops_without_a_clock(tmp_path: Path) -> None:
    async with host(tmp_path, SOURCE) as gateway:
        request = gateway.request("/left")
        assert await gateway.clock() == START_MS + 3_600_000
        request.cancel("gone")
        assert await gateway.clock() is None
        assert [note["text"] for note in gateway.notes if note["op"] == "log"] == ["stopped"]


async def test_time_sleep_is_refused_where_nothing_can_wait(tmp_path: Path) -> None:
    source = "import time\nfrom workers import *\ntry:\n    time.sleep(1)\nexcept RuntimeError as error:\n    told = str(error)\n"
    source += "class Box(DurableObject): pass\nclass Default(WorkerEntrypoint):\n    async def fetch(self, request):\n"
    source += "        import json\n        return Response(json.dumps(told))\n"
    async with host(tmp_path, source) as gateway:
        assert (await gateway.fetch("/")).startswith("E633 time.sleep() cannot wait for the virtual clock here")


def _states(gateway: Gateway) -> list[str]:
    return [note["state"] for note in gateway.notes if note["op"] == "object"]
