/** What can be stored, and what comes back. */
import { Point } from "./odd.mjs";

/** What is stored comes back as. */
const stored = (value) => async (storage) => {
  await storage.put("k", typeof value === "function" ? value() : value);
  return await storage.get("k");
};

class CustomError extends TypeError {
  name = "CustomError";
  code = "E1";
}

function argumentsOf() {
  // biome-ignore lint/complexity/noArguments: it is what is asked about
  return arguments;
}

export default {
  values: [
    ["undefined in an object", stored({ a: undefined })],
    ["undefined in an array", stored([undefined, null])],
    ["numbers", stored([0, -0, 1.5, NaN, Infinity, 2 ** 31, -(2 ** 31), 2 ** 53, 1e300])],
    ["strings", stored(["", "ascii", "größer", "😀", "a\u0000b", "\ud800"])],
    ["bigints", stored([0n, -1n, 2n ** 64n, -(2n ** 70n)])],
    ["holes", stored(Object.assign([1], { 2: 3 }))],
    ["an array with members", stored(Object.assign([1], { extra: 2 }))],
    ["sparse", stored(Object.assign([], { 5: 1, length: 8 }))],
    ["boxes", stored([new Number(5), new String("s"), new Boolean(false), Object(5n)])],
    ["date", stored(new Date(1_700_000_000_000))],
    ["invalid date", stored(new Date(NaN))],
    ["regexp", stored(Object.assign(/a+/giu, { lastIndex: 3 }))],
    ["regexp v", stored(/[a--b]/v)],
    [
      "map",
      stored(
        new Map([
          ["a", 1],
          [{ k: 1 }, new Set([1, "x"])],
        ]),
      ),
    ],
    ["buffers", stored([new Uint8Array([1, 2]).buffer, new Uint8Array([3, 4])])],
    [
      "views",
      stored([
        new Int8Array([-1]),
        new Uint8ClampedArray([9]),
        new Uint16Array([1, 2]),
        new Float32Array([1.5]),
        new Float64Array([2.5]),
        new BigInt64Array([-5n]),
        new BigUint64Array([5n]),
      ]),
    ],
    ["a view of a part", stored(new Uint8Array([1, 2, 3, 4]).subarray(1, 3))],
    [
      "the buffer of a part",
      async (s) => {
        await s.put("k", new Uint8Array([1, 2, 3, 4]).subarray(1, 3));
        const v = await s.get("k");
        return [v.byteOffset, v.buffer.byteLength];
      },
    ],
    [
      "two views of one buffer",
      stored(() => {
        const b = new ArrayBuffer(4);
        return [new Uint8Array(b, 0, 2), new Uint16Array(b)];
      }),
    ],
    [
      "one buffer",
      async (s) => {
        const b = new ArrayBuffer(4);
        await s.put("k", [new Uint8Array(b), new Uint16Array(b)]);
        const [x, y] = await s.get("k");
        return x.buffer === y.buffer;
      },
    ],
    ["dataview", stored(new DataView(new Uint8Array([1, 2, 3]).buffer, 1))],
    ["buffer of node", stored(Buffer.from("hi"))],
    ["float16", stored(() => new Float16Array([1.5]))],
    ["resizable", stored(() => new ArrayBuffer(2, { maxByteLength: 8 }))],
    ["length tracking", stored(() => new Uint8Array(new ArrayBuffer(2, { maxByteLength: 8 })))],
    ["shared", stored(() => new SharedArrayBuffer(2))],
    [
      "detached",
      stored(() => {
        const b = new ArrayBuffer(2);
        structuredClone(b, { transfer: [b] });
        return b;
      }),
    ],
    [
      "cycle",
      async (s) => {
        const o = { a: 1 };
        o.self = o;
        await s.put("k", o);
        const v = await s.get("k");
        return [v.self === v, v.a];
      },
    ],
    [
      "the same object twice",
      async (s) => {
        const o = {};
        await s.put("k", [o, o]);
        const [x, y] = await s.get("k");
        return x === y;
      },
    ],
    ["an instance", stored(new Point(3))],
    ["no prototype", stored(Object.assign(Object.create(null), { a: 1 }))],
    [
      "getters",
      stored({
        get a() {
          return 5;
        },
      }),
    ],
    [
      "a getter that throws",
      stored({
        get a() {
          throw new RangeError("mine");
        },
      }),
    ],
    ["hidden and symbol members", stored(Object.defineProperty({ [Symbol("s")]: 1, seen: 2 }, "hidden", { value: 1 }))],
    ["numeric keys", stored({ b: 1, 2: 2, 1: 3, "-1": 4 })],
    ["a member called __proto__", stored(JSON.parse('{"__proto__": 5, "a": 1}'))],
    ["toJSON is not asked", stored({ toJSON: undefined, a: 1 })],
    [
      "frozen",
      async (s) => {
        await s.put("k", Object.freeze({ a: 1 }));
        return Object.isFrozen(await s.get("k"));
      },
    ],
    ["arguments", stored(argumentsOf(1, 2))],
    ["error", stored(new Error("text"))],
    ["type error", stored(new TypeError("text"))],
    ["range error", stored(new RangeError("text"))],
    ["error with cause", stored(new Error("text", { cause: { a: 1 } }))],
    ["error with members", stored(Object.assign(new Error("text"), { code: 5, remote: true }))],
    ["custom error", stored(new CustomError("text"))],
    ["error with a name", stored(Object.assign(new Error("text"), { name: "Mine" }))],
    ["aggregate error", stored(new AggregateError([new Error("a")], "text"))],
    ["error without message", stored(new Error())],
    [
      "error's stack",
      async (s) => {
        const e = new Error("text");
        e.stack = "my stack";
        await s.put("k", e);
        return (await s.get("k")).stack;
      },
    ],
    [
      "error has no stack",
      async (s) => {
        const e = new Error("text");
        delete e.stack;
        await s.put("k", e);
        return (await s.get("k")).stack.split("\n")[0];
      },
    ],
    ["dom exception", stored(() => new DOMException("text", "AbortError"))],
    ["date subclass", stored(new (class Later extends Date {})(5))],
    ["map subclass", stored(new (class Dict extends Map {})([["a", 1]]))],
    ["array subclass", stored(new (class List extends Array {})(1, 2))],
    ["map with members", stored(Object.assign(new Map([["a", 1]]), { extra: 1 }))],
    ["bytes subclass", stored(new (class Bytes extends Uint8Array {})([1, 2]))],
  ],
  "values that cannot be stored": [
    ["function", stored(() => () => 1)],
    ["named function", stored(() => Math.max)],
    ["method", stored({ method: Map.prototype.get })],
    ["nested", stored({ a: { b: [() => 1] } })],
    ["symbol", stored(Symbol("s"))],
    ["symbol without text", stored(Symbol())],
    ["nested symbol", stored({ a: Symbol.iterator })],
    ["boxed symbol", stored(Object(Symbol("s")))],
    ["promise", stored(Promise.resolve(1))],
    ["weak map", stored(new WeakMap())],
    ["weak set", stored(new WeakSet())],
    ["weak ref", stored(new WeakRef({}))],
    ["proxy", stored(() => new Proxy({}, {}))],
    ["proxy of a function", stored(() => () => new Proxy(() => 1, {}))],
    ["generator", stored((function* () {})())],
    ["iterator of a map", stored(new Map().entries())],
    ["url", stored(() => new URL("http://a/"))],
    ["url search params", stored(() => new URLSearchParams("a=1"))],
    ["headers", stored(() => new Headers({ a: "1" }))],
    ["request", stored(() => new Request("http://a/"))],
    ["response", stored(() => new Response("a"))],
    ["readable stream", stored(() => new ReadableStream())],
    ["writable stream", stored(() => new WritableStream())],
    ["transform stream", stored(() => new TransformStream())],
    ["blob", stored(() => new Blob(["a"]))],
    ["file", stored(() => new File(["a"], "f"))],
    ["form data", stored(() => new FormData())],
    ["abort signal", stored(() => AbortSignal.abort())],
    ["abort controller", stored(() => new AbortController())],
    ["event", stored(() => new Event("x"))],
    ["event target", stored(() => new EventTarget())],
    ["text encoder", stored(() => new TextEncoder())],
    ["web socket pair", stored(() => new WebSocketPair())],
    ["web socket", stored(() => new WebSocketPair()[0])],
    ["storage", (s) => s.put("k", s)],
    ["cursor", (s) => s.put("k", s.sql.exec("SELECT 1"))],
    ["nested in an object", stored(() => ({ a: new URL("http://a/") }))],
    ["subclass", stored(() => new (class Mine extends EventTarget {})())],
    ["intl", stored(() => new Intl.NumberFormat("en"))],
    [
      "the error",
      async (s) => {
        try {
          await s.put("k", () => 1);
        } catch (e) {
          return [e instanceof DOMException, e instanceof Error, e.code, e.constructor.name, typeof e.stack];
        }
      },
    ],
    [
      "at once or later",
      (s) => {
        try {
          s.put("k", () => 1).catch(() => {});
          return "later";
        } catch {
          return "at once";
        }
      },
    ],
    ["nothing is left of it", (s) => s.list()],
  ],
};
