/** One message on its way: the values, and what is lent with them. */

import { Copier } from "./copy.mjs";

/** Arguments or a result, copied. Disposing it ends every stub in it. */
export class Parcel {
  value;
  #holdings;
  #home;
  #disposeSource = null;
  #disposed = false;

  /**
   * @param {unknown} value what the other side gets
   * @param {import("./reference.mjs").Holding[]} holdings
   * @param {import("../owner.mjs").Owner | null} home who sent it
   */
  constructor(value, holdings, home) {
    this.value = value;
    this.#holdings = holdings;
    this.#home = home;
  }

  /** The result's own `Symbol.dispose` runs at its home with the stubs' end. */
  disposes(source) {
    const dispose = source[Symbol.dispose];
    if (typeof dispose === "function") this.#disposeSource = () => dispose.call(source);
  }

  /** Its stubs end with this owner at the latest. @param {import("../owner.mjs").Owner | null} owner */
  heldBy(owner) {
    for (const holding of this.#holdings) holding.heldBy(owner);
  }

  dispose() {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const holding of this.#holdings) holding.release();
    const dispose = this.#disposeSource;
    if (dispose === null) return;
    if (this.#home === null) dispose();
    else this.#home.resume(null, () => this.#home.enter(async () => dispose()));
  }
}

/**
 * The arguments of a call; their stubs last as long as the call.
 * @param {unknown[]} args
 * @param {import("../owner.mjs").Owner | null} home
 * @returns {Parcel}
 * @throws {DOMException} DataCloneError
 */
export function packArguments(args, home) {
  return pack(args, home, false);
}

/**
 * The result of a call. What the caller gets has a `Symbol.dispose` that ends every stub in it.
 * @param {unknown} result
 * @param {import("../owner.mjs").Owner | null} home
 * @returns {Parcel}
 * @throws {DOMException} DataCloneError
 */
export function packResult(result, home) {
  const parcel = pack(result, home, true);
  const { value } = parcel;
  if (typeof value !== "object" || value === null) return parcel;
  parcel.disposes(result);
  Object.defineProperty(value, Symbol.dispose, { value: () => parcel.dispose(), writable: true, configurable: true });
  return parcel;
}

function pack(value, home, isResult) {
  const copier = new Copier(home, { isResult });
  try {
    return new Parcel(copier.message(value), copier.holdings, home);
  } catch (error) {
    for (const holding of copier.holdings) holding.release();
    throw error;
  }
}
