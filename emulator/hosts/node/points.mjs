/**
 * Boundaries at which this process could be interrupted, told to the gateway while it asks, and the trap that stops it at one exactly
 * (wire/README.md, *Turns and points*); and what is told of every turn that ends.
 */

import { process } from "./originals.mjs";
import { Kind, readClose } from "./wire/frames.mjs";

/** UTF-16 units of a frame that a point shows. */
const LABEL_LIMIT = 80;
const NOBODY = "\n\n\n";
const NOTHING = "0\n0\n0\n0";

/** Counts the points since the gateway asked for them. Who reaches one looks at `on` first: nobody asks, nearly always. */
export class Points {
  on = false;
  #link;
  #trap = null;
  #count = 0;

  /** @param {import("./wire/link.mjs").Link} link */
  constructor(link) {
    this.#link = link;
  }

  /** The gateway's note `points`. @param {{on: boolean, trap: number | null}} order */
  order({ on, trap }) {
    this.on = on;
    this.#trap = trap;
    this.#count = 0;
    // What is written when the trap springs must not wait in this process.
    this.#link.writeThrough(on);
  }

  /** A point of the code of `owner`, which is an object's or the Worker's. @param {import("./owner.mjs").Owner | null} owner */
  of(owner, what, label) {
    this.reached(what, owner?.handle ?? null, label);
  }

  /**
   * Tell it; at the trap, stop here until the gateway continues this process, or kills it.
   * @param {string} what
   * @param {import("./objects.mjs").ObjectHandle | null} handle
   * @param {string} label
   */
  reached(what, handle, label) {
    this.#count += 1;
    const who = handle === null ? NOBODY : identity(handle);
    this.#link.send(Kind.POINT, 0, `${this.#count}\n${what}\n${who}\n${line(label)}`);
    if (this.#count !== this.#trap) return;
    this.#link.flush();
    // The kernel stops all of this process before the call returns.
    process.kill(process.pid, "SIGSTOP");
  }
}

/**
 * The payload of TURN.
 * @param {string} who `identity` of the object
 * @param {import("./turns.mjs").Delivery} turn
 * @param {number} ms how long it took
 */
export function turnLines(who, { label, commits, rowsRead, rowsWritten, statements }, ms) {
  const used = statements + commits === 0 ? NOTHING : `${commits}\n${rowsRead}\n${rowsWritten}\n${statements}`;
  return `${who}\n${line(label)}\n${ms.toFixed(3)}\n${used}`;
}

/** Class, id, name and generation in lines: of one instance. @param {import("./objects.mjs").ObjectHandle} handle */
export function identity({ className, id, name, lifecycle }) {
  return `${className}\n${id}\n${line(name ?? "")}\n${lifecycle.generation}`;
}

/** What a point says of a socket's frame. @param {number} kind @param {string | Uint8Array} payload */
export function frameLabel(kind, payload) {
  if (kind === Kind.TEXT) return payload.slice(0, LABEL_LIMIT);
  if (kind === Kind.BINARY) return `${payload.length} bytes`;
  const { code, reason } = readClose(payload);
  return `close ${code ?? ""} ${reason}`.trimEnd();
}

function line(text) {
  return text.includes("\n") ? text.replaceAll("\n", " ") : text;
}
