/** `request.signal` of a request that user code gave no signal: made when somebody asks for it. */

import { AbortController } from "../originals.mjs";

/** Aborts when the client leaves. */
export class ClientSignal {
  #owner;
  /** @type {AbortController | null} */
  #controller = null;
  #reason = undefined;
  #aborted = false;
  /** @type {ClientSignal[]} */
  #followers = [];

  /** @param {import("../owner.mjs").Owner | null} [owner] whose request it is of: listeners are its code, and wait at its input gate */
  constructor(owner = null) {
    this.#owner = owner;
  }

  /** @returns {AbortSignal} */
  get signal() {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      if (this.#aborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /**
   * The same for a request that `owner` was sent in turn (`request_signal_passthrough`).
   * @param {import("../owner.mjs").Owner} owner
   * @returns {ClientSignal}
   */
  passedTo(owner) {
    const follower = new ClientSignal(owner);
    if (this.#aborted) follower.abort(this.#reason);
    else this.#followers.push(follower);
    return follower;
  }

  /** @param {unknown} reason */
  abort(reason) {
    this.#aborted = true;
    this.#reason = reason;
    const controller = this.#controller;
    const owner = this.#owner;
    if (controller !== null && owner !== null) owner.resume(null, () => owner.enter(() => controller.abort(reason)));
    else controller?.abort(reason);
    for (const follower of this.#followers.splice(0)) follower.abort(reason);
  }
}
