/**
 * Who running user code belongs to: an object's instance or one invocation of the Worker.
 *
 * Everything user code begins (handlers, timers, outgoing requests, open sockets) is counted for its owner, because an instance with
 * anything unfinished must not hibernate (S-99) and a dead one must not be resumed (durable-objects.md 2.7). The owner travels in an
 * `AsyncLocalStorage`, so it follows `await` and timers without user code knowing.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { Begun } from "./begun.mjs";

/**
 * Whose code runs, in which critical section of its input gate (null: in none), and for which turn of an object (null: for none).
 * @typedef {{owner: Owner, section: import("./gates.mjs").Section | null, turn: import("./turns.mjs").Delivery | null}} Scope
 */

/** @type {AsyncLocalStorage<Scope>} */
const scopes = new AsyncLocalStorage();

/**
 * Call `callback` in the async context of the process's start: no event sees the one of another (node-host.md 6.4).
 * @type {<T>(callback: () => T) => T}
 */
export const rootContext = AsyncLocalStorage.snapshot();

/**
 * Whose code is running, null outside user code.
 * @returns {Owner | null}
 */
export function currentOwner() {
  const scope = scopes.getStore();
  return scope === undefined ? null : scope.owner;
}

/**
 * The critical section the running code belongs to, null when it is in none.
 * @returns {import("./gates.mjs").Section | null}
 */
export function currentSection() {
  const scope = scopes.getStore();
  return scope === undefined ? null : scope.section;
}

/**
 * The turn that began the running code, null when none did.
 * @returns {import("./turns.mjs").Delivery | null}
 */
export function currentTurn() {
  const scope = scopes.getStore();
  return scope === undefined ? null : scope.turn;
}

/**
 * Call `callback` as code of a turn of `owner`; the rest of the caller's async context stays.
 * @template T
 * @param {Owner} owner
 * @param {import("./turns.mjs").Delivery} turn
 * @param {() => T} callback
 * @returns {T}
 */
export function inTurn(owner, turn, callback) {
  return scopes.run({ owner, section: null, turn }, callback);
}

/**
 * Call `callback` as code of a critical section of `owner`; the rest of the caller's async context stays.
 * @template T
 * @param {Owner} owner
 * @param {import("./gates.mjs").Section} section
 * @param {() => T} callback
 * @returns {T}
 */
export function inSection(owner, section, callback) {
  return scopes.run({ owner, section, turn: currentTurn() }, callback);
}

/** What keeps its owner awake, until it is released. */
export class Hold {
  /** Neighbours in the owner's list. @type {Hold | null} */
  before = null;
  /** @type {Hold | null} */
  after = null;
  isReleased = false;
  sinceMs;
  #text;

  /**
   * @param {string} what
   * @param {string | (() => string)} text for people; a function is asked when they look
   * @param {import("./begun.mjs").Begun | null} begun
   * @param {number} sinceMs since 1970, on the clock that user code sees
   */
  constructor(what, text, begun, sinceMs) {
    this.what = what;
    this.#text = text;
    this.begun = begun;
    this.sinceMs = sinceMs;
  }

  get text() {
    return typeof this.#text === "function" ? this.#text() : this.#text;
  }
}

/** Counts what runs. Subclasses say what being quiet means, what a gate lets through, and how effects leave. */
export class Owner {
  /** How people see it: `Chat/me`, or `worker`. */
  label;
  /** Somebody may want to know which lines began what keeps it busy. */
  remembersLines = false;
  /** Nothing of a dead owner is ever resumed. */
  dead = false;
  /** The input gate, null where there is none (the Worker). @type {import("./gates.mjs").InputGate | null} */
  gate = null;
  /** What keeps it busy besides its events, by kind; 0 where it is over. @type {Map<string, number> | null} */
  #counts = null;
  /** The first and the last of its holds. @type {Hold | null} */
  #first = null;
  /** @type {Hold | null} */
  #last = null;
  /** How much keeps it busy. */
  held = 0;
  #scope = { owner: this, section: null, turn: null };
  /** @type {Set<() => void> | null} */
  #mourners = null;

  /** @param {string} label */
  constructor(label) {
    this.label = label;
  }

  /** Nothing it began is unfinished. */
  get quiet() {
    return this.held === 0;
  }

  /** How much of each kind keeps it busy: `timer`, `fetch`, `call`, `socket`, `stub`, `body`, `waitUntil`. @returns {Map<string, number>} */
  get holdCounts() {
    return new Map([...(this.#counts ?? [])].filter(([, count]) => count > 0));
  }

  /** Everything that keeps it busy besides its events, in the order in which it began. @returns {Iterable<Hold>} */
  *holds() {
    for (let hold = this.#first; hold !== null; hold = hold.after) yield hold;
  }

  /** @param {string} what @returns {boolean} */
  isHeldBy(what) {
    return this.#counts !== null && (this.#counts.get(what) ?? 0) > 0;
  }

  /** The time that holds are given. @returns {number} ms since 1970 */
  nowMs() {
    return 0;
  }

  /**
   * Something keeps it busy until `release`.
   * @param {string} what
   * @param {string | (() => string)} [text] for people
   * @param {import("./begun.mjs").Begun | null} [begun]
   * @returns {Hold}
   */
  hold(what, text = what, begun = null) {
    const hold = new Hold(what, text, begun, this.nowMs());
    // Most invocations of the Worker never hold anything.
    this.#counts ??= new Map();
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
    this.held += 1;
    hold.before = this.#last;
    if (this.#last === null) this.#first = hold;
    else this.#last.after = hold;
    this.#last = hold;
    return hold;
  }

  /**
   * That something has ended.
   * @param {Hold} hold
   */
  release(hold) {
    if (hold.isReleased) throw new Error(`${this.label} is not held by this ${hold.what} any more`);
    hold.isReleased = true;
    const { what, before, after } = hold;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    hold.before = hold.after = null;
    this.#counts.set(what, this.#counts.get(what) - 1);
    this.held -= 1;
    if (this.held === 0) this.onQuiet();
  }

  /**
   * Call `callback` now as code of this owner, in an async context that knows nothing else.
   * @template T
   * @param {() => T} callback
   * @returns {T}
   */
  enter(callback) {
    return rootContext(() => scopes.run(this.#scope, callback));
  }

  /**
   * Start `work` now as code of this owner, which stays busy with `label` until it has ended.
   * @template T
   * @param {() => T | Promise<T>} work
   * @param {string} label
   * @returns {Promise<T>}
   */
  async run(work, label) {
    const hold = this.hold("task", label);
    try {
      return await this.enter(work);
    } finally {
      if (!this.dead) this.release(hold);
    }
  }

  /**
   * An answer for this owner has arrived: call `callback` when its input gate lets that code run; never once it is dead.
   * The base has no gate. `callback` runs in whatever context the caller is in: settling a promise needs none.
   * @param {import("./gates.mjs").Section | null} _section the section that began what is answered
   * @param {() => void} callback
   * @returns {boolean} false: that code never runs again
   */
  resume(_section, callback) {
    if (!this.dead) callback();
    return !this.dead;
  }

  /**
   * Let an effect (a reply, a frame, an outgoing request) leave; not once it is dead. The base has no output gate.
   * @param {() => void} effect
   */
  emit(effect) {
    if (!this.dead) effect();
  }

  /** The last thing that kept it busy has ended. */
  onQuiet() {}

  /** Call `callback` when this owner is killed: somebody outside waits for its code. @param {() => void} callback */
  whenKilled(callback) {
    this.#mourners ??= new Set();
    this.#mourners.add(callback);
  }

  /** Take `whenKilled` back. @param {() => void} callback */
  forgetKilled(callback) {
    this.#mourners?.delete(callback);
  }

  /** Nothing of it is resumed, emitted or delivered from now on. */
  kill() {
    if (this.dead) return;
    this.dead = true;
    const mourners = this.#mourners;
    this.#mourners = null;
    for (const mourner of mourners ?? []) mourner();
  }
}

/**
 * Where the running code stands, for a hold; null where nobody will want to know.
 * @returns {Begun | null}
 */
export function begunHere() {
  return currentOwner()?.remembersLines ? Begun.here() : null;
}

/**
 * How an answer from outside (a response, a timer, an RPC result, a body chunk) returns to the running code: until then its owner is
 * busy with `what`; the answer passes its input gate; and it never comes for a dead owner.
 * @param {string} what
 * @param {string | (() => string)} [text] for people
 * @param {import("./begun.mjs").Begun | null} [begun]
 * @returns {(settle: (value: any) => void, value?: any) => void} to be called exactly once
 */
export function wayBack(what, text = what, begun = null) {
  const scope = scopes.getStore();
  if (scope === undefined) return settleNow;
  const { owner, section } = scope;
  const hold = owner.hold(what, text, begun);
  return (settle, value) => {
    owner.resume(section, () => settle(value));
    if (!owner.dead) owner.release(hold);
  };
}

function settleNow(settle, value) {
  settle(value);
}

/**
 * Let an effect of the running code leave through its owner's output gate; at once outside user code.
 * @param {() => void} effect
 */
export function emit(effect) {
  const owner = currentOwner();
  if (owner === null) effect();
  else owner.emit(effect);
}
