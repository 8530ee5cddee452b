/** Node's modules as user code gets them: the platform's form of those that would lead out of the host (observed on workerd). */

import { createRequire } from "node:module";
import { process } from "./originals.mjs";
import { installNodeCrypto } from "./surface/crypto.mjs";
import { installNodeDns } from "./surface/node_dns.mjs";
import { installNodeHttp } from "./surface/node_http.mjs";
import { missing } from "./surface/not_implemented.mjs";

const OURS = new URL(".", import.meta.url).href;
/** The host's own tool, which starts a process. */
const BUNDLER = /\/node_modules\/@?esbuild\//;
/** Modules that we have a form of, in `surface/node_<name>.mjs`. */
const REPLACED = new Set(["child_process", "cluster", "dgram", "http2", "worker_threads"]);

const builtin = createRequire(import.meta.url);

/** One per process. */
export class PlatformBuiltins {
  /** What becomes the platform's in place, when it is first asked for. @type {Record<string, () => void>} */
  #prepared;

  /** @param {import("./network/guard.mjs").Guard} guard */
  constructor(guard) {
    const dns = () => installNodeDns(guard);
    this.#prepared = { http: installNodeHttp, https: installNodeHttp, dns, "dns/promises": dns, crypto: installNodeCrypto };
  }

  /** The ways to Node's modules that are not imports. */
  install() {
    const original = process.getBuiltinModule;
    process.getBuiltinModule = (name) => {
      const url = this.replacement(String(name), undefined);
      return url === null ? original.call(process, name) : builtin(new URL(url).pathname).default;
    };
    process.binding = missing("process.binding");
    process._linkedBinding = missing("process._linkedBinding");
    process.dlopen = missing("process.dlopen");
  }

  /**
   * Called for each import of a built-in module.
   *
   * @param {string} specifier such as "node:http"
   * @param {string | undefined} importer URL of the module that imports it
   * @returns {string | null} URL of the module to take instead
   */
  replacement(specifier, importer) {
    if (importer !== undefined && (importer.startsWith(OURS) || BUNDLER.test(importer))) return null;
    const name = specifier.replace(/^node:/, "");
    if (REPLACED.has(name)) return `${OURS}surface/node_${name}.mjs`;
    const prepare = this.#prepared[name];
    delete this.#prepared[name];
    prepare?.();
    return null;
  }
}
