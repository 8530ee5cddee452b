// The probes of probes.mjs on the real runtime, an object of its own for each. GET / runs all.
import { DurableObject } from "cloudflare:workers";
import { answer, PROBES } from "./probes.mjs";

export class Store extends DurableObject {
  async fetch(request) {
    return Response.json(await answer(new URL(request.url).searchParams.get("probe"), this.ctx.storage));
  }
  async alarm() {}
}

export class Legacy extends DurableObject {}

export default {
  async fetch(request, env) {
    const answers = {};
    for (const name of Object.keys(PROBES)) {
      const stub = env.STORE.getByName(`${new URL(request.url).searchParams.get("run")} ${name}`);
      const response = await stub.fetch(`http://object/?probe=${encodeURIComponent(name)}`);
      answers[name] = await response.json();
    }
    return Response.json(answers);
  },
};
