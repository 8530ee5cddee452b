/**
 * Functions and RpcTargets that one owner lends to others (durable-objects.md 8).
 *
 * Each time such a value goes over RPC a `Reference` is made; every stub has a `Holding` of it. With the last holding the value's own
 * `Symbol.dispose` is called. A stub ends when it is disposed, when the owner that holds it ends, and when nobody can reach it any more.
 */

import { Instance } from "../instance.mjs";
import { queueMicrotask } from "../originals.mjs";
import { begunHere, rootContext } from "../owner.mjs";
import { Turn } from "../turns.mjs";
import { HOME_GONE, STUB_DISPOSED } from "./errors.mjs";
import { NO_OBJECT, REFUSED, sourceOfObject } from "./visit.mjs";

/** Stubs that user code has forgotten without disposing them. @type {FinalizationRegistry<Holding>} */
const forgotten = new FinalizationRegistry((holding) => holding.release());

/** @param {object} target a function, or an object of a class */
function nameOf(target) {
  return (typeof target === "function" ? target.name : target.constructor?.name) || "a function";
}

/** One value as it was passed once. */
export class Reference {
  #target;
  #home;
  #holdings = 0;
  /** @type {import("../owner.mjs").Hold | null} */
  #awake = null;

  /**
   * @param {object} target
   * @param {import("../owner.mjs").Owner | null} home whose code it is
   * @param {{keepsAwake: boolean}} options whether its home stays awake while somebody holds it (S-99)
   */
  constructor(target, home, { keepsAwake }) {
    this.#target = target;
    this.#home = home;
    this.keepsAwake = keepsAwake && home !== null;
  }

  /** @returns {Holding} */
  hold() {
    this.#holdings += 1;
    if (this.#holdings === 1 && this.keepsAwake && !this.#home.dead) {
      this.#awake = this.#home.hold("stub", () => `a stub of ${nameOf(this.#target)}`, begunHere());
    }
    return new Holding(this);
  }

  release() {
    this.#holdings -= 1;
    if (this.#holdings > 0) return;
    const home = this.#home;
    if (home === null) queueMicrotask(() => rootContext(() => this.#dispose()));
    else home.resume(null, () => home.enter(() => this.#dispose()));
    if (this.#awake !== null && !home.dead) home.release(this.#awake);
    this.#awake = null;
  }

  /** A failure of the user's `Symbol.dispose` is nobody's but the host's to report: it stays an unhandled rejection. */
  async #dispose() {
    await this.#target[Symbol.dispose]?.();
  }

  /** @param {import("./visit.mjs").Visit} visit */
  take(visit) {
    const home = this.#home;
    const place = { receiver: this.#target, kind: "value", home, context: [], source: NO_OBJECT };
    if (home === null) {
      enterNobody(visit, place);
    } else if (home.dead) {
      visit.failed(new Error(HOME_GONE), REFUSED);
    } else if (home instanceof Instance) {
      enterInstance(visit, { ...place, source: sourceOfObject(home.handle) }, home);
    } else {
      enterInvocation(visit, place, { byReference: true });
    }
  }
}

function enterNobody(visit, place) {
  const failed = (error) => visit.failed(error, { stage: "thrown", source: NO_OBJECT, byReference: true });
  queueMicrotask(() => rootContext(async () => visit.work(place)).then((result) => visit.done(result), failed));
}

function enterInstance(visit, place, instance) {
  const failed = (error, reset) => visit.failed(error, { stage: reset ? "reset" : "thrown", source: place.source, byReference: true });
  instance.deliver(
    new Turn(
      visit.label,
      () => visit.work(place),
      (result) => visit.done(result),
      failed,
    ),
  );
}

/**
 * Run a visit as code of an invocation of the Worker, after the code that runs now.
 *
 * @param {import("./visit.mjs").Visit} visit
 * @param {import("./visit.mjs").Place} place its home is the invocation
 * @param {{byReference: boolean}} options
 */
export function enterInvocation(visit, place, { byReference }) {
  const { home: invocation, source } = place;
  let over = false;
  const ends = () => {
    const first = !over;
    over = true;
    invocation.forgetKilled(killed);
    return first;
  };
  const killed = () => {
    if (ends()) visit.failed(new Error(HOME_GONE), { stage: "reset", source, byReference });
  };
  const done = (result) => {
    if (ends()) visit.done(result);
  };
  const failed = (error) => {
    if (ends()) visit.failed(error, { stage: "thrown", source, byReference });
  };
  invocation.whenKilled(killed);
  queueMicrotask(() => {
    if (over) return;
    invocation
      .run(() => visit.work(place), visit.label)
      .then(
        (result) => invocation.emit(() => done(result)),
        (error) => invocation.emit(() => failed(error)),
      );
  });
}

/** One stub's share in a reference; a reach. */
export class Holding {
  #reference;
  #holder = null;
  #released = false;
  #holderEnds = () => this.release();

  /** @param {Reference} reference */
  constructor(reference) {
    this.#reference = reference;
  }

  get released() {
    return this.#released;
  }

  /** @param {import("./visit.mjs").Visit} visit */
  take(visit) {
    if (this.#released) visit.failed(new Error(STUB_DISPOSED), REFUSED);
    else this.#reference.take(visit);
  }

  /** Another share, with a life of its own. @throws {Error} this one is over */
  again() {
    if (this.#released) throw new Error(STUB_DISPOSED);
    return this.#reference.hold();
  }

  /** It ends when nobody can reach `stub` any more. @param {object} stub */
  endsWith(stub) {
    forgotten.register(stub, this, this);
  }

  /** It ends with this owner at the latest. @param {import("../owner.mjs").Owner | null} owner */
  heldBy(owner) {
    if (owner === null || this.#released || this.#holder !== null) return;
    if (owner.dead) {
      this.release();
      return;
    }
    this.#holder = owner;
    owner.whenKilled(this.#holderEnds);
  }

  release() {
    if (this.#released) return;
    this.#released = true;
    forgotten.unregister(this);
    this.#holder?.forgetKilled(this.#holderEnds);
    this.#reference.release();
  }
}
