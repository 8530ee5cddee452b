/** What modules of the rules `Data` and `CompiledWasm` are at run time. Bundled code imports this as `agents-emu:binary_modules`. */

import { readFileSync } from "node:fs";

/** @param {string} path @returns {ArrayBuffer} */
export function data(path) {
  const bytes = readFileSync(path);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}

/** @param {string} path @returns {WebAssembly.Module} */
export function wasm(path) {
  return new WebAssembly.Module(readFileSync(path));
}
