/** Putting what happened into JSON. */

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What was noted during this check, in order; whoever looks takes it away. */
const notes = [];
let check = 0;

/** A check begins. */
export function nextCheck() {
  check += 1;
  notes.length = 0;
}

/** Notes a text later, if that is during this check: garbage is collected, and its ends are told, at any time. */
export function noter() {
  const begun = check;
  return (text) => {
    if (begun === check) notes.push(text);
  };
}

/** What was noted since the last look, after what was on its way has arrived. */
export async function noted() {
  await sleep(10);
  return notes.splice(0);
}

/** An error with everything about it but its stack. */
export function told(error) {
  if (typeof error !== "object" || error === null) return { thrown: `${typeof error} ${String(error)}` };
  const own = Object.getOwnPropertyNames(error).filter((key) => key !== "stack" && key !== "message" && key !== "name");
  const properties = Object.fromEntries(own.map((key) => [key, plain(error[key])]));
  if (!("message" in error)) return { object: properties };
  const code = error instanceof DOMException ? { code: error.code } : {};
  return { class: error.constructor.name, name: error.name, message: error.message, ...properties, ...code };
}

/** A value of any kind as JSON. */
export function plain(value) {
  if (value === undefined) return "undefined";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function" || typeof value === "symbol") return kind(value);
  if (value instanceof Error || value instanceof DOMException) return told(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype) {
    return Object.fromEntries(Object.keys(value).map((key) => [key, plain(value[key])]));
  }
  return typeof value === "object" && value !== null ? kind(value) : value;
}

/** What sort of thing it is. */
export function kind(value) {
  return `${typeof value} ${Object.prototype.toString.call(value)}`;
}

/** The classes a value is an instance of. */
export function lineage(value) {
  const names = [];
  for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) names.push(at.constructor.name);
  return names;
}

/** The value, or the error, of what may go wrong. */
export async function outcome(work) {
  try {
    return plain(await work());
  } catch (error) {
    return { error: told(error) };
  }
}

/** The outcome, and whether an error was thrown at once instead of rejecting a promise. */
export function thrownAtOnce(work) {
  try {
    const promise = work();
    promise?.catch?.(() => {});
    return false;
  } catch (error) {
    return told(error);
  }
}

/** Outcomes of several, one after the other. */
export async function outcomes(...works) {
  const all = [];
  for (const work of works) all.push(await outcome(work));
  return all;
}

/** Outcomes by name, one after the other. */
export async function byName(names, work) {
  const all = {};
  for (const name of names) all[name] = await outcome(() => work(name));
  return all;
}
