/** Requests that leave this host: user code's `fetch`, the AI binding's calls, the assets binding. All cross the link (design 4.6). */

export const NETWORK_LOST = "Network connection lost.";

/**
 * Send a request of the running code to one of the gateway's services. It leaves through the output gate, its answer comes back through the
 * input gate, and until the answer's body has ended its owner does not hibernate (S-99).
 *
 * @param {import("./wire/link.mjs").Link} link
 * @param {"egress" | "ai" | "assets"} target
 * @param {import("./surface/request.mjs").Request} request
 * @returns {Promise<import("./surface/response.mjs").Response>}
 */
export function send(link, target, request) {
  return Promise.reject(new Error(`not yet: ${link} ${target} ${request}`));
}
