/**
 * Which object databases hold an open file: a bounded pool, so that thousands of objects need few descriptors (design 4.2).
 *
 * The least recently used database that has no transaction under way is closed to make room and reopens itself when it is next
 * touched. One pool serves one host process.
 *
 * @typedef {object} Closable what the pool knows about a database
 * @property {boolean} busy true while closing would lose work (a transaction is open)
 * @property {() => void} release gives the open file back and calls `forget`; the next access opens it again
 */

export class OpenFiles {
  /** The database touched last, null when it was closed since. */
  newest = null;
  /** Called with each file that is opened. @type {((file: import("node:sqlite").DatabaseSync) => void) | null} */
  onOpen = null;
  /** The process is about to end: files that are given back are left as they are. */
  abandoned = false;
  #open = new Set();

  /** @param {number} [limit] at most so many idle databases stay open; those inside a transaction never count as victims */
  constructor(limit = 256) {
    this.limit = limit;
  }

  /** How many files are open. */
  get size() {
    return this.#open.size;
  }

  /**
   * `database` is about to be used: it becomes the most recently used one, and an old one may have to go.
   * @param {Closable} database
   */
  touch(database) {
    this.#open.delete(database);
    this.#open.add(database);
    this.newest = database;
    if (this.#open.size > this.limit) this.#makeRoom();
  }

  /**
   * `database` has no open file any more.
   * @param {Closable} database
   */
  forget(database) {
    this.#open.delete(database);
    if (this.newest === database) this.newest = null;
  }

  /** Give every file back. */
  closeAll() {
    for (const database of [...this.#open]) database.release();
  }

  /**
   * The process ends now, with everything committed or rolled back: no file is closed any more. Closing folds the log into the file and
   * waits for the disk, a millisecond or more each; left as it is, the log is read by whoever opens the file next.
   */
  abandon() {
    this.abandoned = true;
  }

  #makeRoom() {
    for (const database of this.#open) {
      if (this.#open.size <= this.limit) return;
      if (database !== this.newest && !database.busy) database.release();
    }
  }
}
