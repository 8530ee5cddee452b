/**
 * The recorded answers to the probe of surface_peer/ are still the real runtime's.
 *
 * Needs workerd in build/peers (`npm install --prefix build/peers wrangler@4`); skipped without. With RECORD=1 the answers are recorded.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const WORKERD = fileURLToPath(new URL("../../../build/peers/node_modules/@cloudflare/workerd-linux-64/bin/workerd", import.meta.url));
const PROBE = fileURLToPath(new URL("surface_peer", import.meta.url));
const VECTORS = new URL("../../vectors/surface.json", import.meta.url);
const START_MS = 30_000;

test("the real runtime's answers", { skip: existsSync(WORKERD) ? false : "no workerd in build/peers" }, async () => {
  const answers = await askWorkerd();
  if (process.env.RECORD === "1") {
    const comment = "What the real runtime answers to tests/hosts/node/surface_peer; recorded by surface_peer.test.mjs with RECORD=1.";
    writeFileSync(VECTORS, `${JSON.stringify({ comment, answers }, null, 1)}\n`);
  }
  assert.deepEqual(answers, JSON.parse(readFileSync(VECTORS, "utf8")).answers);
});

async function askWorkerd() {
  const port = await freePort();
  const places = ["--socket-addr", `http=127.0.0.1:${port}`];
  const child = spawn(WORKERD, ["serve", "--experimental", "workerd.capnp", "config", ...places], { cwd: PROBE, stdio: "ignore" });
  try {
    const deadline = performance.now() + START_MS;
    for (;;) {
      try {
        return await (await fetch(`http://127.0.0.1:${port}/probe`)).json();
      } catch (error) {
        assert.ok(child.exitCode === null && performance.now() < deadline, `workerd does not start: ${error}`);
        await sleep(50);
      }
    }
  } finally {
    // Asked nicely it would wait for the sockets that the probe leaves open.
    child.kill("SIGKILL");
  }
}

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}
