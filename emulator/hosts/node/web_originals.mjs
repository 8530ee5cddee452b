/** The platform's web classes and functions as they were at the start (see originals.mjs). Loading them takes about 30 ms. */
export const { fetch, Request, Response, Headers, FormData, WebSocket, EventSource, CloseEvent, MessageEvent } = globalThis;
export const { ReadableStream, WritableStream, TransformStream, ReadableStreamDefaultReader, Blob, CustomEvent, File, crypto } = globalThis;

export const randomUUID = crypto.randomUUID.bind(crypto);
