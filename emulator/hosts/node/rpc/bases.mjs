/** The classes that user code extends: what the runtime constructs, and what goes over RPC by reference. */

/**
 * Base of Durable Object classes. It defines no handler: the SDK sets `fetch`, `alarm` and the others as own properties and only where
 * `name in this` is false (node-host.md 2.2).
 */
export class DurableObject {
  /** @param {object} ctx @param {object} env */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

/** Base of stateless entrypoints, the Worker itself included. */
export class WorkerEntrypoint {
  /** @param {object} ctx @param {object} env */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

/** Base of Workflow classes. */
export class WorkflowEntrypoint {
  /** @param {object} ctx @param {object} env */
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

/** Base of objects that go over RPC by reference: the other side gets a stub whose calls come here (durable-objects.md 8). */
export class RpcTarget {}
