// Tasks of models, called from an agent: /agents/tasks/<name>/<task>?model=..., and the members of the binding beside `run`.
import { Agent, routeAgentRequest } from "agents";
import { generateText } from "ai";
import { createAISearch } from "workers-ai-provider";
import { members } from "./members";
import { tasks } from "./tasks";

interface Env {
  AI: Ai;
  Tasks: DurableObjectNamespace<Tasks>;
}

export class Tasks extends Agent<Env> {
  async onRequest(request: Request) {
    const { pathname, searchParams } = new URL(request.url);
    const name = pathname.split("/").at(-1) ?? "";
    const task = tasks[name];
    try {
      if (task) return Response.json(await task(this.env.AI, searchParams.get("model") ?? ""));
      if (name === "search") return Response.json(await search(this.env.AI, searchParams.get("query") ?? ""));
      return Response.json(await members[name](this.env.AI));
    } catch (error) {
      const { name, message } = error as Error;
      return Response.json({ name, message }, { status: 500 });
    }
  }
}

async function search(ai: Ai, query: string) {
  const { text, sources } = await generateText({ model: createAISearch({ binding: ai.autorag("docs") })(), prompt: query, maxRetries: 0 });
  return { text, sources: sources.map((source) => source.id) };
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
