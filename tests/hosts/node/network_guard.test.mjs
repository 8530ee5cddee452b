/** How far sockets of this process may go, and the connection in memory that node:http gets instead of one. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { Guard, isLoopback } from "../../../emulator/hosts/node/network/guard.mjs";
import { memorySocket } from "../../../emulator/hosts/node/network/memory_socket.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";

usePort({ flags: {} });

const denied = [];
const guard = new Guard((what) => denied.push(what));
guard.install();

const listening = async (where) => {
  // A client that is connected has what it wanted, and goes.
  const server = createServer((socket) => socket.on("error", () => {}));
  server.listen(where);
  await once(server, "listening");
  after(() => server.close());
  return server.address();
};

/** "connected", or the error's code. */
const tried = async (...where) => {
  const socket = connect(...where);
  try {
    await once(socket, "connect");
    return "connected";
  } catch (error) {
    return error.code;
  } finally {
    socket.destroy();
  }
};

test("sockets reach as far as they may", async () => {
  const { port } = await listening({ port: 0, host: "127.0.0.1" });
  const path = join(mkdtempSync(join(tmpdir(), "guard-")), "socket");
  await listening({ path });
  assert.equal(await tried(port, "127.0.0.1"), "connected");
  guard.reach = "loopback";
  assert.deepEqual([await tried(port, "127.0.0.1"), await tried({ port, host: "192.0.2.1" })], ["connected", "E631"]);
  guard.reach = "nothing";
  assert.deepEqual([await tried(port), await tried({ port, host: "127.0.0.1" }), await tried(path)], ["E631", "E631", "connected"]);
  guard.reach = "outside";
  assert.deepEqual(denied, [`a socket to 192.0.2.1:${port}`, `a socket to localhost:${port}`, `a socket to 127.0.0.1:${port}`]);
});

test("what this machine is", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1", "localhost", "a.localhost"]) assert.ok(isLoopback(host), host);
  for (const host of ["192.0.2.1", "0.0.0.0", "::2", "127.0.0.1.example", "example.com"]) assert.ok(!isLoopback(host), host);
});

test("a connection in memory carries both ways, and ends for both", async () => {
  const [near, far] = memorySocket();
  near.write("question");
  assert.equal(String((await once(far, "data"))[0]), "question");
  far.write("answer");
  assert.equal(String((await once(near, "data"))[0]), "answer");
  near.destroy();
  await once(far, "close");
});

test("a connection in memory tells that nothing moves", async () => {
  const [near] = memorySocket();
  const waited = new Promise((resolve) => near.setTimeout(5, resolve));
  await waited;
  near.setTimeout(0);
  near.destroy();
});
