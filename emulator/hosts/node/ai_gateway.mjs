/** `env.AI.gateway(id)`: AI Gateway (ai-binding.md 1.1 and 3.2). */

import { AiGatewayInternalError, AiGatewayLogNotFound, listedMessage } from "./ai_errors.mjs";
import { writeJson } from "./originals.mjs";
import { Request } from "./surface/request.mjs";

const ORIGIN = "https://workers-binding.ai";
const JSON_TYPE = Object.freeze({ "content-type": "application/json" });

/** One AI Gateway. */
export class AiGateway {
  #fetcher;
  #id;

  /** @param {import("./ai.mjs").Fetcher} fetcher @param {string} id */
  constructor(fetcher, id) {
    this.#fetcher = fetcher;
    this.#id = id;
  }

  /**
   * The public address of the gateway, of one provider when given.
   *
   * @param {string} [provider]
   * @returns {Promise<string>}
   * @throws {AiGatewayInternalError}
   */
  async getUrl(provider = "universal") {
    const response = await this.#fetcher(new Request(`${ORIGIN}/ai-gateway/gateways/${this.#id}/url/${provider}`));
    if (!response.ok) throw new AiGatewayInternalError(listedMessage(await response.text(), "Internal Error").message);
    return (await response.json()).result.url;
  }

  /**
   * A log entry, `created_at` as a Date.
   *
   * @param {string} logId
   * @throws {AiGatewayLogNotFound | AiGatewayInternalError}
   */
  async getLog(logId) {
    const response = await this.#log(logId, { method: "GET" });
    const { result } = await response.json();
    return { ...result, created_at: new Date(result.created_at) };
  }

  /**
   * Set parts of a log entry.
   *
   * @param {string} logId
   * @param {{score?: number, feedback?: -1 | 1, metadata?: object}} data
   * @throws {AiGatewayLogNotFound | AiGatewayInternalError}
   */
  async patchLog(logId, data) {
    await this.#log(logId, { method: "PATCH", headers: JSON_TYPE, body: writeJson(data) });
  }

  /**
   * The universal endpoint.
   *
   * @param {object | object[]} data one entry `{provider, endpoint, headers, query}`, or several to be tried in turn
   * @param {{gateway?: object, extraHeaders?: object, signal?: AbortSignal}} [options]
   * @returns {Promise<import("./surface/response.mjs").Response>} whatever its status
   */
  async run(data, options = undefined) {
    const entries = (Array.isArray(data) ? data : [data]).map(sendableEntry);
    const headers = { ...JSON_TYPE, ...gatewayHeaders(options?.gateway), ...lowerCased(options?.extraHeaders) };
    const body = writeJson(entries);
    return this.#fetcher(
      new Request(`${ORIGIN}/ai-gateway/universal/run/${this.#id}`, { method: "POST", headers, body, signal: options?.signal }),
    );
  }

  async #log(logId, init) {
    const response = await this.#fetcher(new Request(`${ORIGIN}/ai-gateway/gateways/${this.#id}/logs/${logId}`, init));
    if (response.status === 200) return response;
    const content = await response.text();
    const { message, listed } = listedMessage(content, response.status === 404 ? "Log Not Found" : "Internal Error");
    throw response.status === 404 && listed ? new AiGatewayLogNotFound(message) : new AiGatewayInternalError(message);
  }
}

/** Header values that are not text become text; null stays. */
function sendableEntry(entry) {
  const headers = {};
  for (const [name, value] of Object.entries(entry.headers)) {
    headers[name] = typeof value === "string" || value === null ? value : typeof value === "object" ? writeJson(value) : textOf(value);
  }
  return { ...entry, headers };
}

function textOf(value) {
  return value === undefined ? undefined : String(value);
}

/** Options of the universal endpoint travel as headers. */
function gatewayHeaders(gateway) {
  if (!gateway) return {};
  const { skipCache, cacheTtl, cacheKey, metadata, collectLog, eventId, requestTimeoutMs, retries } = gateway;
  const headers = {
    "cf-aig-skip-cache": skipCache === undefined ? undefined : skipCache ? "true" : "false",
    "cf-aig-cache-ttl": cacheTtl ? String(cacheTtl) : undefined,
    "cf-aig-cache-key": cacheKey || undefined,
    "cf-aig-metadata": metadata ? writeJson(metadata) : undefined,
    "cf-aig-collect-log": collectLog === undefined ? undefined : collectLog ? "true" : "false",
    "cf-aig-event-id": eventId,
    "cf-aig-request-timeout": textOf(requestTimeoutMs),
    "cf-aig-max-attempts": textOf(retries?.maxAttempts),
    "cf-aig-retry-delay": textOf(retries?.retryDelayMs),
    "cf-aig-backoff": retries?.backoff,
  };
  return Object.fromEntries(Object.entries(headers).filter(([, value]) => value !== undefined));
}

/** So that a header of the caller's replaces ours of the same name. */
function lowerCased(headers) {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}
