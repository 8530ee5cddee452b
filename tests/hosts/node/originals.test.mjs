import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";

const ORIGINALS = new URL("../../../emulator/hosts/node/originals.mjs", import.meta.url).href;

/** Runs `code` in a process of its own after user code has replaced what it can; `originals` is the module. */
function run(code) {
  const script = `
    const originals = await import(${JSON.stringify(ORIGINALS)});
    const replaced = () => { throw new Error("replaced"); };
    for (const name of ["exit", "reallyExit", "abort", "nextTick"]) process[name] = replaced;
    for (const name of ["setTimeout", "setImmediate", "queueMicrotask", "structuredClone"]) globalThis[name] = replaced;
    Date.now = performance.now = Math.random = JSON.parse = JSON.stringify = replaced;
    ${code}`;
  return spawnSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8", timeout: 20_000 });
}

test("the host can end its process whatever became of process.exit", () => {
  const { status, stderr } = run("originals.exit(7);");
  assert.equal(status, 7, stderr);
});

test("time, timers, chance and JSON are those of the start", () => {
  const { status, stdout, stderr } = run(`
    await new Promise((resolve) => originals.setTimeout(() => originals.setImmediate(() => originals.queueMicrotask(() => originals.nextTick(resolve))), 1));
    const values = [originals.nowMs() > 1e12, originals.monotonicMs() > 0, originals.random() < 1, originals.parseJson("1"), originals.structuredClone(2)];
    process.stdout.write(originals.writeJson(values));
    originals.exit(0);`);
  assert.equal(status, 0, stderr);
  assert.equal(stdout, "[true,true,true,1,2]");
});
