// Google's Gemini through its OpenAI-compatible endpoint, streamed to the client while the request handler has long returned.
import { Agent, routeAgentRequest } from "agents";
import { OpenAI } from "openai";

interface Env {
  GEMINI_BASE_URL: string;
  GEMINI_API_KEY?: string;
  Gemini: DurableObjectNamespace<Gemini>;
}

export class Gemini extends Agent<Env> {
  async onRequest() {
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.ctx.waitUntil(this.write(writable.getWriter()));
    return new Response(readable, { headers: { "content-type": "text/plain; charset=utf-8" } });
  }

  /** Asks the model and writes each piece of its answer; a failure tears the client's stream. */
  private async write(writer: WritableStreamDefaultWriter<Uint8Array>) {
    const encoder = new TextEncoder();
    try {
      // Recordings need no key, but the package wants to see one.
      const client = new OpenAI({ apiKey: this.env.GEMINI_API_KEY ?? "none", baseURL: this.env.GEMINI_BASE_URL });
      const answer = await client.chat.completions.create({
        model: "gemini-2.0-flash",
        messages: [{ role: "user", content: "Write me a Cloudflare Worker." }],
        stream: true,
      });
      for await (const part of answer) {
        const text = part.choices[0]?.delta?.content;
        if (text) await writer.write(encoder.encode(text));
      }
      await writer.close();
    } catch (error) {
      await writer.abort(error);
      throw error;
    }
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
