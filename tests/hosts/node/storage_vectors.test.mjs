/**
 * What the real runtime answered (tests/vectors/storage.json) is what we answer.
 *
 * Covers S-33, S-36 to S-40, S-42 to S-49 and S-51 to S-67 of durable-objects.md 12 as far as storage alone decides them.
 */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { Operations } from "../python/storage/peer/operations.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const { cases } = JSON.parse(readFileSync(new URL("../../vectors/storage.json", import.meta.url), "utf8"));
const folder = temporaryFolder();
const CLASSES = { STORE: {}, NOALARM: { hasAlarmHandler: false }, LEGACY: { sqliteClass: false } };

/** The operations on ours, where time passes when a turn ends. */
class OurOperations extends Operations {
  constructor(rig) {
    super({
      get storage() {
        return rig.js;
      },
    });
    this.rig = rig;
  }

  run(name, args) {
    return name === "sleep" ? this.rig.settled() : super.run(name, args);
  }
}

for (const [index, { name, class: className, turns }] of cases.entries()) {
  test(name, async () => {
    const rig = new Rig(join(folder, `${index}.sqlite`), { ...CLASSES[className], name: "case" });
    if (className !== "LEGACY") rig.storage.writeName();
    const operations = new OurOperations(rig);
    for (const turn of turns) {
      if (turn.thrown !== undefined) {
        assert.deepEqual(await play(rig, operations, turn.operations), [{ thrown: turn.thrown }]);
        continue;
      }
      const found = await play(
        rig,
        operations,
        turn.steps.map(([operation]) => operation),
      );
      const differences = turn.steps.flatMap(([operation, expected], i) =>
        isSame(operation, expected, found[i]) ? [] : [{ operation, expected, found: found[i] }],
      );
      assert.deepEqual(differences, []);
    }
  });
}

/** One request: a result per operation, or `[{thrown}]` when the object was reset. */
async function play(rig, operations, list) {
  const results = JSON.parse(JSON.stringify(await operations.all(list)));
  await rig.settled();
  const { failure } = rig;
  rig.failure = null;
  return failure === null ? results : [{ thrown: `Error: ${failure.message}` }];
}

/** The sizes of databases depend on the SQLite library. */
function isSame(operation, expected, found) {
  if (operation[0] === "size" && found.ok > 0) return found.ok % 4096 === 0;
  return JSON.stringify(found) === JSON.stringify(expected);
}
