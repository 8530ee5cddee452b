// What agents and their clients make of faults. The routes: /ask/<client>?label=..., /run?label=..., and the agents.
import { Agent, type Connection, routeAgentRequest, type WSMessage } from "agents";
import { streamText } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { clients } from "./clients";

const MODEL = "@cf/zai-org/glm-4.7-flash";

interface Env {
  AI: Ai;
  Careful: DurableObjectNamespace<Careful>;
}

/** Guards its sends and keeps what was said, so that an answer outlives the client who asked. */
export class Careful extends Agent<Env, { text: string; done: boolean }> {
  initialState = { text: "", done: false };

  async onMessage(connection: Connection, message: WSMessage) {
    const { prompt } = JSON.parse(message as string) as { prompt: string };
    const { textStream } = streamText({ model: createWorkersAI({ binding: this.env.AI })(MODEL), prompt });
    let text = "";
    for await (const piece of textStream) {
      text += piece;
      if (connection.readyState === WebSocket.OPEN) connection.send(JSON.stringify({ type: "chunk", content: piece }));
    }
    this.setState({ text, done: true });
  }

  onRequest() {
    return Response.json(this.state);
  }
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const label = searchParams.get("label") ?? "none";
    const client = clients[pathname.replace("/ask/", "")];
    if (client) return Response.json(await client(env.AI, label));
    if (pathname === "/run") return Response.json(await run(env.AI, label));
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;

/** The binding without any client: what is thrown. */
async function run(ai: Ai, label: string) {
  try {
    return { answered: await ai.run(MODEL, { messages: [{ role: "user", content: "Count to three." }] }, { tags: [label] }) };
  } catch (error) {
    const { name, message } = error as Error;
    return { name, message, status: (ai as Ai & { lastRequestHttpStatusCode: number }).lastRequestHttpStatusCode };
  }
}
