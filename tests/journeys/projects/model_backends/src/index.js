// Every call the Workers AI provider can make, and every client that reaches Claude: /<call>?model=<id> tells what the SDK made of it.

import { createAnthropic } from "@ai-sdk/anthropic";
import { createAI } from "agents/models/ai-sdk";
import { embedMany, generateImage, generateSpeech, generateText, isStepCount, Output, rerank, streamText, tool, transcribe } from "ai";
import { createWorkersAI } from "workers-ai-provider";
import { anthropic as anthropicPlugin } from "workers-ai-provider/anthropic";
import { z } from "zod";

const maxOutputTokens = 300;
const hello = { system: "Be brief.", prompt: "Say hello to me", maxOutputTokens };
const looking = {
  prompt: "use weather now",
  stopWhen: isStepCount(3),
  tools: {
    weather: tool({
      description: "The weather of a city",
      inputSchema: z.object({ city: z.string(), days: z.number() }),
      execute: async ({ city, days }) => `sunny in ${city} for ${days}`,
    }),
  },
  maxOutputTokens,
};
const person = Output.object({ schema: z.object({ name: z.string(), age: z.number() }) });

const told = (text, finishReason, usage) => ({ text, finish: finishReason, tokens: [usage.inputTokens, usage.outputTokens] });
const stepsOf = (steps) => steps.map((step) => [step.finishReason, step.toolCalls.map((call) => [call.toolName, call.input])]);

async function streamed(options) {
  const result = streamText({
    ...options,
    onError: ({ error }) => {
      throw error;
    },
  });
  const pieces = [];
  for await (const piece of result.textStream) pieces.push(piece);
  return {
    ...told(pieces.join(""), await result.finishReason, await result.usage),
    pieces: pieces.length,
    steps: stepsOf(await result.steps),
  };
}

const talk = {
  async generate(model) {
    const result = await generateText({ model, ...hello });
    return told(result.text, result.finishReason, result.usage);
  },
  async stream(model) {
    const { steps, ...rest } = await streamed({ model, ...hello });
    return rest;
  },
  async loop(model) {
    const result = await generateText({ model, ...looking });
    return { ...told(result.text, result.finishReason, result.usage), steps: stepsOf(result.steps) };
  },
  async streamedLoop(model) {
    const { pieces, ...rest } = await streamed({ model, ...looking });
    return rest;
  },
  async object(model) {
    return (await generateText({ model, output: person, prompt: "Somebody", maxOutputTokens })).output;
  },
};

const made = {
  async embedMany(provider, id) {
    const { embeddings } = await embedMany({ model: provider.textEmbedding(id), values: ["one", "two", "one"] });
    const [first, second, third] = embeddings.map((vector) => JSON.stringify(vector));
    return { count: embeddings.length, same: first === third, other: first !== second };
  },
  async generateImage(provider, id) {
    const { image } = await generateImage({ model: provider.image(id), prompt: "a fox", size: "256x256" });
    return { type: image.mediaType, bytes: image.uint8Array.length };
  },
  async transcribe(provider, id) {
    return { text: (await transcribe({ model: provider.transcription(id), audio: new Uint8Array([255, 251, 16, 196]) })).text };
  },
  async generateSpeech(provider, id) {
    return { bytes: (await generateSpeech({ model: provider.speech(id), text: "Hello" })).audio.uint8Array.length };
  },
  async rerank(provider, id) {
    const { ranking } = await rerank({ model: provider.reranking(id), documents: ["a rainy day", "a sunny beach"], query: "sunny beach" });
    return ranking.map(({ originalIndex }) => originalIndex);
  },
};

function talker(client, id, env) {
  switch (client) {
    case "provider":
      return createWorkersAI({ binding: env.AI })(id);
    case "plugin":
      return createWorkersAI({ binding: env.AI, gateway: { id: "default" }, providers: [anthropicPlugin] })(id);
    case "agents":
      return createAI({ binding: env.AI })(id);
    case "anthropic":
      return createAnthropic({ apiKey: env.ANTHROPIC_API_KEY })(id);
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const [call, client] = [url.pathname.slice(1), url.searchParams.get("client") ?? "provider"];
    const id = url.searchParams.get("model");
    try {
      if (call in talk) return Response.json(await talk[call](talker(client, id, env)));
      if (call in made) return Response.json(await made[call](createWorkersAI({ binding: env.AI }), id));
      return new Response("no such call", { status: 404 });
    } catch (error) {
      return Response.json({ name: error.name, message: error.message }, { status: 500 });
    }
  },
};
