/** `env.AI.toMarkdown()`: documents to Markdown (ai-binding.md 1.1). */

import { AiInternalError } from "./ai_errors.mjs";
import { Buffer, writeJson } from "./originals.mjs";
import { Request } from "./surface/request.mjs";

const BASE = "https://workers-binding.ai/to-everything/markdown";
const JSON_TYPE = Object.freeze({ "content-type": "application/json" });

/** The service behind `toMarkdown`. */
export class ToMarkdownService {
  #fetcher;

  /** @param {import("./ai.mjs").Fetcher} fetcher */
  constructor(fetcher) {
    this.#fetcher = fetcher;
  }

  /**
   * Convert files; one gives one row, an array gives an array.
   *
   * @param {{name: string, blob: Blob} | {name: string, blob: Blob}[]} files
   * @param {{gateway?: object, extraHeaders?: object, conversionOptions?: object}} [options]
   * @returns {Promise<object>} rows of `{id, name, mimeType, format, tokens, data | error}`
   * @throws {AiInternalError}
   */
  async transform(files, options = undefined) {
    const sent = await Promise.all([files].flat().map(sendable));
    const response = await this.#fetcher(
      new Request(`${BASE}/transformer`, {
        method: "POST",
        headers: { ...options?.extraHeaders, ...JSON_TYPE },
        body: writeJson({ files: sent, options }),
      }),
    );
    const answer = await response.json();
    if (!response.ok) throw new AiInternalError(answer.errors?.[0]?.message || "Internal Error");
    if (answer.result.length === 0) throw new AiInternalError("Internal Error Converting files into Markdown");
    return Array.isArray(files) ? answer.result : answer.result[0];
  }

  /** Rows of `{extension, mimeType}`; the platform never looks at the status. */
  async supported() {
    const response = await this.#fetcher(new Request(`${BASE}/supported`, { headers: JSON_TYPE }));
    return (await response.json()).result;
  }
}

async function sendable({ name, blob }) {
  const mimeType = blob.type;
  const data = Buffer.from(await blob.arrayBuffer()).toString("base64");
  return { name, mimeType, data };
}
