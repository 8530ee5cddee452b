/**
 * The alarm of one object as its database knows it (durable-objects.md 4.1, 4.2).
 *
 * The time stands in `_cf_METADATA` row 1 in nanoseconds and is part of the transaction like every write. While the handler runs the
 * row stays, so that a crash leaves the alarm set, but `get` says null: its deletion is *deferred* to the end of the run,
 * and any `set` or `delete` meanwhile takes the decision over.
 */

const TABLE = "_cf_METADATA";
const CREATE = "CREATE TABLE IF NOT EXISTS main._cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)";
// In whole milliseconds: the nanoseconds of a date are beyond what a JavaScript number holds exactly.
const READ = "SELECT value / 1000000 FROM main._cf_METADATA WHERE key = 1";
const WRITE = "INSERT OR REPLACE INTO main._cf_METADATA (key, value) VALUES (1, ?)";
const NS_PER_MS = 1_000_000n;

/** What the current transaction knows of the alarm; rolled back with it (`Database.memo`), therefore never changed in place. */
const UNTOUCHED = Object.freeze({ changed: false, deferred: false });

/** Reads and writes the alarm; `changed(timeMs | null)` is called once per commit that set or deleted it. */
export class AlarmRecord {
  #database;
  #changed;

  /**
   * @param {import("./database.mjs").Database} database
   * @param {(timeMs: number | null) => void} changed
   */
  constructor(database, changed) {
    this.#database = database;
    this.#changed = changed;
    database.memo = UNTOUCHED;
  }

  /** @returns {number | null} milliseconds since 1970, null when there is none or while its own run is under way */
  get() {
    return this.#note.deferred ? null : this.stored();
  }

  /** @returns {number | null} what the row says, whether or not its run is under way */
  stored() {
    if (!this.#database.hasTable(TABLE)) return null;
    return this.#database.get(READ)?.[0] ?? null;
  }

  /** @param {number} timeMs whole milliseconds since 1970 */
  set(timeMs) {
    this.#write(BigInt(timeMs) * NS_PER_MS);
  }

  delete() {
    if (this.stored() !== null) this.#write(null);
    else this.#note = { ...this.#note, deferred: false };
  }

  /**
   * A run for `scheduledMs` is about to begin. False when the object no longer has that alarm (deleted, or moved to another
   * time): do not run it then. Call it outside of a turn.
   */
  started(scheduledMs) {
    if (this.stored() !== scheduledMs) return false;
    this.#note = { ...this.#note, deferred: true };
    return true;
  }

  /**
   * The run ended. With `retry` the time stays for the next attempt; otherwise the alarm is over. A time set or deleted
   * during the run stays as it is either way. The deletion is a write of the current turn: commit after it.
   */
  finished({ retry }) {
    if (!this.#note.deferred) return;
    this.#note = { ...this.#note, deferred: false };
    if (!retry) this.#write(null);
  }

  /** No run will be tried again: the alarm is over unless a run is under way. A write of the current turn. */
  drop() {
    if (!this.#note.deferred) this.delete();
  }

  /** After a commit: tell the host, if the transaction touched the alarm. */
  deliver() {
    const note = this.#note;
    if (!note.changed) return;
    this.#note = { ...note, changed: false };
    this.#changed(this.get());
  }

  /** `deleteAll` emptied the file; there was a committed alarm in it if `wasSet`. */
  forget({ wasSet }) {
    this.#note = UNTOUCHED;
    if (wasSet) this.#changed(null);
  }

  get #note() {
    return this.#database.memo;
  }

  set #note(note) {
    this.#database.memo = note;
  }

  #write(value) {
    if (!this.#database.hasTable(TABLE)) this.#database.run(CREATE);
    this.#database.run(WRITE, value);
    this.#note = { changed: true, deferred: false };
  }
}
