/** The Node host without a gateway and without esbuild: a Worker's module as it is, and requests to it from within. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Host } from "../../../emulator/hosts/node/host.mjs";
import { ModuleHooks } from "../../../emulator/hosts/node/module_hooks.mjs";
import { sortExports } from "../../../emulator/hosts/node/user_exports.mjs";
import { Invocation } from "../../../emulator/hosts/node/worker.mjs";

/** What the gateway would hear, and its answer to calls: all is well. */
class SilentLink {
  notes = [];

  note(op, fields) {
    this.notes.push({ op, ...fields });
  }

  async call() {}

  send() {}

  flush() {}
}

/** Imports plain modules. */
class PlainLoader {
  #main;

  constructor(main) {
    this.#main = main;
  }

  prepare() {
    new ModuleHooks().install();
  }

  original() {
    return null;
  }

  async load() {
    const namespace = await import(this.#main);
    return { ...sortExports(namespace, "worker.mjs"), namespace, exports: [], modules: [], warnings: [], inputs: [] };
  }
}

/** A host that runs the Worker of one module. */
export class RpcRig {
  link = new SilentLink();
  #host;
  #folder = mkdtempSync(join(tmpdir(), "rpc-rig-"));

  /**
   * @param {URL} main the Worker's module
   * @param {{name: string, vars?: object, bindings: object[], classes: Record<string, "sqlite">}} project of LOAD's fields
   * @returns {Promise<RpcRig>}
   */
  static async start(main, { name, vars = {}, bindings, classes }) {
    const rig = new RpcRig();
    const places = { root: rig.#folder, main: "worker.mjs", state_dir: rig.#folder };
    rig.#host = new Host(rig.link, new PlainLoader(main.href));
    await rig.#host.load({ ...places, name, vars, secrets: {}, bindings, classes, flags: {}, idle_ms: 10_000 });
    rig.#host.start({ sockets: [], auto_responses: [] });
    return rig;
  }

  get host() {
    return this.#host;
  }

  /** Ask the Worker, in an invocation of its own. @param {string} url @returns {Promise<unknown>} its answer, parsed */
  async ask(url) {
    const invocation = new Invocation(this.#host);
    try {
      const response = await invocation.run(() => invocation.fetch(new Request(url)), "fetch");
      return await response.json();
    } finally {
      invocation.answered();
    }
  }

  /** End the host's objects, and forget their files. */
  async stop() {
    await this.#host.drain(0, "the test is over");
    rmSync(this.#folder, { recursive: true });
  }
}
