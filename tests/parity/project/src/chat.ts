// The Chat of the scenarios: it says what the request's body asks for, one piece for each permit.
import { AIChatAgent, type OnChatMessageOptions } from "@cloudflare/ai-chat";
import { callable } from "agents";
import { asked, Permits } from "./asked";
import type { Env } from "./entry";

type Chunk = { type: string } & Record<string, unknown>;

/** What a request's body may ask for. `gated`: every piece waits for a permit (`POST …/release?n=`). */
interface Script {
  script?: "deltas" | "text" | "error" | "throw" | "nothing" | "slow" | "tool" | "approval";
  /** How many deltas. */
  k?: number;
  gated?: boolean;
  /** The script of the turn that goes on after a tool's result. */
  then?: Script;
}

export class Chat extends AIChatAgent<Env> {
  permits = new Permits();

  async onChatMessage(_onFinish: unknown, options?: OnChatMessageOptions) {
    let asked = (options?.body ?? {}) as Script;
    if (options?.continuation) asked = asked.then ?? asked;
    const { script = "deltas", k = 3, gated = false } = asked;
    switch (script) {
      case "throw":
        await this.permit(gated);
        throw new Error("no model today");
      case "nothing":
        await this.permit(gated);
        return undefined;
      case "text":
        return new Response(Array.from({ length: k }, (_, number) => `piece${number} `).join(""), {
          headers: { "content-type": "text/plain" },
        });
      case "slow":
        await this.permits.take(); // a model that thinks before it says anything
    }
    return new Response(sse(this.pieces(script, k, gated, options?.abortSignal)), { headers: { "content-type": "text/event-stream" } });
  }

  async *pieces(script: string, k: number, gated: boolean, signal?: AbortSignal): AsyncGenerator<Chunk> {
    yield { type: "start" };
    yield { type: "start-step" };
    if (script === "tool" || script === "approval") {
      const tool = { toolCallId: "call1", toolName: script === "tool" ? "whereAmI" : "sendPostcard" };
      yield { type: "tool-input-start", ...tool };
      yield { type: "tool-input-available", ...tool, input: { to: "you" } };
      if (script === "approval") yield { type: "tool-approval-request", approvalId: "approval1", toolCallId: tool.toolCallId };
    } else {
      yield { type: "text-start", id: "t" };
      for (let number = 0; number < k; number++) {
        await this.permit(gated);
        if (signal?.aborted) return;
        yield { type: "text-delta", id: "t", delta: `d${number} ` };
      }
      await this.permit(gated);
      yield { type: "text-end", id: "t" };
    }
    yield { type: "finish-step" };
    if (script === "error") yield { type: "error", errorText: "the model gave up" };
    else yield { type: "finish", finishReason: script === "tool" || script === "approval" ? "tool-calls" : "stop" };
  }

  async permit(gated: boolean) {
    if (gated) await this.permits.take();
  }

  async onRequest(request: Request) {
    if (new URL(request.url).pathname.endsWith("/release")) this.permits.release(Number(asked(request).get("n")));
    return Response.json({ waiting: this.permits.waiting });
  }

  /** Nothing: its answer shows that everything before it has been sent. */
  @callable()
  fence() {}

  /** A turn that the server starts. */
  @callable()
  async ask(text: string) {
    const question = { id: `asked-${this.messages.length}`, role: "user" as const, parts: [{ type: "text" as const, text }] };
    const { status } = await this.saveMessages([...this.messages, question]);
    return status;
  }
}

export class DropChat extends Chat {
  messageConcurrency = "drop" as const;
}

export class LatestChat extends Chat {
  messageConcurrency = "latest" as const;
}

/** The chunks as server-sent events, as models send them. */
function sse(pieces: AsyncGenerator<Chunk>): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next();
      if (done) {
        controller.enqueue(encoder.encode("data: [DONE]\n\n"));
        controller.close();
      } else {
        controller.enqueue(encoder.encode(`data: ${JSON.stringify(value)}\n\n`));
      }
    },
  });
}
