/** `request.signal` of a request that user code gave no signal: made when somebody asks for it. */

/** Aborts when the client leaves. */
export class ClientSignal {
  /** @type {AbortController | null} */
  #controller = null;
  #reason = undefined;
  #aborted = false;

  /** @returns {AbortSignal} */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** @param {unknown} reason */
  abort(reason) {
    this.#aborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}
