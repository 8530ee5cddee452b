/** `AbortController` and `AbortSignal` with the platform's words and its timers. They stay Node's classes. */

import { AbortController, AbortSignal, DOMException } from "../originals.mjs";
import { setTimeout } from "./timers.mjs";
import { wrongParameter } from "./arguments.mjs";

const { abort } = AbortController.prototype;

/** Changes the classes in place. */
export function installAbort() {
  AbortController.prototype.abort = function (reason = aborted()) {
    abort.call(this, reason);
  };
  AbortSignal.abort = (reason = aborted()) => {
    const controller = new AbortController();
    controller.abort(reason);
    return controller.signal;
  };
  AbortSignal.timeout = (...given) => {
    if (given.length === 0) throw wrongParameter("timeout", "AbortSignal", 1, "number");
    const controller = new AbortController();
    setTimeout(() => controller.abort(new DOMException("The operation was aborted due to timeout", "TimeoutError")), given[0]);
    return controller.signal;
  };
}

function aborted() {
  return new DOMException("The operation was aborted", "AbortError");
}
