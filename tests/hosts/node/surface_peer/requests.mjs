/** `Request`. */

import { byName, tried } from "./telling.mjs";

const A = "http://a/";
const METHODS = "get Post HEAD put patch DELETE options TRACE PROPFIND CONNECT FOO QUERY".split(" ");

export function requests({ request }) {
  return {
    URLs: () =>
      byName(["http://a", "HTTP://A.com:80/b/../c?x#frag", "http://a/ü b", "ftp://a/", "http://u:p@a/"], (url) => new Request(url).url),
    "what is no URL": () => byName(["", "/x", "5", "http://"], (url) => new Request(url)),
    "no argument": () => new Request(),
    "URLs of other kinds": () => [new Request(new URL("http://a/é")).url, new Request({ toString: () => "http://z/" }).url],
    methods: () => byName(METHODS, (method) => new Request(A, { method }).method),
    "what is no method": () => byName(["", "a b", null], (method) => new Request(A, { method })),
    "no method": () => new Request(A, { method: undefined }).method,
    "a body where none may be": () =>
      byName(["GET", "HEAD"], (method) => [
        tried(() => new Request(A, { method, body: "x" })),
        tried(() => new Request(A, { method, body: "" })),
      ]),
    "no body": () => [new Request(A, { body: null }).body, new Request(A, { body: undefined }).body],
    defaults: () => {
      const { cache, cf, fetcher, integrity, keepalive, redirect, signal, body, bodyUsed, mode, credentials, duplex } = new Request(A);
      return { cache, cf, fetcher, integrity, keepalive, redirect, signal, body, bodyUsed, mode, credentials, duplex };
    },
    "one that came in": async () => {
      const { redirect, signal, body, bodyUsed, integrity, keepalive, cache, method } = request;
      return { redirect, aborted: signal.aborted, same: signal === request.signal, body, bodyUsed, integrity, keepalive, cache, method };
    },
    redirects: () => byName(["follow", "manual", "error", "x", null], (redirect) => new Request(A, { redirect }).redirect),
    caches: () => byName(["no-store", "no-cache", "default", "reload", null], (cache) => new Request(A, { cache }).cache),
    "options of browsers": () => new Request(A, { mode: "cors", credentials: "include", keepalive: true, referrer: "x" }).keepalive,
    integrity: () => [tried(() => new Request(A, { integrity: "sha256-x" })), new Request(A, { integrity: "" }).integrity],
    "init of the wrong kind": () => byName(["x", 5, null], (init) => new Request(A, init).url),
    "fields of the wrong kind": () => ({
      signal: tried(() => new Request(A, { signal: 5 })),
      headers: tried(() => new Request(A, { headers: null })),
      cf: tried(() => new Request(A, { cf: null })),
      fetcher: tried(() => new Request(A, { fetcher: {} })),
    }),
    signals: () => {
      const controller = new AbortController();
      const one = new Request(A, { signal: controller.signal });
      const clone = one.clone();
      const copy = new Request(one);
      const same = [one, clone, copy].map(({ signal }) => signal === controller.signal);
      controller.abort();
      return [same, clone.signal.aborted, new Request(A, { signal: null }).signal.aborted];
    },
    "cf is copied": () => {
      const cf = { a: 1 };
      const one = new Request(A, { cf });
      return [one.cf === cf, one.cf];
    },
    "a copy": async () => {
      const one = new Request(A, { method: "POST", body: "x", headers: { a: "1" }, cf: { q: 1 }, redirect: "manual" });
      const copy = new Request(one);
      return [copy.method, copy.url, [...copy.headers], copy.cf, copy.redirect, one.bodyUsed, copy.bodyUsed, await copy.text()];
    },
    "a copy with another body": async () => {
      const one = new Request(A, { method: "POST", body: "x" });
      const copy = new Request(one, { body: "y" });
      return [one.bodyUsed, await copy.text(), await one.text()];
    },
    "a copy that cannot have the body": () => new Request(new Request(A, { method: "POST", body: "x" }), { method: "GET" }),
    "another request as init": async () => {
      const one = new Request(A, { method: "POST", body: "x", headers: { h: "1" } });
      const copy = new Request("http://b", one);
      return [copy.url, copy.method, [...copy.headers], await copy.text(), one.bodyUsed];
    },
    "two requests": async () => {
      const one = new Request(A, { method: "POST", body: "A", headers: { a: "1" } });
      const two = new Request("http://b", { method: "PUT", body: "B", headers: { b: "1" } });
      const copy = new Request(one, two);
      return [copy.url, copy.method, [...copy.headers.keys()], await copy.text(), one.bodyUsed];
    },
    "one that came in as init": () => {
      const copy = new Request("http://b", request);
      return [copy.url, copy.method, copy.redirect, copy.headers.has("host")];
    },
    "a copy of a used one": async () => {
      const one = new Request(A, { method: "POST", body: "x" });
      await one.text();
      return [tried(() => new Request(one)), await new Request(one, { body: "z" }).text(), tried(() => one.clone())];
    },
    "headers instead": () => [...new Request(new Request(A, { headers: { a: "1" } }), { headers: { b: "2" } }).headers],
    "a subclass": () => {
      class Mine extends Request {
        get mine() {
          return 1;
        }
      }
      const one = new Mine(A);
      return [one.mine, one.url, one instanceof Request, one.constructor.name];
    },
    "a property over a getter": () => {
      const one = new Request(A);
      Object.defineProperty(one, "url", { value: "http://b/" });
      return one.url;
    },
    shape: () => [
      Object.prototype.toString.call(new Request(A)),
      JSON.stringify(new Request(A)),
      Object.keys(new Request(A)),
      Object.keys(Object.getOwnPropertyDescriptors(Request.prototype))
        .filter((name) => name !== "headers" && Object.getOwnPropertyDescriptor(Request.prototype, name).enumerable)
        .sort(),
    ],
  };
}
