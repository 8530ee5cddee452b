/**
 * Objects of the platform that cannot be stored. To V8 most of ours are plain objects, so it has to be told.
 *
 * Instances of user code's own classes are not among them: those are stored as plain objects (durable-objects.md 3.5).
 */
import { DurableObject, RpcTarget, WorkerEntrypoint, WorkflowEntrypoint } from "../rpc/bases.mjs";
import { DurableObjectStorage, DurableObjectTransaction } from "./durable_object_storage.mjs";
import { Cursor, SqlStorage } from "./sql_storage.mjs";
import { SyncKvStorage } from "./sync_kv_storage.mjs";

const CLASSES = [
  ...[DurableObject, WorkerEntrypoint, WorkflowEntrypoint],
  ...[DurableObjectStorage, DurableObjectTransaction, SqlStorage, Cursor, SyncKvStorage],
];
/** Headers, Request, Response and Blob are refused here only: the platform stores them in formats of its own. */
const GLOBALS = `
  AbortController Blob BroadcastChannel ByteLengthQueuingStrategy Cache CacheStorage CompressionStream CountQueuingStrategy Crypto
  CryptoKey DecompressionStream Event EventSource EventTarget FixedLengthStream FormData HTMLRewriter Headers IdentityTransformStream
  MessageChannel MessagePort Navigator Performance Request Response SubtleCrypto TextDecoder TextDecoderStream TextEncoder
  TextEncoderStream TransformStream URL URLPattern URLSearchParams WebSocket WebSocketPair WebSocketRequestResponsePair
`
  .trim()
  .split(/\s+/);

/** What is said of the instances of a class, by its prototype. Collected at the first question: the surface has put its globals there by then. */
let refusals = null;

/**
 * The real runtime's refusal to store `value`, null when it would not refuse.
 * @param {object} value not a proxy
 * @returns {string | null}
 */
export function refusalOf(value) {
  refusals ??= collect();
  for (let prototype = Object.getPrototypeOf(value); prototype !== null; prototype = Object.getPrototypeOf(prototype)) {
    const refusal = refusals.get(prototype);
    if (refusal !== undefined) return refusal(value);
  }
  return null;
}

function collect() {
  const found = new Map();
  const add = (Class, refusal) => typeof Class === "function" && found.set(Class.prototype, refusal);
  for (const Class of [...CLASSES, ...GLOBALS.map((name) => globalThis[name])]) add(Class, unsupported);
  add(globalThis.ReadableStream, () => "ReadableStream can only be serialized for RPC.");
  add(globalThis.WritableStream, () => "WritableStream can only be serialized for RPC.");
  add(globalThis.AbortSignal, () => "AbortSignal serialization is not enabled.");
  add(RpcTarget, () => "Remote RPC references can only be serialized for RPC.");
  return found;
}

function unsupported(value) {
  return `Could not serialize object of type "${value.constructor.name}". This type does not support serialization.`;
}
