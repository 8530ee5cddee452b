/** The probe: every check's outcome as JSON. It runs on the real runtime and on the Node host, which must say the same. */

import { bindings } from "./bindings.mjs";
import { calls } from "./calls.mjs";
import { errors } from "./errors.mjs";
import { fetches } from "./fetches.mjs";
import { gates } from "./gates.mjs";
import { lifetimes } from "./lifetimes.mjs";
import { promises } from "./promises.mjs";
import { strays } from "./strays.mjs";
import { streams } from "./streams.mjs";
import { nextCheck, outcome } from "./telling.mjs";
import { values } from "./values.mjs";

export { Entry, Fragile, Gated, handlers, Mute, Peer, Web } from "./targets.mjs";

const TOPICS = { bindings, calls, errors, fetches, gates, lifetimes, promises, strays, streams, values };

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname === "/hello") return new Response("hello");
    if (pathname === "/save") {
      await env.Peer.getByName("saved").save(() => "while the event lasts");
      return Response.json(await env.Peer.getByName("saved").callSaved());
    }
    const told = {};
    for (const [topic, checksOf] of Object.entries(TOPICS)) {
      const checks = checksOf({ env, ctx, exports: ctx.exports });
      for (const [name, check] of Object.entries(checks)) {
        nextCheck();
        told[`${topic}: ${name}`] = await outcome(check);
      }
    }
    return Response.json(told);
  },
};
