/** The ways of JavaScript to make a request. What is done in two steps tells the server to go on after the first. */

import http from "node:http";
import https from "node:https";

type Options = Record<string, string>;

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

function answerTo(
  url: string,
  options: http.RequestOptions = {},
  write?: (request: http.ClientRequest) => void,
): Promise<http.IncomingMessage> {
  const { request } = url.startsWith("https:") ? https : http;
  return new Promise((resolve, reject) => {
    const asked = request(url, options, resolve);
    asked.on("error", reject);
    asked.on("timeout", () => asked.destroy(new Error("timed out")));
    if (write === undefined) asked.end();
    else write(asked);
  });
}

async function* piecesOf(library: string, url: string): AsyncGenerator<Uint8Array> {
  if (library === "fetch") yield* (await fetch(url)).body as unknown as AsyncIterable<Uint8Array>;
  else yield* await answerTo(url);
}

async function bodyOf(answer: http.IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of answer) body += text(chunk);
  return body;
}

export async function get(library: string, { base, path = "/echo?status=201" }: Options) {
  if (library === "fetch") {
    const answer = await fetch(base + path);
    return [answer.status, await answer.text(), answer.headers.getSetCookie()];
  }
  const answer = await answerTo(base + path);
  return [answer.statusCode, await bodyOf(answer), answer.headers["set-cookie"]];
}

export async function post(library: string, { base }: Options) {
  const bodies = ["one", "two"];
  const headers = { "x-mine": "yes" };
  const answers = [];
  for (const body of bodies) {
    if (library === "fetch") answers.push(await (await fetch(`${base}/echo`, { method: "POST", body, headers })).json());
    else answers.push(JSON.parse(await bodyOf(await answerTo(`${base}/echo`, { method: "POST", headers }, (asked) => asked.end(body)))));
  }
  return answers;
}

/** Who buffers never sees the first piece. */
export async function stream(library: string, { base, name }: Options) {
  const pieces = [];
  for await (const piece of piecesOf(library, `${base}/stream/${name}`)) {
    pieces.push(text(piece));
    if (pieces.length === 1) await fetch(`${base}/step/${name}`);
  }
  return pieces;
}

/** The second piece is made when the server has the first. */
export async function upload(library: string, { base, name }: Options) {
  const url = `${base}/upload/${name}`;
  const between = () => fetch(`${base}/wait/${name}`);
  if (library === "fetch") {
    const { readable, writable } = new TransformStream();
    const answer = fetch(url, { method: "POST", body: readable });
    const writer = writable.getWriter();
    await writer.write(new TextEncoder().encode("one"));
    await between();
    await writer.write(new TextEncoder().encode("two"));
    await writer.close();
    return (await answer).json();
  }
  const answer = await answerTo(url, { method: "POST" }, async (asked) => {
    asked.write("one");
    await between();
    asked.end("two");
  });
  return JSON.parse(await bodyOf(answer));
}

/** Reads one piece of an endless answer and goes; the server must notice. */
export async function abandon(library: string, { base, name }: Options) {
  const first = [];
  for await (const piece of piecesOf(library, `${base}/endless/${name}`)) {
    first.push(text(piece).slice(0, 4));
    break;
  }
  return [...first, await (await fetch(`${base}/wait/${name}`)).text()];
}

export async function fail(library: string, { base, path = "/" }: Options) {
  try {
    return await get(library, { base, path });
  } catch (error) {
    return { error: (error as Error).name, text: (error as Error).message };
  }
}

export async function late(_library: string, { base }: Options) {
  try {
    return (await answerTo(`${base}/slow`, { timeout: 50 })).statusCode;
  } catch (error) {
    return { error: (error as Error).name, text: (error as Error).message };
  }
}
