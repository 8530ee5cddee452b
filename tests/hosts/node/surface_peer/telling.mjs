/** Putting what happened into JSON. */

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** The value, or the error, of what may go wrong at once. */
export function tried(work) {
  try {
    return plain(work());
  } catch (error) {
    return { error: told(error) };
  }
}

/** The value, or the error, of what may go wrong. */
export async function outcome(work) {
  try {
    return plain(await work());
  } catch (error) {
    return { error: told(error) };
  }
}

/** Outcomes by name, one after the other. */
export async function byName(names, work) {
  const all = {};
  for (const name of names) all[name] = await outcome(() => work(name));
  return all;
}

/** Class, name and message. */
export function told(error) {
  if (typeof error !== "object" || error === null || !("message" in error)) return { thrown: plain(error) };
  const code = error instanceof DOMException ? { code: error.code } : {};
  return { class: error.constructor.name, name: error.name, message: error.message, ...code };
}

/** A value of any kind as JSON. */
export function plain(value) {
  if (value === undefined) return "undefined";
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "function") return "function";
  if (typeof value === "symbol") return String(value);
  if (value === null || typeof value !== "object") return value;
  if (value instanceof Error || value instanceof DOMException) return told(value);
  if (Array.isArray(value)) return value.map(plain);
  if (value instanceof ArrayBuffer) return { ArrayBuffer: [...new Uint8Array(value)] };
  if (ArrayBuffer.isView(value)) return { [value.constructor.name]: [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)] };
  if (Object.getPrototypeOf(value) !== Object.prototype) return `a ${value.constructor.name}`;
  return Object.fromEntries(Object.keys(value).map((key) => [key, plain(value[key])]));
}

export const bytes = (text) => new TextEncoder().encode(text);

/** A stream of chunks as they are. */
export function streamOf(...chunks) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(chunk);
      controller.close();
    },
  });
}
