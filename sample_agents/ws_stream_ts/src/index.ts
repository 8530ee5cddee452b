// A model's answer, streamed over a WebSocket: {"type": "chunk"} for each piece, then "done", or "error".
import { Agent, type Connection, routeAgentRequest, type WSMessage } from "agents";
import { streamText } from "ai";
import { createWorkersAI } from "workers-ai-provider";

const MODEL = "@cf/zai-org/glm-4.7-flash";

interface Env {
  AI: Ai;
  Reasoner: DurableObjectNamespace<Reasoner>;
}

export class Reasoner extends Agent<Env> {
  async onMessage(connection: Connection, message: WSMessage) {
    const { prompt } = JSON.parse(message as string) as { prompt: string };
    await this.reason(connection, prompt);
  }

  private async reason(connection: Connection, prompt: string) {
    const tell = (frame: object) => connection.send(JSON.stringify(frame));
    const workersai = createWorkersAI({ binding: this.env.AI });
    // Errors come as parts of the stream. Without `onError` they would also be printed, and without `maxRetries` only after two retries.
    const answer = streamText({ model: workersai(MODEL), prompt, maxRetries: 0, onError: () => {} });
    for await (const part of answer.stream) {
      if (part.type === "text-delta") tell({ type: "chunk", content: part.text });
      if (part.type === "error") return tell({ type: "error", error: String(part.error) });
    }
    tell({ type: "done" });
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
