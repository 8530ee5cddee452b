/** `env.AI.autorag(name)` (ai-binding.md 1.1). */

import {
  AutoRAGInternalError,
  AutoRAGNameNotSetError,
  AutoRAGNotFoundError,
  AutoRAGUnauthorizedError,
  listedMessage,
} from "./ai_errors.mjs";
import { writeJson } from "./originals.mjs";
import { Request } from "./surface/request.mjs";

const BASE = "https://workers-binding.ai/autorag/rags";
const JSON_TYPE = Object.freeze({ "content-type": "application/json" });

/** One AutoRAG instance. */
export class AutoRAG {
  #fetcher;
  #name;

  /** @param {import("./ai.mjs").Fetcher} fetcher @param {string} [name] */
  constructor(fetcher, name) {
    this.#fetcher = fetcher;
    this.#name = name;
  }

  /** All instances. @throws {AutoRAGInternalError} */
  async list() {
    const response = await this.#fetcher(new Request(BASE, { headers: JSON_TYPE }));
    if (!response.ok) throw await failure(response);
    return (await response.json()).result;
  }

  /**
   * @param {{query: string}} params
   * @throws {AutoRAGNameNotSetError | AutoRAGNotFoundError | AutoRAGUnauthorizedError | AutoRAGInternalError}
   */
  async search(params) {
    const response = await this.#ask("search", params);
    return (await response.json()).result;
  }

  /** Search and answer; the Response itself when `stream` is true. Fails as `search` does. @param {{query: string, stream?: boolean}} params */
  async aiSearch(params) {
    const response = await this.#ask("ai-search", params);
    return params.stream === true ? response : (await response.json()).result;
  }

  async #ask(verb, params) {
    if (!this.#name) throw new AutoRAGNameNotSetError("AutoRAG name not defined");
    const url = `${BASE}/${this.#name}/${verb}`;
    const response = await this.#fetcher(new Request(url, { method: "POST", headers: JSON_TYPE, body: writeJson(params) }));
    if (!response.ok) throw await failure(response);
    return response;
  }
}

async function failure(response) {
  const content = await response.text();
  if (response.status === 401) return new AutoRAGUnauthorizedError(listedMessage(content, "You don't have access to this AutoRAG").message);
  if (response.status === 404) return new AutoRAGNotFoundError(listedMessage(content, "AutoRAG not found").message);
  return new AutoRAGInternalError(listedMessage(content, "Internal Error").message);
}
