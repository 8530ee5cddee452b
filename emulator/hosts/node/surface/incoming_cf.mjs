/**
 * `request.cf` of requests from clients. There is no edge here that could tell where they come from: `core/incoming_cf.json` is what
 * `wrangler dev` says of all of them when it has no network (observed).
 */

import { readFileSync } from "node:fs";

const SAMPLE = new URL("../../../core/incoming_cf.json", import.meta.url);

/** Gives the objects; requests of one kind of client share one, for nobody can change it. */
export class IncomingCf {
  #sample = null;
  #last = null;

  /**
   * @param {[name: string, value: string][]} headers of the request
   * @returns {object} frozen through and through
   */
  of(headers) {
    const clientAcceptEncoding = headers.find(([name]) => name.toLowerCase() === "accept-encoding")?.[1] ?? "";
    if (this.#last?.clientAcceptEncoding !== clientAcceptEncoding) {
      this.#sample ??= JSON.parse(readFileSync(SAMPLE, "utf8"), (_, value) => Object.freeze(value));
      this.#last = Object.freeze({ ...this.#sample, clientAcceptEncoding });
    }
    return this.#last;
  }
}
