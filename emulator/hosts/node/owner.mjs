/**
 * Who running user code belongs to: an object's instance or one invocation of the Worker.
 *
 * Everything user code begins (handlers, timers, outgoing requests, open sockets) is counted for its owner, because an instance with
 * anything unfinished must not hibernate (S-99) and a dead one must not be resumed (durable-objects.md 2.7). The owner travels in an
 * `AsyncLocalStorage`, so it follows `await` and timers without user code knowing.
 */

import { AsyncLocalStorage } from "node:async_hooks";

/**
 * Whose code runs, and in which critical section of its input gate (null: in none).
 * @typedef {{owner: Owner, section: import("./gates.mjs").Section | null}} Scope
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
 * Call `callback` as code of a critical section of `owner`; the rest of the caller's async context stays.
 * @template T
 * @param {Owner} owner
 * @param {import("./gates.mjs").Section} section
 * @param {() => T} callback
 * @returns {T}
 */
export function inSection(owner, section, callback) {
  return scopes.run({ owner, section }, callback);
}

/** Counts what runs. Subclasses say what being quiet means, what a gate lets through, and how effects leave. */
export class Owner {
  /** How people see it: `Chat/me`, or `worker`. */
  label;
  /** Nothing of a dead owner is ever resumed. */
  dead = false;
  /** The input gate, null where there is none (the Worker). @type {import("./gates.mjs").InputGate | null} */
  gate = null;
  /** What keeps it busy besides its events; 0 where it is over. @type {Map<string, number> | null} */
  #counts = null;
  /** How much keeps it busy. */
  held = 0;
  #scope = { owner: this, section: null };
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
  get holds() {
    return new Map([...(this.#counts ?? [])].filter(([, count]) => count > 0));
  }

  /** @param {string} what @returns {boolean} */
  isHeldBy(what) {
    return this.#counts !== null && (this.#counts.get(what) ?? 0) > 0;
  }

  /**
   * Something keeps it busy until `release`.
   * @param {string} what
   */
  hold(what) {
    // Most invocations of the Worker never hold anything.
    this.#counts ??= new Map();
    this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1);
    this.held += 1;
  }

  /**
   * That something has ended.
   * @param {string} what
   */
  release(what) {
    const count = this.#counts?.get(what) ?? 0;
    if (count === 0) throw new Error(`${this.label} was not held by ${what}`);
    this.#counts.set(what, count - 1);
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
    this.hold(label);
    try {
      return await this.enter(work);
    } finally {
      if (!this.dead) this.release(label);
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
 * How an answer from outside (a response, a timer, an RPC result, a body chunk) returns to the running code: until then its owner is
 * busy with `what`; the answer passes its input gate; and it never comes for a dead owner.
 * @param {string} what
 * @returns {(settle: (value: any) => void, value?: any) => void} to be called exactly once
 */
export function wayBack(what) {
  const scope = scopes.getStore();
  if (scope === undefined) return settleNow;
  const { owner, section } = scope;
  owner.hold(what);
  return (settle, value) => {
    owner.resume(section, () => settle(value));
    if (!owner.dead) owner.release(what);
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
