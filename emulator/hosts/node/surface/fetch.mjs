/** The global `fetch`. */

import { needEvent } from "../module_level.mjs";
import { Buffer } from "../originals.mjs";
import { wrongParameter } from "./arguments.mjs";
import { port } from "./port.mjs";
import { Request } from "./request.mjs";
import { Response } from "./response.mjs";

/**
 * Sends a request to the outside, or to `request.fetcher`. Redirects are followed by the gateway unless `redirect` is "manual".
 *
 * @param {string | URL | Request} [input]
 * @param {import("./request.mjs").RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function fetch(input = undefined, init = undefined) {
  needEvent();
  if (input === undefined) throw wrongParameter("fetch", "ServiceWorkerGlobalScope", 1, "Request or string");
  const request = new Request(input, init);
  if (request.fetcher !== null) return request.fetcher.fetch(request);
  const { url } = request;
  if (request.cache !== undefined) askAnew(request.headers);
  if (url.startsWith("http://") || url.startsWith("https://")) return port().fetch(request);
  if (url.startsWith("data:")) return dataResponse(url);
  throw new TypeError(`Fetch API cannot load: ${url}`);
}

/** `cache: "no-store"` and "no-cache", as servers hear them. */
function askAnew(headers) {
  if (!headers.has("cache-control")) headers.set("cache-control", "no-cache");
  if (!headers.has("pragma")) headers.set("pragma", "no-cache");
}

/** `data:` URLs (RFC 2397). */
function dataResponse(url) {
  const comma = url.indexOf(",");
  if (comma < 0) throw new TypeError(`Fetch API cannot load: ${url}`);
  const [, head, data] = [url, url.slice("data:".length, comma), decodeURIComponent(url.slice(comma + 1))];
  const base64 = /;\s*base64\s*$/i.test(head);
  const type = head.replace(/;\s*base64\s*$/i, "").trim() || "text/plain;charset=US-ASCII";
  return new Response(base64 ? Buffer.from(data, "base64") : data, { headers: { "content-type": type } });
}
