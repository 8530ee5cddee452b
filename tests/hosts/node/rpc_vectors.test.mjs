/** What the real runtime answered to the probe of rpc_peer/ (rpc_peer.test.mjs records it), held against this host. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** Where we differ on purpose, and why. @type {Record<string, {ours: unknown, because: string}>} */
const DIFFERENT = {
  "lifetimes: of an entrypoint": {
    ours: [31, ["end of 31"], 35],
    because: "the real runtime has ended the event before it can dispose of what the event lent",
  },
};

const { answers } = JSON.parse(readFileSync(new URL("../../vectors/rpc.json", import.meta.url), "utf8"));
const program = fileURLToPath(new URL("rpc_answers.mjs", import.meta.url));
const ours = JSON.parse(execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", program], { maxBuffer: 2 ** 26 }));

test("a callback while its event lasts", () => assert.equal(ours.saved, answers.saved));

for (const [name, expected] of Object.entries(answers.checks)) {
  const different = DIFFERENT[name];
  test(different === undefined ? name : `${name} (different: ${different.because})`, () => {
    assert.deepEqual(ours.checks[name], different === undefined ? expected : different.ours);
  });
}

test("the probe and its recording have the same checks", () => {
  assert.deepEqual(Object.keys(ours.checks), Object.keys(answers.checks));
});
