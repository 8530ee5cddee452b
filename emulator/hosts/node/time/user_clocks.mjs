/**
 * Every clock of the language and of Node that user code can ask, led by a virtual one: `Date`, `performance`, `Intl`, `process`, `File`,
 * `console.time`. Timers need nothing here: the surface's ask the host's clock anyway.
 *
 * What the platform says is what they say: `performance.timeOrigin` is 0 and `performance.now()` is `Date.now()` (observed on workerd).
 */

import { PlatformDate, process } from "../originals.mjs";

const NS_PER_MS = 1_000_000n;

/**
 * Called once, before any user code or package is imported, because those may keep what they find.
 * @param {() => number} nowMs
 */
export function installUserClocks(nowMs) {
  installDate(nowMs);
  installPerformance(nowMs);
  installIntl(nowMs);
  installProcessTimes(nowMs);
  installFile(nowMs);
}

/** `Date`. It has the prototype of the original, so dates that Node makes are dates too. */
function installDate(nowMs) {
  PlatformDate.now = own("now", () => nowMs());
  const text = PlatformDate.prototype.toString;
  replaceClass("Date", PlatformDate, {
    called: () => text.call(new PlatformDate(nowMs())),
    completed: (given) => (given.length === 0 ? [nowMs()] : given),
  });
}

/** A file without a date is of now. */
function installFile(nowMs) {
  replaceClass("File", globalThis.File, {
    completed: ([parts, name, options, ...more]) =>
      name === undefined ? [parts] : [parts, name, { lastModified: nowMs(), ...options }, ...more],
  });
}

/**
 * Put a function in a global class's place that completes the arguments of its constructor.
 * @param {string} name
 * @param {Function} original
 * @param {{called?: () => unknown, completed: (given: unknown[]) => unknown[]}} how `called`: without `new`
 */
function replaceClass(name, original, { called, completed }) {
  const replacement = function (...given) {
    if (new.target === undefined) return called === undefined ? original(...given) : called();
    return Reflect.construct(original, completed(given), new.target);
  };
  for (const key of Reflect.ownKeys(original)) Object.defineProperty(replacement, key, Object.getOwnPropertyDescriptor(original, key));
  // Shown as what it stands for.
  const shown = own("toString", () => Function.prototype.toString.call(original));
  Object.defineProperty(replacement, "toString", { value: shown, writable: true, enumerable: false, configurable: true });
  Object.setPrototypeOf(replacement, Object.getPrototypeOf(original));
  Object.defineProperty(original.prototype, "constructor", { value: replacement, writable: true, configurable: true });
  Object.defineProperty(globalThis, name, { value: replacement, writable: true, enumerable: false, configurable: true });
}

function installPerformance(nowMs) {
  const { prototype } = globalThis.Performance;
  const { mark, measure } = prototype;
  define(prototype, "now", () => nowMs());
  define(prototype, "mark", function (name, options) {
    return mark.call(this, name, { ...options, startTime: options?.startTime ?? nowMs() });
  });
  define(prototype, "measure", function (name, from, to) {
    return measure.call(this, name, { ...span(from, to), ...until(from, to, nowMs) });
  });
  Object.defineProperty(prototype, "timeOrigin", { get: () => 0, enumerable: true, configurable: true });
  Object.defineProperty(globalThis.Event.prototype, "timeStamp", { get: () => 0, enumerable: true, configurable: true });
}

/** What `performance.measure` was told, as one object. */
function span(from, to) {
  if (typeof from === "object" && from !== null) return from;
  return { start: from ?? 0, ...(to === undefined ? {} : { end: to }) };
}

/** Where the measure ends, unless it was told. */
function until(from, to, nowMs) {
  const told = to !== undefined || (typeof from === "object" && from !== null && (from.end !== undefined || from.duration !== undefined));
  return told ? {} : { end: nowMs() };
}

/** A date to be formatted is now unless one is given. */
function installIntl(nowMs) {
  const { prototype } = Intl.DateTimeFormat;
  const { get } = Object.getOwnPropertyDescriptor(prototype, "format");
  const { formatToParts } = prototype;
  const formats = new WeakMap();
  Object.defineProperty(prototype, "format", {
    get() {
      let format = formats.get(this);
      if (format === undefined) {
        const original = get.call(this);
        format = (date) => original(date ?? (date === undefined ? nowMs() : date));
        formats.set(this, format);
      }
      return format;
    },
    enumerable: false,
    configurable: true,
  });
  define(prototype, "formatToParts", function (date) {
    return formatToParts.call(this, date === undefined ? nowMs() : date);
  });
}

function installProcessTimes(nowMs) {
  let startMs = null;
  process.uptime = own("uptime", () => {
    startMs ??= nowMs();
    return (nowMs() - startMs) / 1000;
  });
  const hrtime = own("hrtime", (since) => {
    const now = [Math.trunc(nowMs() / 1000), (nowMs() % 1000) * 1e6];
    if (since === undefined) return now;
    const [seconds, nanoseconds] = [now[0] - since[0], now[1] - since[1]];
    return nanoseconds < 0 ? [seconds - 1, nanoseconds + 1e9] : [seconds, nanoseconds];
  });
  hrtime.bigint = own("bigint", () => BigInt(nowMs()) * NS_PER_MS);
  process.hrtime = hrtime;
}

function define(target, name, value) {
  Object.defineProperty(target, name, { value: own(name, value), writable: true, enumerable: true, configurable: true });
}

function own(name, value) {
  return Object.defineProperty(value, "name", { value: name, configurable: true });
}
