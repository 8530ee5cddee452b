/**
 * The life of one object in a host, as a table (durable-objects.md 1.3, 6). The Python host's twin is `emulator/core/lifecycle.py`.
 *
 *     INACTIVE ──start──▶ STARTING ──constructed──▶ ACTIVE ──quiet──▶ IDLE ──expire──▶ HIBERNATED | INACTIVE
 *        ▲                    │ failed                 ▲    ◀─busy───┘                      │ start
 *        └────────────────────┴──────── reset ─────────┴───────────────────────────────────┘
 *
 * An instance is *busy* while anything it began is unfinished: an event, a `waitUntil`, a timer, an outgoing request, a standard WebSocket,
 * a stub somebody holds (S-99). `idleMs` after the last of them it is dropped: to HIBERNATED when it has sockets accepted for hibernation,
 * else to INACTIVE. A future alarm or an auto-response keeps nothing awake (S-100).
 */

/** What the real runtime waits (S-97, S-98). */
export const IDLE_MS = 10_000;

/** Where an object is; the values are what the control API shows. */
export const State = Object.freeze({
  INACTIVE: "inactive",
  STARTING: "starting",
  ACTIVE: "active",
  IDLE: "idle",
  HIBERNATED: "hibernated",
});

/** What can happen to it. */
export const Step = Object.freeze({
  START: "start",
  CONSTRUCTED: "constructed",
  BUSY: "busy",
  QUIET: "quiet",
  EXPIRE: "expire",
  RESET: "reset",
  RESTORE: "restore",
});

const TABLE = {
  [State.INACTIVE]: { [Step.START]: State.STARTING, [Step.RESTORE]: State.HIBERNATED, [Step.RESET]: State.INACTIVE },
  [State.STARTING]: { [Step.CONSTRUCTED]: State.ACTIVE, [Step.RESET]: State.INACTIVE },
  [State.ACTIVE]: { [Step.QUIET]: State.IDLE, [Step.RESET]: State.INACTIVE, [Step.EXPIRE]: State.INACTIVE },
  [State.IDLE]: { [Step.BUSY]: State.ACTIVE, [Step.EXPIRE]: State.INACTIVE, [Step.RESET]: State.INACTIVE },
  [State.HIBERNATED]: { [Step.START]: State.STARTING, [Step.RESTORE]: State.HIBERNATED, [Step.RESET]: State.INACTIVE },
};

/** State, generation and idle deadline of one object. */
export class Lifecycle {
  /** 0 or less: never dropped for idleness. */
  idleMs;
  /** @type {string} one of State */
  state = State.INACTIVE;
  /** How many instances it has had in this process. */
  generation = 0;
  /** @type {number | null} */
  #idleSinceMs = null;

  constructor(idleMs = IDLE_MS) {
    this.idleMs = idleMs;
  }

  /**
   * Go one step; an unlisted pair is our bug.
   * @param {string} step one of Step
   * @param {number} nowMs
   * @param {{hibernatable?: boolean}} [options] `hibernatable`: sockets survive an EXPIRE
   * @returns {string} the state reached
   */
  step(step, nowMs, { hibernatable = false } = {}) {
    let target = TABLE[this.state][step];
    if (target === undefined) throw new Error(`an object cannot ${step} while ${this.state}`);
    if (step === Step.EXPIRE && hibernatable) target = State.HIBERNATED;
    if (step === Step.START) this.generation += 1;
    this.#idleSinceMs = target === State.IDLE ? nowMs : null;
    this.state = target;
    return target;
  }

  /**
   * When it expires if nothing happens before, on the clock of `step`; null while it is busy.
   * @returns {number | null}
   */
  nextDeadline() {
    return this.#idleSinceMs === null || this.idleMs <= 0 ? null : this.#idleSinceMs + this.idleMs;
  }
}
