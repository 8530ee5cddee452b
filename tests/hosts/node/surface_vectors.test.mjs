/** What the real runtime answered to the probe of surface_peer/ (surface_peer.test.mjs records it), held against this host's surface. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import process from "node:process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const { answers } = JSON.parse(readFileSync(new URL("../../vectors/surface.json", import.meta.url), "utf8"));
const program = fileURLToPath(new URL("surface_answers.mjs", import.meta.url));
const ours = JSON.parse(execFileSync(process.execPath, ["--disable-warning=ExperimentalWarning", program], { maxBuffer: 2 ** 26 }));

for (const [name, expected] of Object.entries(answers)) {
  test(name, () => assert.deepEqual(ours[name], expected));
}

test("the probe and its recording have the same checks", () => {
  assert.deepEqual(Object.keys(ours), Object.keys(answers));
});
