/**
 * What user code finds in JavaScript is what it finds on the real runtime: arguments of all kinds, values, cursors, transactions, alarms
 * (tests/vectors/storage_javascript.json).
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { install } from "../../../emulator/hosts/node/surface/install.mjs";
import { answer, PROBES } from "./storage_peer/probes.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

install({ flags: {} });

const { answers } = JSON.parse(readFileSync(new URL("../../vectors/storage_javascript.json", import.meta.url), "utf8"));
const folder = temporaryFolder();

/** The differences we keep, each with its reason. */
const ACCEPTED = {
  "kv arguments: list sees the first one changed": "there the first row is read ahead, and comes again when it is replaced",
  "kv arguments: list in a savepoint that is rolled back": "an internal error there; ours goes on",
  "values: shared": "the real runtime has an internal error; V8's own text says more",
  "values that cannot be stored: headers": "stored there in a format of their own; nobody does",
  "values that cannot be stored: request": "as headers",
  "values that cannot be stored: response": "as headers; there it is the body's stream that is refused",
  "values that cannot be stored: blob": "as headers",
  "values that cannot be stored: nothing is left of it": "the blob",
  "rows and cursors: rows written by statements for tables": "SQLite does not tell; rows of the schema's own table",
  "rows and cursors: rows read of one": "SQLite does not tell how many rows it looked at",
  "rows and cursors: rows written with two indexes": "an upsert counts as if it inserted",
  "rows and cursors: rows written by a trigger": "SQLite tells of the statement's own table only",
  "transactions: sync async": "refused here (docs/parity.md); there the end of it is not in the transaction",
  "transactions: deleteAll in sync": "an internal error there; ours says what is wrong",
  "shapes: sql": "the constructors Cursor and Statement are of no use to anybody",
  "the rest: ticks of getCurrentBookmark": "there it waits for the disk; here there is nothing to wait for",
};

for (const name of Object.keys(PROBES)) {
  test(name, async () => {
    const rig = new Rig(join(folder, `${name}.sqlite`), { name: `probe ${name}` });
    rig.storage.writeName();
    const found = await answer(name, rig.js);
    const labels = new Set([...Object.keys(found), ...Object.keys(answers[name])]);
    const differences = [...labels]
      .filter((label) => found[label] !== answers[name][label])
      .map((label) => ({ label: `${name}: ${label}`, expected: answers[name][label], found: found[label] }));
    assert.deepEqual(
      differences.filter(({ label }) => !(label in ACCEPTED)),
      [],
    );
    const kept = Object.keys(ACCEPTED).filter((label) => label.startsWith(`${name}: `));
    assert.deepEqual(
      kept.filter((label) => !differences.some((difference) => difference.label === label)),
      [],
      "differences that are none any more",
    );
  });
}
