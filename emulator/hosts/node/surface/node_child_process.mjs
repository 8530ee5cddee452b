/** `node:child_process` of the platform, where there are no processes: every name is there, and throws. */

import { missing } from "./not_implemented.mjs";

export class ChildProcess {
  constructor() {
    missing("child_process.ChildProcess")();
  }
}

export const _forkChild = missing("child_process._forkChild");
export const exec = missing("child_process.exec");
export const execFile = missing("child_process.execFile");
export const execFileSync = missing("child_process.execFileSync");
export const execSync = missing("child_process.execSync");
export const fork = missing("child_process.fork");
export const spawn = missing("child_process.spawn");
export const spawnSync = missing("child_process.spawnSync");

export default { ChildProcess, _forkChild, exec, execFile, execFileSync, execSync, fork, spawn, spawnSync };
