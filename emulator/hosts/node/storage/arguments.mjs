/**
 * What user code passes to storage, converted as the platform does, with its error texts (tests/vectors/storage_javascript.json).
 *
 * Most of what is not what is wanted is coerced as JavaScript coerces: `5` is the key `"5"`, a symbol is JavaScript's own TypeError.
 */
import { wrongParameter } from "../surface/arguments.mjs";

const ILLEGAL_INVOCATION =
  "Illegal invocation: function called with incorrect `this` reference. " +
  "See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";
const ILLEGAL_CONSTRUCTOR = "Illegal constructor";
const OUT_OF_RANGE = "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).";
const ALARM_NOT_POSITIVE = "setAlarm() cannot be called with an alarm time <= 0";
const NO_DATE = "The value cannot be converted because it is not a valid Date.";
const TOO_LATE = "This API doesn't support dates after 2189.";
const MIN_INT32 = -(2 ** 31);
const MAX_INT32 = 2 ** 31 - 1;
const MAX_DATE_MS = Number((2n ** 63n - 1n) / 1_000_000n);
/** What a lone surrogate becomes on its way through UTF-8 and back. */
const LOST_SURROGATE = "\ufffd\ufffd\ufffd";

/** For a method that was taken off its object. */
export function illegalInvocation() {
  return new TypeError(ILLEGAL_INVOCATION);
}

/** For `new` on a class that only the platform makes objects of. */
export function illegalConstructor() {
  return new TypeError(ILLEGAL_CONSTRUCTOR);
}

/** Text as SQLite can store it. @param {any} value @returns {string} */
export function textOf(value) {
  const text = `${value}`;
  return text.isWellFormed() ? text : text.replaceAll(/\p{Surrogate}/gu, LOST_SURROGATE);
}

/**
 * A parameter that must be there.
 * @param {any[]} args
 * @param {number} position from 1
 * @param {string} method
 * @param {string} owner
 * @param {string} type what it should be
 * @returns {any}
 */
export function required(args, position, method, owner, type) {
  if (args.length < position) throw wrongParameter(method, owner, position, type);
  return args[position - 1];
}

/**
 * A parameter that holds options, of which only its being an object matters here.
 * @param {any[]} args
 * @param {number} position from 1
 * @param {string} method
 * @param {string} owner
 * @param {string} type the name of the options
 */
export function checkOptions(args, position, method, owner, type) {
  if (!isOptions(args[position - 1])) throw wrongParameter(method, owner, position, type);
}

/** What may stand where options are expected: nothing, or an object. @param {any} value */
export function isOptions(value) {
  return value === undefined || typeof value === "object" || typeof value === "function";
}

/**
 * The options of `list`; undefined members are absent.
 * @param {any[]} args
 * @param {string} owner
 * @returns {import("./kv.mjs").ListOptions}
 */
export function listOptions(args, owner) {
  checkOptions(args, 1, "list", owner, "ListOptions");
  const options = args[0] ?? {};
  const textOrNone = (value) => (value === undefined ? undefined : textOf(value));
  return {
    start: textOrNone(options.start),
    startAfter: textOrNone(options.startAfter),
    end: textOrNone(options.end),
    prefix: textOrNone(options.prefix),
    reverse: Boolean(options.reverse),
    limit: options.limit === undefined ? undefined : int32(options.limit),
  };
}

/**
 * The time given to `setAlarm`.
 * @param {any[]} args first a Date or milliseconds since 1970
 * @param {string} owner
 * @returns {number} whole milliseconds
 */
export function alarmTime(args, owner) {
  const timeMs = date(args, "setAlarm", owner);
  if (timeMs <= 0) throw new TypeError(ALARM_NOT_POSITIVE);
  return timeMs;
}

/**
 * A point in time.
 * @param {any[]} args first a Date or milliseconds since 1970
 * @param {string} method
 * @param {string} owner
 * @returns {number} whole milliseconds
 */
export function date(args, method, owner) {
  const given = args[0] instanceof Date ? args[0].getTime() : args[0];
  if (typeof given !== "number") throw wrongParameter(method, owner, 1, "date");
  if (!Number.isFinite(given)) throw new TypeError(NO_DATE);
  if (given > MAX_DATE_MS) throw new TypeError(TOO_LATE);
  return Math.trunc(given);
}

function int32(value) {
  const number = +value;
  if (!Number.isFinite(number)) return 0;
  if (number < MIN_INT32 || number > MAX_INT32) throw new TypeError(OUT_OF_RANGE);
  return Math.trunc(number);
}
