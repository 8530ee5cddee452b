// Clients, asked for a stream without retries. What came of it is told in one form: `Outcome`.
import { createOpenAI } from "@ai-sdk/openai";
import { type LanguageModel, streamText } from "ai";
import { OpenAI } from "openai";
import { createWorkersAI } from "workers-ai-provider";
import { openai as openaiPlugin } from "workers-ai-provider/openai";

const PROMPT = "Count to three.";
const LABEL = "x-emulator-label";

export interface Failure {
  name: string;
  message: string;
  status?: number;
  retryable?: boolean;
  cause?: string;
}

/** `errors` are parts of the stream, `thrown` is what ended it. `raw` is the reason to finish in the model's own words. */
export interface Outcome {
  text: string;
  finish?: string;
  raw?: string;
  errors: Failure[];
  thrown?: Failure;
}

type Client = (ai: Ai, label: string) => Promise<Outcome>;

export const clients: Record<string, Client> = {
  "workers-ai": (ai, label) => throughSdk(createWorkersAI({ binding: ai })("@cf/zai-org/glm-4.7-flash", { tags: [label] })),
  chat: (_ai, label) => throughSdk(openai(label).chat("gpt-4o")),
  responses: (_ai, label) => throughSdk(openai(label)("gpt-4o")),
  // Through AI Gateway, which keeps the run: a stream that breaks is resumed.
  resumable: (ai, label) =>
    throughSdk(
      createWorkersAI({ binding: ai, gateway: { id: "default" }, providers: [openaiPlugin] })("openai/gpt-4o", { metadata: { label } }),
    ),
  "openai-node": async (_ai, label) => {
    const outcome: Outcome = { text: "", errors: [] };
    try {
      const client = new OpenAI({ apiKey: "of nobody", maxRetries: 0, defaultHeaders: { [LABEL]: label } });
      const stream = await client.chat.completions.create({ model: "gpt-4o", messages: [{ role: "user", content: PROMPT }], stream: true });
      for await (const chunk of stream) {
        outcome.text += chunk.choices[0]?.delta?.content ?? "";
        outcome.finish = chunk.choices[0]?.finish_reason ?? outcome.finish;
      }
    } catch (error) {
      outcome.thrown = failure(error);
    }
    return outcome;
  },
};

function openai(label: string) {
  return createOpenAI({ apiKey: "of nobody", headers: { [LABEL]: label } });
}

async function throughSdk(model: LanguageModel): Promise<Outcome> {
  const outcome: Outcome = { text: "", errors: [] };
  try {
    for await (const part of streamText({ model, prompt: PROMPT, maxRetries: 0, onError: () => {} }).stream) {
      if (part.type === "text-delta") outcome.text += part.text;
      if (part.type === "error") outcome.errors.push(failure(part.error));
      if (part.type === "finish-step") Object.assign(outcome, { finish: part.finishReason, raw: part.rawFinishReason });
    }
  } catch (error) {
    outcome.thrown = failure(error);
  }
  return outcome;
}

function failure(thrown: unknown): Failure {
  const error = thrown as Error & { status?: number; statusCode?: number; isRetryable?: boolean };
  // The errors of openai-node are told apart by their class: all of them are called "Error".
  const name = error.name === "Error" ? error.constructor.name : error.name;
  const cause = (error.cause as Error | undefined)?.name;
  return { name, message: error.message, status: error.statusCode ?? error.status, retryable: error.isRetryable, cause };
}
