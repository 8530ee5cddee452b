/** The gateway's `clock` (wire/README.md, *Time*): everything that is due, in order, and everything that it sets in motion. */

/** Moves a virtual clock; one per process. */
export class Advance {
  #clock;
  #quiet;
  #link;
  /** One move after the other. @type {Promise<unknown>} */
  #last = Promise.resolve();

  /**
   * @param {import("./virtual_clock.mjs").VirtualClock} clock
   * @param {import("./quiet.mjs").Quiet} quiet
   * @param {{asked: number}} link `asked` counts what the gateway was asked
   */
  constructor(clock, quiet, link) {
    this.#clock = clock;
    this.#quiet = quiet;
    this.#link = link;
  }

  /**
   * @param {number} toMs
   * @returns {Promise<number | null>} the earliest timer that is left once nothing is runnable
   */
  to(toMs) {
    const moved = this.#last.then(() => this.#move(toMs));
    this.#last = moved;
    return moved;
  }

  async #move(toMs) {
    const asked = this.#link.asked;
    // What came before this call is over before anything fires, and each timer's work before the next: else who is faster would matter.
    await this.#quiet.reached();
    this.#clock.reach(toMs);
    while (this.#clock.fireFirst()) {
      await this.#quiet.reached();
      // The gateway answers first; what is left is due at its next call.
      if (this.#link.asked !== asked) break;
    }
    return this.#clock.nextMs();
  }
}
