/** `node:worker_threads` of the platform: its ports and channels, and no threads. */

import threads from "node:worker_threads";
import { notImplemented } from "./not_implemented.mjs";

export * from "node:worker_threads";

export class Worker {
  constructor() {
    throw notImplemented("Worker");
  }
}

export default { ...threads, Worker };
