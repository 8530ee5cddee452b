/**
 * Prints what this host's surface answers to the probe of surface_peer/, in a process of its own: the surface takes the globals. Behind it
 * stands a host that answers every request by the probe itself.
 */

import { writeFileSync } from "node:fs";
import { Ai } from "../../../emulator/hosts/node/ai.mjs";
import { exit, setTimeout } from "../../../emulator/hosts/node/originals.mjs";
import { hearStrays } from "../../../emulator/hosts/node/strays.mjs";
import { contentOf } from "../../../emulator/hosts/node/surface/body.mjs";
import { pairsOf } from "../../../emulator/hosts/node/surface/headers.mjs";
import { install } from "../../../emulator/hosts/node/surface/install.mjs";
import { givenSignal, receivedRequest } from "../../../emulator/hosts/node/surface/request.mjs";
import { receivedResponse } from "../../../emulator/hosts/node/surface/response.mjs";
import { endOf } from "../../../emulator/hosts/node/surface/websocket.mjs";

const ORIGIN = "http://127.0.0.1:8787";
const LOST = "Network connection lost.";

const flags = {
  nodejs_compat: true,
  nodejs_compat_populate_process_env: true,
  websocket_standard_binary_type: true,
  web_socket_auto_reply_to_close: true,
};
install({ flags, vars: { GREETING: "hello" }, fetch: answer, openSocket: connect, unhandled() {}, waitUntil() {} });
hearStrays(() => {});
const { default: worker } = await import("./surface_peer/worker.mjs");
const env = { AI: new Ai(answer) };
const told = await worker.fetch(receivedRequest("GET", `${ORIGIN}/probe`, [["host", "peer"]], null), env);
writeFileSync(1, await told.text());
exit(0);

/** As the gateway would carry it. */
async function answer(request) {
  if (new URL(request.url).port === "1") throw new Error(LOST);
  const signal = givenSignal(request);
  signal?.throwIfAborted();
  const aborted = Promise.withResolvers();
  signal?.addEventListener("abort", () => aborted.reject(signal.reason));
  const content = contentOf(request);
  const lines = [...pairsOf(request.headers), ...announced(content)];
  const response = await Promise.race([worker.fetch(receivedRequest(request.method, request.url, lines, content), env), aborted.promise]);
  const { status, statusText, webSocket } = response;
  const body = request.method === "HEAD" ? null : (contentOf(response) ?? "");
  return receivedResponse(status, statusText || "OK", pairsOf(response.headers), body, { url: request.url.split("#")[0], webSocket });
}

function announced(content) {
  if (content === null) return [];
  const known = typeof content === "string" || content instanceof Uint8Array;
  return known ? [["content-length", String(Buffer.byteLength(content))]] : [["transfer-encoding", "chunked"]];
}

/** As the gateway would open it. */
function connect(socket, url, protocols) {
  const end = endOf(socket);
  setTimeout(async () => {
    if (new URL(url).port === "1") return end.deliverRefused(new Error(LOST));
    const offered = protocols.length === 0 ? [] : [["sec-websocket-protocol", protocols.join(", ")]];
    const response = await worker.fetch(
      receivedRequest("GET", url.replace("ws", "http"), [["upgrade", "websocket"], ...offered], null),
      env,
    );
    if (response.webSocket === null) return end.deliverRefused(notUpgraded(response.status));
    const far = response.webSocket;
    far.accept();
    far.addEventListener("message", ({ data }) =>
      typeof data === "string" ? end.deliverText(data) : end.deliverBinary(new Uint8Array(data)),
    );
    far.addEventListener("close", ({ code, reason }) => end.deliverClose(code, reason));
    end.attach({ sendText: (text) => far.send(text), close: (code, reason) => far.close(code, reason) });
    return end.deliverOpen(response.headers.get("sec-websocket-protocol") ?? "");
  }, 1);
}

function notUpgraded(status) {
  const expected = "expected server to reply with HTTP status code 101 (switching protocols)";
  return new TypeError(`Failed to establish the WebSocket connection: ${expected}, but received ${status} instead.`);
}
