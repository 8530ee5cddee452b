/** What an object writes and what it finds, in the same words on both runtimes: the journey of storage_peer.test.mjs. */
import { Point } from "./probes/odd.mjs";
import { show } from "./probes.mjs";

const ALARM_MS = 4_102_444_800_123;

function values() {
  const shared = { text: "shared" };
  const cycle = { name: "cycle", list: [shared, shared] };
  cycle.self = cycle;
  return {
    number: 2.5,
    integers: [0, -1, 2 ** 31, -(2 ** 31), 2 ** 53, -0],
    text: "größer 😀",
    long: "x".repeat(10_000),
    nothing: null,
    undefined: { a: undefined, list: [undefined] },
    list: [1, "two", { three: [true, false] }],
    date: new Date(1_700_000_000_123),
    map: new Map([
      ["a", 1],
      ["b", new Set([1, "x", { deep: new Map() }])],
    ]),
    big: [2n ** 70n, -1n, 0n],
    pattern: /a+\d/giu,
    bytes: [new Uint8Array([1, 2, 3]), new Float64Array([1.5, -0]), new BigInt64Array([-5n]), new Uint8Array([9, 8, 7]).buffer],
    part: new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
    boxes: [new Number(5), new String("s"), new Boolean(false)],
    cycle,
    instance: new Point(7),
    error: new RangeError("text", { cause: { why: 1 } }),
    "error with members": Object.assign(new Error("text"), { name: "Mine", code: 5, inner: [new TypeError("inner")] }),
    "dom exception": new DOMException("text", "AbortError"),
    Größe: 1,
    "😀": 2,
    "\u{ffff}": 3,
    "": 4,
  };
}

/** Write something of every kind. `mark` tells the writers apart. */
export async function fill(storage, mark) {
  for (const [key, value] of Object.entries(values())) await storage.put(`${mark}/${key}`, value);
  await storage.put({ [`${mark}/many 1`]: 1, [`${mark}/many 2`]: 2 });
  storage.kv.put(`${mark}/undefined itself`, undefined);
  await storage.put(`${mark}/gone`, 1);
  await storage.delete(`${mark}/gone`);
  storage.sql.exec(`
    CREATE TABLE IF NOT EXISTS messages (id INTEGER PRIMARY KEY AUTOINCREMENT, author TEXT NOT NULL, body, sent_at INTEGER DEFAULT 5);
    CREATE TABLE IF NOT EXISTS replies (of INTEGER REFERENCES messages (id), body TEXT, PRIMARY KEY (of, body)) WITHOUT ROWID;
    CREATE INDEX IF NOT EXISTS by_author ON messages (author);
    CREATE VIRTUAL TABLE IF NOT EXISTS found USING fts5 (body);
    CREATE TRIGGER IF NOT EXISTS finding AFTER INSERT ON messages BEGIN INSERT INTO found VALUES (new.body); END;
  `);
  const bodies = ["hello world", 5, 2.5, null, new Uint8Array([1, 2]), true, "größer 😀", 2 ** 53];
  for (const body of bodies) storage.sql.exec("INSERT INTO messages (author, body) VALUES (?, ?)", mark, body);
  storage.transactionSync(() => {
    const { id } = storage.sql.exec("SELECT max(id) AS id FROM messages").one();
    storage.sql.exec("INSERT INTO replies VALUES (?, ?)", id, `to ${mark}`);
  });
  try {
    await storage.transaction(async (txn) => {
      await txn.put(`${mark}/lost`, 1);
      storage.sql.exec("DELETE FROM messages");
      throw new Error("back");
    });
  } catch {
    // Its writes are not there: `inspect` shows it.
  }
}

/** Everything there is, as text. */
export async function inspect(storage) {
  const all = await storage.list();
  return {
    keys: [...all.keys()],
    values: [...all].map(([key, value]) => `${key} = ${show(value)}`),
    reversed: [...(await storage.list({ reverse: true, limit: 3 })).keys()],
    synchronous: storage.kv.get("theirs/number") ?? null,
    messages: storage.sql
      .exec("SELECT *, typeof(body) AS kind FROM messages ORDER BY id")
      .toArray()
      .map((row) => show(row)),
    replies: show(storage.sql.exec("SELECT * FROM replies ORDER BY of").toArray()),
    found: show(storage.sql.exec("SELECT rowid FROM found('hello') ORDER BY 1").toArray()),
    tables: show(
      storage.sql.exec("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '\\_cf\\_%' ESCAPE '\\' ORDER BY name").toArray(),
    ),
    alarm: await storage.getAlarm(),
  };
}

/** Change what the other runtime wrote. */
export async function change(storage, mark) {
  storage.sql.exec("UPDATE messages SET author = author || ? WHERE id = 1", ` and ${mark}`);
  storage.sql.exec("DELETE FROM messages WHERE body = 5");
  storage.sql.exec("ALTER TABLE messages ADD COLUMN changed_by TEXT DEFAULT 'nobody'");
  const list = await storage.get("theirs/list");
  await storage.put("theirs/list", [...list, mark]);
  await storage.delete(["theirs/many 1", "theirs/many 2", "theirs/nope"]);
}

/** Facets have none. */
export async function alarm(storage, later) {
  await storage.setAlarm(ALARM_MS + later);
}
