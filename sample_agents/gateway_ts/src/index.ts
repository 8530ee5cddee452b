// A model call routed through AI Gateway: the same binding, with the gateway and its cache named in the third argument.
import { Agent, routeAgentRequest } from "agents";

const MODEL = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b";

interface Env {
  AI: Ai;
  GATEWAY_ID: string;
  Routed: DurableObjectNamespace<Routed>;
}

export class Routed extends Agent<Env> {
  async onRequest() {
    const answer = await this.env.AI.run(
      MODEL,
      { prompt: "Build me a Cloudflare Worker that returns JSON." },
      { gateway: { id: this.env.GATEWAY_ID, skipCache: false, cacheTtl: 3360, metadata: { agent: this.name } } },
    );
    return Response.json({ ...answer, log: this.env.AI.aiGatewayLogId });
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
