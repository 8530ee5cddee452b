/** The names of the global scope, and small things that live there. */

import process from "node:process";
import { sleep, tried } from "./telling.mjs";

export function globals() {
  return {
    names: () => {
      const names = new Set();
      for (let at = globalThis; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at)) {
        for (const name of Object.getOwnPropertyNames(at)) names.add(name);
      }
      names.delete("constructor");
      return [...names].sort();
    },
    navigator: () => {
      const { userAgent, hardwareConcurrency, language, languages, platform } = navigator;
      return { userAgent, hardwareConcurrency, language, languages, platform, sendBeacon: typeof navigator.sendBeacon };
    },
    self: () => [self === globalThis, globalThis.origin, globalThis instanceof ServiceWorkerGlobalScope, self instanceof WorkerGlobalScope],
    flags: () => {
      const { compatibilityFlags } = Cloudflare;
      return [Object.isFrozen(compatibilityFlags), compatibilityFlags.nodejs_compat, compatibilityFlags.no_such_flag];
    },
    environment: () => {
      const before = [Object.keys(process.env), process.env.GREETING, process.env.NOPE, process.env === globalThis.process.env];
      process.env.FOO = 5;
      const set = [process.env.FOO, "FOO" in process.env];
      return [before, set, delete process.env.FOO, process.env.FOO];
    },
    reportError: () => {
      const seen = [];
      const listener = (event) => {
        seen.push(event.message, event.error, event.constructor.name);
        event.preventDefault();
      };
      addEventListener("error", listener);
      reportError(new Error("reported"));
      removeEventListener("error", listener);
      return [seen, tried(() => reportError())];
    },
    "errors that nobody catches": async () => {
      const seen = [];
      const listener = (event) => {
        seen.push([event.type, event.constructor.name, event.message ?? event.reason]);
        event.preventDefault();
      };
      const types = ["error", "unhandledrejection"];
      for (const type of types) addEventListener(type, listener);
      queueMicrotask(() => {
        throw new Error("of a microtask");
      });
      await sleep(10);
      const target = new EventTarget();
      target.addEventListener("x", () => {
        throw new Error("of a listener");
      });
      target.dispatchEvent(new Event("x"));
      await sleep(10);
      Promise.reject(new Error("of a promise"));
      await sleep(10);
      for (const type of types) removeEventListener(type, listener);
      return seen;
    },
    "an error event": () => {
      const event = new ErrorEvent("error", { message: "m", error: new Error("x"), filename: "f", lineno: 1, colno: 2 });
      const { message, error, filename, lineno, colno, type } = event;
      const bare = new ErrorEvent("x");
      return [{ message, error, filename, lineno, colno, type }, bare.message, bare.error, bare instanceof Event];
    },
    "a close event": () => {
      const { code, reason, wasClean } = new CloseEvent("close", { code: 1000, reason: "r", wasClean: true });
      const bare = new CloseEvent("close");
      return [code, reason, wasClean, bare.code, bare.reason, bare.wasClean];
    },
    "a message event": () => {
      const { data, origin, lastEventId, source, ports } = new MessageEvent("m");
      return [{ data, origin, lastEventId, source, ports }, new MessageEvent("m", { data: 1 }).data];
    },
    "events of the platform": () => tried(() => new ExtendableEvent("x")),
    "an event target": () => {
      const target = new EventTarget();
      const seen = [];
      target.addEventListener("x", { handleEvent: () => seen.push("object") });
      target.addEventListener("x", () => seen.push("once"), { once: true });
      target.dispatchEvent(new CustomEvent("x", { detail: 1 }));
      target.dispatchEvent(new Event("x"));
      return seen;
    },
    base64: () => [btoa("hé"), atob(" aGk "), tried(() => atob("%%")), tried(() => btoa("☃")), tried(() => atob()), tried(() => btoa())],
    "structured clones": () => [tried(() => structuredClone(() => 1)), structuredClone({ a: new Map([[1, 2]]) }).a.get(1)],
    HTMLRewriter: () => typeof HTMLRewriter,
    exit: async () => {
      await sleep(0);
      return typeof process.exit;
    },
  };
}
