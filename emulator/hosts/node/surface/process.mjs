/** `process` as the platform has it with nodejs_compat: the Worker's variables for an environment, and no way to end the host. */

import { process } from "../originals.mjs";
import { port } from "./port.mjs";

/** Changes Node's object in place: `node:process` is the same one. */
export function installProcess() {
  process.env = new Proxy({}, new Environment());
  process.exit = (code = process.exitCode ?? 0) => {
    throw new Error(`The Node.js process.exit(${code}) API was called. Canceling the request.`);
  };
  process.abort = () => {
    throw new Error("The Node.js process.abort() API was called. Canceling the request.");
  };
  process.reallyExit = process.exit;
}

/** The variables, known when the project is loaded; what user code sets is text. The handler of a Proxy whose own target stays empty. */
class Environment {
  #own = {};

  get(_target, name) {
    return this.#variables[name];
  }

  has(_target, name) {
    return name in this.#variables;
  }

  set(_target, name, value) {
    this.#variables[name] = String(value);
    return true;
  }

  deleteProperty(_target, name) {
    return delete this.#variables[name];
  }

  ownKeys() {
    return Reflect.ownKeys(this.#variables);
  }

  getOwnPropertyDescriptor(_target, name) {
    return Reflect.getOwnPropertyDescriptor(this.#variables, name);
  }

  get #variables() {
    const { flags, vars } = port();
    return flags.nodejs_compat && flags.nodejs_compat_populate_process_env ? vars : this.#own;
  }
}
