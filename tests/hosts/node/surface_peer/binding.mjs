/** `env.AI`: the requests it makes, and what it makes of answers. */

import { bytes, outcome, streamOf } from "./telling.mjs";

const M = "@cf/m";
const answer = (value, init) => new Response(JSON.stringify(value), { headers: { "content-type": "application/json" }, ...init });
const RESULT = { result: { url: "U", created_at: "2024-01-02T03:04:05.000Z" }, a: 1 };
const SOUND = () => ({ body: streamOf(bytes("bin")), contentType: "audio/x" });
const ENTRY = { provider: "a", endpoint: "e", headers: {}, query: {} };
const FILE = () => ({ name: "a.txt", blob: new Blob(["hi"], { type: "text/plain" }) });

/** What the service answers next, and what it was asked. */
const far = { reply: null, asked: [] };

/** The service behind the binding. @param {Request} request */
export async function service(request) {
  const headers = [...request.headers].filter(([name]) => name !== "content-length" && name !== "transfer-encoding");
  far.asked.push({ method: request.method, url: request.url, headers, body: await request.text() });
  return far.reply();
}

export function binding({ env: { AI } }) {
  /** A call, with the answer it gets. */
  const told = async (call, reply = () => answer(RESULT)) => {
    far.reply = reply;
    far.asked = [];
    const result = await outcome(async () => {
      const value = await call();
      if (value instanceof Response) return { response: value.status, body: await value.text() };
      return value instanceof ReadableStream ? { stream: await new Response(value).text() } : value;
    });
    return { asked: far.asked, result };
  };
  const state = () => [AI.lastRequestId, AI.aiGatewayLogId, AI.lastRequestHttpStatusCode, AI.lastRequestInternalStatusCode];
  const failing =
    (body, status = 500) =>
    () =>
      typeof body === "string" ? new Response(body, { status }) : answer(body, { status });
  return {
    "before any call": () => [state(), Object.keys(AI), AI.getLogs()],
    run: () => told(() => AI.run(M, { prompt: "x" })),
    "run without inputs": () => told(() => AI.run(M)),
    "run with options": () =>
      told(() =>
        AI.run(
          M,
          { prompt: "x", u: undefined, d: new Date(0), b: new Uint8Array([1]) },
          {
            ...{ tags: ["a", "b"], rejectIfBusy: true, prefix: "pre", returnRawResponse: true, foo: null },
            extraHeaders: { "x-session-affinity": "s", "X-Num": 5, a: "1" },
            sessionOptions: { extraHeaders: { "x-so": "1", a: "2" } },
          },
        ),
      ),
    "run with headers of ours": () =>
      told(() => AI.run(M, { a: 1 }, { extraHeaders: { "content-type": "x/y", "cf-consn-model-id": "zz" } })),
    "run with a gateway": () =>
      told(() => AI.run(M, { prompt: "x" }, { gateway: { id: "g", cacheTtl: 5, skipCache: false, metadata: { a: 1 } } })),
    "run with a gateway without id": () => told(() => AI.run(M, {}, { gateway: { cacheTtl: 5 } })),
    "run with a stream": () =>
      told(() => AI.run(M, { audio: SOUND(), k: 1, s: "q" }, { tags: ["a", "b"], o: undefined, n: null, ob: { z: 1 } })),
    "run with a stream without type": () => told(() => AI.run(M, { audio: { body: streamOf() } })),
    "run with a bare stream": () => told(() => AI.run(M, { audio: streamOf() })),
    "run with two streams": () => told(() => AI.run(M, { a: SOUND(), b: SOUND() })),
    "run with a stream and a gateway": () => told(() => AI.run(M, { a: SOUND() }, { gateway: { id: "g" } })),
    "run with a WebSocket": () => told(() => AI.run(M, { a: 1 }, { websocket: true, tags: ["t"] })),
    "run, aborted": async () => {
      const { result } = await told(() => AI.run(M, {}, { signal: AbortSignal.abort() }));
      return result;
    },
    "run with what JSON cannot say": () => told(() => AI.run(M, { a: 5n })),
    "run, an error of the gateway's": () => told(() => AI.run(M, {}), failing({ internalCode: 3040, name: "Foo", description: "desc" })),
    "run, an error without description": () => told(() => AI.run(M, {}), failing({ internalCode: 2001 }, 400)),
    "run, errors in a list": () => told(() => AI.run(M, {}), failing({ errors: [{ code: 5007, message: "No such model" }] }, 400)),
    "run, no errors in the list": () => told(() => AI.run(M, {}), failing({ errors: [] }, 400)),
    "run, an error of other kinds": async () => [
      (await told(() => AI.run(M, {}), failing("plain bad", 502))).result,
      (await told(() => AI.run(M, {}), failing(null))).result,
      (await told(() => AI.run(M, {}), failing([1]))).result,
    ],
    "run, no answer": () =>
      told(
        () => AI.run(M, {}),
        () => new Response(null, { status: 204 }),
      ),
    "run, an empty answer": () =>
      told(
        () => AI.run(M, {}),
        () => new Response("", { headers: { "content-type": "application/json" } }),
      ),
    "run, a charset": () =>
      told(
        () => AI.run(M, {}),
        () => new Response("{}", { headers: { "content-type": "application/json; charset=utf-8" } }),
      ),
    "run, events": () =>
      told(
        () => AI.run(M, {}),
        () => new Response("data: x\n\n", { headers: { "content-type": "text/event-stream" } }),
      ),
    "run, raw": () => told(() => AI.run(M, {}, { returnRawResponse: true }), failing({ internalCode: 3040, description: "d" })),
    "what is known after a call": async () => {
      await told(
        () => AI.run(M, {}),
        () => answer({}, { headers: { "content-type": "application/json", "cf-ai-req-id": "rid", "cf-aig-log-id": "lid" } }),
      );
      const after = state();
      await told(() => AI.run(M, {}), failing({ internalCode: 7, description: "d" }, 429));
      return [after, state()];
    },
    models: () => told(() => AI.models()),
    "models, searched": () => told(() => AI.models({ author: "a b", search: "x", hide_experimental: true, page: 2, task: "t" })),
    "models, an error": async () => [
      (await told(() => AI.models(), failing({ errors: [{ code: 5, message: "mm" }] }))).result,
      (await told(() => AI.models(), failing({ errors: [] }))).result,
    ],
    fetch: () => told(() => AI.fetch("https://workers-binding.ai/x", { headers: { a: "1" } })),
    "a gateway's URL": async () => [await told(() => AI.gateway("my-gw").getUrl()), await told(() => AI.gateway("a b").getUrl("openai"))],
    "a gateway's URL, an error": async () => [
      (await told(() => AI.gateway("g").getUrl(), failing({ errors: [{ message: "m1" }] }))).result,
      (await told(() => AI.gateway("g").getUrl(), failing("raw", 404))).result,
      (await told(() => AI.gateway("g").getUrl(), failing({}))).result,
    ],
    "a log": () => told(async () => ((log) => ({ ...log, created_at: log.created_at.getTime() }))(await AI.gateway("g").getLog("l1"))),
    "a log, an error": async () => [
      (await told(() => AI.gateway("g").getLog("l1"), failing({ errors: [] }, 404))).result,
      (await told(() => AI.gateway("g").getLog("l1"), failing({ errors: [{ message: "gone" }] }, 404))).result,
      (await told(() => AI.gateway("g").getLog("l1"), failing("xx"))).result,
      (await told(() => AI.gateway("g").getLog("l1"), failing("xx", 404))).result,
      (await told(() => AI.gateway("g").getLog("l1"), failing({ result: {} }, 201))).result,
    ],
    "a log, changed": () => told(() => AI.gateway("g").patchLog("l1", { score: 5, metadata: { a: 1 }, feedback: -1 })),
    "a gateway's run": () =>
      told(() =>
        AI.gateway("g").run({ ...ENTRY, headers: { authorization: "Bearer x", n: 5, b: true, o: { q: 1 }, u: undefined, nl: null } }),
      ),
    "a gateway's run with everything": () =>
      told(() =>
        AI.gateway("g").run([ENTRY, { ...ENTRY, provider: "b" }], {
          gateway: {
            ...{
              skipCache: true,
              cacheTtl: 60,
              cacheKey: "k",
              metadata: { a: 1 },
              collectLog: false,
              eventId: "ev",
              requestTimeoutMs: 1000,
            },
            retries: { maxAttempts: 3, retryDelayMs: 10, backoff: "linear" },
          },
          extraHeaders: { "x-e": "1", "Content-Type": "x/y", "cf-aig-event-id": "mine" },
        }),
      ),
    "a gateway's run with zeros": () =>
      told(() =>
        AI.gateway("g").run(ENTRY, {
          gateway: { skipCache: false, cacheTtl: 0, cacheKey: "", collectLog: true, requestTimeoutMs: 0, retries: {} },
        }),
      ),
    "a gateway's run, an error": () => told(() => AI.gateway("g").run(ENTRY), failing({ x: 1 })),
    toMarkdown: () =>
      told(
        () => AI.toMarkdown(FILE()),
        () => answer({ result: [{ id: "1", format: "markdown", data: "x" }] }),
      ),
    "toMarkdown of several": () =>
      told(
        () =>
          AI.toMarkdown([FILE(), { name: "b", blob: new Blob([new Uint8Array([255, 0])]) }], {
            gateway: { id: "g" },
            extraHeaders: { x: "1" },
            conversionOptions: { pdf: { a: 1 } },
          }),
        () => answer({ result: [{ id: "1" }, { id: "2" }] }),
      ),
    "toMarkdown, nothing": () =>
      told(
        () => AI.toMarkdown(FILE()),
        () => answer({ result: [] }),
      ),
    "toMarkdown, an error": () => told(() => AI.toMarkdown(FILE()), failing({ errors: [{ message: "bad md" }] })),
    "toMarkdown's service": async () => [
      await told(
        () => AI.toMarkdown().transform(FILE()),
        () => answer({ result: [{ id: 1 }] }),
      ),
      await told(() => AI.toMarkdown(null).supported(), failing({ result: [{ extension: ".md" }] })),
    ],
    autorag: async () => [
      await told(() => AI.autorag().list()),
      await told(() => AI.autorag("r").search({ query: "q" })),
      await told(() => AI.autorag("r").aiSearch({ query: "q" })),
      await told(
        () => AI.autorag("r").aiSearch({ query: "q", stream: true }),
        () => new Response("data: 1\n\n"),
      ),
    ],
    "autorag, an error": async () => [
      (await told(() => AI.autorag().search({ query: "q" }))).result,
      (await told(() => AI.autorag("r").search({}), failing({ errors: [] }, 404))).result,
      (await told(() => AI.autorag("r").search({}), failing({ errors: [{ message: "nf" }] }, 404))).result,
      (await told(() => AI.autorag("r").search({}), failing({ errors: [] }, 401))).result,
      (await told(() => AI.autorag("r").aiSearch({}), failing("zz"))).result,
      (await told(() => AI.autorag("r").list(), failing({ errors: [{ message: "le" }] }))).result,
    ],
  };
}
