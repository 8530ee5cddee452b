/**
 * `env.AI` as user code sees it: class `Ai` and what hangs on it, over one inner fetcher (ai-binding.md 0, 1.1 and 1.3).
 */

/** The binding. */
export class Ai {
  #fetcher;

  /** @param {(request: import("./surface/request.mjs").Request) => Promise<import("./surface/response.mjs").Response>} fetcher */
  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  fetch(request) {
    return this.#fetcher(request);
  }
}
