/**
 * How a call reaches the code it is for.
 *
 * A *reach* is what a stub points at: an object, an entrypoint of this Worker, a function somebody passed. It lets *visits* in, in the
 * order they come: RPC calls (call.mjs) and requests (fetching.mjs). A visit does not know whose code it enters.
 */

/**
 * Whose code it is, for what callers are told of failures.
 *
 * @typedef {object} Source
 * @property {string | null} objectId
 * @property {import("../faults.mjs").Origin["whose"]} whose the same for error reports
 */

/**
 * Where a visit finds itself.
 *
 * @typedef {object} Place
 * @property {object} receiver what is called
 * @property {"entrypoint" | "handlers" | "value"} kind which of the receiver's names may be called (targets.mjs)
 * @property {import("../owner.mjs").Owner | null} home whose code runs; null for what belongs to no event
 * @property {unknown[]} context what functions of an exported object of handlers get besides their argument: env and ctx
 * @property {Source} source
 */

/**
 * How a visit failed. `refused`: it was not let in. `reset`: the receiver's instance ended under it. `thrown`: the code, or the call, failed.
 *
 * @typedef {object} Failure
 * @property {"refused" | "reset" | "thrown"} stage
 * @property {Source} source
 * @property {boolean} byReference the receiver was lent: its failures are always attributed to who lent it
 */

/**
 * @typedef {object} Visit
 * @property {string} label what people see it as
 * @property {(place: Place) => unknown} work runs as code of the place's owner; its result may be a promise
 * @property {(result: any) => void} done runs outside of that code, once its effects may leave
 * @property {(error: unknown, failure: Failure) => void} failed the same; exactly one of the two is called
 */

/**
 * @typedef {object} Reach
 * @property {(visit: Visit) => void} take
 */

/** Code that belongs to no object. @type {Source} */
export const NO_OBJECT = Object.freeze({ objectId: null, whose: null });

/** The visit was not let in. @type {Failure} */
export const REFUSED = Object.freeze({ stage: "refused", source: NO_OBJECT, byReference: false });

/** @param {import("../objects.mjs").ObjectHandle} handle @returns {Source} */
export function sourceOfObject(handle) {
  const { class: className, id, name } = handle.reference();
  return { objectId: id, whose: { class: className, id, name } };
}
