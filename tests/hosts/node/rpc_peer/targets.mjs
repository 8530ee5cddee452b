/** The other side: what the checks call. */

import { AsyncLocalStorage } from "node:async_hooks";
import { DurableObject, RpcStub, RpcTarget, WorkerEntrypoint } from "cloudflare:workers";
import { kind, lineage, noter, outcome, sleep, told } from "./telling.mjs";

export const story = new AsyncLocalStorage();

export class Counter extends RpcTarget {
  field = 1;

  #note = noter();

  constructor(value = 0) {
    super();
    this.value = value;
  }

  add(step = 1) {
    this.value += step;
    return this.value;
  }

  get doubled() {
    return this.value * 2;
  }

  get parts() {
    return { deep: { x: 7 }, counter: new Counter(5) };
  }

  child() {
    return new Counter(100);
  }

  fail() {
    throw new Error(`counter at ${this.value}`);
  }

  async slow() {
    await sleep(200);
    return 1;
  }

  fetch(url) {
    return `fetch ${typeof url}`;
  }

  alarm() {
    return "alarm";
  }

  catch() {
    return "catch";
  }

  toString() {
    return "mine";
  }

  [Symbol.dispose]() {
    this.#note(`end of ${this.value}`);
  }
}

class Plain {
  x = 1;

  method() {
    return 2;
  }
}

class Inherited extends DurableObject {
  inherited() {
    return "inherited";
  }
}

let saved = null;

/** Values that calls return, by name. */
const RETURNED = {
  aggregate: () => new AggregateError([new Error("inner")], "outer"),
  array: () => [1, new Counter(3)],
  asyncGenerator: () => (async function* () {})(),
  big: () => "x".repeat(33 * 1024 * 1024),
  blob: () => new Blob(["blob"], { type: "text/x" }),
  buffer: () => new ArrayBuffer(1),
  bytes: () => new Uint8Array(2),
  cause: () => new Error("outer", { cause: new RangeError("inner") }),
  cycle: () => {
    const value = { list: [] };
    value.list.push(value);
    return value;
  },
  date: () => new Date(5),
  dom: () => new DOMException("not there", "NotFoundError"),
  empty: () => ({}),
  error: () => Object.assign(new RangeError("a value"), { code: 3 }),
  foreign: () => {
    class Odd extends TypeError {
      constructor(message) {
        super(message);
        this.name = "Odd";
      }
    }
    return new Odd("odd");
  },
  getter: () => ({
    get broken() {
      throw new Error("getter of a value");
    },
  }),
  headers: () =>
    new Headers([
      ["a", "1"],
      ["a", "2"],
      ["set-cookie", "x"],
      ["set-cookie", "y"],
    ]),
  map: () => new Map([["a", new Counter(4)]]),
  nested: () => ({ a: 1, counter: new Counter(2), call: () => 9, deep: { call: () => 8 }, absent: undefined, none: null }),
  nothing: () => undefined,
  null: () => null,
  number: () => new Number(3),
  odd: () => ({ "a b": 1, 0: 5, fetch: () => "own fetch", dup: () => "own dup", "": 2 }),
  promise: () => ({ promise: Promise.resolve(1) }),
  regexp: () => /a/g,
  request: () => new Request("http://asked/", { method: "POST", body: "posted" }),
  response: () => new Response("body", { status: 201, statusText: "Mine", headers: { "x-a": "1" } }),
  set: () => new Set([1]),
  symbol: () => new Map([[1, Symbol("inside")]]),
  text: () => "text",
  thenable: () => ({
    // biome-ignore lint/suspicious/noThenProperty: it is what is tried
    then(resolve) {
      resolve(77);
    },
  }),
  twice: () => {
    const value = {};
    return [value, value];
  },
  wholeClass: () => new Plain(),
};

/** What is thrown, by name. */
const THROWN = {
  abort: () => new DOMException("stopped", "AbortError"),
  aggregate: RETURNED.aggregate,
  array: () => [1, 2],
  coded: () => Object.assign(new RangeError("coded"), { code: 7, detail: { a: [1] } }),
  custom: () => {
    class Own extends Error {
      constructor() {
        super("own", { cause: new TypeError("its cause") });
        this.name = "Own";
        this.code = "X";
      }
    }
    return new Own();
  },
  flagged: () => Object.assign(new Error("flagged"), { retryable: true, overloaded: true, remote: false }),
  frozen: () => Object.freeze(new Error("frozen")),
  hidden: () => Object.defineProperty(new Error("hidden"), "secret", { value: 1, enumerable: false }),
  like: () => ({ message: "like", name: "Like" }),
  named: () => {
    class Named extends Error {
      get name() {
        return "Named";
      }
    }
    return new Named("named");
  },
  null: () => null,
  number: () => 5,
  object: () => ({ a: 1 }),
  plainClass: () => new Plain(),
  string: () => "a string",
  symbol: () => Symbol("thrown"),
  target: () => new Counter(1),
  undefined: () => undefined,
  uncopyable: () => Object.assign(new Error("uncopyable"), { call: () => 1, code: 4 }),
  url: () => new URL("http://thrown/"),
};

/** A Durable Object with a bit of everything. */
export class Peer extends Inherited {
  field = 5;
  arrow = () => 1;
  #kept = null;
  #events = [];
  #waiting = null;

  constructor(ctx, env) {
    super(ctx, env);
    this.shadowed = 3;
  }

  // -- names

  hello() {
    return "hello";
  }

  shadowed() {
    return "never";
  }

  _underlined() {
    return "underlined";
  }

  get property() {
    return 42;
  }

  get call() {
    return () => "called";
  }

  get text() {
    return "abc";
  }

  get nothing() {
    return null;
  }

  get later() {
    return Promise.resolve({ a: 5 });
  }

  get instance() {
    return new Plain();
  }

  get broken() {
    throw new Error("getter");
  }

  set sink(_value) {}

  get tree() {
    return {
      instance: new Plain(),
      none: null,
      one: 1,
      map: new Map([["k", 1]]),
      counter: new Counter(4),
      call: Object.assign(() => "tree call", { own: { x: 2 } }),
      b: { c: 3 },
      method() {
        return this.one;
      },
    };
  }

  alarm() {}
  webSocketMessage() {}
  webSocketClose() {}
  webSocketError() {}

  scheduled() {
    return "scheduled";
  }

  onRpcBroken() {
    return "onRpcBroken";
  }

  toJSON() {
    return "toJSON";
  }

  static ofTheClass() {
    return 1;
  }

  ownKeys() {
    return Object.getOwnPropertyNames(this).sort();
  }

  // -- values

  returned(name) {
    return RETURNED[name]();
  }

  echo(value) {
    return value;
  }

  count(...args) {
    return args.map((arg) => typeof arg);
  }

  kindOf(value) {
    return `${kind(value)} ${value?.constructor?.name}`;
  }

  look(value) {
    return {
      bytes: ArrayBuffer.isView(value) ? [value.byteOffset, value.length, value.buffer.byteLength] : null,
      keys: Object(value) === value ? Object.keys(value) : null,
      dispose: typeof value?.[Symbol.dispose],
      symbols: Object(value) === value ? Object.getOwnPropertySymbols(value).length : 0,
      negativeZero: Object.is(value, -0),
      length: value?.length ?? null,
    };
  }

  sameBuffer({ a, b, buffer }) {
    return [a.buffer === b.buffer, a.buffer === buffer];
  }

  change(value) {
    value.a = 2;
    return value;
  }

  itself() {
    return this;
  }

  id() {
    return this.ctx.id;
  }

  ownId() {
    return String(this.ctx.id);
  }

  namespace() {
    return this.env.Peer;
  }

  // -- errors

  throws(name) {
    throw THROWN[name]();
  }

  async rejects() {
    await sleep(1);
    throw new TypeError("rejected");
  }

  async relay(name) {
    return await this.env.Peer.getByName(name).throws("coded");
  }

  // -- references

  counter(value) {
    return new Counter(value);
  }

  sharedCounter() {
    Peer.shared ??= new Counter(50);
    return Peer.shared;
  }

  sameTwice() {
    const counter = new Counter(9);
    return [counter, counter];
  }

  result() {
    const note = noter();
    return {
      counter: new Counter(20),
      [Symbol.dispose]() {
        note("end of result");
      },
    };
  }

  disposableFunction() {
    const note = noter();
    return Object.assign(() => 1, { [Symbol.dispose]: () => note("end of function") });
  }

  functionWithParts() {
    return Object.assign(() => 1, { x: 2, y: () => 3 });
  }

  method() {
    return this.hello;
  }

  other(name) {
    return this.env.Peer.getByName(name);
  }

  promised(name) {
    return this.env.Peer.getByName(name).counter(70);
  }

  promisedInside(name) {
    return { counter: this.env.Peer.getByName(name).counter(71) };
  }

  async use(counter) {
    return await counter.add(3);
  }

  async callback(call, ...args) {
    return await call(...args);
  }

  async callbackInside({ call }) {
    return await call();
  }

  async callbackLater(call) {
    const own = call.dup();
    await sleep(20);
    return await own();
  }

  async callbackThenThrow(call) {
    await call();
    throw new Error("after the callback");
  }

  keep(counter) {
    this.#kept = counter;
  }

  keepDup(counter) {
    this.#kept = counter.dup();
  }

  async useKept() {
    return await this.#kept.add(1);
  }

  dropKept() {
    this.#kept[Symbol.dispose]();
  }

  disposeArgument(counter) {
    counter[Symbol.dispose]();
    return 1;
  }

  stubAndDup() {
    const stub = new RpcStub(new Counter(12));
    this.#kept = stub.dup();
    return stub;
  }

  stubKept() {
    const stub = new RpcStub(new Counter(13));
    this.#kept = stub;
    return stub;
  }

  bothWays(call) {
    return { call, dup: call.dup() };
  }

  nestedBack(value) {
    return { again: value.call, same: value };
  }

  async passOn(counter, name) {
    return await this.env.Peer.getByName(name).use(counter);
  }

  async fetchBy(fetcher, url) {
    return await (await fetcher.fetch(url)).text();
  }

  async helloBy(stub) {
    return await stub.hello();
  }

  async readBy(stub) {
    return await stub.x;
  }

  save(call) {
    saved = call.dup();
  }

  async callSaved() {
    return await outcome(() => saved());
  }

  // -- events

  story() {
    return story.getStore() ?? "none";
  }

  event(name) {
    this.#events.push(name);
    return name;
  }

  events() {
    return this.#events.splice(0);
  }

  async slow(ms) {
    await sleep(ms);
    return ms;
  }

  /** Waits for the next call. */
  async meet(name) {
    this.#events.push(name);
    if (this.#waiting === null)
      await new Promise((resolve) => {
        this.#waiting = resolve;
      });
    else this.#waiting();
    this.#events.push(`${name} again`);
  }

  abort(reason) {
    this.ctx.abort(reason);
  }

  blockAndFail() {
    return this.ctx.blockConcurrencyWhile(() => {
      throw new Error("blocked");
    });
  }

  spoil() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE parent(id INTEGER PRIMARY KEY)");
    sql.exec("CREATE TABLE child(parent REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)");
    sql.exec("INSERT INTO child VALUES (77)");
    return "premature";
  }

  // -- streams

  textStream(chunks) {
    return new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(chunk);
        controller.close();
      },
    });
  }

  byteStream() {
    return new ReadableStream({
      type: "bytes",
      start(controller) {
        controller.enqueue(new Uint8Array([1, 2, 3]));
        controller.close();
      },
    });
  }

  slowStream(chunks) {
    const note = noter();
    let sent = 0;
    return new ReadableStream({
      async pull(controller) {
        await sleep(5);
        sent += 1;
        if (sent <= chunks) controller.enqueue(new TextEncoder().encode(`c${sent}`));
        else controller.close();
      },
      cancel(reason) {
        note(`cancel ${reason}`);
      },
    });
  }

  brokenStream() {
    return new ReadableStream({
      pull(controller) {
        controller.error(new RangeError("in the stream"));
      },
    });
  }

  async countBytes(stream) {
    let bytes = 0;
    for await (const chunk of stream) bytes += chunk.byteLength;
    return bytes;
  }

  async readText(stream) {
    return await new Response(stream).text();
  }

  async readSome(stream) {
    const reader = stream.getReader();
    const { value } = await reader.read();
    await reader.cancel("enough");
    return value.length > 0;
  }

  async write(stream, ...chunks) {
    const writer = stream.getWriter();
    for (const chunk of chunks) await writer.write(chunk);
    await writer.close();
    return "written";
  }

  async writeAndAbort(stream) {
    const writer = stream.getWriter();
    await writer.write(new Uint8Array([1]));
    await writer.abort(new Error("given up"));
    return "aborted";
  }

  // -- requests and responses

  async aboutRequest(request) {
    const { method, url, redirect } = request;
    return { method, url, redirect, headers: [...request.headers], text: await request.text(), lineage: lineage(request) };
  }

  async aboutBlob(blob) {
    return [blob.type, blob.size, await blob.text()];
  }

  changeHeaders(request) {
    try {
      request.headers.set("x-new", "1");
      return "changed";
    } catch (error) {
      return told(error);
    }
  }

  upgradedResponse() {
    return new Response(null, { status: 101, webSocket: new WebSocketPair()[0] });
  }

  streamedResponse() {
    return new Response(this.slowStream(3));
  }
}

/** A Durable Object that shows its gates, and its facets. */
export class Gated extends DurableObject {
  async answerDuringSection(name) {
    const order = [];
    const call = this.env.Peer.getByName(name)
      .hello()
      .then(() => order.push("answer"));
    await this.ctx.blockConcurrencyWhile(async () => {
      await sleep(20);
      order.push("section");
    });
    await call;
    return order;
  }

  callInSection(name) {
    return this.ctx.blockConcurrencyWhile(async () => `${await this.env.Peer.getByName(name).hello()} in a section`);
  }

  async block(ms) {
    await this.ctx.blockConcurrencyWhile(() => sleep(ms));
    this.marks = [...(this.marks ?? []), "blocked"];
    return this.marks;
  }

  mark(name) {
    this.marks = [...(this.marks ?? []), name];
    return this.marks;
  }

  async write(key, value) {
    this.ctx.storage.put(key, value);
  }

  read(key) {
    return this.ctx.storage.get(key);
  }

  spoilAndCall(name) {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE parent(id INTEGER PRIMARY KEY)");
    sql.exec("CREATE TABLE child(parent REFERENCES parent(id) DEFERRABLE INITIALLY DEFERRED)");
    sql.exec("INSERT INTO child VALUES (77)");
    this.env.Peer.getByName(name).event("never");
    return "premature";
  }

  async increment() {
    const count = (await this.ctx.storage.get("count")) ?? 0;
    await this.ctx.storage.put("count", count + 1);
    return count + 1;
  }

  async callTwice(call) {
    await call(1);
    await call(2);
    return "called twice";
  }

  async pingPong(name, times) {
    if (times === 0) return ["over"];
    const other = await this.ctx.exports.Gated.getByName(name).pingPong("gates", times - 1);
    return [times, ...other];
  }

  async facet(what) {
    const facet = this.ctx.facets.get("child", async () => {
      await sleep(1);
      return { class: what === "wrong" ? 5 : this.ctx.exports.Peer };
    });
    switch (what) {
      case "hello":
        return [
          kind(facet),
          Object.keys(facet),
          await facet.hello(),
          await facet.counter(1).add(2),
          (await facet.ownId()) === String(this.ctx.id),
        ];
      case "order":
        facet.event(1);
        facet.event(2);
        facet.event(3);
        return [await facet.events(), await outcome(() => facet.throws("coded")), await facet.hello()];
      case "return":
        return facet;
      case "lend":
        return await this.env.Peer.getByName("gates, the other one").echo(facet);
      default:
        this.ctx.facets.abort("child", new Error("another class"));
        return await outcome(() => facet.hello());
    }
  }
}

let failures = 0;

/** A Durable Object whose constructor fails as often as it is told. */
export class Fragile extends DurableObject {
  static failNext(count) {
    failures = count;
  }

  constructor(ctx, env) {
    super(ctx, env);
    failures -= 1;
    if (failures >= 0) throw Object.assign(new TypeError("constructor"), { code: 5 });
  }

  hello() {
    return "hello";
  }

  fetch() {
    return new Response("fetched");
  }
}

/** Handles requests to an object and to an entrypoint. */
export async function answer(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/redirect":
      return Response.redirect("http://elsewhere/end", 302);
    case "/redirect-again":
      return new Response(null, { status: 307, headers: { location: "/end?relative" } });
    case "/loop":
      return Response.redirect("http://web/loop", 302);
    case "/throw":
      throw Object.assign(new TypeError("in fetch"), { code: 1 });
    case "/number":
      return 5;
    case "/nothing":
      return undefined;
    case "/story":
      return new Response(String(story.getStore()));
    case "/socket": {
      const pair = new WebSocketPair();
      pair[1].accept();
      pair[1].addEventListener("message", ({ data }) => pair[1].send(`echo ${data}`));
      return new Response(null, { status: 101, webSocket: pair[0] });
    }
    case "/stream": {
      const note = noter();
      let sent = 0;
      return new Response(
        new ReadableStream({
          async pull(controller) {
            await sleep(3);
            sent += 1;
            if (sent <= 3) controller.enqueue(new TextEncoder().encode(`c${sent}`));
            else controller.close();
          },
          cancel(reason) {
            note(`cancel ${reason}`);
          },
        }),
      );
    }
    case "/status":
      return new Response(null, { status: Number(new URL(request.url).search.slice(1)) });
    default: {
      const { method, url, redirect } = request;
      const headers = [...request.headers].map(([name, value]) => `${name}: ${value}`);
      return Response.json({ method, url, redirect, headers, text: await request.text() }, { headers: { "x-own": "1" } });
    }
  }
}

/** A Durable Object that takes requests. */
export class Web extends DurableObject {
  fetch(request) {
    this.last = new URL(request.url).pathname;
    if (this.last === "/abort") this.ctx.abort("while fetching");
    return answer(request);
  }

  abort(reason) {
    this.ctx.abort(reason);
  }

  lastPath() {
    return this.last;
  }
}

/** An entrypoint with methods and a handler. */
export class Entry extends WorkerEntrypoint {
  field = 5;

  hello(name = "nobody") {
    return `hello ${name} ${JSON.stringify(this.ctx.props)}`;
  }

  get property() {
    return 4;
  }

  ownKeys() {
    return Object.getOwnPropertyNames(this).sort();
  }

  times() {
    this.called = (this.called ?? 0) + 1;
    return this.called;
  }

  counter() {
    return new Counter(30);
  }

  fail() {
    throw new TypeError("entry fails");
  }

  async use(counter) {
    return await counter.add(5);
  }

  later() {
    const note = noter();
    this.ctx.waitUntil(sleep(5).then(() => note("waited until")));
    return 2;
  }

  story() {
    return story.getStore() ?? "none";
  }

  scheduled() {
    return "scheduled";
  }

  queue() {
    return "queue";
  }

  alarm() {
    return "alarm";
  }

  dup() {
    return "dup";
  }

  fetch(request) {
    return answer(request);
  }
}

/** An entrypoint without a handler of requests. */
export class Mute extends WorkerEntrypoint {
  hello() {
    return "mute";
  }
}

/** An exported object of handlers. */
export const handlers = {
  one(value) {
    return `one ${value}`;
  },
  context(value, env, ctx) {
    return [value, Object.keys(env).sort(), typeof ctx.waitUntil];
  },
  fetch(request, env) {
    return new Response(`${request.method} ${env.TEXT}`);
  },
};
