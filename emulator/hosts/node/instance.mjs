/**
 * One life of an object: the door through which all its events pass, its gates, and its end.
 *
 * `deliver` is the only way into user code. Events start in order, one per macrotask (node-host.md 6.1), overlap at their awaits
 * (durable-objects.md 1.6), wait while the input gate is closed, and their effects leave in program order once the writes they depend on
 * are committed (2.4).
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { InputGate } from "./gates.mjs";
import { Step } from "./lifecycle.mjs";
import { nextTick, queueMicrotask, setImmediate } from "./originals.mjs";
import { identity } from "./points.mjs";
import { begunHere, currentOwner, currentSection, currentTurn, inSection, inTurn, Owner } from "./owner.mjs";
import { CommitFailed } from "./storage/storage_errors.mjs";
import { TurnsInFlight } from "./turns.mjs";

/** How long `blockConcurrencyWhile` may take (S-23). */
export const SECTION_LIMIT_MS = 30_000;

const TOO_LONG =
  "A call to blockConcurrencyWhile() in a Durable Object waited for too long. The call was canceled and the Durable Object was reset.";
const ABORTED = "Application called abort() to reset Durable Object.";

/**
 * An error that says its object was reset.
 * @param {string} message
 * @param {Record<string, unknown>} [flags] more of `overloaded`, `retryable`
 * @returns {Error}
 */
export function resetError(message, flags = {}) {
  return Object.assign(new Error(message), { durableObjectReset: true }, flags);
}

/** The live instance of one object. */
export class Instance extends Owner {
  remembersLines = true;
  /** The identity that outlives it. @type {import("./objects.mjs").ObjectHandle} */
  handle;
  /** @type {import("./storage/storage.mjs").ObjectStorage} */
  storage;
  /** What the user's class made; null until it is constructed. */
  userObject = null;
  /** Why it was reset, null while it was not. @type {unknown} */
  broken = null;

  #constructed = false;
  #nameWritten = false;
  /** Code that entered in this macrotask keeps others out until its microtasks have run. */
  #entered = false;
  /** What waits for a macrotask of its own. @type {(() => void)[]} */
  #entries = [];
  #inFlight = new TurnsInFlight();
  /** @type {(() => void)[]} */
  #outbox = [];
  #unindexedAlarms = 0;
  /** Whose writes the open transaction began with. @type {import("./turns.mjs").Delivery | null} */
  #writer = null;
  #points;
  #clock;
  #identity = null;
  /** Enters the async context of its code, made with the first event: it has many. @type {(<T>(callback: () => T) => T) | null} */
  #inside = null;

  /** @param {import("./objects.mjs").ObjectHandle} handle */
  constructor(handle) {
    super(handle.label);
    this.handle = handle;
    this.gate = new InputGate();
    this.#points = handle.world.points;
    this.#clock = handle.world.clock;
    this.storage = handle.world.storageOf(handle, {
      dirty: () => {
        this.#writer = currentTurn();
        setImmediate(this.#commitTurn);
      },
      committed: () => this.#committed(),
      block: (critical) => this.block(critical),
      alarmChanged: (timeMs) => this.#alarmChanged(timeMs),
    });
  }

  /** How turns name it (points.mjs). */
  get identity() {
    this.#identity ??= identity(this.handle);
    return this.#identity;
  }

  nowMs() {
    return this.#clock.nowMs();
  }

  enter(callback) {
    this.#inside ??= super.enter(() => AsyncLocalStorage.snapshot());
    return this.#inside(callback);
  }

  // -- events

  /**
   * Let an event in as soon as order and the input gate allow; not before the running code's turn is over.
   * @param {import("./turns.mjs").Delivery} turn
   * @param {{now?: boolean}} [options] `now`: it may start before this returns, because no user code is on the stack
   */
  deliver(turn, { now = false } = {}) {
    if (this.dead) {
      turn.failed(this.broken ?? resetError(ABORTED), true);
      return;
    }
    this.#inFlight.add(turn);
    const start = () => this.#start(turn);
    if (now) this.resume(null, start);
    else this.#soon(() => this.#admit(null, start));
  }

  /**
   * Call `callback` when order and the input gate let code of `section` run; never once this instance is dead.
   * @param {import("./gates.mjs").Section | null} section
   * @param {() => void} callback
   * @returns {boolean} false: that code never runs again
   */
  resume(section, callback) {
    if (this.dead || section?.cut) return false;
    if (this.#entered || this.#entries.length > 0) this.#line(() => this.#admit(section, callback));
    else this.#admit(section, callback);
    return true;
  }

  /** Put an entry at the end of the line; each gets a macrotask, so that what one makes runnable comes before the next. */
  #line(entry) {
    this.#entries.push(entry);
    setImmediate(this.#step);
  }

  #step = () => {
    this.#entries.shift()?.();
  };

  /**
   * The same, but the first of a macrotask need not wait for the event loop: a tick runs when all microtasks have. Only the first, so that
   * two objects that call each other without end let the loop turn.
   */
  #soon(entry) {
    if (this.#entered || this.#entries.length > 0) {
      this.#line(entry);
      return;
    }
    this.#entries.push(entry);
    queueMicrotask(this.#tickLater);
  }

  #tickLater = () => nextTick(this.#tick);

  #tick = () => {
    if (this.#entered) setImmediate(this.#step);
    else this.#step();
  };

  #admit(section, callback) {
    if (this.dead || section?.cut || !this.gate.passOrWait(section, () => this.#admit(section, callback))) return;
    if (!this.#entered) {
      this.#entered = true;
      setImmediate(this.#left);
    }
    callback();
  }

  #left = () => {
    this.#entered = false;
  };

  #start(turn) {
    if (this.#constructed) {
      this.#drive(turn);
      return;
    }
    this.#constructed = true;
    this.handle.construct(this);
    if (this.dead) return;
    // What the constructor began comes first; it may also have closed the gate.
    this.#ahead([() => this.#admit(null, () => this.#drive(turn))]);
  }

  #ahead(entries) {
    this.#entries.unshift(...entries);
    for (let count = entries.length; count > 0; count -= 1) setImmediate(this.#step);
  }

  #drive(turn) {
    if (this.#points.on) this.#points.reached("turn", this.handle, turn.label);
    turn.beganMs = this.#clock.steadyMs();
    let result;
    try {
      result = this.enter(() => inTurn(this, turn, () => turn.work(this)));
    } catch (error) {
      this.#failed(turn, error);
      return;
    }
    if (isThenable(result)) {
      Promise.resolve(result).then(
        (value) => this.#done(turn, value),
        (error) => this.#failed(turn, error),
      );
    } else {
      this.#done(turn, result);
    }
  }

  #done(turn, result) {
    this.emit(() => {
      if (this.#ends(turn)) turn.done(result);
    });
  }

  #failed(turn, error) {
    this.emit(() => {
      if (this.#ends(turn)) turn.failed(error, false);
    });
  }

  /** Whether the turn had no end yet; now it has. */
  #ends(turn) {
    if (!this.#inFlight.delete(turn)) return false;
    this.handle.world.turnEnded(this, turn, this.#clock.steadyMs() - turn.beganMs);
    if (this.#points.on) this.#points.reached("end", this.handle, turn.label);
    if (this.held === 0) this.onQuiet();
    return true;
  }

  /** Anything unfinished: S-99. */
  get busy() {
    return this.held > 0 || this.answering || this.#outbox.length > 0;
  }

  /** Somebody waits for it: an event that has not ended, an effect on its way, a body being read. */
  get answering() {
    return this.#inFlight.size > 0 || this.#outbox.length > 0 || this.isHeldBy("body");
  }

  /** The events that have not ended. @returns {Iterable<import("./turns.mjs").Delivery>} */
  get eventsInFlight() {
    return this.#inFlight;
  }

  onQuiet() {
    if (!this.dead && !this.busy) this.handle.instanceQuiet(this);
  }

  // -- effects: the output gate

  /**
   * Let an effect (a reply, a frame, an outgoing request) leave, after those before it and after the writes it may depend on.
   * @param {() => void} effect
   */
  emit(effect) {
    if (this.dead) return;
    if (this.#outbox.length > 0 || this.#unindexedAlarms > 0 || this.storage.isDirty) this.#outbox.push(effect);
    else effect();
  }

  #commitTurn = () => this.commit();

  /** End the implicit transaction. A commit that fails resets the object before any effect of the turn has left (S-29 to S-32). */
  commit() {
    if (this.dead) return;
    try {
      if (!this.#nameWritten && this.storage.isDirty) {
        // With the first writes of each life: who wakes the object later, or opens its file, may know the id alone.
        this.#nameWritten = true;
        this.storage.writeName();
      }
      this.storage.commit();
    } catch (error) {
      if (!(error instanceof CommitFailed)) throw error;
      this.#commitFailed(error);
      return;
    }
    this.#flush();
  }

  #committed() {
    const writer = this.#writer ?? currentTurn();
    if (writer !== null) writer.commits += 1;
    this.#writer = null;
    if (this.#points.on) this.#points.reached("commit", this.handle, "");
  }

  #commitFailed(failure) {
    const error = new Error(failure.message);
    this.handle.world.userError("commit", error, this.handle);
    this.reset(error);
  }

  #flush() {
    while (this.#outbox.length > 0 && this.#unindexedAlarms === 0 && !this.storage.isDirty && !this.dead) {
      const effects = this.#outbox;
      this.#outbox = [];
      for (const effect of effects) this.#leave(effect);
    }
    if (this.held === 0) this.onQuiet();
  }

  /** One that cannot leave (a message over the link's limit) does not take those behind it along. */
  #leave(effect) {
    try {
      effect();
    } catch (error) {
      this.handle.world.userError("sending", error, this.handle);
    }
  }

  /** A commit changed the alarm. Effects wait until the gateway has it on disk: no acknowledged alarm is lost. */
  #alarmChanged(timeMs) {
    this.#unindexedAlarms += 1;
    const hold = this.hold("alarm", "an alarm on its way to the disk");
    this.handle.world.indexAlarm(this.handle, timeMs).then(
      () => this.#alarmIndexed(hold),
      (error) => this.#alarmIndexed(hold, error),
    );
  }

  #alarmIndexed(hold, refusal) {
    this.#unindexedAlarms -= 1;
    if (this.dead) return;
    this.release(hold);
    // The alarm is in the object's file but nobody would ring it: the turn's answer must not leave.
    if (refusal === undefined) this.#flush();
    else this.#commitFailed(CommitFailed.lost(String(refusal), refusal));
  }

  // -- critical sections

  /**
   * `blockConcurrencyWhile`: nothing else of the object runs until the callback has ended; its failure resets the object (2.3).
   * @param {() => unknown} callback
   * @returns {Promise<unknown>} never settled when the callback fails
   */
  blockConcurrency(callback) {
    return this.#section(callback, SECTION_LIMIT_MS, (error) => this.#blockFailed(error));
  }

  /**
   * An async transaction: the same kind of section without limit, its failure the caller's (2.6).
   * @param {() => Promise<unknown>} callback
   * @returns {Promise<unknown>}
   */
  block(callback) {
    return this.#section(callback, null, null);
  }

  #blockFailed(error) {
    const reset = error instanceof SectionTooLong ? resetError(TOO_LONG, { overloaded: true }) : flagged(error);
    this.handle.world.userError("blockConcurrencyWhile", reset, this.handle);
    this.reset(reset);
  }

  #section(callback, limitMs, onFailure) {
    const { promise, resolve, reject } = Promise.withResolvers();
    // A promise's reaction keeps the caller's async context, and comes after the caller's next statement (2.3).
    const turn = Promise.withResolvers();
    const { section, active } = this.gate.enter(this.#sectionOfCaller(), turn.resolve);
    const hold = this.hold("section", limitMs === null ? "an async transaction" : "blockConcurrencyWhile()", begunHere());
    let limit = null;
    let over = false;
    const isOver = () => {
      if (limit !== null) this.#clock.cancel(limit);
      if (over || this.dead) return true;
      over = true;
      this.release(hold);
      return false;
    };
    const succeeded = (value) => {
      if (!isOver()) this.#endSection(section, resolve, value);
    };
    const failed = (error) => {
      if (isOver()) return;
      if (error instanceof CommitFailed) this.#commitFailed(error);
      else if (onFailure !== null) onFailure(error);
      else this.#endSection(section, reject, error);
    };
    turn.promise.then(() => {
      if (this.dead) return;
      if (limitMs !== null) limit = this.#clock.after(limitMs, () => failed(new SectionTooLong()));
      let result;
      try {
        result = inSection(this, section, callback);
      } catch (error) {
        failed(error);
        return;
      }
      Promise.resolve(result).then(succeeded, failed);
    });
    if (active) turn.resolve();
    return promise;
  }

  #sectionOfCaller() {
    const section = currentOwner() === this ? currentSection() : null;
    return section ?? this.gate.root;
  }

  #endSection(section, settle, value) {
    // The section's own continuation runs before the events that waited (2.3): it is a microtask from here on.
    settle(value);
    this.#ahead(this.gate.leave(section));
    // A transaction commits by itself: what its object wanted to say meanwhile may leave now.
    setImmediate(this.#commitTurn);
  }

  // -- the end

  /**
   * `ctx.abort`: end this instance now; every caller in flight hears the reason (S-105).
   * @param {unknown} reason
   * @param {{retryAlarm?: boolean}} [options]
   */
  abort(reason, { retryAlarm = true } = {}) {
    if (!retryAlarm) for (const turn of this.#inFlight) turn.retryAlarm = false;
    this.reset(resetError(reason === undefined ? ABORTED : textOf(reason)));
  }

  /**
   * Destroy the instance: uncommitted writes vanish, callers get `error`, its sockets drop (S-91).
   * @param {unknown} error
   * @param {{cutSockets?: boolean}} [options]
   */
  reset(error, { cutSockets = true } = {}) {
    if (this.dead) return;
    this.broken = error;
    this.kill();
    this.storage.revoke();
    const unanswered = this.#inFlight.takeAll();
    this.#forget();
    this.handle.instanceEnded(this, Step.RESET, { cutSockets });
    for (const turn of unanswered) turn.failed(error, true);
  }

  /** Drop a quiet instance: nothing is lost, the next event constructs anew. */
  retire() {
    this.commit();
    if (this.dead) return;
    this.kill();
    this.storage.revoke();
    this.#forget();
    this.handle.instanceEnded(this, Step.EXPIRE, { cutSockets: false });
  }

  #forget() {
    this.#outbox = [];
    this.#entries = [];
  }
}

/** `blockConcurrencyWhile` took longer than SECTION_LIMIT_MS. */
class SectionTooLong extends Error {}

function isThenable(value) {
  return value !== null && typeof value === "object" && typeof value.then === "function";
}

/** The error itself, saying that it reset its object; what is no object becomes an Error. */
function flagged(error) {
  return error instanceof Error && Object.isExtensible(error)
    ? Object.assign(error, { durableObjectReset: true })
    : resetError(textOf(error));
}

function textOf(reason) {
  return reason instanceof Error ? reason.message : String(reason);
}

/**
 * The instance whose code is running, null in a Worker invocation or outside user code.
 * @returns {Instance | null}
 */
export function currentInstance() {
  const owner = currentOwner();
  return owner instanceof Instance ? owner : null;
}
