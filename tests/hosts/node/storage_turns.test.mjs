/** Turns, transactions and dead instances: what the host relies on (durable-objects.md 2.4 to 2.6). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { CommitFailed, StorageRevoked } from "../../../emulator/hosts/node/storage/storage.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const folder = temporaryFolder();
let count = 0;
const newPath = () => join(folder, `${++count}.sqlite`);
/** Turns end when the test says so. */
const newRig = (options = {}) => new Rig(newPath(), { manual: true, ...options });
const ALARM = 4_102_444_800_000;
const ORPHANS = "CREATE TABLE p(id PRIMARY KEY); CREATE TABLE c(p REFERENCES p(id) DEFERRABLE INITIALLY DEFERRED)";
const REFUSED =
  "Durable Object was reset and rolled back to its last known good state because the application left the database in a state where " +
  "constraints were violated: FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)";

class Boom extends Error {}

/** Whether `promise` is settled already. */
async function isSettled(promise) {
  const pending = Symbol("pending");
  return (await Promise.race([promise, Promise.resolve(pending)])) !== pending;
}

test("the first write of a turn is told once", () => {
  const rig = newRig();
  assert.deepEqual(rig.rows("SELECT 1"), [[1]]);
  assert.deepEqual([rig.dirtyCalls, rig.storage.isDirty], [0, false]);
  rig.rows("CREATE TABLE t(a)");
  rig.js.put("k", 1);
  assert.deepEqual([rig.dirtyCalls, rig.storage.isDirty], [1, true]);
  rig.storage.commit();
  assert.equal(rig.storage.isDirty, false);
  rig.js.put("k", 2);
  assert.equal(rig.dirtyCalls, 2);
});

test("a reset before the commit loses the turn and nothing else", async () => {
  // S-34, S-35
  const rig = newRig();
  rig.js.put("kept", 1);
  rig.storage.commit();
  rig.js.put("lost", 1);
  rig.rows("CREATE TABLE lost(a)");
  rig.reopen();
  assert.deepEqual([await rig.js.get("kept"), await rig.js.get("lost")], [1, undefined]);
  assert.deepEqual(rig.rows("SELECT name FROM sqlite_master WHERE name = 'lost'"), []);
});

test("a failed commit rolls everything back and says why", async () => {
  // S-29, S-31
  const rig = newRig();
  rig.rows(ORPHANS);
  rig.storage.commit();
  rig.rows("INSERT INTO c VALUES (1)");
  rig.js.put("k", 1);
  rig.js.setAlarm(ALARM);
  assert.throws(
    () => rig.storage.commit(),
    (error) => error instanceof CommitFailed && error.message === REFUSED,
  );
  assert.deepEqual(rig.alarms, []);
  rig.reopen();
  assert.deepEqual([rig.rows("SELECT * FROM c"), await rig.js.get("k")], [[], undefined]);
});

test("sync ends with the commit and never with a failed one", async () => {
  const rig = newRig();
  rig.js.put("k", 1);
  const synced = rig.js.sync();
  assert.equal(await isSettled(synced), false);
  rig.storage.commit();
  assert.equal(await isSettled(synced), true);
  await rig.js.sync();
  rig.js.put("k", 2);
  const lost = rig.js.sync();
  rig.reopen();
  await rig.settled();
  assert.equal(await isSettled(lost), false);
});

test("a dead instance cannot touch storage", async () => {
  const rig = newRig();
  rig.js.put("k", 1);
  rig.storage.commit();
  const dead = rig.js;
  const cursor = dead.sql.exec("SELECT 1 AS a");
  rig.reopen();
  for (const access of [
    () => dead.sql.exec("SELECT 1"),
    () => dead.kv.put("k", 2),
    () => dead.kv.list(),
    () => dead.transactionSync(() => 1),
  ]) {
    assert.throws(access, StorageRevoked);
  }
  for (const access of [() => dead.get("k"), () => dead.put("k", 2), () => dead.setAlarm(1), () => dead.deleteAll()]) {
    await assert.rejects(access, StorageRevoked);
  }
  assert.equal(rig.js.kv.get("k"), 1);
  assert.deepEqual(cursor.one(), { a: 1 }); // what was read is read
});

test("writes are in the file after the commit only", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a)");
  rig.storage.commit();
  const reader = new Rig(rig.path); // a second handle on the same file sees what is committed
  rig.rows("INSERT INTO t VALUES (1)");
  assert.deepEqual(reader.rows("SELECT a FROM t"), []);
  rig.storage.commit();
  assert.deepEqual(reader.rows("SELECT a FROM t"), [[1]]);
});

test("transactionSync passes values and errors unchanged", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a)");
  const marker = {};
  assert.equal(
    rig.js.transactionSync(() => marker),
    marker,
  );
  const boom = new Boom();
  assert.throws(
    () =>
      rig.js.transactionSync(() => {
        rig.rows("INSERT INTO t VALUES (1)");
        throw boom;
      }),
    (error) => error === boom,
  );
  assert.deepEqual(rig.rows("SELECT * FROM t"), []);
});

test("an async transaction lasts across turns and rolls back as one", async () => {
  // S-39
  const rig = newRig();
  rig.js.put("before", 1); // the turn so far is committed when the transaction begins
  await assert.rejects(
    rig.js.transaction(async (txn) => {
      await txn.put("inside", 1);
      await rig.settled();
      rig.storage.commit(); // the host's end of turn
      await rig.js.setAlarm(ALARM);
      throw new Boom();
    }),
    Boom,
  );
  assert.deepEqual([await rig.js.get("before"), await rig.js.get("inside")], [1, undefined]);
  assert.deepEqual([rig.alarms, rig.storage.isDirty], [[], false]);
});

test("an async transaction commits at its end", async () => {
  const rig = newRig();
  const value = await rig.js.transaction(async (txn) => {
    await txn.put("inside", 1);
    await txn.setAlarm(ALARM);
    return "value";
  });
  assert.deepEqual([value, rig.alarms], ["value", [ALARM]]);
  assert.equal(await new Rig(rig.path).js.get("inside"), 1);
});

test("an async transaction that cannot commit means reset", async () => {
  const rig = newRig();
  rig.rows(ORPHANS);
  await assert.rejects(
    rig.js.transaction(async () => rig.rows("INSERT INTO c VALUES (1)")),
    CommitFailed,
  );
  assert.deepEqual(rig.rows("SELECT * FROM c"), []);
});

test("a reset ends open transactions", async () => {
  const rig = newRig();
  const { promise: never, resolve: end } = Promise.withResolvers();
  const hanging = rig.js.transaction(async (txn) => {
    await txn.put("inside", 1);
    await never;
  });
  await rig.settled();
  rig.storage.rollback();
  assert.equal(await rig.js.get("inside"), undefined);
  rig.js.put("after", 1);
  rig.storage.commit();
  end(); // the dead code's end must not disturb what came after
  await hanging;
  assert.equal(await rig.js.get("after"), 1);
});

test("a reset inside of transactionSync leaves the savepoint alone", () => {
  const rig = newRig();
  rig.js.kv.put("kept", 1);
  rig.storage.commit();
  assert.throws(
    () =>
      rig.js.transactionSync(() => {
        rig.js.kv.put("lost", 1);
        rig.storage.rollback();
        throw new Boom();
      }),
    Boom,
  );
  assert.deepEqual([...rig.js.kv.list()], [["kept", 1]]);
});

test("a statement that rolls the turn back itself", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a UNIQUE)");
  rig.rows("INSERT INTO t VALUES (1)");
  rig.storage.commit();
  rig.js.setAlarm(ALARM);
  assert.throws(() => rig.rows("INSERT OR ROLLBACK INTO t VALUES (1)"), /UNIQUE/);
  assert.equal(rig.storage.alarm.get(), null);
  rig.storage.commit();
  assert.deepEqual(rig.alarms, []);
  rig.rows("INSERT INTO t VALUES (2)");
  rig.storage.commit();
  assert.deepEqual(rig.rows("SELECT a FROM t ORDER BY a"), [[1], [2]]);
});

test("what comes after such a statement is a turn of its own", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a UNIQUE)");
  rig.rows("INSERT INTO t VALUES (1)");
  rig.storage.commit();
  rig.js.setAlarm(ALARM);
  assert.throws(() => rig.rows("INSERT OR ROLLBACK INTO t VALUES (1)"), /UNIQUE/);
  rig.js.kv.put("k", 1);
  rig.storage.commit();
  assert.deepEqual([rig.alarms, rig.js.kv.get("k")], [[], 1]);
});

test("a rollback forgets what the turn knew of the alarm", () => {
  const rig = newRig();
  rig.js.setAlarm(ALARM);
  rig.storage.rollback();
  rig.js.kv.put("k", 1);
  rig.storage.commit();
  assert.deepEqual(rig.alarms, []);
});

test("a transaction that ends takes those inside of it along", async () => {
  const rig = newRig();
  const { promise: never } = Promise.withResolvers();
  let inner;
  await rig.js.transaction(async (outer) => {
    rig.js.transaction(async (txn) => {
      inner = txn;
      await never;
    });
    await rig.settled();
    outer.rollback();
  });
  await assert.rejects(inner.put("k", 1), { message: "Cannot put() on rolled back transaction" });
});

test("sync lets others have their turn even when there is nothing to wait for", async () => {
  const rig = newRig();
  const synced = rig.js.sync();
  assert.equal(await isSettled(synced), false);
  await rig.settled();
  assert.equal(await isSettled(synced), true);
});

test("delete all keeps the alarm before the flag", async () => {
  // S-63
  const rig = newRig({ flags: { delete_all_deletes_alarm: false } });
  rig.js.setAlarm(ALARM);
  rig.js.put("k", 1);
  await rig.js.deleteAll();
  assert.deepEqual([await rig.js.getAlarm(), await rig.js.get("k"), rig.alarms], [ALARM, undefined, [ALARM]]);
});

test("delete all takes everything user code made", async () => {
  const rig = newRig();
  rig.rows(`
    CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT, b REFERENCES a(id)); INSERT INTO a(b) VALUES (NULL), (1);
    CREATE VIRTUAL TABLE f USING fts5(body); CREATE VIRTUAL TABLE r USING rtree(id, x0, x1);
    CREATE VIEW v AS SELECT * FROM a; CREATE INDEX i ON a(b);
    CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; END; CREATE TABLE "odd ""name"(a);
  `);
  rig.rows("ANALYZE a");
  rig.storage.commit();
  await rig.js.deleteAll();
  assert.deepEqual(rig.rows("SELECT name FROM sqlite_master WHERE name <> 'sqlite_sequence'"), []);
  rig.rows("CREATE TABLE a(id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO a DEFAULT VALUES");
  assert.deepEqual(rig.rows("SELECT id FROM a"), [[1]]);
  assert.deepEqual(rig.rows("PRAGMA foreign_keys"), [[1]]);
});
