/** A call from one owner's code to another's: copied both ways, through the gates of both. */

import { markOrigin } from "../faults.mjs";
import { currentOwner, emit, wayBack } from "../owner.mjs";
import { copyAcross, copyData } from "./copy.mjs";
import { PROMISE_DISPOSED, thrownAcross } from "./errors.mjs";
import { packArguments, packResult } from "./parcel.mjs";
import { rpcPromise } from "./stub.mjs";
import { checkCall, invoke, isPlain, isReserved, locate } from "./targets.mjs";
import { NO_OBJECT, REFUSED } from "./visit.mjs";
import { wildcardOf } from "./wildcard.mjs";

/**
 * Call what is at `path` of the other side, or read it. The call starts though nobody awaits it.
 *
 * @param {import("./visit.mjs").Reach} reach
 * @param {string[]} path property names from the receiver, empty for the receiver itself (a function)
 * @param {unknown[] | null} args null reads the property
 * @returns {import("./stub.mjs").RpcPromise}
 */
export function callMethod(reach, path, args) {
  return rpcPromise(begin(reach, path, args));
}

/**
 * The same, without what user code needs to use the result before it is there.
 * @returns {Answer}
 */
export function begin(reach, path, args) {
  const answer = new Answer();
  const here = currentOwner();
  let sent = null;
  try {
    if (args !== null) sent = packArguments(args, here);
  } catch (error) {
    answer.lose(error);
    answer.settle();
    return answer;
  }
  const call = new Call(path, sent, answer, here);
  emit(() => reach.take(call));
  return answer;
}

/** One call or read on its way, a visit. */
class Call {
  #path;
  #sent;
  #answer;
  #caller;
  #back = wayBack("call", () => `${this.label}()`);
  #source = NO_OBJECT;
  #threw = false;

  constructor(path, sent, answer, caller) {
    this.#path = path;
    this.#sent = sent;
    this.#answer = answer;
    this.#caller = caller;
  }

  get label() {
    return this.#path.at(-1) ?? "callback";
  }

  get path() {
    return this.#path;
  }

  /** The arguments as the other side gets them, null where a property is read. @returns {unknown[] | null} */
  get args() {
    return this.#sent === null ? null : this.#sent.value;
  }

  async work(place) {
    this.#source = place.source;
    const found = locate(place, this.#path);
    const args = this.args;
    if (args === null) return packResult(await found.value, place.home);
    checkCall(found, place, this.#path, args);
    this.#sent.heldBy(place.home);
    let result;
    try {
      result = await invoke(found, place, this.#path, args);
    } catch (error) {
      this.#threw = true;
      throw error;
    }
    return packResult(result, place.home);
  }

  /** @param {import("./parcel.mjs").Parcel} parcel */
  done(parcel) {
    this.#sent?.dispose();
    parcel.heldBy(this.#caller);
    this.#answer.arrive(parcel, this.#source);
    this.#back(() => this.#answer.settle());
  }

  failed(error, { stage, source, byReference }) {
    const flags = stage === "thrown" || (stage === "reset" && byReference) ? { remote: true } : {};
    const attributed = source.objectId !== null && (byReference || this.#threw);
    const copy = thrownAcross(error, copyData, flags, attributed ? { durableObjectId: source.objectId } : {});
    if (stage !== "refused") markOrigin(copy, error, source.whose, false);
    this.lost(copy);
  }

  /** It ends with an error that is a caller's already. */
  lost(error) {
    this.#sent?.dispose();
    this.#answer.lose(error);
    this.#back(() => this.#answer.settle());
  }

  /**
   * Enter a result instead of a receiver: what is asked of it before it is there.
   * @param {unknown} result as its caller gets it
   * @param {import("./visit.mjs").Source} source who gave it
   */
  enterResult(result, source) {
    let value = result;
    for (let depth = 0; depth <= this.#path.length && !isReserved(this.#path[depth]); depth += 1) {
      const wildcard = wildcardOf(value);
      if (wildcard !== undefined) {
        this.#path = this.#path.slice(depth);
        wildcard.take(this);
        return;
      }
      if (!isPlain(value) || !Object.hasOwn(value, this.#path[depth])) break;
      value = value[this.#path[depth]];
    }
    this.#enterData(result, source);
  }

  /** There is no code to call on the way: data can be read. */
  #enterData(result, source) {
    this.#source = source;
    const place = { receiver: result, kind: "value", home: null, context: [], source };
    try {
      const found = locate(place, this.#path);
      if (this.args !== null) checkCall(found, place, this.#path, this.args);
      this.done(packResult(copyAcross(found.value, null), null));
    } catch (error) {
      this.failed(error, { stage: "thrown", source, byReference: true });
    }
  }
}

/**
 * A call's result before and after it has come; a reach for what is asked of it meanwhile, which is done where the result is, in the order
 * asked, before the caller hears of it.
 */
export class Answer {
  #settled = Promise.withResolvers();
  /** @type {import("./parcel.mjs").Parcel | null} */
  #parcel = null;
  #isLost = false;
  #error = null;
  #disposed = false;
  /** @type {Call[]} */
  #waiting = [];

  /** Settles as the call does. @returns {Promise<unknown>} */
  get promise() {
    return this.#settled.promise;
  }

  /** The result is there; the caller hears of it by `settle`. */
  arrive(parcel, source) {
    this.#parcel = parcel;
    for (const call of this.#waiting.splice(0)) call.enterResult(parcel.value, source);
    if (this.#disposed) parcel.dispose();
  }

  /** There is no result. */
  lose(error) {
    this.#isLost = true;
    this.#error = error;
    for (const call of this.#waiting.splice(0)) call.lost(error);
  }

  settle() {
    if (this.#isLost) this.#settled.reject(this.#error);
    else this.#settled.resolve(this.#parcel.value);
  }

  /** @param {Call} call */
  take(call) {
    if (this.#disposed) call.failed(new Error(PROMISE_DISPOSED), REFUSED);
    else if (this.#isLost) call.lost(this.#error);
    else if (this.#parcel === null) this.#waiting.push(call);
    else call.enterResult(this.#parcel.value, NO_OBJECT);
  }

  /** Nobody asks anything of the result any more: every stub in it ends, at its coming at the latest. */
  dispose() {
    this.#disposed = true;
    this.#parcel?.dispose();
  }
}
