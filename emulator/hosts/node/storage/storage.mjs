/**
 * One object's storage: what the host drives (`ObjectStorage`) and what its hooks must answer.
 *
 * A turn, seen from the host:
 *
 *     storage.userStorage ...  user code writes  ->  hooks.dirty()
 *     storage.commit()         end of the turn   ->  hooks.alarmChanged(timeMs) if the turn touched the alarm
 *                                                or  CommitFailed: reset the instance, its callers get the error's text
 *
 * An alarm run: `alarmStarted(scheduledMs)` before the handler (false: the object does not have that alarm, skip the run), then
 * `alarmFinished({ retry })` and `commit()`. When retries are given up: `alarmDropped()` and `commit()`.
 *
 * @typedef {object} StorageHooks what storage asks of the instance it belongs to; nothing here may throw
 * @property {() => void} dirty the first write of a turn happened: call `commit()` when the turn ends, before anything it caused
 *   leaves the object
 * @property {() => void} committed what was written is in the file
 * @property {(critical: () => Promise<unknown>) => Promise<unknown>} block run an async transaction as a critical section and pass
 *   its result or error on; `CommitFailed` means reset
 * @property {(timeMs: number | null) => void} alarmChanged a committed turn set the alarm (milliseconds since 1970) or deleted it
 */
import { nowMs as machineNowMs, setImmediate } from "../originals.mjs";
import { wayBack } from "../owner.mjs";
import { AlarmRecord } from "./alarm_record.mjs";
import { Database } from "./database.mjs";
import { DurableObjectStorage } from "./durable_object_storage.mjs";
import { KeyValue } from "./kv.mjs";
import { Sql } from "./sql.mjs";

export { OpenFiles } from "./open_files.mjs";
export { CommitFailed, StartError, StorageRevoked } from "./storage_errors.mjs";

const INSTANCE_GONE = "This instance of the Durable Object was reset; its storage can no longer be used.";
const FACET_ALARM = "Facets currently cannot set alarms.";
const NO_ALARM_HANDLER = "Your Durable Object class must have an alarm() handler in order to call setAlarm()";

/**
 * The storage of one live instance; nothing is opened before the first use. Several generations may follow each other on one
 * file, never two at once: `revoke` the old one first.
 */
export class ObjectStorage {
  #syncing = [];

  /**
   * @param {object} options
   * @param {string} options.path the object's `.sqlite` file; folders are made when it is first opened
   * @param {string | null} [options.name] what the object was addressed by, if known
   * @param {import("./open_files.mjs").OpenFiles} options.files the host's pool of open files
   * @param {boolean} options.hasAlarmHandler whether the class has an `alarm()` method (S-67)
   * @param {boolean} [options.sqliteClass] false for a class of `new_classes`: no `sql`, no `kv` (S-64)
   * @param {boolean} [options.isFacet] facets cannot set alarms (S-111)
   * @param {Record<string, boolean>} [options.flags] compatibility flags: `delete_all_deletes_alarm`, `enhanced_error_serialization`
   * @param {() => number} [options.nowMs] the clock user code sees, milliseconds since 1970
   * @param {StorageHooks} options.hooks
   */
  constructor({ path, name = null, files, hasAlarmHandler, sqliteClass = true, isFacet = false, flags = {}, nowMs = machineNowMs, hooks }) {
    this.path = path;
    this.name = name;
    this.hooks = hooks;
    this.nowMs = nowMs;
    this.sqliteClass = sqliteClass;
    this.alarmRefusal = isFacet ? FACET_ALARM : hasAlarmHandler ? null : NO_ALARM_HANDLER;
    this.deleteAllDeletesAlarm = flags.delete_all_deletes_alarm === true;
    this.database = new Database(path, files, { onDirty: () => hooks.dirty(), onCommit: () => this.#committed() });
    this.alarm = new AlarmRecord(this.database, (timeMs) => hooks.alarmChanged(timeMs));
    this.kv = new KeyValue(this.database, { richErrors: flags.enhanced_error_serialization === true });
    this.sql = new Sql(this.database);
    /** `ctx.storage` */
    this.userStorage = new DurableObjectStorage(this);
  }

  // --- turns ---

  /** The turn wrote something that is not committed. */
  get isDirty() {
    return this.database.isDirty;
  }

  /** End of a turn. Nothing happens when it wrote nothing, or inside an async transaction. Throws CommitFailed. */
  commit() {
    this.database.commit();
  }

  /** Drop whatever is uncommitted, async transactions included (reset). */
  rollback() {
    this.database.rollback();
  }

  /** Give the file back; the next access opens it again. Commit before. */
  close() {
    this.database.release();
  }

  /** The instance is dead: drop what is uncommitted, close, and throw StorageRevoked(`reason`) on every later access. */
  revoke(reason = INSTANCE_GONE) {
    this.database.revoke(reason);
  }

  /**
   * `storage.sync()`: resolved by the commit of the current turn; when that fails it never is, and the instance is gone.
   * Never in the same turn, so that others get theirs.
   * @returns {Promise<void>}
   */
  synced() {
    const back = wayBack("sync");
    return new Promise((resolve) => {
      if (this.isDirty) this.#syncing.push(() => back(resolve));
      else setImmediate(() => back(resolve));
    });
  }

  #committed() {
    this.hooks.committed();
    this.alarm.deliver();
    if (this.#syncing.length === 0) return;
    const syncing = this.#syncing;
    this.#syncing = [];
    for (const settle of syncing) settle();
  }

  // --- the object's name ---

  /** @returns {string | null} the name in the file, null when the object was never addressed by name */
  readName() {
    return this.database.readName();
  }

  /** Record `name`, if there is one, in the current turn's transaction. */
  writeName() {
    if (this.name !== null) this.database.writeName(this.name);
  }

  // --- alarms ---

  /**
   * The gateway wants to run the alarm due at `scheduledMs`; false when the file says otherwise. Not inside a turn.
   * While it runs `getAlarm()` is null (durable-objects.md 4.1).
   */
  alarmStarted(scheduledMs) {
    return this.alarm.started(scheduledMs);
  }

  /** The run ended; `retry` keeps its time for another attempt. What the handler set or deleted stays. Commit after it. */
  alarmFinished({ retry }) {
    this.alarm.finished({ retry });
  }

  /** The last attempt failed: there is no alarm any more. Commit after it. */
  alarmDropped() {
    this.alarm.drop();
  }

  // --- everything ---

  /** Empty the file now; the alarm goes too when the flag says so (durable-objects.md 3.7). */
  deleteAll() {
    if (this.deleteAllDeletesAlarm) {
      this.rollback();
      const wasSet = this.alarm.stored() !== null;
      this.database.deleteAll();
      this.alarm.forget({ wasSet });
    } else {
      this.commit();
      this.database.deleteAll({ keep: "_cf_METADATA" });
    }
  }
}
