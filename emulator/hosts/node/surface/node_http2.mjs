/** `node:http2` of the platform: its constants, and no connections. */

import http2 from "node:http2";
import { missing } from "./not_implemented.mjs";

export * from "node:http2";

export const connect = missing("http2.connect");
export const createServer = missing("http2.createServer");
export const createSecureServer = missing("http2.createSecureServer");

export default { ...http2, connect, createServer, createSecureServer };
