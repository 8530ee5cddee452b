/** The rest of the platform: caches, TCP, messages of mail, the process. */

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { process } from "../../../emulator/hosts/node/originals.mjs";
import { Owner } from "../../../emulator/hosts/node/owner.mjs";
import { CacheStorage } from "../../../emulator/hosts/node/surface/caches.mjs";
import { EmailMessage } from "../../../emulator/hosts/node/surface/cloudflare_email.mjs";
import { connect } from "../../../emulator/hosts/node/surface/cloudflare_sockets.mjs";
import { HTMLRewriter } from "../../../emulator/hosts/node/surface/html_rewriter.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { installProcess } from "../../../emulator/hosts/node/surface/process.mjs";
import { Request } from "../../../emulator/hosts/node/surface/request.mjs";
import { Response } from "../../../emulator/hosts/node/surface/response.mjs";

const clock = { ms: 0, nowMs: () => clock.ms };
const A = "http://a/";
const bytes = (text) => new TextEncoder().encode(text);

test("a cache keeps what may be kept, as long as it may", async () => {
  usePort({ clock, flags: {} });
  const { default: cache } = new CacheStorage();
  await cache.put(`${A}#fragment`, new Response("kept", { headers: { "cache-control": "max-age=60", b: "1" } }));
  const hit = await cache.match(A);
  assert.deepEqual([await hit.text(), hit.headers.get("b"), hit.headers.get("cf-cache-status")], ["kept", "1", "HIT"]);
  clock.ms += 60_001;
  assert.equal(await cache.match(A), undefined);
  for (const control of ["no-store", "private", "max-age=0", "no-cache"]) {
    await cache.put(A, new Response("x", { headers: { "cache-control": control } }));
    assert.equal(await cache.match(A), undefined);
  }
  await cache.put(A, new Response("x", { status: 500 }));
  assert.equal(await cache.match(A), undefined);
});

test("a cache has its own entries, and forgets them when it is told to", async () => {
  usePort({ clock, flags: {} });
  const caches = new CacheStorage();
  const mine = await caches.open("mine");
  await mine.put(A, new Response(new Response("a").body));
  assert.equal(await caches.default.match(A), undefined);
  assert.equal(await (await (await caches.open("mine")).match(A)).text(), "a");
  assert.deepEqual([await mine.delete(A), await mine.delete(A), await mine.match(A)], [true, false, undefined]);
  assert.equal(await mine.match(new Request(A, { method: "POST" })), undefined);
});

test("a cache refuses what the platform refuses", async () => {
  usePort({ clock, flags: {} });
  const { default: cache } = new CacheStorage();
  await assert.rejects(cache.put(new Request(A, { method: "POST" }), new Response("x")), /non-GET request/);
  await assert.rejects(cache.put(A, new Response("x", { status: 206 })), /range request \(206 Partial Content\)/);
  await assert.rejects(cache.put(A, new Response("x", { headers: { vary: "*" } })), /'Vary: \*' header/);
});

const echo = createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  socket.on("data", (data) => socket.write(data));
  socket.on("end", () => socket.end("bye"));
});
const listening = new Promise((resolve) => echo.listen(0, "127.0.0.1", () => resolve(echo.address().port)));
after(() => echo.close());

test("a TCP connection carries bytes both ways and keeps its owner awake", async () => {
  const owner = new Owner("Test/tcp");
  const port = await listening;
  const socket = owner.enter(() => connect({ hostname: "127.0.0.1", port }));
  const { remoteAddress } = await socket.opened;
  assert.match(remoteAddress, /^127\.0\.0\.1:\d+$/);
  assert.equal(owner.holdCounts.get("outgoing socket"), 1);
  const writer = socket.writable.getWriter();
  await writer.write(bytes("hello"));
  const reader = socket.readable.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "hello");
  await socket.close();
  assert.equal(await socket.closed, undefined);
  await assert.rejects(reader.read(), /belongs to an object that is closing/);
  await assert.rejects(writer.write(bytes("x")), /belongs to an object that is closing/);
  assert.ok(owner.quiet);
});

test("a TCP connection that the other side ends ends here", async () => {
  const socket = connect(`127.0.0.1:${await listening}`);
  await socket.writable.getWriter().close();
  const reader = socket.readable.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "bye");
  assert.equal((await reader.read()).done, true);
  await socket.closed;
});

test("a TCP connection nobody answers fails, and goes with its owner", async () => {
  const socket = connect("127.0.0.1:1");
  await assert.rejects(socket.opened, /cannot connect to the specified address/);
  await assert.rejects(socket.closed, /cannot connect to the specified address/);
  const owner = new Owner("Test/tcp");
  const port = await listening;
  const gone = new Promise((resolve) => echo.once("connection", (far) => far.once("close", resolve)));
  const open = owner.enter(() => connect(`127.0.0.1:${port}`));
  await open.opened;
  owner.kill();
  await gone;
});

test("addresses and options that cannot be", () => {
  const cases = [
    [["nope"], "Specified address is missing port."],
    [["a:b"], "Specified address could not be parsed."],
    [["a:99999"], "Specified address could not be parsed."],
    [[{ hostname: "x" }], "The value cannot be converted because it is not an integer."],
    [["a:1", { secureTransport: "zz" }], "Unsupported value in secureTransport socket option: zz"],
  ];
  for (const [given, message] of cases) assert.throws(() => connect(...given), { name: "TypeError", message });
});

test("a message of mail", () => {
  const { from, to, raw } = new EmailMessage("a@x", "b@x", "text");
  assert.deepEqual({ from, to, raw }, { from: "a@x", to: "b@x", raw: "text" });
});

test("HTMLRewriter says that it is not there", () => {
  assert.throws(() => new HTMLRewriter(), /HTMLRewriter is not emulated/);
});

test("process.env is the project's, when the flags say so; process.exit ends nothing", () => {
  const { env, exit, abort, reallyExit } = process;
  try {
    const flags = {};
    const vars = {};
    usePort({ clock, flags, vars });
    installProcess();
    assert.deepEqual(Object.keys(process.env), []);
    Object.assign(vars, { A: "1" });
    Object.assign(flags, { nodejs_compat: true, nodejs_compat_populate_process_env: true });
    assert.deepEqual({ ...process.env }, { A: "1" });
    process.env.B = 2;
    assert.deepEqual([process.env.B, "B" in process.env, delete process.env.B, process.env.B], ["2", true, true, undefined]);
    flags.nodejs_compat_populate_process_env = false;
    assert.equal(process.env.A, undefined);
    assert.throws(() => process.exit(3), { message: "The Node.js process.exit(3) API was called. Canceling the request." });
  } finally {
    Object.assign(process, { env, exit, abort, reallyExit });
  }
});
