/** `Fetcher`, the class of service bindings and of everything that takes requests; `ServiceStub` in `cloudflare:workers`. */

/** `binding.fetch(request)` and, where the other side has methods, RPC. */
export class Fetcher {}

/**
 * A binding that takes requests only (assets).
 * @param {(request: Request) => Promise<Response>} send
 * @returns {Fetcher}
 */
export function requestBinding(send) {
  throw new Error(`not yet: ${send}`);
}
