/** What goes over: copies, references, refusals. */

import { env as importedEnv } from "cloudflare:workers";
import { Counter } from "./targets.mjs";
import { byName, kind, lineage, outcome, outcomes, plain, told } from "./telling.mjs";

/** Values by what they are; whether they go over, and as what. */
const SENT = {
  map: () => new Map([[1, { a: 1 }]]),
  set: () => new Set([1]),
  date: () => new Date(5),
  invalidDate: () => new Date(Number.NaN),
  regexp: () => /a/gy,
  bytes: () => new Uint8Array(3),
  buffer: () => new ArrayBuffer(2),
  view: () => new DataView(new ArrayBuffer(2)),
  floats: () => new Float32Array(2),
  nodeBuffer: () => Buffer.from("ab"),
  bigint: () => 10n,
  boxedBoolean: () => new Boolean(true),
  boxedNumber: () => new Number(3),
  boxedString: () => new String("s"),
  error: () => new RangeError("x"),
  ownError: () => new (class Own extends TypeError {})("own"),
  headers: () => new Headers({ a: "b" }),
  request: () => new Request("http://x/"),
  response: () => new Response("b"),
  blob: () => new Blob(["x"]),
  readable: () => new ReadableStream(),
  writable: () => new WritableStream(),
  function: () => () => 1,
  asyncFunction: () => async () => 1,
  class: () => class Sent {},
  target: () => new Counter(1),
  proxy: () => new Proxy({ a: 1 }, {}),
  importedEnv: () => importedEnv,
  frozen: () => Object.freeze({ a: 1 }),
  math: () => Math,
  ownMap: () => new (class Own extends Map {})([[1, 2]]),
  ownArray: () => class extends Array {}.from([1]),
  ownDate: () => new (class extends Date {})(0),
  infinity: () => Number.POSITIVE_INFINITY,
  dom: () => new DOMException("a", "AbortError"),
  // refused
  file: () => new File(["x"], "name"),
  transform: () => new TransformStream(),
  url: () => new URL("http://x"),
  search: () => new URLSearchParams("a=1"),
  form: () => new FormData(),
  controller: () => new AbortController(),
  signal: () => new AbortController().signal,
  withoutPrototype: () => Object.create(null),
  instance: () => new (class Sent {})(),
  symbol: () => Symbol("s"),
  weakMap: () => new WeakMap(),
  weakRef: () => new WeakRef({}),
  promise: () => Promise.resolve(1),
  generator: () => (function* () {})(),
  asyncGenerator: () => (async function* () {})(),
  event: () => new Event("x"),
  encoder: () => new TextEncoder(),
  crypto: () => crypto,
  socket: () => new WebSocketPair()[0],
  arguments: () =>
    (function () {
      // biome-ignore lint/complexity/noArguments: it is what is tried
      return arguments;
    })(1, 2),
};

const RETURNED = [
  ...["array", "asyncGenerator", "cycle", "empty", "getter", "nothing", "null", "number", "odd", "promise", "symbol", "text", "thenable"],
  ...["twice", "wholeClass"],
];

const DISPOSABLE = [
  "blob",
  "buffer",
  "bytes",
  "date",
  "empty",
  "error",
  "headers",
  "map",
  "number",
  "regexp",
  "request",
  "response",
  "set",
];

export function values({ env, ctx, exports }) {
  const peer = env.Peer.getByName("values");
  return {
    "what goes over": () => byName(Object.keys(SENT), (name) => peer.kindOf(SENT[name]())),
    "what goes over of the platform": () =>
      outcomes(
        () => peer.kindOf(env.Peer),
        () => peer.kindOf(peer),
        () => peer.kindOf(peer.id),
        () => peer.kindOf(env),
        () => peer.kindOf(ctx),
        () => peer.kindOf(env.SELF),
        () => peer.kindOf(exports.Entry),
        () => peer.kindOf(exports.Entry({ props: {} })),
        () => peer.kindOf(exports.Peer),
        () => peer.kindOf(peer.hello()),
        () => peer.kindOf(peer.hello),
      ),
    results: () => byName(RETURNED, (name) => peer.returned(name)),
    "results of the platform": () =>
      outcomes(
        () => peer.itself(),
        () => peer.id(),
        () => peer.namespace(),
      ),
    "a result has a way to dispose of it": async () => {
      const all = {};
      for (const name of DISPOSABLE) {
        const value = await peer.returned(name);
        const own = Object.getOwnPropertyDescriptor(value, Symbol.dispose);
        all[name] = [typeof own?.value, own?.enumerable, Object.keys(value)];
      }
      const stub = await peer.counter();
      return { ...all, stub: [Object.hasOwn(stub, Symbol.dispose), typeof stub[Symbol.dispose]] };
    },
    "an argument has none": async () => (await peer.look({ a: 1 })).dispose,
    "absent and null properties": async () => {
      const value = await peer.returned("nested");
      return [Object.keys(value), "absent" in value, value.absent === undefined, value.none];
    },
    "the same object twice, and in itself": async () => {
      const [first, second] = await peer.returned("twice");
      const cycle = await peer.returned("cycle");
      return [first === second, cycle.list[0] === cycle];
    },
    copies: async () => {
      const sent = { a: 1 };
      const back = await peer.change(sent);
      return [sent, back];
    },
    "looks of copies": () =>
      outcomes(
        // biome-ignore lint/suspicious/noSparseArray: it is what is tried
        () => peer.look([1, , 3]),
        () => peer.look(Object.assign([1], { x: 2 })),
        () => peer.look(new Uint8Array(new ArrayBuffer(10), 2, 3)),
        () => peer.look(-0),
        () => peer.look({ [Symbol("a")]: 1, b: 2 }),
        () => peer.look(Object.defineProperty({ a: 1 }, "b", { value: 2 })),
        () => peer.look(JSON.parse('{"__proto__": {"x": 1}, "a": 1}')),
        () =>
          peer.look({
            get a() {
              return 5;
            },
          }),
      ),
    "views share their buffer": () => {
      const buffer = new ArrayBuffer(8);
      return peer.sameBuffer({ a: new Uint8Array(buffer), b: new Uint16Array(buffer), buffer });
    },
    "a map's and a set's contents": async () => {
      const value = await peer.echo(new Map([[{ k: 1 }, new Set(["a", null])]]));
      return [...value].map(([key, set]) => [key, [...set]]);
    },
    "a getter of an argument that throws": () =>
      peer.echo({
        get a() {
          throw new Error("getter of an argument");
        },
      }),
    "a refusal deep inside": () => peer.echo({ a: [{ b: new URL("http://x") }] }),
    "too much": () =>
      outcomes(
        () => peer.echo("x".repeat(33 * 1024 * 1024)),
        () => peer.echo(new Uint8Array(40 * 1024 * 1024)),
        () => peer.returned("big"),
        async () => (await peer.echo("x".repeat(31 * 1024 * 1024))).length,
      ),
    "errors as values": async () => {
      const all = {};
      for (const name of ["error", "foreign", "cause", "aggregate", "dom"]) {
        const error = await peer.returned(name);
        all[name] = { ...told(error), lineage: lineage(error) };
        if (name !== "dom") all[name].keys = Object.keys(error);
      }
      return all;
    },
    headers: async () => [...(await peer.returned("headers"))],
    "a request": () => peer.aboutRequest(new Request("http://h/p?q", { method: "PUT", body: "bb", headers: { "x-y": "z" } })),
    "a request as a result": async () => {
      const request = await peer.returned("request");
      return [request.method, request.url, await request.text(), lineage(request)];
    },
    "a request's headers can be changed": () => peer.changeHeaders(new Request("http://h/")),
    "a response": async () => {
      const response = await peer.returned("response");
      const { status, statusText, url } = response;
      response.headers.set("x-new", "1");
      return [status, statusText, url, [...response.headers], await response.text(), response instanceof Response];
    },
    "a body is given away": async () => {
      const sent = new Response("x");
      await peer.echo(sent);
      const used = new Request("http://h/", { method: "POST", body: "x" });
      await used.text();
      return [sent.bodyUsed, await outcome(() => peer.aboutRequest(used))];
    },
    "a response with a WebSocket": () => peer.upgradedResponse(),
    "a streamed response": async () => (await peer.streamedResponse()).text(),
    "a blob": () =>
      outcomes(
        () => peer.aboutBlob(new Blob(["hey"], { type: "text/x" })),
        async () => (await peer.returned("blob")).text(),
      ),
    "a function's parts": async () => {
      const call = await peer.functionWithParts();
      return [await call(), await call.x, await call.y(), await outcome(() => call.z)];
    },
    "a stub as JSON": async () => [JSON.stringify({ call: await peer.method() }), kind(await peer.method())],
    "parts of odd names": async () => [plain(await peer.returned("odd")["a b"]), await peer.returned("odd").fetch()],
  };
}
