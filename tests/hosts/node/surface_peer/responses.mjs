/** `Response`. */

import { bytes, byName, tried } from "./telling.mjs";

const socket = () => new WebSocketPair()[0];

export function responses() {
  return {
    statuses: () =>
      byName([99, 101, 199, 200, 299, 404, 599, 600, "201", "abc", 201.7, null], (status) => new Response("", { status }).status),
    "statuses without a body": () =>
      byName([204, 205, 304], (status) => [
        tried(() => new Response("x", { status })),
        tried(() => new Response(new ReadableStream(), { status })),
        new Response("", { status }).body,
        new Response(new Uint8Array(0), { status }).body,
        new Response(null, { status }).body,
      ]),
    defaults: () => {
      const { status, statusText, url, redirected, type, ok, body, webSocket, cf, bodyUsed } = new Response();
      return { status, statusText, url, redirected, type, ok, body, webSocket, cf, bodyUsed };
    },
    "status texts": () => [
      new Response("", { status: 404 }).statusText,
      new Response("", { statusText: "é" }).statusText,
      new Response("", { statusText: undefined }).statusText,
      tried(() => new Response("", { statusText: "a\nb" })),
    ],
    "a WebSocket": () => {
      const upgraded = new Response(null, { status: 101, webSocket: socket() });
      return [upgraded.status, upgraded.ok, upgraded.webSocket, upgraded.statusText, upgraded.body];
    },
    "a WebSocket where it cannot be": () => [
      tried(() => new Response(null, { webSocket: socket() })),
      tried(() => new Response("x", { status: 101, webSocket: socket() })),
      tried(() => new Response(null, { status: 101, webSocket: {} })),
      tried(() => new Response(null, { status: 101 })),
      tried(() => new Response(null, { status: 101, webSocket: socket() }).clone()),
      new Response(null, { webSocket: null }).webSocket,
      new Response(null, { status: "101", webSocket: socket() }).status,
    ],
    "another response as init": async () => {
      const one = new Response("x", { status: 201, headers: { a: "1" }, statusText: "Foo", cf: { q: 1 } });
      const copy = new Response("y", one);
      return [copy.status, copy.statusText, [...copy.headers], copy.cf, await copy.text(), await one.text()];
    },
    "init of the wrong kind": () => byName(["x", 5, null], (init) => new Response("", init).status),
    "fields of the wrong kind": () => ({
      headers: tried(() => new Response("", { headers: null })),
      cf: tried(() => new Response("", { cf: null })),
      encodeBody: tried(() => new Response("", { encodeBody: "x" })),
      "null encodeBody": tried(() => new Response("", { encodeBody: null })),
      "a function": tried(() => new Response("", () => 1).status),
    }),
    "encodeBody and cf": () => [new Response("", { encodeBody: "manual" }).encodeBody, new Response("", { cf: { a: 1 } }).cf],
    json: async () => {
      const one = Response.json({ a: 1 }, { status: 201 });
      return [one.status, [...one.headers], await one.text(), await Response.json(undefined).text()];
    },
    "json with a type of one's own": () => [...Response.json({}, { headers: { "content-type": "x/y" } }).headers],
    "json that cannot be": () => [tried(() => Response.json(5n)), tried(() => Response.json(null, { status: 204 }))],
    redirect: () => {
      const one = Response.redirect("http://A.com/ü b", 307);
      return [one.status, [...one.headers], one.body, Response.redirect("http://a/").status];
    },
    "redirects that cannot be": () => [
      tried(() => Response.redirect("/b")),
      tried(() => Response.redirect("http://a/", 200)),
      tried(() => Response.redirect("http://a/").headers.set("a", "b")),
    ],
    error: () => {
      const { status, type, ok } = Response.error();
      return { status, type, ok };
    },
    "content types": () => {
      const form = new Response(new FormData()).headers.get("content-type");
      const bodies = ["x", new URLSearchParams("a=1"), new Blob(["x"], { type: "a/b" }), new Blob(["x"]), bytes("x"), null];
      return [...bodies.map((body) => new Response(body).headers.get("content-type")), form.replace(/=.*/, "="), form.length];
    },
    "a content type that is there already": () => new Response("x", { headers: { "Content-Type": "a/b" } }).headers.get("content-type"),
    "bodies that are none of these": async () => [
      await new Response(5).text(),
      await new Response({}).text(),
      await new Response(true).text(),
      new Response(undefined).body,
      tried(() => new Response(Symbol("x"))),
    ],
    shape: () => [Object.prototype.toString.call(new Response()), JSON.stringify(new Response("x")), Object.keys(new Response("x"))],
  };
}
