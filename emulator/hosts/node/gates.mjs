/**
 * The input gate: which events and continuations of an object may run now (durable-objects.md 2.1 to 2.3).
 *
 * `blockConcurrencyWhile` and async transactions are *critical sections*. While one is active nothing else of the object runs: no new
 * event, no timer, no answer to an earlier request; only what the section itself started. Sections nest, and siblings wait for each other
 * in order. SQL and KV never close this gate, because here they answer at once.
 *
 * Pure: the gate keeps callbacks and hands them out when their turn comes; who schedules them is the caller's business.
 * The Python host's twin is `emulator/core/gates.py`; `tests/vectors/core/gates.json` holds both to the same rules.
 */

/** Nested sections that work; the 65th fails (S-25). */
export const MAX_DEPTH = 64;

/** The text is the platform's. */
export class TooDeep extends Error {
  constructor() {
    super("blockConcurrencyWhile() calls are nested too deeply.");
  }
}

/** One critical section, or the root that all ordinary events run in. */
export class Section {
  /** @type {Section | null} */
  parent;
  depth;
  /** The sections opened inside, the active one first. @type {{section: Section, start: () => void}[]} */
  children = [];
  /** @type {(() => void)[]} */
  waiting = [];
  ended = false;
  /** Of a strand: its code is never let through any more. */
  cut = false;

  /** @param {Section | null} parent */
  constructor(parent) {
    this.parent = parent;
    this.depth = parent === null ? 0 : parent.depth + 1;
  }
}

/** The gate of one instance. */
export class InputGate {
  root = new Section(null);

  /** Whether ordinary events may run. */
  get isOpen() {
    return this.root.children.length === 0;
  }

  /**
   * Open a section inside `parent`. The gate is closed for everybody else as soon as this returns.
   * @param {Section} parent
   * @param {() => void} start among the callbacks a later `leave` returns, when `active` is false
   * @returns {{section: Section, active: boolean}} `active`: the section is the running one at once
   * @throws {TooDeep}
   */
  enter(parent, start) {
    const around = living(parent);
    if (around.depth >= MAX_DEPTH) throw new TooDeep();
    const section = new Section(around);
    around.children.push({ section, start });
    return { section, active: around.children.length === 1 };
  }

  /**
   * A section's callback has ended. A section whose own inner sections still run stays closed until the last of them has left.
   * @param {Section} section
   * @returns {(() => void)[]} what may run now, in order: the next section's start, or all that had waited
   */
  leave(section) {
    section.ended = true;
    const parent = section.parent;
    if (section.children.length > 0 || parent === null) return [];
    if (parent.children[0].section !== section) throw new Error("only the active section can leave");
    parent.children.shift();
    // What still waits for the ended section now waits with its parent, ahead of later arrivals.
    parent.waiting.unshift(...section.waiting);
    section.waiting = [];
    if (parent.children.length > 0) return [parent.children[0].start];
    if (parent.ended) return this.leave(parent);
    const freed = parent.waiting;
    parent.waiting = [];
    return freed;
  }

  /**
   * A strand of ordinary code that can be cut: it passes as the code of the root does, until its `cut` is set.
   * @returns {Section}
   */
  strand() {
    const strand = new Section(this.root);
    strand.ended = true;
    return strand;
  }

  /**
   * @param {Section | null} section whose code wants to run, null for ordinary events
   * @param {() => void} callback kept until it may run, when the answer is false
   * @returns {boolean} whether code of `section` may run now (the caller runs it)
   */
  passOrWait(section, callback) {
    const at = section === null ? this.root : living(section);
    if (admits(at)) return true;
    at.waiting.push(callback);
    return false;
  }
}

/** No section is active inside it, and it is itself the active one all the way up. */
function admits(section) {
  if (section.children.length > 0) return false;
  for (let at = section; at.parent !== null; at = at.parent) {
    if (at.parent.children[0].section !== at) return false;
  }
  return true;
}

/** The section itself, or the nearest ancestor that has not ended: what an ended one left running counts as its parent's. */
function living(section) {
  while (section.parent !== null && section.ended && section.children.length === 0) section = section.parent;
  return section;
}
