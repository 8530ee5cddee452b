/** Bodies of requests and responses, in all the ways they are read. */

import { byName, bytes, outcome, streamOf, tried } from "./telling.mjs";

const WAYS = ["text", "json", "arrayBuffer", "bytes", "blob", "formData"];

export function bodies() {
  return {
    "nothing read in every way": () => byName(WAYS, (way) => new Response(null)[way]()),
    "text read in every way": () => byName(WAYS, (way) => new Response('{"a":1}')[way]()),
    "bytes read in every way": () => byName(WAYS, (way) => new Response(bytes("5"))[way]()),
    "a stream read in every way": () => byName(WAYS, (way) => new Response(streamOf(bytes("1"), bytes("2")))[way]()),
    "read twice": async () => {
      const one = new Response("x");
      return [await one.text(), one.bodyUsed, await outcome(() => one.text()), one.body.locked];
    },
    "nothing read twice": async () => {
      const one = new Response(null);
      return [await one.text(), await one.text(), one.bodyUsed];
    },
    "an empty text read twice": async () => {
      const one = new Response("");
      return [await one.text(), one.bodyUsed, await outcome(() => one.text())];
    },
    "cloned when used": async () => {
      const one = new Response("x");
      await one.text();
      return tried(() => one.clone());
    },
    "both clones": async () => {
      const one = new Response(streamOf(bytes("ab"), bytes("c")), { headers: { a: "1" } });
      const clone = one.clone();
      return [await one.text(), await clone.text(), [...clone.headers], one.body === clone.body];
    },
    locked: async () => {
      const one = new Response("x");
      one.body.getReader();
      return [one.bodyUsed, await outcome(() => one.text()), tried(() => one.clone()), tried(() => new Response(one.body))];
    },
    "read in part": async () => {
      const one = new Response("xyz");
      const reader = one.body.getReader();
      await reader.read();
      reader.releaseLock();
      return [one.bodyUsed, await outcome(() => one.text()), tried(() => new Response(one.body))];
    },
    cancelled: async () => {
      const one = new Response("xyz");
      await one.body.cancel();
      return [one.bodyUsed, await outcome(() => one.text())];
    },
    "handed on": async () => {
      const one = new Response("xyz");
      const two = new Response(one.body);
      return [one.bodyUsed, await two.text(), one.bodyUsed, two.bodyUsed];
    },
    "one stream object": () => {
      const one = new Response("x");
      const first = one.body;
      const stream = streamOf();
      return [first === one.body, new Response(stream).body === stream];
    },
    "bytes are copied at once": async () => {
      const given = new Uint8Array([1, 2, 3]);
      const one = new Response(given);
      given[0] = 9;
      return one.bytes();
    },
    "what is read is one's own": async () => {
      const one = new Response(new Uint8Array([1, 2, 3]));
      const two = one.clone();
      const first = await one.bytes();
      first[0] = 9;
      return [await two.bytes(), (await new Response("ab").arrayBuffer()).byteLength];
    },
    "chunks that are no bytes": () => byName(["text", 5, {}], (chunk) => new Response(streamOf(chunk)).text()),
    "chunks of other kinds of bytes": async () => [
      await new Response(streamOf(bytes("A").buffer)).text(),
      await new Response(streamOf(new DataView(bytes("xAy").buffer, 1, 1))).text(),
    ],
    "streams that fail": async () => [
      await outcome(() => new Response(new ReadableStream({ start: (controller) => controller.error(new Error("boom")) })).text()),
      await outcome(() =>
        new Response(
          new ReadableStream({
            pull() {
              throw new RangeError("boom");
            },
          }),
        ).text(),
      ),
    ],
    iterables: async () => [
      await new Response(
        (async function* () {
          yield bytes("a");
          yield bytes("b");
        })(),
      ).text(),
      await new Response(
        (function* () {
          yield bytes("a");
        })(),
      ).text(),
      await outcome(() => new Response([1, 2]).text()),
    ],
    "json that is none": () => byName(["{x", "", "[1,"], (text) => new Response(text).json()),
    "byte order marks": async () => [
      await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 65])).text(),
      await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x31])).json(),
    ],
    "bytes that are no UTF-8": () => new Response(new Uint8Array([65, 255, 66])).text(),
    "types of blobs": async () => [
      (await new Response("x", { headers: { "content-type": "text/plain; charset=x" } }).blob()).type,
      (await new Response(bytes("x")).blob()).type,
    ],
    chunks: async () => {
      const seen = [];
      for await (const chunk of new Response("abc").body) seen.push(chunk);
      return seen;
    },
    "read by a BYOB reader": async () => {
      const reader = new Response("hello").body.getReader({ mode: "byob" });
      const first = await reader.read(new Uint8Array(3));
      const second = await reader.readAtLeast(2, new Uint8Array(4));
      return [first.value, second.value, (await reader.read(new Uint8Array(1))).done];
    },
    "through a decoder": async () => {
      const seen = [];
      for await (const text of new Response("héllo").body.pipeThrough(new TextDecoderStream())) seen.push(text);
      return seen;
    },
    "through a transformer": async () => {
      const { readable, writable } = new TransformStream();
      const writer = writable.getWriter();
      writer.write(bytes("s"));
      writer.close();
      return new Response(readable).text();
    },
  };
}
