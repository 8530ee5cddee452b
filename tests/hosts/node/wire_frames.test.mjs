import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  closePayload,
  creditPayload,
  Kind,
  readRequestHead,
  readResponseHead,
  requestHead,
  responseHead,
  WHOLE,
} from "../../../emulator/hosts/node/wire/frames.mjs";
import { Inbox } from "../../../emulator/hosts/node/wire/inbox.mjs";
import { Outbox } from "../../../emulator/hosts/node/wire/outbox.mjs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../vectors/wire/${name}.json`, import.meta.url), "utf8")).cases;

/** Everything frames become when the stream arrives in pieces of these sizes, the last one repeated. */
function decode(bytes, sizes) {
  const inbox = new Inbox();
  const frames = [];
  let at = 0;
  for (let turn = 0; at < bytes.length; turn++) {
    const room = inbox.room();
    const size = Math.min(sizes[Math.min(turn, sizes.length - 1)], room.length, bytes.length - at);
    bytes.copy(room, 0, at, at + size);
    at += size;
    inbox.received(size, (frame) => frames.push(frame));
  }
  return { frames, pending: inbox.pending };
}

function encoded(add) {
  const outbox = new Outbox();
  add(outbox);
  return Buffer.concat(outbox.drain());
}

const described = (frame) => [frame.kind, frame.flags, frame.id, frame.nowMs, Buffer.from(frame.payload).toString("hex")];

test("each vector becomes its bytes, and they become it again, however they are split", () => {
  const all = [];
  const expected = [];
  for (const { name, kind, flags, id, now_ms, payload, bytes } of vectors("frames")) {
    const wire = encoded((outbox) => outbox.add(Kind[kind], id, now_ms, Buffer.from(payload, "hex"), flags));
    assert.equal(wire.toString("hex"), bytes, name);
    all.push(wire);
    expected.push([Kind[kind], flags, id, now_ms, payload]);
  }
  const stream = Buffer.concat(all);
  for (const sizes of [[1], [17], [19, 1], [stream.length], [3, 400, 1]]) {
    const { frames, pending } = decode(stream, sizes);
    assert.deepEqual(frames.map(described), expected, `pieces of ${sizes}`);
    assert.equal(pending, 0);
  }
});

test("a text is encoded where it goes, as the bytes are", () => {
  for (const text of ["", "grüß", "\ud83d\ude00", "x".repeat(16_385), "ü".repeat(16_384), "\ud800"]) {
    const bytes = encoded((outbox) => outbox.add(Kind.TEXT, 1, 5, text, 0));
    const expected = encoded((outbox) => outbox.add(Kind.TEXT, 1, 5, Buffer.from(text), 0));
    assert.ok(bytes.equals(expected), `${text.length} units`);
    assert.equal(decode(bytes, [7]).frames[0].text(), Buffer.from(text).toString());
  }
});

test("CLOSE and CREDIT payloads are the vectors'", () => {
  for (const { name, code, reason, payload } of vectors("closes")) {
    assert.equal(closePayload(code, reason).toString("hex"), payload, name);
    const bytes = encoded((outbox) => outbox.add(Kind.CLOSE, 1, 0, Buffer.from(payload, "hex"), 0));
    assert.deepEqual(decode(bytes, [bytes.length]).frames[0].close(), { code, reason });
  }
  const bytes = encoded((outbox) => outbox.add(Kind.CREDIT, 1, 0, creditPayload(131_072), 0));
  assert.equal(decode(bytes, [bytes.length]).frames[0].credit(), 131_072);
});

test("heads are the vectors', with the body inline as bytes or as text", () => {
  for (const { name, target, method, url, status, reason, headers, body, payload } of vectors("heads")) {
    const head = target === undefined ? responseHead(status, reason, headers) : requestHead(target, method, url, headers);
    const content = body === null ? null : Buffer.from(body, "hex");
    const kind = target === undefined ? Kind.RESPONSE : Kind.REQUEST;
    const [frame] = decode(
      encoded((outbox) => outbox.addHead(kind, 1, 0, head, content, 0)),
      [1],
    ).frames;
    assert.equal(Buffer.from(frame.payload).toString("hex"), payload, name);
    assert.equal(frame.flags, body === null ? 0 : WHOLE);
    const read = frame.head();
    assert.equal(read.body === null ? null : Buffer.from(read.body).toString("hex"), body, name);
    if (target === undefined) assert.deepEqual(readResponseHead(read.head), { status, reason, headers });
    else assert.deepEqual(readRequestHead(read.head), { target, method, url, headers });
    if (content !== null && content.toString("latin1") === content.toString()) {
      const asText = encoded((outbox) => outbox.addHead(kind, 1, 0, head, content.toString(), 0));
      assert.ok(asText.equals(encoded((outbox) => outbox.addHead(kind, 1, 0, head, content, 0))), name);
    }
  }
});

test("frames of every size keep their order and their bytes", () => {
  const sizes = [0, 1, 8_191, 8_192, 16_383, 16_384, 16_385, 65_518, 65_519, 65_536, 200_000, 3, 49_000, 49_000, 0, 15_000, 15_000];
  const payloads = sizes.map((size, index) => Buffer.alloc(size, index + 1));
  const stream = encoded((outbox) => {
    for (const [index, payload] of payloads.entries()) outbox.add(Kind.BODY, index, index, payload, 0);
  });
  for (const step of [5_000, 65_536, 1_000_000]) {
    const { frames } = decode(stream, [step]);
    assert.deepEqual(
      frames.map((frame) => [frame.id, frame.size]),
      sizes.map((size, index) => [index, size]),
    );
    for (const [index, frame] of frames.entries()) assert.ok(payloads[index].equals(frame.payload), `frame ${index}, pieces of ${step}`);
  }
});

test("a payload's memory is its own: transferring it harms no other frame", () => {
  const stream = encoded((outbox) => {
    outbox.add(Kind.BINARY, 1, 0, "first", 0);
    outbox.add(Kind.BINARY, 1, 0, Buffer.alloc(100_000, 7), 0);
    outbox.add(Kind.TEXT, 1, 0, "last", 0);
  });
  const [first, large, last] = decode(stream, [40_000]).frames;
  for (const payload of [first.payload, large.payload]) {
    assert.equal(payload.buffer.byteLength, payload.length);
    structuredClone(payload.buffer, { transfer: [payload.buffer] });
  }
  assert.equal(last.text(), "last");
});

test("the outbox uses its memory again, and never what has not left", () => {
  const outbox = new Outbox();
  outbox.add(Kind.TEXT, 1, 0, "one", 0);
  const [one] = outbox.drain();
  outbox.reuse();
  outbox.add(Kind.TEXT, 2, 0, "two", 0);
  outbox.reuse();
  outbox.add(Kind.TEXT, 3, 0, "three", 0);
  const [rest] = outbox.drain();
  assert.equal(one.buffer, rest.buffer);
  assert.deepEqual(
    decode(rest, [100]).frames.map((frame) => frame.text()),
    ["two", "three"],
  );
});

test("what is no frame is refused", () => {
  const unknown = Buffer.alloc(18);
  unknown[4] = 99;
  assert.throws(() => decode(unknown, [18]), { code: "E911" });
  const huge = Buffer.alloc(18);
  huge.writeUInt32LE(64 * 1024 * 1024 + 1);
  huge[4] = Kind.BODY;
  assert.throws(() => decode(huge, [18]), { code: "E912" });
  assert.throws(() => new Outbox().add(Kind.BODY, 1, 0, Buffer.alloc(64 * 1024 * 1024 + 1), 0), { code: "E912" });
  const text = (bytes, flags = 0) =>
    decode(
      encoded((outbox) => outbox.add(Kind.REQUEST, 1, 0, bytes, flags)),
      [9],
    ).frames[0];
  assert.throws(() => text("{").json(), { code: "E913" });
  assert.throws(() => text("abc", WHOLE).head(), { code: "E914" });
  assert.throws(() => readRequestHead("worker\nGET\n/\nhalf"), { code: "E914" });
  assert.throws(() => readResponseHead("200"), { code: "E914" });
});
