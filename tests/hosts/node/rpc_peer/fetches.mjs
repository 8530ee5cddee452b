/** `fetch` of stubs and service bindings. */

import { kind, noted, outcome, outcomes, sleep, thrownAtOnce } from "./telling.mjs";

async function about(response) {
  const { status, url, redirected } = response;
  return { status, url, redirected, body: await response.json() };
}

export function fetches({ env, exports }) {
  const web = exports.Web.getByName("web");
  const entry = exports.Entry;
  const both = (work) =>
    outcomes(
      () => work(web),
      () => work(entry),
    );
  return {
    "a request": () => both(async (to) => about(await to.fetch("http://web/a?b#fragment"))),
    "a URL": () => both(async (to) => about(await to.fetch(new URL("http://user:secret@web/u")))),
    "a Request and an init": () =>
      both(async (to) => about(await to.fetch(new Request("http://web/", { method: "POST", body: "1" }), { method: "PUT", body: "2" }))),
    "a form": () => both(async (to) => about(await to.fetch("http://web/", { method: "POST", body: new URLSearchParams("a=1") }))),
    "a streamed body": () =>
      both(async (to) => {
        const { body } = await about(await to.fetch("http://web/", { method: "POST", body: new Blob(["streamed"]).stream() }));
        return [body.method, body.text];
      }),
    "the request's body is given away": () =>
      both(async (to) => {
        const request = new Request("http://web/", { method: "POST", body: "1" });
        await to.fetch(request);
        return [request.bodyUsed, await outcome(() => to.fetch(request))];
      }),
    "not a request": () => both((to) => to.fetch()),
    "relative, wrong and other URLs": () =>
      outcomes(
        () => web.fetch("/a"),
        () => web.fetch("nope"),
        () => web.fetch("mailto:a@b"),
        () => web.fetch("http://web/", { body: "of a GET" }),
        () => entry.fetch("/a"),
      ),
    "nothing is thrown at once": () => [thrownAtOnce(() => web.fetch()), thrownAtOnce(() => web.fetch("/a"))],
    "handlers that fail": () =>
      both((to) =>
        outcomes(
          () => to.fetch("http://web/throw"),
          () => to.fetch("http://web/number"),
          () => to.fetch("http://web/nothing"),
        ),
      ),
    "no handler": () =>
      outcomes(
        () => env.Peer.getByName("fetches").fetch("http://x/"),
        () => exports.Mute.fetch("http://x/"),
      ),
    "an object of handlers": async () => (await exports.handlers.fetch("http://x/")).text(),
    "redirects are followed": () => both(async (to) => about(await to.fetch("http://web/redirect"))),
    "redirects with a body": () =>
      both(async (to) => [
        await about(await to.fetch("http://web/redirect", { method: "POST", body: "posted" })),
        await about(await to.fetch("http://web/redirect-again", { method: "POST", body: "posted" })),
        await outcome(() => to.fetch("http://web/redirect-again", { method: "POST", body: new Blob(["x"]).stream() })),
      ]),
    "redirects by hand": () =>
      both(async (to) => {
        const response = await to.fetch("http://web/redirect", { redirect: "manual" });
        return [response.status, response.url, response.redirected, response.headers.get("location")];
      }),
    "redirects without end": () => outcome(() => web.fetch("http://web/loop")),
    "the response": () =>
      both(async (to) => {
        const response = await to.fetch("http://web/");
        return [
          await outcome(() => response.headers.set("a", "b")),
          response.headers.get("x-own"),
          response.type,
          response.statusText,
          response instanceof Response,
        ];
      }),
    "a streamed response": () => both(async (to) => (await to.fetch("http://web/stream")).text()),
    "a streamed response, cancelled": async () => {
      const response = await web.fetch("http://web/stream");
      const reader = response.body.getReader();
      await reader.read();
      await reader.cancel("enough");
      await sleep(20);
      return (await noted()).length;
    },
    "words for a status": async () => {
      const all = [];
      for (const status of [201, 204, 299, 304, 399, 404, 418, 499, 503, 599]) {
        all.push((await web.fetch(`http://web/status?${status}`, { redirect: "manual" })).statusText);
      }
      return all;
    },
    "a WebSocket": () =>
      both(async (to) => {
        const response = await to.fetch("http://web/socket", { headers: { upgrade: "websocket" } });
        const { webSocket } = response;
        webSocket.accept();
        const heard = new Promise((resolve) => webSocket.addEventListener("message", ({ data }) => resolve(data)));
        webSocket.send("hi");
        const text = await heard;
        webSocket.close();
        return [response.status, text];
      }),
    "a WebSocket nobody asked for": () => both((to) => to.fetch("http://web/socket")),
    "given up": () => both((to) => to.fetch("http://web/", { signal: AbortSignal.abort(new Error("own reason")) })),
    detached: () => {
      const { fetch } = web;
      return thrownAtOnce(() => fetch("http://web/"));
    },
    "a reset meanwhile": async () => {
      const object = exports.Web.getByName("aborting");
      return await outcomes(
        () => object.fetch("http://web/abort"),
        () => object.fetch("http://web/"),
      );
    },
    "a reset while the body comes": async () => {
      const object = exports.Web.getByName("aborting while streaming");
      const response = await object.fetch("http://web/stream");
      const reader = response.body.getReader();
      await reader.read();
      object.abort("midway").catch(() => {});
      return await outcome(async () => {
        for (;;) if ((await reader.read()).done) return "ended";
      });
    },
    "by somebody else": () =>
      outcomes(
        () => env.Peer.getByName("fetches").helloBy(env.Peer.getByName("a")),
        async () => JSON.parse(await env.Peer.getByName("fetches").fetchBy(web, "http://web/far")).url,
      ),
    "what it is to others": async () => {
      const passed = await env.Peer.getByName("fetches").echo(web);
      return [kind(passed), Object.keys(passed), await passed.lastPath()];
    },
    itself: async () => (await env.SELF.fetch("http://self/hello")).text(),
    "the Worker of ctx.exports": async () => (await exports.default.fetch("http://self/hello")).text(),
  };
}
