/** The Node end of test_node_link.py: `node link_partner.mjs SOCKET`. Requests say by their path what to do with them, calls by their `op`. */
import { createHash } from "node:crypto";
import { Cancelled, LinkLost, RemoteError } from "../../../emulator/hosts/node/wire/exchange.mjs";
import { Kind, UPGRADE } from "../../../emulator/hosts/node/wire/frames.mjs";
import { Link } from "../../../emulator/hosts/node/wire/link.mjs";

const events = [];
let produced = 0;
let held = null;

/** A body of `count` chunks of `size` bytes that counts what is taken of it; after the last it ends, or fails. */
function source(count, size, failure = null) {
  let at = 0;
  return {
    async read() {
      if (at === count && failure !== null) throw new Error(failure);
      if (at === count) return { done: true };
      produced += size;
      return { done: false, value: new Uint8Array(size).fill(at++) };
    },
    cancel(reason) {
      events.push(["source cancelled", reason]);
    },
  };
}

async function digest(body) {
  const hash = createHash("sha256");
  const sizes = [];
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    hash.update(chunk);
    sizes.push(chunk.length);
  }
  return { sha256: hash.digest("hex"), sizes };
}

const REQUESTS = {
  "/echo": (incoming) => {
    const body = incoming.body;
    incoming.respond(201, "Made", [["x-method", incoming.method], ...incoming.headers], body);
  },
  "/digest": async (incoming) => incoming.respond(200, "OK", [], JSON.stringify(await digest(incoming.body))),
  "/text": (incoming) => incoming.respond(200, "OK", [], "grüß ".repeat(100_000)),
  "/stream": (incoming) => incoming.respond(200, "OK", [], source(100, 50_000)),
  "/breaks": (incoming) => incoming.respond(200, "OK", [], source(2, 10, "the source broke")),
  "/fails": (incoming) => incoming.fail({ name: "TypeError", message: "no", props: { remote: true } }),
  "/hold": (incoming) => {
    held = incoming;
    incoming.onCancel = (reason) => events.push(["cancelled", reason]);
    if (incoming.reader !== null) incoming.reader.read().catch((error) => events.push([error.name, error.message]));
  },
  "/socket": (incoming) => {
    link.send(Kind.TEXT, incoming.id, "before the handshake");
    incoming.upgradeWith([["sec-websocket-protocol", "chat"]]);
    link.send(Kind.TEXT, incoming.id, "after it");
  },
};

const CALLS = {
  stats: async () => ({ open: link.openExchanges, events, produced }),
  echo: async ({ value }) => value,
  unwritable: async () => 1n,
  respond: async () => held.respond(200, "OK", [], source(3, 10)),
  async ask({ url, count, size, upgrade }) {
    const outgoing = link.request(
      "egress",
      { method: "PUT", url, headers: [["x", "y"]] },
      count === undefined ? null : source(count, size),
      {
        upgrade,
      },
    );
    const answer = await outgoing.answer;
    if (answer.upgraded) return { id: answer.id, upgraded: true };
    return { status: answer.status, headers: answer.headers, ...(await digest(answer.body)) };
  },
  async abandon({ url, after }) {
    const outgoing = link.request("egress", { method: "POST", url, headers: [] }, source(1000, 100_000));
    if (after === "answer") {
      const answer = await outgoing.answer;
      await answer.body.read();
    }
    outgoing.cancel("changed my mind");
    return outgoing.answer.then(
      () => "answered",
      (error) => error instanceof Cancelled && error.message,
    );
  },
  async call({ name }) {
    return link.call(name, { number: 7 });
  },
};

const link = new Link({
  onRequest: (incoming) => REQUESTS[new URL(incoming.url).pathname](incoming),
  onCall: (incoming, call) =>
    CALLS[call.op](call)
      .then((value) => incoming.result(value))
      .catch((error) =>
        incoming.fail({ name: error.name, message: error.message, props: error instanceof RemoteError ? error.fields : {} }),
      ),
  onNote: (note) => link.note("noted", { note }),
  onSession(frame) {
    if (frame.kind === Kind.DRAIN) link.close();
  },
  onSocket(frame) {
    if (frame.kind === Kind.TEXT) link.send(Kind.TEXT, frame.id, frame.text());
    else if (frame.kind === Kind.BINARY) link.send(Kind.BINARY, frame.id, frame.payload);
    else if (frame.kind === Kind.CLOSE) events.push(["close", frame.close()]);
    else if (frame.kind === Kind.RESPONSE && frame.flags & UPGRADE) events.push(["orphan", frame.id]);
  },
  async onLost(error) {
    const after = await link.call("never", {}).catch((failure) => failure instanceof LinkLost);
    process.stdout.write(`${JSON.stringify({ error: error === null ? null : error.code, held: held?.cancelled ?? null, after })}\n`);
  },
});
link.open(process.argv[2]);
link.sendJson(Kind.HELLO, { protocols: [1], kind: "node", pid: process.pid, runtime: process.version });
