// A generated text, answered as JSON. The provider is one line: Workers AI, or OpenAI with ?provider=openai.
import { createOpenAI } from "@ai-sdk/openai";
import { Agent, routeAgentRequest } from "agents";
import { generateText } from "ai";
import { createWorkersAI } from "workers-ai-provider";

export class Builder extends Agent {
  async onRequest(request) {
    const { text, usage } = await generateText({
      model: this.model(new URL(request.url).searchParams.get("provider")),
      prompt: "Build me an AI agent on Cloudflare Workers",
    });
    return Response.json({ text, tokens: usage.totalTokens });
  }

  model(provider) {
    if (provider === "openai") return createOpenAI({ apiKey: this.env.OPENAI_API_KEY ?? "" })("gpt-4o");
    return createWorkersAI({ binding: this.env.AI })("@cf/zai-org/glm-4.7-flash");
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
};
