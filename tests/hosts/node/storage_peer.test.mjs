/**
 * Back and forth with the real `wrangler dev`, JavaScript on both sides: the recorded answers are still its answers, and each reads and
 * continues what the other wrote.
 *
 * Needs wrangler in build/peers (`npm install --prefix build/peers wrangler@4`); skipped without. With RECORD=1 the answers are recorded.
 */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import process from "node:process";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { IdSpace } from "../../../emulator/hosts/node/ids.mjs";
import { FacetFiles, ROOT } from "../../../emulator/hosts/node/storage/facet_files.mjs";
import * as state from "./storage_peer/state.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const WRANGLER = fileURLToPath(new URL("../../../build/peers/node_modules/wrangler/bin/wrangler.js", import.meta.url));
const VECTORS = new URL("../../vectors/storage_javascript.json", import.meta.url);
const skip = existsSync(WRANGLER) ? false : "no wrangler in build/peers";
const START_MS = 90_000;
const running = new Set();

after(() => {
  for (const child of running) process.kill(-child.pid, "SIGKILL");
});

/** A running `wrangler dev` on the worker of storage_peer/, with its state in `folder`. */
class Peer {
  #child;
  #url;

  static async start(folder) {
    const worker = join(folder, "worker");
    cpSync(new URL("storage_peer", import.meta.url), worker, { recursive: true });
    const port = await freePort();
    const peer = new Peer();
    peer.#url = `http://127.0.0.1:${port}`;
    const places = ["--ip", "127.0.0.1", "--port", port, "--inspector-port", 0, "--persist-to", join(folder, "state")].map(String);
    peer.#child = spawn(process.execPath, [WRANGLER, "dev", ...places], {
      cwd: worker,
      env: { ...process.env, CI: "1", WRANGLER_SEND_METRICS: "false" },
      stdio: ["ignore", "ignore", "ignore"],
      detached: true,
    });
    running.add(peer.#child);
    const deadline = performance.now() + START_MS;
    for (;;) {
      try {
        await peer.ask("inspect", "nobody");
        return peer;
      } catch (error) {
        assert.ok(peer.#child.exitCode === null && performance.now() < deadline, `wrangler does not start: ${error}`);
        await sleep(100);
      }
    }
  }

  async ask(operation, path = "", argument = "") {
    const response = await fetch(`${this.#url}/${operation}/${path}?argument=${argument}`);
    if (response.status === 500 && path === "nobody") return null; // it runs, and there is nothing to inspect
    assert.equal(response.status, 200, await response.clone().text());
    return await response.json();
  }

  async stop() {
    const ended = new Promise((resolve) => this.#child.once("exit", resolve));
    process.kill(-this.#child.pid, "SIGTERM");
    await ended;
    running.delete(this.#child);
  }
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** The storage of an object of the peer, or of the facet of it that `path` leads to. */
function ours(folder, name, ...path) {
  const ids = new IdSpace("peer", "Store");
  const root = join(folder, "state", "v3", "do", ids.unique, `${ids.idFromName(name)}.sqlite`);
  const facets = new FacetFiles(root);
  const number = path.reduce((parent, facet) => facets.number(parent, facet), ROOT);
  return new Rig(facets.path(number), { name, isFacet: path.length > 0 }); // a facet without an id of its own has its parent's (S-112)
}

/** One turn on `rig`, which gives its file back. */
async function turn(rig, work) {
  rig.storage.writeName();
  const result = await work(rig.js);
  await rig.settled();
  rig.storage.close();
  return JSON.parse(JSON.stringify(result ?? null));
}

const PLACES = [[], ["one"], ["one", "deep"], ["zwei 😀"]];
const folder = temporaryFolder();

test("the recorded answers are its answers", { skip }, async () => {
  const peer = await Peer.start(folder);
  const answers = await peer.ask("probes");
  await peer.stop();
  const recorded = JSON.parse(readFileSync(VECTORS, "utf8"));
  if (process.env.RECORD === "1") writeFileSync(VECTORS, `${JSON.stringify({ ...recorded, answers }, null, 1)}\n`);
  else assert.deepEqual(answers, recorded.answers);
});

test("we read and continue what it wrote, and it what we wrote", { skip }, async () => {
  const path = (place) => ["room", ...place.map(encodeURIComponent)].join("/");
  let peer = await Peer.start(folder);
  const written = [];
  for (const place of PLACES) {
    await peer.ask("fill", path(place), "theirs");
    if (place.length === 0) await peer.ask("alarm", path(place), "0");
    written.push(await peer.ask("inspect", path(place)));
  }
  await peer.stop();

  const changed = [];
  for (const [index, place] of PLACES.entries()) {
    const rig = ours(folder, "room", ...place);
    assert.deepEqual(await turn(rig, state.inspect), written[index], `we read ${place.join("/") || "the object"}`);
    await turn(rig, (storage) => state.fill(storage, "ours"));
    await turn(rig, (storage) => state.change(storage, "ours"));
    if (place.length === 0) await turn(rig, (storage) => state.alarm(storage, 1000));
    changed.push(await turn(rig, state.inspect));
    assert.equal(rig.storage.readName(), "room");
    rig.storage.close();
  }
  assert.notDeepEqual(changed, written);
  const added = ours(folder, "room", "one", "added");
  await turn(added, (storage) => state.fill(storage, "ours"));

  peer = await Peer.start(folder);
  for (const [index, place] of PLACES.entries()) {
    assert.deepEqual(await peer.ask("inspect", path(place)), changed[index], `it reads ${place.join("/") || "the object"}`);
    await peer.ask("fill", path(place), "theirs again");
  }
  assert.deepEqual(await peer.ask("inspect", path(["one", "added"])), await turn(added, state.inspect));
  await peer.stop();
  const last = await turn(ours(folder, "room"), state.inspect);
  assert.ok(last.keys.includes("theirs again/number") && last.keys.includes("ours/number") && last.keys.includes("theirs/number"));
});
