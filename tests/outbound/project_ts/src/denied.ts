/** Ways out that are not HTTP, and what the platform does not have. */

import child_process from "node:child_process";
import dgram from "node:dgram";
import dns from "node:dns";
import http2 from "node:http2";
import { createRequire } from "node:module";
import net from "node:net";
import tls from "node:tls";
import { Worker } from "node:worker_threads";
import { connect } from "cloudflare:sockets";

type Options = Record<string, string>;
type Trick = (host: string, port: number) => unknown;

const heard = (socket: net.Socket) =>
  new Promise((resolve, reject) => {
    let said = "";
    socket.on("data", (chunk) => {
      said += chunk;
    });
    socket.on("close", () => resolve(said));
    socket.on("error", reject);
  });

const nodes = (name: string) => createRequire("/anywhere.js")(name);

const tricks: Record<string, Trick> = {
  net: (host, port) => heard(net.connect({ host, port })),
  "net-port": (host, port) => heard(net.createConnection(port, host)),
  "net-required": (host, port) => heard(nodes("net").connect(port, host)),
  "net-socket": (host, port) => heard(new net.Socket().connect({ host, port })),
  tls: (host, port) => heard(tls.connect({ host, port })),
  "cloudflare:sockets": async (hostname, port) => {
    const socket = connect({ hostname, port });
    await socket.opened;
    return new TextDecoder().decode((await socket.readable.getReader().read()).value);
  },
  name: (host) => dns.promises.lookup(host),
  "name-resolved": (host) => dns.promises.resolve4(host),
  "name-called": (host) =>
    new Promise((resolve, reject) => dns.lookup(host, (error, address) => (error ? reject(error) : resolve(address)))),
  spawn: () => child_process.spawn("true").pid,
  exec: () => child_process.execSync("true").length,
  "spawn-required": () => nodes("child_process").spawn("true").pid,
  "spawn-builtin": () => process.getBuiltinModule("child_process").spawn("true").pid,
  worker: () => new Worker("", { eval: true }).threadId,
  binding: () => (process as unknown as { binding(name: string): unknown }).binding("tcp_wrap"),
  http2: (host, port) => http2.connect(`http://${host}:${port}`).closed,
  datagram: (host, port) => dgram.createSocket("udp4").send("x", port, host),
};

/** What came of it, or the error. */
export async function attempt(trick: string, { host = "127.0.0.1", port = "80" }: Options) {
  try {
    return await tricks[trick](host, Number(port));
  } catch (error) {
    const { name, message, code } = error as Error & { code?: string };
    return { error: name, text: message, code };
  }
}
