import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const DEBUGGED = fileURLToPath(new URL("stall_debugged.mjs", import.meta.url));
const BLOCKER = fileURLToPath(new URL("stall_blocker.mjs", import.meta.url));

/** Run a script to its end: what it printed. */
async function run(script) {
  const child = spawn(process.execPath, [script], { stdio: ["ignore", "pipe", "pipe"] });
  const said = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"]) {
    child[name].setEncoding("utf8");
    child[name].on("data", (text) => {
      said[name] += `${text}`;
    });
  }
  const [code] = await once(child, "close");
  assert.equal(code, 0, said.stderr);
  return said;
}

test("the line that blocks is named while it blocks, and its time is told afterwards", async () => {
  const said = await run(BLOCKER);
  const [reports, firstEnd] = JSON.parse(said.stdout);
  assert.deepEqual(
    reports.map(({ where }) => where),
    [`${BLOCKER}:9`, `${BLOCKER}:30`],
  );
  assert.ok(
    reports.every(({ ms }) => ms >= 500),
    said.stdout,
  );
  const named = said.stderr.trimEnd().split("\n");
  assert.deepEqual(
    named,
    [9, 30].map((line) => `agents-emu: user code blocks the event loop: ${BLOCKER}:${line}`),
  );
  assert.equal(firstEnd, "the loop ended by itself");
});

test("a process that a debugger may hold is left alone from its first moment on", async () => {
  const { stdout, stderr } = await run(DEBUGGED);
  assert.equal(stdout, "debugger: true\n");
  assert.match(stderr, /^Debugger listening/);
  assert.ok(!stderr.includes("blocks the event loop"), stderr);
});
