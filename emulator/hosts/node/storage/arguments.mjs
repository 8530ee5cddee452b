/**
 * What user code passes to storage, converted as the platform does, with its error texts.
 *
 * Everything that is not what is wanted is coerced as JavaScript coerces (`5` is the key `"5"`); the TypeErrors here are for what is missing.
 */

const MAX_INT32 = 2 ** 31 - 1;
const OUT_OF_RANGE = "Value out of range. Must be between -2147483648 and 2147483647 (inclusive).";
const ALARM_NOT_POSITIVE = "setAlarm() cannot be called with an alarm time <= 0";
const ALARM_NO_DATE = "The value cannot be converted because it is not a valid Date.";
const ALARM_TOO_LATE = "This API doesn't support dates after 2189.";
const MAX_ALARM_MS = Number((2n ** 63n - 1n) / 1_000_000n);

/** The TypeError for parameter `position` of `method`. */
export function notOfType(method, owner, wanted, position = 1) {
  return new TypeError(`Failed to execute '${method}' on '${owner}': parameter ${position} is not of type '${wanted}'.`);
}

/** A string argument; TypeError when it is not there at all. */
export function textArgument(value, count, method, owner) {
  if (count === 0) throw notOfType(method, owner, "string");
  return String(value);
}

/** A key: text without lone surrogates, which SQLite cannot store. */
export function keyOf(value) {
  return String(value).toWellFormed();
}

/**
 * The options of `list`: undefined members are absent.
 * @param {any} options
 * @param {string} owner
 * @returns {import("./kv.mjs").ListOptions}
 */
export function listOptions(options, owner) {
  if (options === undefined || options === null) return {};
  if (typeof options !== "object" && typeof options !== "function") throw notOfType("list", owner, "ListOptions");
  const text = (value) => (value === undefined ? undefined : keyOf(value));
  return {
    prefix: text(options.prefix),
    start: text(options.start),
    startAfter: text(options.startAfter),
    end: text(options.end),
    limit: options.limit === undefined ? undefined : int32(options.limit),
    reverse: Boolean(options.reverse),
  };
}

/**
 * The time given to `setAlarm`.
 * @param {any} value Date or milliseconds since 1970
 * @param {string} owner
 * @returns {number} whole milliseconds
 */
export function alarmTime(value, owner) {
  const timeMs = value instanceof Date ? value.getTime() : value;
  if (typeof timeMs !== "number") throw notOfType("setAlarm", owner, "date");
  if (!Number.isFinite(timeMs)) throw new TypeError(ALARM_NO_DATE);
  if (Math.trunc(timeMs) <= 0) throw new TypeError(ALARM_NOT_POSITIVE);
  if (timeMs > MAX_ALARM_MS) throw new TypeError(ALARM_TOO_LATE);
  return Math.trunc(timeMs);
}

function int32(value) {
  const number = Number(value);
  if (Number.isNaN(number)) return 0;
  if (number < -MAX_INT32 - 1 || number > MAX_INT32) throw new TypeError(OUT_OF_RANGE);
  return Math.trunc(number);
}
