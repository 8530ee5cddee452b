/** Deliveries to user code, and those of an instance that have not ended. */

/** What every delivery is. Exactly one of `done` and `failed` ends it, outside of user code. */
export class Delivery {
  /** What people see it as: `fetch`, a method's name. @type {string} */
  label;
  /** A failed alarm is tried again; `ctx.abort(reason, {retryAlarm: false})` says no (S-77). */
  retryAlarm = true;
  /** Neighbours in the list of those in flight. @type {Delivery | null} */
  before = null;
  /** @type {Delivery | null} */
  after = null;
  inFlight = false;
  /** When its code began, on its instance's steady clock; null while it waits. @type {number | null} */
  beganMs = null;
  /** What its code used of the storage. Rows written are rows, without the entries of indexes that the platform bills besides. */
  commits = 0;
  statements = 0;
  rowsRead = 0;
  rowsWritten = 0;

  /** @param {string} label */
  constructor(label) {
    this.label = label;
  }

  /**
   * Runs it, as the instance's code.
   * @param {import("./instance.mjs").Instance} _instance
   * @returns {unknown} its result, or a promise of it
   */
  work(_instance) {
    throw new Error(`${this.label} is not implemented`);
  }

  /** @param {unknown} _result */
  done(_result) {}

  /**
   * @param {unknown} _error
   * @param {boolean} _reset tells an object that was reset from user code that merely threw: the first breaks the caller's stub
   */
  failed(_error, _reset) {}
}

/** A delivery given by functions. */
export class Turn extends Delivery {
  /**
   * @param {string} label
   * @param {Delivery["work"]} work
   * @param {Delivery["done"]} done
   * @param {Delivery["failed"]} failed
   */
  constructor(label, work, done, failed) {
    super(label);
    this.work = work;
    this.done = done;
    this.failed = failed;
  }
}

/**
 * Deliveries in the order they came. Not a Set: one whose members come and go as fast as messages leaves old tables behind all the time, and
 * each keeps what it held from being collected, until the next full collection.
 */
export class TurnsInFlight {
  #first = null;
  #last = null;
  size = 0;

  /** @param {Delivery} turn */
  add(turn) {
    turn.inFlight = true;
    turn.before = this.#last;
    if (this.#last === null) this.#first = turn;
    else this.#last.after = turn;
    this.#last = turn;
    this.size += 1;
  }

  /** @param {Delivery} turn @returns {boolean} whether it was in flight */
  delete(turn) {
    if (!turn.inFlight) return false;
    turn.inFlight = false;
    const { before, after } = turn;
    if (before === null) this.#first = after;
    else before.after = after;
    if (after === null) this.#last = before;
    else after.before = before;
    turn.before = turn.after = null;
    this.size -= 1;
    return true;
  }

  /** All of them, and none is left. @returns {Delivery[]} */
  takeAll() {
    const all = [...this];
    for (const turn of all) this.delete(turn);
    return all;
  }

  *[Symbol.iterator]() {
    for (let turn = this.#first; turn !== null; turn = turn.after) yield turn;
  }
}
