/** Streams as arguments and results. */

import { kind, noted, outcome, sleep } from "./telling.mjs";

function collector() {
  const got = [];
  const stream = new WritableStream({
    write(chunk) {
      got.push(ArrayBuffer.isView(chunk) || chunk instanceof ArrayBuffer ? chunk.byteLength : typeof chunk);
    },
    close() {
      got.push("close");
    },
    abort(reason) {
      got.push(`abort ${reason}`);
    },
  });
  return { got, stream };
}

export function streams({ env }) {
  const peer = env.Peer.getByName("streams");
  return {
    "text becomes bytes": async () => {
      const reader = (await peer.textStream(["ab"])).getReader();
      const { value } = await reader.read();
      return [kind(value), value.length, (await reader.read()).done];
    },
    "as a result": async () => new Response(await peer.textStream(["ab", "cd"])).text(),
    "can be read into a buffer": async () => {
      const reader = (await peer.byteStream()).getReader({ mode: "byob" });
      const { value } = await reader.read(new Uint8Array(2));
      return [...value];
    },
    "chunk by chunk": async () => {
      const sizes = [];
      for await (const chunk of await peer.slowStream(3)) sizes.push(chunk.length);
      return sizes;
    },
    cancelled: async () => {
      const reader = (await peer.slowStream(1000)).getReader();
      await reader.read();
      await reader.cancel("seen enough");
      await sleep(10);
      return await noted();
    },
    broken: () => outcome(async () => new Response(await peer.brokenStream()).text()),
    "of things": () => outcome(async () => (await peer.textStream([{ a: 1 }])).getReader().read()),
    "as an argument": async () => [
      await peer.countBytes(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new Uint8Array(5));
            controller.enqueue(new Uint8Array(6));
            controller.close();
          },
        }),
      ),
      await peer.readText(new Blob(["from a blob"]).stream()),
    ],
    "an argument is locked": async () => {
      const stream = new Blob(["x"]).stream();
      const promise = peer.readText(stream);
      const locked = stream.locked;
      await promise;
      return [locked, stream.locked, await outcome(() => peer.readText(stream))];
    },
    "an argument that breaks": () =>
      peer.readText(
        new ReadableStream({
          pull(controller) {
            controller.error(new RangeError("in the argument"));
          },
        }),
      ),
    "an argument that is cancelled": async () => {
      let cancelled = false;
      const stream = new ReadableStream({
        async pull(controller) {
          await sleep(2);
          controller.enqueue(new Uint8Array(7));
        },
        cancel() {
          cancelled = true;
        },
      });
      const read = await peer.readSome(stream);
      await sleep(20);
      return [read, cancelled];
    },
    "passed on": async () => {
      const back = await peer.echo(new Blob(["there and back"]).stream());
      return new Response(back).text();
    },
    "written to": async () => {
      const { got, stream } = collector();
      const said = await peer.write(stream, new Uint8Array([65, 66]), "text");
      await sleep(5);
      return [said, got];
    },
    "written to, through a transform": async () => {
      const { readable, writable } = new TransformStream();
      const text = new Response(readable).text();
      return [await peer.write(writable, new Uint8Array([65, 66])), await text];
    },
    "aborted by the writer": async () => {
      const { got, stream } = collector();
      const said = await peer.writeAndAbort(stream);
      await sleep(5);
      return [said, got];
    },
  };
}
