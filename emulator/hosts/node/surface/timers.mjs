/**
 * `setTimeout` and its relatives. A timer is code of the owner that armed it: it keeps it awake (S-99), fires when its input gate lets it
 * (a timer armed before a `blockConcurrencyWhile` fires after it, S-20), and never for a dead one.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { needEvent } from "../module_level.mjs";
import { setTimeout as nodeSetTimeout } from "../originals.mjs";
import { begunHere, currentOwner, currentSection } from "../owner.mjs";
import { port } from "./port.mjs";

/** A shorter wait keeps nobody awake for long, and there may be very many of them. */
const WORTH_A_LINE_MS = 100;

/** Timers that user code knows by a number. @type {Map<number, Timeout>} */
const numbered = new Map();
let lastNumber = 0;

/** What `setTimeout` and `setInterval` give with nodejs_compat; without it they give its number. */
class Timeout {
  #callback;
  #args;
  #delayMs;
  #repeat;
  #number;
  #owner = currentOwner();
  #section = currentSection();
  #armed = null;
  #ref = true;
  /** @type {import("../owner.mjs").Hold | null} */
  #hold = null;
  /** @type {import("../begun.mjs").Begun | null} */
  #begun = null;

  constructor(callback, delayMs, args, repeat) {
    needEvent();
    // What Node says of a callback that is none is what the platform says.
    if (typeof callback !== "function") nodeSetTimeout(callback);
    this.#callback = callback;
    this.#args = args;
    this.#delayMs = delayMs;
    this.#repeat = repeat;
    lastNumber += 1;
    this.#number = lastNumber;
    if (repeat || delayMs >= WORTH_A_LINE_MS) this.#begun = begunHere();
    this.#arm();
  }

  get #text() {
    return `${this.#repeat ? "setInterval" : "setTimeout"} ${this.#delayMs} ms`;
  }

  ref() {
    this.#ref = true;
    return this;
  }

  /** Without effect but on `hasRef`: no timer keeps this process alive. */
  unref() {
    this.#ref = false;
    return this;
  }

  hasRef() {
    return this.#ref;
  }

  /** Begins its time anew. */
  refresh() {
    this.close();
    this.#arm();
    return this;
  }

  close() {
    if (this.#armed !== null) port().clock.cancel(this.#armed);
    this.#spend();
    return this;
  }

  [Symbol.dispose]() {
    this.close();
  }

  [Symbol.toPrimitive]() {
    if (this.#armed !== null) numbered.set(this.#number, this);
    return this.#number;
  }

  #arm() {
    if (this.#hold === null && this.#owner !== null && !this.#owner.dead) {
      this.#hold = this.#owner.hold("timer", () => this.#text, this.#begun);
    }
    this.#armed = port().clock.after(this.#delayMs, () => this.#due());
  }

  #due() {
    const owner = this.#owner;
    if (owner === null) {
      this.#fire();
      return;
    }
    if (owner.dead) {
      this.#spend();
      return;
    }
    const inContext = AsyncLocalStorage.snapshot();
    owner.resume(this.#section, () => {
      // It may have been cleared while it waited at the gate.
      if (this.#armed !== null) inContext(() => this.#fire());
    });
  }

  #fire() {
    if (this.#repeat) this.#arm();
    else this.#armed = null;
    try {
      this.#callback.apply(globalThis, this.#args);
    } catch (error) {
      // A throwing timer does not reset the object (S-16).
      port().unhandled(error);
    }
    if (this.#armed === null) this.#spend();
  }

  #spend() {
    this.#armed = null;
    numbered.delete(this.#number);
    const hold = this.#hold;
    if (hold === null) return;
    this.#hold = null;
    if (!this.#owner.dead) this.#owner.release(hold);
  }
}

/** What `setImmediate` gives. */
class Immediate {
  #timeout;

  constructor(callback, args) {
    this.#timeout = new Timeout(callback, 0, args, false);
  }

  ref() {
    this.#timeout.ref();
    return this;
  }

  unref() {
    this.#timeout.unref();
    return this;
  }

  hasRef() {
    return this.#timeout.hasRef();
  }

  close() {
    this.#timeout.close();
  }

  [Symbol.dispose]() {
    this.close();
  }

  get [Symbol.toStringTag]() {
    return "Immediate";
  }
}

/** @param {Function} callback @param {number} [delay] ms */
export function setTimeout(callback, delay = 0, ...args) {
  return visible(new Timeout(callback, delayOf(delay), args, false));
}

/** @param {Function} callback @param {number} [delay] ms */
export function setInterval(callback, delay = 0, ...args) {
  // A thousand times a second is as often as the platform's go.
  return visible(new Timeout(callback, Math.max(delayOf(delay), 1), args, true));
}

/** @param {Function} callback */
export function setImmediate(callback, ...args) {
  return new Immediate(callback, args);
}

/** @param {Timeout | Immediate | number} [timer] anything else is ignored */
export function clearTimeout(timer) {
  if (typeof timer === "number") needEvent();
  const found = typeof timer === "number" ? numbered.get(timer) : timer;
  if (found instanceof Timeout || found instanceof Immediate) found.close();
}

export { clearTimeout as clearImmediate, clearTimeout as clearInterval };

function visible(timer) {
  return port().flags.nodejs_compat ? timer : timer[Symbol.toPrimitive]();
}

function delayOf(delay) {
  // NaN is no delay.
  return Math.max(Number(delay) || 0, 0);
}
