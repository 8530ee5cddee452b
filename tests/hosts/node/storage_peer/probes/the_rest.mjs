/** The objects themselves, alarms, and what is left of `ctx.storage`. */
import { ODD, OPTIONS, each } from "./odd.mjs";

const names = (object) => Object.getOwnPropertyNames(object).sort().join(" ");
const prototypes = (object) => {
  const chain = [];
  for (let p = Object.getPrototypeOf(object); p !== null && p !== Object.prototype; p = Object.getPrototypeOf(p)) {
    chain.push(p === Iterator.prototype ? "Iterator" : `${p.constructor.name}[${names(p)}]`);
  }
  return chain.join(" < ");
};

const isSame = (one, other) => one === other;
const calledAlone = (method, ...args) => method(...args);

export default {
  shapes: [
    ["storage", (s) => `${Object.keys(s)} | ${prototypes(s)} | ${Object.prototype.toString.call(s)}`],
    ["sql", (s) => `${Object.keys(s.sql)} | ${prototypes(s.sql)} | ${Object.prototype.toString.call(s.sql)}`],
    ["kv", (s) => `${Object.keys(s.kv)} | ${prototypes(s.kv)} | ${Object.prototype.toString.call(s.kv)}`],
    ["the same each time", (s) => ["sql", "kv", "get"].map((name) => isSame(s[name], s[name]))],
    ["cursor", (s) => `${Object.keys(s.sql.exec("SELECT 1"))} | ${prototypes(s.sql.exec("SELECT 1"))} | ${s.sql.exec("SELECT 1")}`],
    [
      "raw",
      (s) => `${Object.keys(s.sql.exec("SELECT 1").raw())} | ${prototypes(s.sql.exec("SELECT 1").raw())} | ${s.sql.exec("SELECT 1").raw()}`,
    ],
    ["kv.list", (s) => `${prototypes(s.kv.list())} | ${s.kv.list()}`],
    ["txn", (s) => s.transaction(async (txn) => `${Object.keys(txn)} | ${prototypes(txn)} | ${txn}`)],
    ["lengths", (s) => ["get", "put", "delete", "list", "setAlarm", "transaction", "transactionSync", "sync"].map((n) => s[n].length)],
    ["sql lengths", (s) => s.sql.exec.length],
    ["unbound get", (s) => calledAlone(s.get, "a")],
    ["unbound exec", (s) => calledAlone(s.sql.exec, "SELECT 1")],
    ["unbound kv.get", (s) => calledAlone(s.kv.get, "a")],
    ["unbound next", (s) => calledAlone(s.sql.exec("SELECT 1").next)],
    ["assignable", (s) => Object.assign(s, { mine: 5 }).mine],
    ["get can be replaced", (s) => Object.assign(s, { get: () => "mine" }).get()],
    ["new", (s) => new s.constructor()],
    ["new sql", (s) => new s.sql.constructor()],
    ["globals", () => [typeof DurableObjectStorage, typeof SqlStorage, typeof SyncKvStorage, typeof DurableObjectTransaction]],
    ["instanceof", (s) => [s.sql.exec("SELECT 1") instanceof Iterator, s.sql.exec("SELECT 1").raw() instanceof Iterator]],
    ["JSON", (s) => [JSON.stringify(s.sql.exec("SELECT 1")), JSON.stringify(s)]],
  ],
  alarms: [
    ["none", (s) => s.setAlarm()],
    ...each(
      {
        ...ODD,
        text: "4102444800000",
        Infinity: Infinity,
        NaN: NaN,
        zero: 0,
        negative: -1,
        "a half": 0.5,
        1.9: 1.9,
        "an invalid date": new Date(NaN),
        "the epoch": new Date(0),
        "a box": new Number(4102444800000),
        "with value": { valueOf: () => 4102444800000 },
        "after 2189": 9e15,
        "the last": 9223372036854,
        "after the last": 9223372036855,
        future: 4102444800000.75,
        "a date in future": new Date(4102444800000),
      },
      async (s, v) => {
        await s.deleteAlarm();
        await s.setAlarm(v);
        const ms = await s.getAlarm();
        return Math.abs(ms - Date.now()) < 60_000 ? "now" : ms;
      },
    ),
    ...each(OPTIONS, (s, v) => s.setAlarm(4102444800000, v)).map(([l, e]) => [`set options ${l}`, e]),
    ...each(OPTIONS, (s, v) => s.getAlarm(v)).map(([l, e]) => [`get options ${l}`, e]),
    ...each(OPTIONS, (s, v) => s.deleteAlarm(v)).map(([l, e]) => [`delete options ${l}`, e]),
    [
      "at once or later",
      (s) => {
        try {
          s.setAlarm(-1).catch(() => {});
          return "later";
        } catch {
          return "at once";
        }
      },
    ],
  ],
  "the rest": [
    ...each(OPTIONS, (s, v) => s.deleteAll(v)).map(([l, e]) => [`deleteAll options ${l}`, e]),
    ["sync", (s) => s.sync()],
    [
      "sync with a write",
      async (s) => {
        s.put("k", 1);
        return s.sync();
      },
    ],
    ["getCurrentBookmark", (s) => s.getCurrentBookmark()],
    ["getBookmarkForTime none", (s) => s.getBookmarkForTime()],
    ...each(ODD, (s, v) => s.getBookmarkForTime(v)).map(([l, e]) => [`getBookmarkForTime ${l}`, e]),
    ["onNextSessionRestoreBookmark none", (s) => s.onNextSessionRestoreBookmark()],
    ...each(ODD, (s, v) => s.onNextSessionRestoreBookmark(v)).map(([l, e]) => [`onNextSessionRestoreBookmark ${l}`, e]),
    ["ensureReplicas", (s) => s.ensureReplicas()],
    ["disableReplicas", (s) => s.disableReplicas()],
    ["waitForBookmark", (s) => s.waitForBookmark("x")],
    ["primary", (s) => s.primary],
    ["databaseSize", (s) => s.sql.databaseSize > 0],
    [
      "databaseSize cannot be set",
      (s) => {
        try {
          s.sql.databaseSize = 5;
        } catch (e) {
          return e.name;
        }
      },
    ],
    ...["get", "put", "list", "delete", "getAlarm", "setAlarm", "deleteAlarm", "sync", "getCurrentBookmark"].map((name) => [
      `ticks of ${name}`,
      async (s) => {
        const given = { put: ["a", 1], setAlarm: [4102444800000], list: [] }[name] ?? ["a"];
        let ticks = 0;
        let done = false;
        const waiting = (name === "sync" ? s.sync() : s[name](...given)).then(() => {
          done = true;
        });
        while (!done && ticks < 50) {
          await null;
          ticks += 1;
        }
        await waiting;
        return ticks === 50 ? "in a later turn" : "in this turn";
      },
    ]),
    [
      "ticks of sync after a write",
      async (s) => {
        s.put("a", 1);
        let ticks = 0;
        let done = false;
        const waiting = s.sync().then(() => {
          done = true;
        });
        while (!done && ticks < 50) {
          await null;
          ticks += 1;
        }
        await waiting;
        return ticks === 50 ? "in a later turn" : "in this turn";
      },
    ],
    [
      "order of promises",
      async (s) => {
        const order = [];
        await Promise.all([
          s.get("a").then(() => order.push("get")),
          s.put("a", 1).then(() => order.push("put")),
          s.list().then(() => order.push("list")),
          s.delete("a").then(() => order.push("delete")),
        ]);
        return order;
      },
    ],
    ["promises are plain", (s) => [s.get("a"), s.put("a", 1), s.list(), s.sync(), s.getAlarm()].map((p) => p instanceof Promise)],
    [
      "results",
      async (s) => [
        await s.put("a", 1),
        await s.put({ b: 1 }),
        await s.delete("a"),
        await s.delete(["a", "b", "b"]),
        await s.deleteAll(),
        await s.setAlarm(4102444800000),
        await s.deleteAlarm(),
        await s.sync(),
      ],
    ],
    [
      "get many",
      async (s) => {
        await s.put({ b: 2, a: 1, é: 3 });
        const m = await s.get(["é", "b", "nope", "a", "b"]);
        return [m, m.constructor === Map];
      },
    ],
  ],
};
