/** What the key-value methods take. */
import { ODD, OPTIONS, Point, each } from "./odd.mjs";

export default {
  "get arguments": [
    ["none", (s) => s.get()],
    ...each(ODD, (s, v) => s.get(v)),
    ...each(OPTIONS, (s, v) => s.get("k", v)).map(([l, e]) => [`options ${l}`, e]),
  ],
  "put arguments": [
    ["none", (s) => s.put()],
    ["a key", (s) => s.put("k")],
    ["undefined", (s) => s.put("k", undefined)],
    ...each(ODD, (s, v) => s.put(v, 1)).map(([l, e]) => [`key ${l}`, e]),
    ["all after the keys", (s) => s.list()],
    ...each(ODD, (s, v) => s.put(v)).map(([l, e]) => [`entries ${l}`, e]),
    ...each(OPTIONS, (s, v) => s.put("k", 1, v)).map(([l, e]) => [`options ${l}`, e]),
    ...each(OPTIONS, (s, v) => s.put({ a: 1 }, v)).map(([l, e]) => [`entries and options ${l}`, e]),
    ["undefined members", (s) => s.put({ gone: undefined, here: 1 })],
    ["inherited members", (s) => s.put(Object.create({ above: 1 }, { own: { value: 2, enumerable: true } }))],
    ["hidden members", (s) => s.put(Object.defineProperty({}, "hidden", { value: 1 }))],
    ["symbol members", (s) => s.put({ [Symbol("s")]: 1, text: 2 })],
    [
      "getters",
      (s) =>
        s.put({
          get computed() {
            return 3;
          },
        }),
    ],
    [
      "getters that throw",
      (s) =>
        s.put({
          a1: 1,
          get bad() {
            throw new RangeError("mine");
          },
        }),
    ],
    ["one cannot be stored", (s) => s.put({ first: 1, second: () => 1 })],
    ["an instance", (s) => s.put(new Point(7))],
    ["no prototype", (s) => s.put(Object.assign(Object.create(null), { bare: 1 }))],
    ["all", (s) => s.list()],
  ],
  "delete arguments": [
    ["none", (s) => s.delete()],
    ...each(ODD, (s, v) => s.delete(v)),
    ...each(OPTIONS, (s, v) => s.delete("k", v)).map(([l, e]) => [`options ${l}`, e]),
  ],
  "list arguments": [
    ["some", (s) => s.put({ a: 1, b: 2, c: 3, null: 4, 5: 5 })],
    ["none", (s) => s.list()],
    ...each(OPTIONS, (s, v) => s.list(v)).map(([l, e]) => [`options ${l}`, e]),
    ...each(ODD, (s, v) => s.list({ start: v })).map(([l, e]) => [`start ${l}`, e]),
    ...each(ODD, (s, v) => s.list({ prefix: v })).map(([l, e]) => [`prefix ${l}`, e]),
    ...each({ ...ODD, 1.9: 1.9, "-1.5": -1.5, "text 2": "2", NaN: NaN, "2**31": 2 ** 31, Infinity: Infinity }, (s, v) =>
      s.list({ limit: v }),
    ).map(([l, e]) => [`limit ${l}`, e]),
    ...each(ODD, (s, v) => s.list({ reverse: v, limit: 1 })).map(([l, e]) => [`reverse ${l}`, e]),
    ["both starts", (s) => s.list({ start: "a", startAfter: "b" })],
    ["null and undefined", (s) => s.list({ start: undefined, startAfter: null, end: undefined })],
    [
      "getters that throw",
      (s) =>
        s.list({
          get limit() {
            throw new RangeError("mine");
          },
        }),
    ],
    ["inherited", (s) => s.list(Object.create({ limit: 1 }))],
  ],
  "kv arguments": [
    ["get none", (s) => s.kv.get()],
    ...each(ODD, (s, v) => s.kv.get(v)).map(([l, e]) => [`get ${l}`, e]),
    ["put none", (s) => s.kv.put()],
    ["put a key", (s) => s.kv.put("k")],
    ["put undefined", (s) => [s.kv.put("k", undefined), s.kv.get("k"), [...s.kv.list()]]],
    ["put a function", (s) => s.kv.put("k", () => 1)],
    ["put too much", (s) => s.kv.put("k", 1, {}, 2)],
    ...each(ODD, (s, v) => s.kv.put(v, 1)).map(([l, e]) => [`put ${l}`, e]),
    ["delete none", (s) => s.kv.delete()],
    ["delete", (s) => [s.kv.delete("k"), s.kv.delete("k")]],
    ...each(ODD, (s, v) => s.kv.delete(v)).map(([l, e]) => [`delete ${l}`, e]),
    ["some", (s) => [s.kv.put("a", 1), s.kv.put("b", 2), s.kv.put("c", 3)]],
    ...each(OPTIONS, (s, v) => [...s.kv.list(v)]).map(([l, e]) => [`list ${l}`, e]),
    ["list limit", (s) => [...s.kv.list({ limit: 1 })]],
    ["list bad limit", (s) => s.kv.list({ limit: 0 })],
    ["list both starts", (s) => s.kv.list({ start: "a", startAfter: "a" })],
    ["list reverse", (s) => [...s.kv.list({ reverse: true })]],
    [
      "list end",
      (s) => {
        const l = s.kv.list();
        return [l.next(), l.next(), l.next(), l.next(), l.next()];
      },
    ],
    [
      "list twice",
      (s) => {
        const l = s.kv.list();
        return [[...l], [...l]];
      },
    ],
    [
      "list is its iterator",
      (s) => {
        const l = s.kv.list();
        return l[Symbol.iterator]() === l;
      },
    ],
    [
      "list sees writes",
      (s) => {
        const l = s.kv.list();
        const found = [l.next().value];
        s.kv.put("bb", 9);
        s.kv.delete("c");
        return [...found, ...l];
      },
    ],
    [
      "list sees the next one deleted",
      (s) => {
        s.kv.put("a", 1);
        s.kv.put("b", 2);
        s.kv.put("c", 3);
        const l = s.kv.list({ start: "a" });
        const found = [l.next().value];
        s.kv.delete("b");
        return [...found, ...l];
      },
    ],
    [
      "list ends the one before",
      (s) => {
        const l = s.kv.list();
        l.next();
        const m = s.kv.list();
        try {
          l.next();
        } catch (e) {
          return [e.message, [...m]];
        }
      },
    ],
    [
      "list ends the one before, which had not begun",
      (s) => {
        const l = s.kv.list();
        s.kv.list();
        return l.next();
      },
    ],
    [
      "list ends the one before, which was over",
      (s) => {
        const l = s.kv.list();
        for (const _ of l);
        s.kv.list();
        return l.next();
      },
    ],
    [
      "list ends the one before, which gave its last",
      (s) => {
        const l = s.kv.list({ limit: 1 });
        l.next();
        s.kv.list();
        return l.next();
      },
    ],
    [
      "list ends the one before, which was empty",
      (s) => {
        const l = s.kv.list({ start: "zzz" });
        s.kv.list();
        return l.next();
      },
    ],
    [
      "list ends the one before that was broken off",
      (s) => {
        const l = s.kv.list();
        for (const _ of l) break;
        s.kv.list();
        return l.next();
      },
    ],
    [
      "list with bad options ends nothing",
      (s) => {
        const l = s.kv.list();
        l.next();
        try {
          s.kv.list({ limit: 0 });
        } catch {}
        return l.next();
      },
    ],
    [
      "list of other options ends it",
      (s) => {
        const l = s.kv.list({ limit: 2 });
        l.next();
        s.kv.list({ reverse: true });
        return l.next();
      },
    ],
    [
      "list ends in an async list",
      async (s) => {
        const l = s.kv.list();
        l.next();
        await s.list();
        return l.next();
      },
    ],
    [
      "list ends in its own loop",
      (s) => {
        for (const [key] of s.kv.list()) s.kv.list({ prefix: key });
      },
    ],
    [
      "list goes on after get, put and delete",
      (s) => {
        const l = s.kv.list();
        const found = [l.next().value];
        s.kv.get("b");
        s.kv.put("b", 2);
        s.kv.delete("nope");
        s.sql.exec("SELECT 1");
        return [...found, ...l];
      },
    ],
    [
      "list in a savepoint that is rolled back",
      (s) => {
        const l = s.kv.list();
        const found = [l.next().value];
        try {
          s.transactionSync(() => {
            s.kv.put("aaaa", 1);
            throw new Error("back");
          });
        } catch {}
        try {
          return [...found, ...l];
        } catch (e) {
          return e.message;
        }
      },
    ],
    [
      "list over the end of a turn",
      async (s) => {
        s.kv.put("last", 1);
        const l = s.kv.list();
        const found = [l.next().value];
        await new Promise((resolve) => setTimeout(resolve, 5));
        return [...found, ...l];
      },
    ],
    [
      "list sees the next one changed",
      (s) => {
        s.kv.put("a", 1);
        s.kv.put("b", 2);
        s.kv.put("c", 3);
        const l = s.kv.list({ start: "a" });
        const found = [l.next().value];
        s.kv.put("b", "changed");
        return [...found, ...l];
      },
    ],
    [
      "list sees one before the next one",
      (s) => {
        const l = s.kv.list({ start: "a" });
        const found = [l.next().value];
        s.kv.put("aa", 1);
        return [...found, ...l];
      },
    ],
    [
      "list sees one behind the last one",
      (s) => {
        const l = s.kv.list({ start: "a", end: "ab" });
        const found = [l.next().value, l.next().value];
        s.kv.put("aaa", 1);
        return [...found, ...l];
      },
    ],
    [
      "list sees the first one",
      (s) => {
        const l = s.kv.list({ start: "x" });
        s.kv.put("x", 1);
        return [...l];
      },
    ],
    [
      "list sees the first one changed",
      (s) => {
        const l = s.kv.list({ start: "x" });
        s.kv.put("x", 2);
        return [...l];
      },
    ],
    [
      "list at its end stays there",
      (s) => {
        const l = s.kv.list({ start: "x" });
        const found = [...l];
        s.kv.put("y", 2);
        return [found, [...l]];
      },
    ],
    [
      "list destructured",
      (s) => {
        const [[k, v]] = s.kv.list();
        return [k, v];
      },
    ],
    [
      "list broken off",
      (s) => {
        const l = s.kv.list();
        for (const _ of l) break;
        return [...l];
      },
    ],
  ],
};
