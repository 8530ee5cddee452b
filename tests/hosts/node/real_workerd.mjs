/** The real runtime, as probes ask it: workerd from build/peers (`npm install --prefix build/peers wrangler@4`), for one question. */

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const WORKERD = fileURLToPath(new URL("../../../build/peers/node_modules/@cloudflare/workerd-linux-64/bin/workerd", import.meta.url));
const START_MS = 30_000;

/**
 * The test that the recorded answers of a probe are still the real runtime's. Skipped without workerd; with RECORD=1 they are recorded.
 *
 * @param {string} probe the probe's folder here, whose workerd.capnp is served
 * @param {string} vectors the recording's name in tests/vectors
 * @param {() => Promise<unknown>} ask asks for all answers
 */
export function holdAgainstRecording(probe, vectors, ask) {
  const file = new URL(`../../vectors/${vectors}`, import.meta.url);
  test("the real runtime's answers", { skip: existsSync(WORKERD) ? false : "no workerd in build/peers" }, async () => {
    const answers = await ask();
    if (process.env.RECORD === "1") {
      const comment = `What the real runtime answers to tests/hosts/node/${probe}; recorded by ${probe}.test.mjs with RECORD=1.`;
      writeFileSync(file, `${JSON.stringify({ comment, answers }, null, 1)}\n`);
    }
    assert.deepEqual(answers, JSON.parse(readFileSync(file, "utf8")).answers);
  });
}

/**
 * Serve a probe while `use` asks it.
 *
 * @template T
 * @param {string} probe as above
 * @param {string[]} places further arguments of workerd
 * @param {(ask: (path: string) => Promise<unknown>) => Promise<T>} use `ask` gives the JSON at a path, once workerd is up
 * @returns {Promise<T>}
 */
export async function withWorkerd(probe, places, use) {
  const port = await freePort();
  const folder = fileURLToPath(new URL(probe, import.meta.url));
  const child = spawn(
    WORKERD,
    ["serve", "--experimental", "workerd.capnp", "config", ...places, "--socket-addr", `http=127.0.0.1:${port}`],
    {
      cwd: folder,
      stdio: "ignore",
    },
  );
  try {
    return await use((path) => firstAnswer(`http://127.0.0.1:${port}${path}`, child));
  } finally {
    // Asked nicely it would wait for the sockets that a probe leaves open.
    child.kill("SIGKILL");
  }
}

async function firstAnswer(url, child) {
  const deadline = performance.now() + START_MS;
  for (;;) {
    try {
      return await (await fetch(url)).json();
    } catch (error) {
      assert.ok(child.exitCode === null && performance.now() < deadline, `workerd does not start: ${error}`);
      await sleep(50);
    }
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
