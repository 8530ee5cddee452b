/** The platform's web functions and classes as they were at the start (see originals.mjs). Loading them takes about 30 ms. */
export const { fetch, Request, Response, Headers, FormData, WebSocket, EventSource } = globalThis;
export const { ReadableStream, WritableStream, TransformStream, ReadableStreamDefaultReader } = globalThis;
export const { AbortController, AbortSignal, Blob, CloseEvent, CustomEvent, DOMException, Event, EventTarget, File, MessageEvent } =
  globalThis;
export const { TextDecoder, TextEncoder, URL, URLSearchParams, crypto, structuredClone } = globalThis;

export const randomUUID = crypto.randomUUID.bind(crypto);
export const getRandomValues = crypto.getRandomValues.bind(crypto);
