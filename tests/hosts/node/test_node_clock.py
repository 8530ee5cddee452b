"""Every clock that user code can ask, and everything the platform waits for, on a virtual clock (wire/README.md, *Time*)."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from link_gateway import START_MS, Gateway
from node_gateway import host
from node_project import NodeProject

SOURCE = """
import { DurableObject } from "cloudflare:workers";
import { setTimeout as waitFor, scheduler as promised } from "node:timers/promises";
import { promisify, types } from "node:util";
import { readFile } from "node:fs/promises";
import { pbkdf2, randomBytes, scrypt } from "node:crypto";
import { createGzip, deflate, gunzipSync } from "node:zlib";
import { performance as hooks } from "node:perf_hooks";
import process from "node:process";

const atLoad = [Date.now(), +new Date(), performance.now(), performance.timeOrigin];
const seen: unknown[] = [];
const say = (text: unknown) => seen.push([text, Date.now() - START]);
let START = 0;
class Day extends Date { get iso() { return this.toISOString(); } }

const clocks = () => ({
  now: Date.now(), date: +new Date(), text: String(new Date()), called: Date(), kept: +new Date(5), parts: new Date(2020, 1).getMonth(),
  day: [new Day().iso, new Day() instanceof Date, new Day(7).getTime()],
  identity: [new Date() instanceof Date, Date.prototype.constructor === Date, new Date().constructor === Date, Date.name, Date.length,
    Date.UTC(1970, 0), Date.parse("1970-01-01"), types.isDate(new Date()), structuredClone(new Date()) instanceof Date],
  performance: [performance.now(), performance.timeOrigin, hooks.now(), performance.mark("a").startTime,
    performance.measure("m", "a").duration],
  hrtime: [process.hrtime(), String(process.hrtime.bigint()), process.hrtime([1, 0])[0], process.uptime()],
  intl: new Intl.DateTimeFormat("en", { dateStyle: "short", timeStyle: "medium" }).format(),
  intlParts: new Intl.DateTimeFormat("en").formatToParts().map(({ value }) => value).join(""),
  file: new File([], "x").lastModified, event: new Event("x").timeStamp, zone: new Date().getTimezoneOffset(),
});

const WORK: Record<string, () => Promise<unknown>> = {
  digest: () => crypto.subtle.digest("SHA-256", new Uint8Array(300_000)),
  key: () => crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]),
  pbkdf2: () => promisify(pbkdf2)("a", "b", 5000, 32, "sha256"),
  scrypt: () => promisify(scrypt)("a", "b", 32) as Promise<unknown>,
  random: () => promisify(randomBytes)(100_000),
  deflate: () => promisify(deflate)(new Uint8Array(2_000_000)),
  stream: () => new Response(new Blob([new Uint8Array(3_000_000)]).stream().pipeThrough(new CompressionStream("gzip"))).arrayBuffer(),
  inflate: async () => {
    const packed = new Response(new Blob([new Uint8Array(6_000_000)]).stream().pipeThrough(new CompressionStream("gzip")));
    return new Response(packed.body!.pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
  },
  file: () => readFile("/proc/self/stat"),
  import: () => import("./other"),
  wasm: () => WebAssembly.compile(new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0])),
  port: () => new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    let left = 20;
    port1.onmessage = ({ data }) => { left -= 1; if (left === 0) { port1.close(); resolve(data); } else port1.postMessage(left); };
    port2.onmessage = ({ data }) => port2.postMessage(data);
    port1.postMessage(1);
  }),
  immediates: async () => { for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setImmediate(resolve)); },
  zeros: async () => { for (let i = 0; i < 50; i += 1) await new Promise((resolve) => setTimeout(resolve, 0)); },
  chain: async () => { for (let i = 0; i < 20; i += 1) await crypto.subtle.digest("SHA-256", new Uint8Array(20_000)); },
};

export class Box extends DurableObject {
  async sleep(ms: number) { await scheduler.wait(ms); return Date.now(); }
  arm(work: string, ms: number) {
    setTimeout(async () => { say(`${work} begun`); await WORK[work](); say(`${work} done`); }, ms);
  }
  async waits() {
    this.ctx.waitUntil(Promise.all([
      waitFor(1000, "a").then(say), promised.wait(2000).then(() => say("b")), promisify(setTimeout)(3000).then(() => say("c")),
      new Promise((resolve) => AbortSignal.timeout(4000).addEventListener("abort", () => { say("d"); resolve(0); })),
      scheduler.wait(5000).then(() => say("e")),
      new Promise<void>((resolve) => {
        let n = 0;
        const t = setInterval(() => { say(`tick ${++n}`); if (n === 3) { clearInterval(t); resolve(); } }, 1500);
      }),
    ]));
  }
  order() {
    for (const ms of [30, 10, 20, 10, 30]) setTimeout(say, ms, ms);
    setTimeout(() => { setTimeout(say, 0, "zero"); Promise.resolve().then(() => say("microtask")); }, 10);
    setTimeout(say, 10, "last of ten");
  }
  async blocked() { this.ctx.blockConcurrencyWhile(() => new Promise(() => {})); return 1; }
  sql() {
    const one = (query: string) => this.ctx.storage.sql.exec(query).raw().toArray()[0];
    this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (a, at INTEGER DEFAULT (unixepoch()), text TEXT DEFAULT CURRENT_TIMESTAMP)");
    this.ctx.storage.sql.exec(
      "CREATE TRIGGER IF NOT EXISTS tr AFTER INSERT ON t BEGIN UPDATE t SET a = datetime('now') WHERE a = 'late'; END",
    );
    this.ctx.storage.sql.exec("CREATE INDEX IF NOT EXISTS days ON t (date(at, 'unixepoch'))");
    this.ctx.storage.sql.exec("INSERT INTO t (a) VALUES (1), ('late')");
    return [
      one("SELECT unixepoch(), unixepoch('now'), unixepoch('subsec'), unixepoch('now', '+1 day'), typeof(unixepoch()), julianday('now')"),
      one("SELECT CURRENT_TIMESTAMP, CURRENT_DATE, CURRENT_TIME, datetime(), date('NOW'), time('now', 'subsec')"),
      one(`SELECT datetime('now', 'start of month', '+1 month', '-1 day'), strftime('%Y-%m-%dT%H:%M:%f'), strftime('%s', 'now'),
        timediff('now', '2025-12-31')`),
      one("SELECT date('2020-02-30'), datetime(0, 'unixepoch'), strftime('%j', '2024-03-01'), date(NULL), unixepoch(9223372036854775807)"),
      ...this.ctx.storage.sql.exec("SELECT a, at, text FROM t").raw().toArray(),
    ];
  }
  async held() { setInterval(() => {}, 60_000); }
}

export default {
  async fetch(request: Request, env: any, ctx: any) {
    START ||= Date.now();
    const [, verb, ...more] = new URL(request.url).pathname.split("/");
    const box = env.BOX.getByName("a");
    if (verb === "clocks") return Response.json({ ...clocks(), atLoad });
    if (verb === "seen") return Response.json(seen.splice(0));
    if (verb === "console") { console.time("t"); await scheduler.wait(65_250); console.timeEnd("t"); return Response.json(1); }
    if (verb === "late") { ctx.waitUntil(scheduler.wait(40_000).then(() => say("never"))); return Response.json(1); }
    if (verb === "zero") { await scheduler.wait(0); await new Promise((resolve) => setTimeout(resolve)); return Response.json(Date.now()); }
    if (verb === "cache") {
      const cache = await caches.open("c");
      if (more[0] === "put") await cache.put("http://x/a", new Response("a", { headers: { "cache-control": "max-age=60" } }));
      return Response.json((await cache.match("http://x/a")) !== undefined);
    }
    return Response.json((await box[verb](...more.map((text) => (/^\\d+$/.test(text) ? Number(text) : text)))) ?? null);
  },
};
"""
FILES = {"src/main.ts": SOURCE, "src/other.ts": "export const other = 1;"}


def project(node_project: NodeProject) -> NodeProject:
    return node_project.write(FILES)


async def states(gateway: Gateway) -> list[str]:
    return [f"{row['name']} {row['state']}" for row in await gateway.call("objects")]


async def test_every_clock_of_user_code_stands_and_follows(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        first = await gateway.fetch("/clocks")
        assert first["atLoad"] == [0, 0, 0, 0]
        for by_ms, iso in ((0, "2026-01-01T00:00:00.000Z"), (3_723_004, "2026-01-01T01:02:03.004Z")):
            await gateway.clock(by_ms)
            now = START_MS + by_ms
            found = await gateway.fetch("/clocks")
            local = datetime.fromtimestamp(now // 1000, UTC).strftime("%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)")
            assert [found["now"], found["date"], found["text"], found["called"]] == [now, now, local, local]
            assert [found["kept"], found["parts"], found["day"]] == [5, 1, [iso, True, 7]]
            assert found["identity"] == [True, True, True, "Date", 7, 0, 0, True, True]
            assert found["performance"] == [now, 0, now, now, 0]
            assert found["hrtime"] == [[now // 1000, now % 1000 * 1_000_000], str(now * 1_000_000), now // 1000 - 1, by_ms / 1000]
            assert found["intlParts"] == "1/1/2026"
            assert found["intl"] == ("1/1/26, 12:00:00 AM" if by_ms == 0 else "1/1/26, 1:02:03 AM")
            assert [found["file"], found["event"], found["zone"]] == [now, 0, 0]


async def test_without_the_process_s_flags_a_virtual_clock_holds_from_load_on(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node, flags=False) as gateway:
        assert (await gateway.fetch("/clocks"))["atLoad"] == [0, 0, 0, 0]
        await gateway.clock(5)
        assert (await gateway.fetch("/clocks"))["now"] == START_MS + 5


async def test_timers_of_every_kind_fire_by_the_clock_alone(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        began = time.monotonic()
        await gateway.fetch("/waits")
        steps = [await gateway.clock()]
        while steps[-1] is not None and steps[-1] <= START_MS + 5000:
            steps.append(await gateway.clock(steps[-1] - gateway.now_ms))
        assert time.monotonic() - began < 4
        assert [step - START_MS for step in steps[:-1] if step is not None] == [1000, 1500, 2000, 3000, 4000, 4500, 5000]
        assert await gateway.fetch("/seen") == [
            ["a", 1000],
            ["tick 1", 1500],
            ["b", 2000],
            ["c", 3000],
            ["tick 2", 3000],
            ["d", 4000],
            ["tick 3", 4500],
            ["e", 5000],
        ]


async def test_timers_of_one_moment_fire_in_the_order_they_were_armed(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.fetch("/order")
        assert await gateway.clock(10) == START_MS + 20
        await gateway.clock(20)
        order = [text for text, _ in await gateway.fetch("/seen")]
        assert order == [10, 10, "microtask", "zero", "last of ten", 20, 30, 30]


async def test_the_clock_answers_when_nothing_is_runnable_any_more(node_project: NodeProject) -> None:
    project(node_project)
    works = ("digest", "key", "pbkdf2", "scrypt", "random", "deflate", "stream", "inflate", "file", "import", "wasm", "port")
    async with host(node_project.root, node_project.node) as gateway:
        for work in (*works, "immediates", "zeros", "chain"):
            await gateway.fetch(f"/arm/{work}/100")
            await gateway.clock(100)
            assert [text for text, _ in await gateway.fetch("/seen")] == [f"{work} begun", f"{work} done"]


async def test_no_delay_needs_no_clock(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        assert await gateway.fetch("/zero") == START_MS


async def test_what_asks_the_gateway_goes_before_the_timers_that_are_left(node_project: NodeProject) -> None:
    node_project.write(
        {
            "src/main.ts": """
import { DurableObject } from "cloudflare:workers";
const seen: string[] = [];
export class Box extends DurableObject {
  arm() {
    setTimeout(async () => { seen.push("asks"); await fetch("https://example.com/"); seen.push("answered"); }, 10);
    setTimeout(() => seen.push("later"), 10);
  }
}
export default { async fetch(request: Request, env: any) {
  if (new URL(request.url).pathname === "/arm") await env.BOX.getByName("a").arm();
  return Response.json(seen);
} };
"""
        }
    )
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.fetch("/arm")
        assert await gateway.clock(10) == START_MS + 10
        while await gateway.clock() == gateway.now_ms:
            pass
        assert await gateway.fetch("/") == ["asks", "answered", "later"]


async def test_the_platform_waits_by_the_clock(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.fetch("/sql")
        assert await states(gateway) == ["a idle"]
        assert await gateway.clock() == START_MS + 10_000
        await gateway.clock(9_999)
        assert await states(gateway) == ["a idle"]
        assert await gateway.clock(1) is None
        assert await states(gateway) == []
        # waitUntil is cut off half a minute after the response
        await gateway.fetch("/late")
        assert await gateway.clock() == gateway.now_ms + 30_000
        await gateway.clock(30_000)
        await gateway.clock(10_000)
        assert await gateway.fetch("/seen") == []
        # and blockConcurrencyWhile gets as long
        await gateway.fetch("/blocked")
        reset = len([note for note in gateway.notes if note["op"] == "exception"])
        await gateway.clock(29_999)
        assert len([note for note in gateway.notes if note["op"] == "exception"]) == reset
        await gateway.clock(1)
        assert "blockConcurrencyWhile" in [note for note in gateway.notes if note["op"] == "exception"][-1]["error"]["message"]


async def test_caches_and_console_go_by_the_clock(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        assert await gateway.fetch("/cache/put") is True
        await gateway.clock(59_999)
        assert await gateway.fetch("/cache") is True
        await gateway.clock(1)
        assert await gateway.fetch("/cache") is False
        timed = asyncio.ensure_future(gateway.fetch("/console"))
        while (due := await gateway.clock()) is None:
            pass
        await gateway.clock(due - gateway.now_ms)
        assert await timed == 1
        assert [note["text"] for note in gateway.notes if note["op"] == "log"] == ["t: 1:05.250 (m:ss.mmm)"]


async def test_sqlite_s_clock_is_the_virtual_one(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node) as gateway:
        await gateway.clock(86_400_250)
        now, day = START_MS // 1000 + 86_400, "2026-01-02"
        found = await gateway.fetch("/sql")
        assert found[0] == [now, now, now + 0.25, now + 86_400, "integer", 2461042.5000028936]
        assert found[1] == [f"{day} 00:00:00", day, "00:00:00", f"{day} 00:00:00", day, "00:00:00.250"]
        assert found[2] == ["2026-01-31 00:00:00", f"{day}T00:00:00.250", str(now), "+0000-00-02 00:00:00.250"]
        assert found[3] == ["2020-03-01", "1970-01-01 00:00:00", "061", None, None]
        assert found[4:] == [[1, now, f"{day} 00:00:00"], [f"{day} 00:00:00", now, f"{day} 00:00:00"]]


async def test_the_clock_is_refused_on_the_machine_s(node_project: NodeProject) -> None:
    project(node_project)
    async with host(node_project.root, node_project.node, virtual=False) as gateway:
        found = await gateway.fetch("/clocks")
        assert abs(found["now"] - time.time() * 1000) < 60_000
        try:
            await gateway.clock()
        except Exception as error:
            assert "machine's clock" in str(error)
        else:
            raise AssertionError("it moved")
