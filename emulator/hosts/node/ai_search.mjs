/**
 * `env.AI.aiSearch()`: AI Search as the platform's RPC surface has it (workers-types, `AiSearchNamespace`). There is no index here: lists
 * are made of what recordings know, searches are answered by recordings (kind `ai-search`), and the rest says that it is not emulated.
 */

import { listedMessage } from "./ai_errors.mjs";
import { URL, writeJson } from "./originals.mjs";
import { Request } from "./surface/request.mjs";

const BASE = "https://workers-binding.ai/ai-search";
const JSON_TYPE = Object.freeze({ "content-type": "application/json" });

/** All instances of the account. */
export class AiSearchNamespace {
  #ask;

  /** @param {import("./ai.mjs").Fetcher} fetcher */
  constructor(fetcher) {
    this.#ask = new Asking(fetcher);
  }

  /** One of them; nothing is asked yet. @param {string} name */
  get(name) {
    return new AiSearchInstance(this.#ask, name);
  }

  /**
   * The instances that recordings know.
   *
   * @param {{page?: number, per_page?: number, search?: string}} [params]
   * @returns {Promise<{result: {id: string}[], result_info: object}>}
   */
  async list(params = {}) {
    return this.#ask.json("GET", "/instances", params);
  }

  /** Search several instances. @param {object} params @throws {Error} named AiSearchNotFoundError or AiSearchInternalError */
  async search(params) {
    return this.#ask.json("POST", "/search", params);
  }

  /** Search several instances and answer; a ReadableStream with `stream`. Fails as `search` does. @param {{stream?: boolean}} params */
  async chatCompletions(params) {
    return this.#ask.answer("/chat-completions", params);
  }

  /** Not emulated. @throws {Error} */
  async create() {
    throw notEmulated("create");
  }

  /** Not emulated. @throws {Error} */
  async delete() {
    throw notEmulated("delete");
  }
}

/** One instance. */
class AiSearchInstance {
  #ask;
  #path;

  constructor(ask, name) {
    this.#ask = ask;
    this.#path = `/instances/${encodeURIComponent(name)}`;
  }

  /** @param {object} params `{query}` or `{messages}` @throws {Error} named AiSearchNotFoundError or AiSearchInternalError */
  async search(params) {
    return this.#ask.json("POST", `${this.#path}/search`, params);
  }

  /** Search and answer; a ReadableStream with `stream`. Fails as `search` does. @param {{stream?: boolean}} params */
  async chatCompletions(params) {
    return this.#ask.answer(`${this.#path}/chat-completions`, params);
  }

  /** What the instance is. Fails as `search` does. */
  async info() {
    return this.#ask.json("POST", `${this.#path}/info`, {});
  }

  /** What it holds. Fails as `search` does. */
  async stats() {
    return this.#ask.json("POST", `${this.#path}/stats`, {});
  }

  /** Not emulated. @throws {Error} */
  async update() {
    throw notEmulated("get(name).update");
  }

  /** Not emulated. @throws {Error} */
  get items() {
    throw notEmulated("get(name).items");
  }

  /** Not emulated. @throws {Error} */
  get jobs() {
    throw notEmulated("get(name).jobs");
  }
}

/** Requests below BASE. */
class Asking {
  #fetcher;

  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  async json(method, path, params) {
    return (await this.#sent(method, path, params)).json();
  }

  async answer(path, params) {
    const response = await this.#sent("POST", path, params);
    return params.stream === true ? response.body : response.json();
  }

  async #sent(method, path, params) {
    const url = new URL(BASE + path);
    const init = { method, headers: JSON_TYPE };
    if (method === "POST") init.body = writeJson(params);
    else for (const [name, value] of Object.entries(params)) url.searchParams.set(name, String(value));
    const response = await this.#fetcher(new Request(url, init));
    if (response.ok) return response;
    const name = response.status === 404 ? "AiSearchNotFoundError" : "AiSearchInternalError";
    throw Object.assign(new Error(listedMessage(await response.text(), "Internal Error").message), { name });
  }
}

function notEmulated(member) {
  return new Error(`env.AI.aiSearch().${member} is not emulated: AI Search has no local index.`);
}
