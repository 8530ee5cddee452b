// A model's stream, handed to the HTTP client as it comes: server-sent events, byte for byte.
import { Agent, routeAgentRequest } from "agents";

const MODEL = "@cf/deepseek-ai/deepseek-r1-distill-qwen-32b";

export class Generator extends Agent {
  async onRequest(request) {
    const prompt = new URL(request.url).searchParams.get("prompt") ?? "Build me a Cloudflare Worker that returns JSON.";
    const events = await this.env.AI.run(MODEL, { prompt, stream: true });
    return new Response(events, { headers: { "content-type": "text/event-stream" } });
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
};
