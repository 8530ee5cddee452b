/** The packages that ask models over HTTP. */

import { createOpenAI } from "@ai-sdk/openai";
import { generateText, streamText } from "ai";
import OpenAI from "openai";

type Options = Record<string, string>;

const MESSAGES = [{ role: "user" as const, content: "Say hello." }];

const openai = (base?: string) => new OpenAI({ apiKey: "test-key", maxRetries: 0, ...(base ? { baseURL: `${base}/v1` } : {}) });
const sdk = (base?: string) => createOpenAI({ apiKey: "test-key", ...(base ? { baseURL: `${base}/v1` } : {}) }).chat("gpt-test");

export async function ask(library: string, { base }: Options) {
  if (library === "openai") {
    const answer = await openai(base).chat.completions.create({ model: "gpt-test", messages: MESSAGES });
    return answer.choices[0].message.content;
  }
  return (await generateText({ model: sdk(base), messages: MESSAGES, maxRetries: 0 })).text;
}

async function* texts(library: string, base?: string) {
  if (library === "openai") {
    const answer = await openai(base).chat.completions.create({ model: "gpt-test", messages: MESSAGES, stream: true });
    for await (const chunk of answer) yield chunk.choices[0].delta.content;
  } else {
    yield* streamText({ model: sdk(base), messages: MESSAGES, maxRetries: 0 }).textStream;
  }
}

/** Each piece of text; after the first the server is told to go on, if there is one to tell. */
export async function askStream(library: string, { base, step }: Options) {
  const pieces = [];
  for await (const text of texts(library, base)) {
    pieces.push(text);
    if (step && pieces.length === 1) await fetch(step);
  }
  return pieces;
}
