/** The `rpc` operation of the gateway: a method of an object, called by people with JSON (`agents-emu call`). */

import { types } from "node:util";
import { Buffer } from "../originals.mjs";
import { Turn } from "../turns.mjs";
import { checkCall, invoke, locate } from "./targets.mjs";
import { sourceOfObject } from "./visit.mjs";

/**
 * Call a method under the rules of RPC. The object is started for it if need be.
 *
 * @param {import("../objects.mjs").ObjectHandle} handle
 * @param {string} method
 * @param {unknown[]} args JSON values
 * @returns {Promise<unknown>} the result as JSON data; what has no JSON form as its text
 * @throws what the method throws; TypeError when it may not be called
 */
export function callByHand(handle, method, args) {
  return new Promise((resolve, reject) => {
    handle.deliver(
      new Turn(
        method,
        (instance) => call(instance, method, args),
        resolve,
        (error) => reject(error),
      ),
    );
  });
}

async function call(instance, method, args) {
  const source = sourceOfObject(instance.handle);
  const place = { receiver: instance.userObject, kind: "entrypoint", home: instance, context: [], source };
  const found = locate(place, [method]);
  checkCall(found, place, [method], args);
  return jsonOf(await invoke(found, place, [method], args), new Set());
}

/** @param {unknown} value @param {Set<unknown>} around what contains it */
function jsonOf(value, around) {
  if (value === null || value === undefined) return null;
  if (typeof value === "string" || typeof value === "boolean") return value;
  if (typeof value === "number") return Number.isFinite(value) ? value : String(value);
  if (typeof value !== "object") return String(value);
  if (around.has(value)) return "[circular]";
  around.add(value);
  const json = jsonOfObject(value, around);
  around.delete(value);
  return json;
}

function jsonOfObject(value, around) {
  if (typeof value.toJSON === "function") return jsonOf(value.toJSON(), around);
  if (Array.isArray(value) || types.isSet(value)) return Array.from(value, (item) => jsonOf(item, around));
  if (types.isMap(value)) return Object.fromEntries(Array.from(value, ([key, item]) => [String(key), jsonOf(item, around)]));
  if (types.isAnyArrayBuffer(value)) return Buffer.from(value).toString("hex");
  if (ArrayBuffer.isView(value)) return Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("hex");
  const prototype = Object.getPrototypeOf(value);
  const isData = prototype === Object.prototype || prototype === null || value.toString === Object.prototype.toString;
  if (!isData) return String(value);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, jsonOf(item, around)]));
}
