/**
 * `node:http` and `node:https` as clients. On the platform they stand on `fetch`; here Node's own client stays as it is, on a connection
 * whose far end is Node's own server in this process, which sends each request as `fetch` does. So requests are live, recorded, replayed
 * or denied like any other, and stream both ways. Agents make no connections there, nor do they here.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { createRequire, syncBuiltinESMExports } from "node:module";
import { Readable } from "node:stream";
import { memorySocket } from "../network/memory_socket.mjs";
import { AbortController, URL } from "../originals.mjs";
import { rootContext } from "../owner.mjs";
import { pairsOf } from "./headers.mjs";
import { missing } from "./not_implemented.mjs";
import { port } from "./port.mjs";
import { Request } from "./request.mjs";

const builtin = createRequire(import.meta.url);
/** Of one connection, or said by `fetch` itself. */
const OF_THE_CONNECTION = new Set(["connection", "expect", "host", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding"]);
/** What the gateway has unpacked, leaving the header (gateway/content_coding.py). */
const UNPACKED = new Set(["gzip", "x-gzip", "deflate", "br"]);
const MOST_HEADERS = 1024 * 1024;

let installed = false;

/** Once, when user code first asks for one of the modules: loading them takes a while. */
export function installNodeHttp() {
  if (installed) return;
  installed = true;
  const http = builtin("node:http");
  const far = rootContext(() => http.createServer({ maxHeaderSize: MOST_HEADERS, requireHostHeader: false }));
  far.on("request", relay);
  // A client may write a body that nobody asked for, as with GET. It is dropped, as on the platform, and the answer comes all the same.
  far.on("clientError", () => {});
  for (const [module, scheme] of [
    [http, "http"],
    [builtin("node:https"), "https"],
  ]) {
    const { request } = module;
    const agent = new module.Agent();
    agent.createConnection = (options) => connect(far, scheme, options);
    module.Agent.prototype.createConnection = missing("createConnection");
    module.globalAgent = agent;
    module.request = (...args) => request(...withAgent(args, agent));
    module.get = (...args) => {
      const asked = module.request(...args);
      asked.end();
      return asked;
    };
  }
  syncBuiltinESMExports();
}

/** The arguments of `request`, without what could lead elsewhere. */
function withAgent([input, ...rest], agent) {
  const byUrl = typeof input === "string" || input instanceof URL;
  const given = byUrl ? (typeof rest[0] === "object" ? rest[0] : {}) : input;
  if (given?.createConnection !== undefined) {
    throw Object.assign(new Error("The options.createConnection option is not implemented"), { code: "ERR_OPTION_NOT_IMPLEMENTED" });
  }
  const options = { ...given, agent };
  const callback = rest.find((argument) => typeof argument === "function");
  return byUrl ? [input, options, callback] : [options, callback];
}

/**
 * Where a connection leads, its client's end, and the context of the code that made it.
 * @type {WeakMap<import("node:stream").Duplex, {origin: string, near: import("node:stream").Duplex, enter: (work: () => unknown) => unknown}>}
 */
const destinations = new WeakMap();

function connect(far, scheme, options) {
  const [near, end] = memorySocket();
  const host = options.host?.includes(":") ? `[${options.host}]` : (options.host ?? "localhost");
  destinations.set(end, { origin: `${scheme}://${host}:${options.port}`, near, enter: AsyncLocalStorage.snapshot() });
  // A connection that breaks is told to the client; the far end has nobody to tell.
  end.on("error", () => {});
  far.emit("connection", end);
  return near;
}

function relay(asked, answer) {
  const { origin, near, enter } = destinations.get(asked.socket);
  enter(() => exchange(asked, answer, origin).catch((error) => near.destroy(error)));
}

async function exchange(asked, answer, origin) {
  const aborted = new AbortController();
  answer.once("close", () => {
    if (!answer.writableFinished) aborted.abort();
  });
  const bodiless = asked.method === "GET" || asked.method === "HEAD";
  if (bodiless) asked.resume();
  const headers = pairsIn(asked.rawHeaders);
  const empty = bodiless || !headers.some(([name]) => /^(content-length|transfer-encoding)$/i.test(name));
  const request = new Request(new URL(asked.url, origin), {
    method: asked.method,
    headers: headers.filter(([name]) => !OF_THE_CONNECTION.has(name.toLowerCase())),
    body: empty ? undefined : Readable.toWeb(asked),
    redirect: "manual",
    signal: aborted.signal,
  });
  const response = await port().fetch(request);
  answer.sendDate = false;
  // Not a header of this answer: the connection is nobody's concern.
  answer.removeHeader("connection");
  answer.writeHead(response.status, response.statusText, sendable(pairsOf(response.headers)).flat());
  await pass(response.body, answer);
}

/** Each chunk as it came. */
async function pass(body, answer) {
  answer.flushHeaders();
  if (body !== null) {
    for await (const chunk of body) {
      if (!answer.write(chunk)) await Promise.race([once(answer, "drain"), once(answer, "close")]);
    }
  }
  answer.end();
}

const once = (emitter, event) => new Promise((resolve) => emitter.once(event, resolve));

function sendable(pairs) {
  return pairs.filter(([name, value]) => {
    const lower = name.toLowerCase();
    return !OF_THE_CONNECTION.has(lower) && !(lower === "content-encoding" && UNPACKED.has(value.trim().toLowerCase()));
  });
}

function pairsIn(raw) {
  const pairs = [];
  for (let at = 0; at < raw.length; at += 2) pairs.push([raw[at], raw[at + 1]]);
  return pairs;
}
