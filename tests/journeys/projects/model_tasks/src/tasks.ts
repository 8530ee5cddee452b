// The nine calls of the Workers AI provider (A5), each told in plain JSON.
import { embedMany, generateSpeech, generateImage, generateText, isStepCount, Output, rerank, streamText, tool, transcribe } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { z } from "zod";

type Task = (ai: Ai, model: string) => Promise<unknown>;

const SOUND = new Uint8Array([0x49, 0x44, 0x33, 4, 0, 0, 0, 0, 0, 0]);
const tools = {
  weather: tool({
    inputSchema: z.object({ city: z.string(), days: z.number().int() }),
    execute: async ({ city }) => ({ city, degrees: 18 }),
  }),
};

export const tasks: Record<string, Task> = {
  generateText: async (ai, model) => {
    const { text, finishReason, usage } = await generateText({ model: provider(ai)(model), prompt: "Say hello" });
    return { text, finishReason, tokens: [usage.inputTokens, usage.outputTokens] };
  },
  streamText: async (ai, model) => {
    const result = streamText({ model: provider(ai)(model), prompt: "Say hello" });
    const pieces = [];
    for await (const piece of result.textStream) pieces.push(piece);
    const usage = await result.usage;
    const tokens = [usage.inputTokens, usage.outputTokens];
    return { text: pieces.join(""), several: pieces.length > 1, finishReason: await result.finishReason, tokens };
  },
  toolLoop: async (ai, model) => {
    const { steps, text, finishReason } = await generateText({
      model: provider(ai)(model),
      prompt: "use weather for Paris",
      tools,
      stopWhen: isStepCount(3),
      prepareStep: ({ stepNumber }) => ({ toolChoice: stepNumber === 0 ? "required" : "auto" }),
    });
    const calls = steps.flatMap((step) => step.toolCalls.map(({ toolName, input }) => ({ toolName, input })));
    return {
      steps: steps.length,
      calls,
      results: steps.flatMap((step) => step.toolResults.map(({ output }) => output)),
      text,
      finishReason,
    };
  },
  objectOutput: async (ai, model) => {
    const schema = z.object({ name: z.string(), age: z.number().int(), tags: z.array(z.string()) });
    const { output } = await generateText({ model: provider(ai)(model), prompt: "Invent a person", output: Output.object({ schema }) });
    return output;
  },
  embedMany: async (ai, model) => {
    const { embeddings } = await embedMany({ model: provider(ai).embedding(model), values: ["sun", "rain", "sun"] });
    const [first, second, third] = embeddings.map((vector) => JSON.stringify(vector));
    return { count: embeddings.length, equal: first === third, different: first !== second };
  },
  generateImage: async (ai, model) => {
    const { image } = await generateImage({ model: provider(ai).image(model), prompt: "a fox", size: "256x256", seed: 7 });
    return { begin: [...image.uint8Array.slice(0, 3)], bytes: image.uint8Array.length > 20 };
  },
  transcription: async (ai, model) => {
    const { text } = await transcribe({ model: provider(ai).transcription(model), audio: SOUND });
    return { text };
  },
  speech: async (ai, model) => {
    const { audio } = await generateSpeech({ model: provider(ai).speech(model), text: "Hello" });
    return { mediaType: audio.mediaType, bytes: audio.uint8Array.length > 20 };
  },
  rerank: async (ai, model) => {
    const documents = ["a rainy day", "a sunny beach"];
    const { ranking } = await rerank({ model: provider(ai).reranking(model), documents, query: "sunny beach", topN: 1 });
    return ranking.map(({ originalIndex, document }) => ({ originalIndex, document }));
  },
};

function provider(binding: Ai) {
  return createWorkersAI({ binding });
}
