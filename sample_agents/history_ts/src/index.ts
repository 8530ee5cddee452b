// Answers are kept in the agent's state; who returns gets the history first, and hears the rest of an answer that is still coming.
import { Agent, type Connection, routeAgentRequest, type WSMessage } from "agents";
import { streamText } from "ai";
import { createWorkersAI } from "workers-ai-provider";

const MODEL = "@cf/zai-org/glm-4.7-flash";

interface Env {
  AI: Ai;
  Companion: DurableObjectNamespace<Companion>;
}

interface Line {
  role: "user" | "assistant";
  content: string;
}

export class Companion extends Agent<Env, { lines: Line[] }> {
  initialState = { lines: [] };

  onConnect(connection: Connection) {
    connection.send(JSON.stringify({ type: "history", lines: this.state.lines }));
  }

  async onMessage(_connection: Connection, message: WSMessage) {
    const { prompt } = JSON.parse(message as string) as { prompt: string };
    this.keep({ role: "user", content: prompt });
    const workersai = createWorkersAI({ binding: this.env.AI });
    const { textStream } = streamText({ model: workersai(MODEL), messages: this.state.lines });
    let answer = "";
    for await (const piece of textStream) {
      answer += piece;
      // To whoever is connected by now: the one who asked may have gone and come back.
      this.broadcast(JSON.stringify({ type: "chunk", content: piece, soFar: answer.length }));
    }
    this.keep({ role: "assistant", content: answer });
    this.broadcast(JSON.stringify({ type: "done" }));
  }

  private keep(line: Line) {
    this.setState({ lines: [...this.state.lines, line] });
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
