/** The alarm as storage knows it, and the part of a run the host drives (S-65, S-67, S-68, S-71, S-72). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const folder = temporaryFolder();
let count = 0;
const newRig = (options = {}) => new Rig(join(folder, `${++count}.sqlite`), { manual: true, ...options });
const T1 = 4_102_444_800_000;
const T2 = 4_102_444_900_000;

/** With an alarm at T1 that the host knows of. */
function armedRig() {
  const rig = newRig();
  rig.js.setAlarm(T1);
  rig.storage.commit();
  rig.alarms = [];
  return rig;
}

/** `work` in a savepoint that is rolled back. */
function undone(rig, work) {
  assert.throws(
    () =>
      rig.js.transactionSync(() => {
        work();
        throw new RangeError();
      }),
    RangeError,
  );
}

test("the host hears of the alarm at the commit and only once", () => {
  const rig = newRig();
  rig.js.setAlarm(T1);
  rig.js.setAlarm(T2);
  assert.deepEqual(rig.alarms, []);
  rig.storage.commit();
  rig.js.put("k", 1);
  rig.storage.commit();
  assert.deepEqual(rig.alarms, [T2]);
});

test("it is stored in nanoseconds where wrangler looks", () => {
  const rig = armedRig();
  const file = new DatabaseSync(rig.path, { readBigInts: true, returnArrays: true });
  assert.deepEqual(file.prepare("SELECT key, value, typeof(value) FROM _cf_METADATA").all(), [[1n, BigInt(T1) * 1_000_000n, "integer"]]);
  file.close();
});

test("a time that has passed is now", async () => {
  const rig = newRig({ nowMs: () => 5000 });
  await rig.js.setAlarm(4999);
  assert.equal(await rig.js.getAlarm(), 5000);
  await rig.js.setAlarm(5001);
  assert.equal(await rig.js.getAlarm(), 5001);
});

test("a rolled back alarm is not told", () => {
  const rig = newRig();
  undone(rig, () => rig.js.setAlarm(T1));
  rig.storage.commit();
  assert.deepEqual(rig.alarms, []);
});

test("deleting what is not there is no write", async () => {
  const rig = newRig();
  await rig.js.deleteAlarm();
  assert.equal(rig.storage.isDirty, false);
});

test("a run hides the alarm and its end deletes it", async () => {
  const rig = armedRig();
  assert.equal(rig.storage.alarmStarted(T1), true);
  assert.equal(await rig.js.getAlarm(), null);
  assert.equal(rig.storage.alarm.stored(), T1); // still in the file: a crash runs it again
  rig.storage.alarmFinished({ retry: false });
  rig.storage.commit();
  assert.deepEqual([rig.storage.alarm.stored(), rig.alarms], [null, [null]]);
});

test("a failed run shows the original time until its retry", async () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  rig.storage.alarmFinished({ retry: true });
  assert.deepEqual([await rig.js.getAlarm(), rig.storage.isDirty], [T1, false]);
  assert.equal(rig.storage.alarmStarted(T1), true);
});

for (const retry of [true, false]) {
  test(`a time set during a run that is ${retry ? "" : "not "}to be retried stays`, async () => {
    const rig = armedRig();
    rig.storage.alarmStarted(T1);
    rig.js.setAlarm(T2);
    assert.equal(await rig.js.getAlarm(), T2);
    rig.storage.alarmFinished({ retry });
    rig.storage.commit();
    assert.deepEqual([await rig.js.getAlarm(), rig.alarms], [T2, [T2]]);
  });
}

test("the same time set again during the run is a new alarm", () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  rig.js.setAlarm(T1);
  rig.storage.alarmFinished({ retry: false });
  rig.storage.commit();
  assert.deepEqual(rig.alarms, [T1]);
});

test("an alarm deleted during the run is not retried", () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  rig.js.deleteAlarm();
  rig.storage.alarmFinished({ retry: true });
  rig.storage.commit();
  assert.deepEqual([rig.alarms, rig.storage.alarmStarted(T1)], [[null], false]);
});

test("a set that is rolled back leaves the run as it was", async () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  undone(rig, () => rig.js.setAlarm(T2));
  assert.equal(await rig.js.getAlarm(), null);
  rig.storage.alarmFinished({ retry: false });
  rig.storage.commit();
  assert.equal(rig.storage.alarm.stored(), null);
});

test("a time the object does not know is not run", () => {
  const rig = armedRig();
  assert.equal(rig.storage.alarmStarted(T2), false);
  rig.js.setAlarm(T2);
  rig.storage.commit();
  assert.equal(rig.storage.alarmStarted(T1), false);
});

test("dropping it after the last retry", async () => {
  const rig = armedRig();
  rig.storage.alarmDropped();
  rig.storage.commit();
  assert.deepEqual([await rig.js.getAlarm(), rig.alarms], [null, [null]]);
});

test("dropping it while it runs again changes nothing", () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  rig.storage.alarmDropped();
  assert.deepEqual([rig.storage.alarm.stored(), rig.storage.isDirty], [T1, false]);
});

test("delete all during the run leaves nothing for its end to do", async () => {
  const rig = armedRig();
  rig.storage.alarmStarted(T1);
  await rig.js.deleteAll();
  rig.storage.alarmFinished({ retry: false });
  assert.equal(rig.storage.isDirty, false);
});

test("delete all takes it along", async () => {
  const rig = armedRig();
  await rig.js.deleteAll();
  assert.deepEqual([await rig.js.getAlarm(), rig.alarms], [null, [null]]);
});

test("delete all is silent about an alarm nobody heard of", async () => {
  const rig = newRig();
  rig.js.setAlarm(T1); // not committed
  await rig.js.deleteAll();
  rig.storage.commit();
  assert.deepEqual([rig.alarms, await rig.js.getAlarm()], [[], null]);
});

test("facets and classes without a handler have none", async () => {
  const facet = newRig({ isFacet: true });
  await assert.rejects(facet.js.setAlarm(T1), { name: "TypeError", message: "Facets currently cannot set alarms." });
  assert.equal(await facet.js.getAlarm(), null);
  const without = newRig({ hasAlarmHandler: false }); // S-67
  await assert.rejects(
    without.js.setAlarm(T1),
    /^TypeError: Your Durable Object class must have an alarm\(\) handler in order to call setAlarm\(\)$/,
  );
});
