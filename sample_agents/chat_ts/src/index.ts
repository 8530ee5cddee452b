// A chat with tools: some run here, one runs in the browser, one waits for a person's consent, and reminders ring when they are due.
import { AIChatAgent, type OnChatMessageOptions } from "@cloudflare/ai-chat";
import { routeAgentRequest, type Schedule } from "agents";
import { convertToModelMessages, createUIMessageStreamResponse, isStepCount, streamText, toUIMessageStream } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { type Desk, toolsFor } from "./tools";

const MODEL = "@cf/zai-org/glm-4.7-flash";

interface Env {
  AI: Ai;
  Chat: DurableObjectNamespace<Chat>;
}

export class Chat extends AIChatAgent<Env, Desk> {
  initialState: Desk = { reminders: [], postcards: [] };

  async onChatMessage(_onFinish: unknown, options?: OnChatMessageOptions) {
    const workersai = createWorkersAI({ binding: this.env.AI });
    const tools = toolsFor(this);
    const answer = streamText({
      model: workersai(MODEL),
      instructions: "You are a helpful assistant. Answer in a few short paragraphs of plain text.",
      messages: await convertToModelMessages(this.messages, { tools, ignoreIncompleteToolCalls: true }),
      tools,
      toolApproval: { sendPostcard: "user-approval" },
      stopWhen: isStepCount(5),
      abortSignal: options?.abortSignal,
    });
    return createUIMessageStreamResponse({ stream: toUIMessageStream({ stream: answer.stream, tools }) });
  }

  /** What a schedule calls when it is due. Every tab hears the new state, and who comes later finds it. */
  remind(_about: string, { id }: Schedule<string>) {
    const reminders = this.state.reminders.map((reminder) => (reminder.id === id ? { ...reminder, rung: true } : reminder));
    this.setState({ ...this.state, reminders });
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
