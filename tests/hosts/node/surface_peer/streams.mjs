/** `IdentityTransformStream`, `FixedLengthStream`, `crypto.DigestStream` and their relatives. */

import { byName, bytes, outcome, sleep, tried } from "./telling.mjs";

const soon = (promise) => Promise.race([promise, sleep(30).then(() => "still waiting")]);

export function streams() {
  return {
    "a write waits for its reader": async () => {
      const { readable, writable } = new IdentityTransformStream();
      const writer = writable.getWriter();
      let written = false;
      writer.write(bytes("a")).then(() => {
        written = true;
      });
      await sleep(10);
      const before = written;
      const { value } = await readable.getReader().read();
      await sleep(1);
      return [before, written, value, writer.desiredSize];
    },
    "what is written": async () => {
      const seen = {};
      for (const [name, chunk] of Object.entries({ text: "str", buffer: bytes("b").buffer, view: new DataView(bytes("v").buffer) })) {
        const { readable, writable } = new IdentityTransformStream();
        writable.getWriter().write(chunk);
        seen[name] = (await readable.getReader().read()).value;
      }
      return seen;
    },
    "what cannot be written": () => {
      const { readable, writable } = new IdentityTransformStream();
      readable
        .getReader()
        .read()
        .catch(() => {});
      return writable.getWriter().write(5);
    },
    close: async () => {
      const { readable, writable } = new IdentityTransformStream();
      const closed = writable
        .getWriter()
        .close()
        .then(() => "closed");
      return [(await readable.getReader().read()).done, await soon(closed)];
    },
    abort: async () => {
      const { readable, writable } = new IdentityTransformStream();
      const read = outcome(() => readable.getReader().read());
      writable.abort(new Error("gone")).catch(() => {});
      return read;
    },
    cancel: async () => {
      const { readable, writable } = new IdentityTransformStream();
      const written = outcome(() => writable.getWriter().write(bytes("x")));
      await readable.cancel(new Error("enough"));
      return soon(written);
    },
    "read by a BYOB reader": async () => {
      const { readable, writable } = new IdentityTransformStream();
      writable.getWriter().write(bytes("abcdef"));
      const reader = readable.getReader({ mode: "byob" });
      return [(await reader.read(new Uint8Array(4))).value, (await reader.read(new Uint8Array(4))).value];
    },
    "many chunks as a body": async () => {
      const { readable, writable } = new IdentityTransformStream();
      const writer = writable.getWriter();
      const write = async () => {
        for (const text of ["a", "b", "c"]) await writer.write(bytes(text));
        await writer.close();
      };
      const [text] = await Promise.all([new Response(readable).text(), write()]);
      return text;
    },
    "a mark of high water": () => new IdentityTransformStream({ highWaterMark: 10 }).writable.getWriter().desiredSize,
    classes: () => [
      new IdentityTransformStream() instanceof TransformStream,
      new FixedLengthStream(1) instanceof IdentityTransformStream,
      Object.prototype.toString.call(new FixedLengthStream(1)),
    ],
    "a fixed length": async () => {
      const { readable, writable } = new FixedLengthStream(5);
      const writer = writable.getWriter();
      writer.write(bytes("hello"));
      writer.close();
      return new Response(readable).text();
    },
    "too many bytes": async () => {
      const { readable, writable } = new FixedLengthStream(3);
      const read = outcome(() => new Response(readable).text());
      writable
        .getWriter()
        .write(bytes("hello"))
        .catch(() => {});
      return read;
    },
    "too few bytes": async () => {
      const { readable, writable } = new FixedLengthStream(10);
      const read = outcome(() => new Response(readable).text());
      const writer = writable.getWriter();
      writer.write(bytes("hello")).catch(() => {});
      writer.close().catch(() => {});
      return read;
    },
    lengths: () => byName(["x", -1, 5n, 1.5], (length) => typeof new FixedLengthStream(length)),
    digests: () =>
      byName(["SHA-1", "SHA-256", "SHA-384", "SHA-512", "MD5", "sha-256"], async (algorithm) => {
        const stream = new crypto.DigestStream(algorithm);
        const writer = stream.getWriter();
        await writer.write(bytes("hello"));
        await writer.write("world");
        await writer.close();
        return [await stream.digest, stream.bytesWritten, stream instanceof WritableStream];
      }),
    "digests that cannot be": async () => {
      const stream = new crypto.DigestStream({ name: "SHA-1" });
      const aborted = new crypto.DigestStream("SHA-1");
      aborted
        .getWriter()
        .abort(new Error("gone"))
        .catch(() => {});
      return [
        tried(() => new crypto.DigestStream("nope")),
        tried(() => new crypto.DigestStream()),
        await outcome(() => stream.getWriter().write(5)),
        await outcome(() => aborted.digest),
      ];
    },
    timingSafeEqual: () => [
      crypto.subtle.timingSafeEqual(bytes("ab"), bytes("ab").buffer),
      crypto.subtle.timingSafeEqual(bytes("ab"), bytes("ac")),
      tried(() => crypto.subtle.timingSafeEqual(bytes("ab"), bytes("abc"))),
      tried(() => crypto.subtle.timingSafeEqual("a", bytes("a"))),
    ],
  };
}
