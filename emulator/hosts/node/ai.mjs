/**
 * `env.AI` as user code sees it: class `Ai` and what hangs on it, over one inner fetcher (ai-binding.md 0, 1.1 and 1.3; held against workerd).
 *
 * Each call becomes one request to the fake origin https://workers-binding.ai; the gateway answers it. What a client decides is decided here:
 * which path, how options travel, what counts as an error, what is parsed and what is handed out as a stream.
 */

import { AiInternalError, listedMessage, upstreamError } from "./ai_errors.mjs";
import { AiGateway } from "./ai_gateway.mjs";
import { AiSearchNamespace } from "./ai_search.mjs";
import { AutoRAG } from "./autorag.mjs";
import { URL, writeJson } from "./originals.mjs";
import { FormData } from "./surface/form_data.mjs";
import { Request } from "./surface/request.mjs";
import { ToMarkdownService } from "./to_markdown.mjs";

/**
 * Sends one request to the gateway's AI service.
 *
 * @typedef {(request: Request) => Promise<import("./surface/response.mjs").Response>} Fetcher
 */

const AI_ORIGIN = "https://workers-binding.ai";

/** The binding. `lastRequestId` and its neighbours tell about the latest `run`, null before the first. */
export class Ai {
  #fetcher;
  lastRequestId = null;
  aiGatewayLogId = null;
  lastRequestHttpStatusCode = null;
  lastRequestInternalStatusCode = null;

  /** @param {Fetcher} fetcher */
  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  /** A request of the caller's own to the binding's origin; the provider package resumes streams this way. */
  async fetch(input, init) {
    return this.#fetcher(new Request(input, init));
  }

  /**
   * Run a model: a JSON answer as an object, anything else as a ReadableStream; the Response itself with `returnRawResponse` or `websocket`.
   *
   * @param {string} model
   * @param {object} inputs
   * @param {object} [options] ai-binding.md 1.2
   * @throws {import("./ai_errors.mjs").InferenceUpstreamError} for an answer that is an error
   * @throws {AiInternalError} for inputs that cannot be sent
   */
  async run(model, inputs, options = {}) {
    this.lastRequestId = "";
    const response = await this.#fetcher(runRequest(model, inputs, options));
    this.lastRequestId = response.headers.get("cf-ai-req-id");
    this.aiGatewayLogId = response.headers.get("cf-aig-log-id");
    this.lastRequestHttpStatusCode = response.status;
    if (options.returnRawResponse || options.websocket) return response;
    if (!response.ok || response.body === null) throw await this.#inferenceError(response);
    // Exactly this: with a charset the platform hands out a stream (ai-binding.md 1.3).
    return response.headers.get("content-type") === "application/json" ? response.json() : response.body;
  }

  /**
   * The catalogue's rows.
   *
   * @param {{author?: string, search?: string, task?: string, source?: number, hide_experimental?: boolean, page?: number, per_page?: number}}
   *   [params]
   */
  async models(params = {}) {
    const url = new URL("/ai-api/models/search", AI_ORIGIN);
    for (const [name, value] of Object.entries(params)) url.searchParams.set(name, value.toString());
    const response = await this.#fetcher(new Request(url));
    if (!response.ok) throw new AiInternalError(listedMessage(await response.text(), "Internal Error").message);
    return (await response.json()).result;
  }

  /** Without files the service with `transform` and `supported`; with files, `transform(files, options)`. */
  toMarkdown(files = null, options = undefined) {
    const service = new ToMarkdownService(this.#fetcher);
    return files === null ? service : service.transform(files, options);
  }

  /** With `{beta: true}` the platform answers by RPC; what its members do is the same. @param {string} gatewayId */
  gateway(gatewayId, _options = undefined) {
    return new AiGateway(this.#fetcher, gatewayId);
  }

  /** @param {string} [name] `list()` needs none */
  autorag(name = undefined) {
    return new AutoRAG(this.#fetcher, name);
  }

  /** AI Search: its instances, searches and answers. */
  aiSearch() {
    return new AiSearchNamespace(this.#fetcher);
  }

  /** Not emulated. @throws {Error} */
  websearch() {
    throw new Error("env.AI.websearch() is not emulated. Answer it in your tests with a class of your own in place of env.AI.");
  }

  /** Always empty; kept by the platform for old code. */
  getLogs() {
    return [];
  }

  async #inferenceError(response) {
    const { error, internalCode } = upstreamError(await response.text());
    if (internalCode !== null) this.lastRequestInternalStatusCode = internalCode;
    return error;
  }
}

function runRequest(model, inputs, options) {
  const { prefix, extraHeaders, sessionOptions, signal, ...sent } = options;
  const headers = {
    ...sessionOptions?.extraHeaders,
    ...extraHeaders,
    "content-type": "application/json",
    "cf-consn-sdk-version": "2.0.0",
    "cf-consn-model-id": prefix ? `${prefix}:${model}` : model,
  };
  const body = writeJson({ inputs, options: sent });
  const streams = Object.keys(inputs).filter((key) => isStream(inputs[key]) || isStream(inputs[key]?.body));
  if (sent.websocket) {
    const { "content-type": _, ...rest } = headers;
    return new Request(runUrl("/run", { version: "3", body }), { headers: { ...rest, upgrade: "websocket" }, signal });
  }
  if (streams.length > 0) return streamRequest(inputs, streams, sent, headers, signal);
  const path = sent.gateway?.id ? "/ai-gateway/run" : "/run";
  return new Request(runUrl(path, { version: "3" }), { method: "POST", headers, body, signal });
}

/** One input is a stream: it is the body, and everything else travels in the query. */
function streamRequest(inputs, streams, options, headers, signal) {
  if (streams.length > 1) {
    throw new AiInternalError(`Multiple ReadableStreams are not supported. Found streams in keys: [${streams.join(", ")}]`);
  }
  if (options.gateway?.id) throw new AiInternalError("AI Gateway does not support ReadableStreams yet.");
  const { [streams[0]]: input, ...rest } = inputs;
  if (isStream(input) || !input.contentType) throw new AiInternalError("Content-Type is required with ReadableStream inputs");
  const query = {};
  for (const [name, value] of Object.entries(options)) query[name] = Array.isArray(value) ? value.join(",") : String(value);
  const url = runUrl("/run", { ...query, version: "3", userInputs: writeJson(rest) });
  return new Request(url, { method: "POST", headers: { ...headers, "content-type": input.contentType }, body: input.body, signal });
}

function runUrl(path, query) {
  const url = new URL(path, AI_ORIGIN);
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}

function isStream(value) {
  return value instanceof ReadableStream || value instanceof FormData;
}
