/** What the front end's process tells the gateway: one JSON object on each line of a descriptor of its own, so that prints of plugins do not mix in. */
import { writeSync } from "node:fs";
import { stripVTControlCharacters } from "node:util";

export class Control {
  #descriptor;

  /** @param {number} descriptor open for writing */
  constructor(descriptor) {
    this.#descriptor = descriptor;
  }

  /** Requests are answered from now on. @param {{vite: string, root: string, publicDir: string, leftOut: string[]}} fields */
  ready(fields) {
    this.#say({ say: "ready", ...fields });
  }

  /** A file that the configuration was made of has changed: another process with the new one should take over. */
  stale() {
    this.#say({ say: "stale" });
  }

  /** It cannot serve; the process ends. @param {unknown} error */
  failed(error) {
    const { name = "Error", message = String(error), stack = "", code } = error instanceof Error ? error : {};
    this.#say({ say: "failed", name, message: plain(message), stack: plain(stack), code });
  }

  /** A line for the terminal. @param {"info"|"warn"|"error"} level @param {string} text */
  log(level, text) {
    this.#say({ say: "log", level, text: plain(text) });
  }

  #say(fields) {
    try {
      writeSync(this.#descriptor, `${JSON.stringify(fields)}\n`);
    } catch {
      process.exit(0); // the gateway is gone
    }
  }
}

function plain(text) {
  return stripVTControlCharacters(String(text)).trim();
}
