// The other side of storage_peer.test.mjs, on the real runtime. GET /probes runs every probe on an object of its own;
// GET /<operation>/<name>/<facet>/... runs one of state.mjs on an object or a facet of it.
import { DurableObject } from "cloudflare:workers";
import { answer, PROBES } from "./probes.mjs";
import { alarm, change, fill, inspect } from "./state.mjs";

const OPERATIONS = { alarm, change, fill, inspect };

export class Store extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    const probe = url.searchParams.get("probe");
    if (probe !== null) return Response.json(await answer(probe, this.ctx.storage));
    const [, operation, ...facets] = url.pathname.split("/");
    if (facets.length > 0) {
      const [name, ...deeper] = facets;
      const facet = this.ctx.facets.get(decodeURIComponent(name), () => ({ class: this.ctx.exports.Store }));
      return facet.fetch(`http://facet/${[operation, ...deeper].join("/")}${url.search}`);
    }
    const argument = url.searchParams.get("argument");
    return Response.json((await OPERATIONS[operation](this.ctx.storage, operation === "alarm" ? Number(argument) : argument)) ?? null);
  }
  async alarm() {}
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [, operation, name, ...facets] = url.pathname.split("/");
    if (operation !== "probes") return env.STORE.getByName(name).fetch(`http://object/${[operation, ...facets].join("/")}${url.search}`);
    const answers = {};
    for (const probe of Object.keys(PROBES)) {
      const response = await env.STORE.getByName(`probe ${probe}`).fetch(`http://object/?probe=${encodeURIComponent(probe)}`);
      answers[probe] = await response.json();
    }
    return Response.json(answers);
  },
};
