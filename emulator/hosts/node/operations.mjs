/** What the gateway asks of a host: the operations of a CALL (wire/README.md). */

import { asText, reasons } from "./awake.mjs";
import { callHandler } from "./dispatch.mjs";
import { resetError } from "./instance.mjs";
import { monotonicMs, setTimeout } from "./originals.mjs";
import { callByHand } from "./rpc/operation.mjs";
import { Delivery } from "./turns.mjs";

/** An alarm that failed so often is given up (durable-objects.md 4.3). */
const MAX_RETRIES = 6;
/** How long `evict` waits for an object to be quiet (6.3). */
const EVICT_WITHIN_MS = 30_000;
const EVICT_LOOK_MS = 20;

/**
 * What the operations need of the host.
 *
 * @typedef {object} OperatedHost
 * @property {import("./objects.mjs").ObjectTable} objects
 * @property {import("./begun.mjs").Lines} lines
 * @property {import("./time/advance.mjs").Advance | null} advance moves a virtual clock
 * @property {import("./worker.mjs").RequestHandler} requests
 * @property {(handle: import("./objects.mjs").ObjectHandle) => void} dropAlarm the object's alarm is given up
 * @property {(where: string, error: unknown, handle: import("./objects.mjs").ObjectHandle) => void} userError
 */

/** Answers calls about the objects of one host. */
export class Operations {
  #host;

  /** @param {OperatedHost} host */
  constructor(host) {
    this.#host = host;
  }

  /**
   * A CALL of the gateway.
   * @param {{op: string}} call with the operation's fields
   * @returns {Promise<unknown>} its result; a rejection becomes its error
   */
  async operate(call) {
    switch (call.op) {
      case "alarm":
        return this.#alarm(call);
      case "scheduled":
        await this.#host.requests.scheduled(call.cron, call.scheduled_ms);
        return {};
      case "rpc":
        return { result: await callByHand(this.#known(call), call.method, call.args) };
      case "evict":
        return this.#evict(call);
      case "abort":
        return this.#abort(call);
      case "objects":
        return Array.from(this.#host.objects, (handle) => handle.describe());
      case "awake":
        return this.#reasons(this.#find(call));
      case "skip_alarm":
        this.#host.dropAlarm(this.#known(call));
        return null;
      case "clock":
        return { next_ms: await this.#clock(call.to_ms) };
      default:
        throw new Error(`unknown operation ${call.op}`);
    }
  }

  #reasons(handle) {
    return handle === null ? [] : reasons(handle, this.#host.lines);
  }

  async #clock(toMs) {
    const { advance } = this.#host;
    if (advance === null) throw new Error("this host goes by the machine's clock");
    return advance.to(toMs);
  }

  #known(call) {
    return this.#host.objects.get(call.class, this.#id(call), call.name ?? null);
  }

  #find(call) {
    return this.#host.objects.find(call.class, this.#id(call));
  }

  #id(call) {
    const ids = this.#host.objects.ids(call.class);
    return call.id ? ids.check(call.id) : ids.idFromName(call.name);
  }

  #alarm(call) {
    const handle = this.#known(call);
    return new Promise((resolve) => handle.deliver(new AlarmTurn(this.#host, handle, call, resolve), { now: true }));
  }

  #abort(call) {
    const handle = this.#find(call);
    if (handle === null) return { aborted: false, why: "the object is not in memory" };
    handle.reset(resetError(call.reason || "reset by agents-emu"));
    return { aborted: true };
  }

  /** Drop an instance as soon as it is quiet. */
  async #evict(call) {
    const handle = this.#find(call);
    if (handle === null) return { evicted: false, why: "the object is not in memory" };
    const giveUp = monotonicMs() + EVICT_WITHIN_MS;
    while (handle.instance !== null && handle.awakeBecause().length > 0) {
      if (monotonicMs() >= giveUp) return { evicted: false, why: this.#reasons(handle).map(asText).join(", ") };
      // Whoever moves a virtual clock does not wait for this.
      await new Promise((resolve) => setTimeout(resolve, EVICT_LOOK_MS).unref());
    }
    if (call.sockets === "close") handle.cutSockets();
    handle.retire();
    return { evicted: true };
  }
}

/** One run of an alarm; `resolve` gets the gateway's answer (durable-objects.md 4.2, 4.3). */
class AlarmTurn extends Delivery {
  #host;
  #handle;
  #call;
  #resolve;
  #dropped = false;

  constructor(host, handle, call, resolve) {
    super("alarm");
    this.#host = host;
    this.#handle = handle;
    this.#call = call;
    this.#resolve = resolve;
  }

  async work(instance) {
    const { retry, scheduled_ms: scheduledTime } = this.#call;
    if (!instance.storage.alarmStarted(scheduledTime)) {
      this.#dropped = true;
      return;
    }
    try {
      await callHandler(instance.userObject, "alarm", { retryCount: retry, isRetry: retry > 0, scheduledTime });
    } catch (error) {
      if (!instance.dead) instance.storage.alarmFinished({ retry: retry < MAX_RETRIES });
      throw error;
    }
    if (!instance.dead) instance.storage.alarmFinished({ retry: false });
  }

  done() {
    this.#settle(this.#dropped ? "dropped" : "done");
  }

  failed(error, reset) {
    // An object that ends itself for good is no failure: the SDK's `destroy()` does that in its alarm.
    if (this.retryAlarm) this.#host.userError("alarm", error, this.#handle);
    if (!reset) {
      this.#settle("failed");
      return;
    }
    const last = !this.retryAlarm || this.#call.retry >= MAX_RETRIES;
    // The run's instance is gone, and nobody will try again: the object must not go on seeing an alarm (4.3).
    if (last) this.#host.dropAlarm(this.#handle);
    this.#resolve({ outcome: last ? "dropped" : "aborted", rearmed: false });
  }

  #settle(outcome) {
    const instance = this.#handle.instance;
    this.#resolve({ outcome, rearmed: instance !== null && !instance.dead && instance.storage.alarm.get() !== null });
  }
}
