/** `RpcStub`, `RpcPromise`, `RpcProperty`: what user code holds of the other side. */

/** A reference to a function or an RpcTarget of another owner. */
export class RpcStub {}

/** The answer of a call that may not have come yet; its properties and methods can be used before. */
export class RpcPromise {}

/** A property of a stub: await it, call it, or go deeper. */
export class RpcProperty {}
