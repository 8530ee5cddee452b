// The Worker of the probes, as project_py/src/entry.py has it.
import { WorkerEntrypoint } from "cloudflare:workers";
import { asResponse } from "./probe.mjs";
import { data, errorData, note, run } from "./program.mjs";

export { Facet, Legacy, Plain, Probe } from "./probe.mjs";

export default class extends WorkerEntrypoint {
  async fetch(request) {
    const { env, ctx } = this;
    const url = new URL(request.url);
    const [kind, ...rest] = url.pathname.slice(1).split("/");
    if (kind === "at") return env[rest[0]].getByName(decodeURIComponent(rest[1])).fetch(request);
    const me = url.searchParams.get("me") ?? "";
    const scope = { js: globalThis, env, ctx, request, place: `worker:${me}`, me, memory: {}, o: env.Probe.getByName(me) };
    if (kind === "here") return asResponse(await run(JSON.parse(url.searchParams.get("p")), scope));
    try {
      return new Response(JSON.stringify({ value: data(await run(JSON.parse(await request.text()), scope)) }));
    } catch (error) {
      return new Response(JSON.stringify({ error: errorData(error) }));
    }
  }

  async scheduled(controller) {
    note("scheduled", controller.cron);
    if (controller.cron === "1 1 1 1 1") throw new Error("the first of January");
  }
}
