// What has to be true of model calls, whoever makes them. The same routes in Python: ../../model_proof_py.
import { connect } from "node:net";
import { createOpenAI } from "@ai-sdk/openai";
import { Agent, type Connection, routeAgentRequest, type WSMessage } from "agents";
import { generateText } from "ai";

const MODEL = "@cf/zai-org/glm-4.7-flash";
const SCOPE = "x-emulator-scope";
const CHAT = "https://api.openai.com/v1/chat/completions";
const GEMINI = "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions";

interface Env {
  AI: Ai;
  OPENAI_API_KEY?: string;
}

interface Completion {
  choices: { message: { content: string } }[];
}

/** Guards its sends and keeps what was said, so that an answer outlives the client who asked. */
export class Careful extends Agent<Env, { text: string; done: boolean }> {
  initialState = { text: "", done: false };

  async onMessage(connection: Connection, message: WSMessage) {
    const { prompt } = JSON.parse(message as string) as { prompt: string };
    const inputs = { messages: [{ role: "user", content: prompt }], stream: true };
    const events = (await this.env.AI.run(MODEL, inputs)) as unknown as ReadableStream<Uint8Array>;
    let text = "";
    for await (const event of payloads(events)) {
      const piece = event.choices[0]?.delta?.content;
      if (!piece) continue;
      text += piece;
      if (connection.readyState === WebSocket.OPEN) connection.send(JSON.stringify({ type: "chunk", content: piece }));
    }
    this.setState({ text, done: true });
  }

  onRequest() {
    return Response.json(this.state);
  }
}

/** Asks what all of its kind ask. */
export class Asker extends Agent<Env> {
  async onRequest() {
    return answered(() => asked(this.env, "How are you?"));
  }
}

type Does = (env: Env, options: Record<string, string>) => Promise<unknown>;

const does: Record<string, Does> = {
  ask: (env, { scope }) => asked(env, "Same for all?", scope),
  post: async (env, { scope }) => {
    const headers = { "content-type": "application/json", authorization: `Bearer ${env.OPENAI_API_KEY}`, ...scoped(scope) };
    const body = JSON.stringify({ model: "gpt-4o", messages: [{ role: "user", content: "Same for all?" }] });
    const response = await fetch(CHAT, { method: "POST", headers, body });
    return ((await response.json()) as Completion).choices[0].message.content;
  },
  responses: async (env) => {
    const openai = createOpenAI({ apiKey: env.OPENAI_API_KEY ?? "none" });
    return (await generateText({ model: openai("gpt-4o"), prompt: "Build me an AI agent on Cloudflare Workers" })).text;
  },
  /** Each chunk of the body as user code reads it. */
  chunks: async () => {
    const messages = [{ role: "user", content: "Write me a Cloudflare Worker." }];
    const body = JSON.stringify({ model: "gemini-2.0-flash", messages, stream: true });
    const response = await fetch(GEMINI, { method: "POST", headers: { "content-type": "application/json" }, body });
    const decoder = new TextDecoder();
    const chunks: string[] = [];
    for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) chunks.push(decoder.decode(chunk));
    return chunks;
  },
  /** Ways out, whose failure the agent swallows. */
  socket: () =>
    new Promise((resolve) => {
      connect(9, "192.0.2.1")
        .on("connect", () => resolve("connected"))
        .on("error", (error: Error & { code?: string }) => resolve(error.code));
    }),
  web: async () => (await fetch("http://192.0.2.1/")).status,
};

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const work = does[pathname.slice(1)];
    if (work) return answered(() => work(env, Object.fromEntries(searchParams)));
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;

async function asked(env: Env, content: string, scope?: string) {
  const inputs = { messages: [{ role: "user", content }] };
  const answer = (await env.AI.run(MODEL, inputs, { extraHeaders: scoped(scope) })) as unknown as Completion;
  return answer.choices[0].message.content;
}

function scoped(scope?: string): Record<string, string> {
  return scope ? { [SCOPE]: scope } : {};
}

async function answered(work: () => Promise<unknown>) {
  try {
    return Response.json(await work());
  } catch (error) {
    return Response.json({ name: (error as Error).name, message: (error as Error).message });
  }
}

async function* payloads(stream: ReadableStream<Uint8Array>) {
  let rest = "";
  for await (const part of stream.pipeThrough(new TextDecoderStream()) as unknown as AsyncIterable<string>) {
    const lines = (rest + part).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data: {")) yield JSON.parse(line.slice(6));
  }
}
