/** `list` and the other key-value operations against a plain Map, with generated keys (S-57 to S-60). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { successor } from "../../../emulator/hosts/node/storage/kv.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const folder = temporaryFolder();
const CHARACTERS = ["a", "b", "\0", "\x7f", "\u0080", "é", "\ud7ff", "\ue000", "\uffff", "😀", "\u{10ffff}"];
const RUNS = 40;

/** The same numbers for the same seed. */
function dice(seed) {
  let state = seed;
  return (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
}

const someKey = (roll) => Array.from({ length: roll(4) }, () => CHARACTERS[roll(CHARACTERS.length)]).join("");
const maybe = (roll, value) => (roll(2) === 0 ? undefined : value());
const byUtf8 = (a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b));

function someOptions(roll) {
  const key = () => someKey(roll);
  const from = roll(2) === 0 ? { start: maybe(roll, key) } : { startAfter: maybe(roll, key) };
  return { prefix: maybe(roll, key), ...from, end: maybe(roll, key), limit: maybe(roll, () => 1 + roll(5)), reverse: roll(2) === 1 };
}

/** The options said in JavaScript, over keys compared by their UTF-8 bytes. */
function expected(entries, { prefix, start, startAfter, end, limit, reverse }) {
  const inside = (key) =>
    (prefix === undefined || key.startsWith(prefix)) &&
    (start === undefined || byUtf8(key, start) >= 0) &&
    (startAfter === undefined || byUtf8(key, startAfter) > 0) &&
    (end === undefined || byUtf8(key, end) < 0);
  const found = [...entries].filter(([key]) => inside(key)).sort(([a], [b]) => byUtf8(a, b));
  return (reverse ? found.reverse() : found).slice(0, limit);
}

test("list agrees with a sorted map", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const roll = dice(seed);
    const rig = new Rig(join(folder, `list ${seed}.sqlite`), { manual: true });
    const entries = new Map(Array.from({ length: roll(12) }, () => [someKey(roll), roll(10)]));
    for (const [key, value] of entries) rig.js.kv.put(key, value);
    for (let i = 0; i < 12; i++) {
      const options = someOptions(roll);
      assert.deepEqual([...rig.js.kv.list(options)], expected(entries, options), `seed ${seed} ${JSON.stringify(options)}`);
    }
    rig.storage.revoke();
  }
});

test("a scan shows what is written behind it and nothing before it", () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const roll = dice(seed);
    const rig = new Rig(join(folder, `scan ${seed}.sqlite`), { manual: true });
    const now = new Map();
    const put = (key, value) => now.set(key, value) && rig.js.kv.put(key, value);
    for (let i = 0; i < 8; i++) put(someKey(roll), i);
    const options = { ...someOptions(roll), limit: maybe(roll, () => 4) };
    const scan = rig.js.kv.list(options);
    let last = null;
    let left = options.limit ?? 100;
    for (let i = 0; i < 12; i++) {
      const rest = expected(now, { ...options, limit: undefined }).filter(
        ([key]) => last === null || (options.reverse ? byUtf8(key, last) < 0 : byUtf8(key, last) > 0),
      );
      const { done, value } = scan.next();
      assert.deepEqual(value, left > 0 ? rest[0] : undefined, `seed ${seed} step ${i}`);
      if (done) break;
      last = value[0];
      left -= 1;
      if (roll(2) === 0) put(someKey(roll), 100 + i);
      else now.delete(last) && rig.js.kv.delete(last);
    }
    rig.storage.revoke();
  }
});

test("any sequence of operations agrees with a map", async () => {
  for (let seed = 1; seed <= RUNS; seed++) {
    const roll = dice(seed);
    const rig = new Rig(join(folder, `sequence ${seed}.sqlite`), { manual: true });
    let saved = new Map();
    let now = new Map();
    const keys = () => Array.from({ length: roll(4) }, () => someKey(roll));
    const steps = {
      put: () => {
        const [key, value] = [someKey(roll), roll(10)];
        rig.js.kv.put(key, value);
        now.set(key, value);
      },
      delete: () => {
        const key = someKey(roll);
        assert.equal(rig.js.kv.delete(key), now.delete(key));
      },
      deleteMany: async () => {
        const several = keys();
        assert.equal(await rig.js.delete(several), several.filter((key) => now.delete(key)).length);
      },
      getMany: async () => {
        const several = keys();
        const wanted = [...now].filter(([key]) => several.includes(key)).sort(([a], [b]) => byUtf8(a, b));
        assert.deepEqual([...(await rig.js.get(several))], wanted);
      },
      commit: () => {
        rig.storage.commit();
        saved = new Map(now);
      },
      rollback: () => {
        rig.storage.rollback();
        now = new Map(saved);
      },
      close: () => {
        rig.storage.commit();
        rig.storage.close();
        saved = new Map(now);
      },
    };
    for (let i = 0; i < 25; i++) {
      const name = Object.keys(steps)[roll(7)];
      await steps[name]();
      assert.deepEqual([...(await rig.js.list())], expected(now, {}), `seed ${seed} step ${i} ${name}`);
    }
    rig.storage.revoke();
  }
});

test("nothing with the prefix reaches its successor", () => {
  const roll = dice(7);
  for (let i = 0; i < 500; i++) {
    const prefix = someKey(roll) || "a";
    const after = successor(prefix);
    assert.ok(after === undefined || byUtf8(prefix + someKey(roll), after) < 0, JSON.stringify(prefix));
  }
  assert.equal(successor("\u{10ffff}\u{10ffff}"), undefined);
  assert.equal(successor("a\u{10ffff}"), "b");
});
