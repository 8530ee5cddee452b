/** One object's storage without a host: hooks that commit when the macrotask ends, as an instance does, and take notes. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { ObjectStorage, OpenFiles } from "../../../emulator/hosts/node/storage/storage.mjs";

/** A folder that is removed when the test file ends. */
export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "emu-storage-"));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A storage and what its hooks heard; `reopen` is a new instance on the same file. */
export class Rig {
  dirtyCalls = 0;
  alarms = [];
  /** The CommitFailed that reset the object, null while there was none. */
  failure = null;

  constructor(path, options = {}) {
    this.path = path;
    this.options = {
      files: new OpenFiles(),
      hasAlarmHandler: true,
      flags: { delete_all_deletes_alarm: true, enhanced_error_serialization: true },
      ...options,
    };
    this.storage = this.#make();
  }

  get js() {
    return this.storage.userStorage;
  }

  reopen() {
    this.storage.revoke();
    this.storage = this.#make();
    return this;
  }

  /** The rows of a query as arrays. */
  rows(query, ...bindings) {
    return [...this.js.sql.exec(query, ...bindings).raw()];
  }

  /** The turn in progress has ended. */
  async settled() {
    await new Promise(setImmediate);
  }

  #make() {
    const storage = new ObjectStorage({
      path: this.path,
      ...this.options,
      hooks: {
        dirty: () => {
          this.dirtyCalls += 1;
          if (this.options.manual !== true) setImmediate(() => this.#commit(storage));
        },
        committed() {},
        block: (critical) => critical(),
        alarmChanged: (timeMs) => this.alarms.push(timeMs),
      },
    });
    return storage;
  }

  #commit(storage) {
    if (storage !== this.storage) return;
    try {
      storage.commit();
    } catch (error) {
      this.failure = error;
      this.reopen();
    }
  }
}
