/** Which frames of a stack tell the user something: neither the emulator's nor the event loop's. Pure: text in, text out. */
import { fileURLToPath } from "node:url";

const OURS_URL = new URL(".", import.meta.url).href;
const OURS_PATH = fileURLToPath(OURS_URL);
/** What the line of a frame has in it that is not the user's. */
const MACHINERY = [OURS_URL, OURS_PATH, "node:internal/", "node:async_hooks:"];

const FRAME = /^\s+at /;
/** The place at the end of a frame's line, with or without a function's name: `(file:///a/b.ts:1:2)`, `/a/b.ts:1:2`. */
const PLACE = /(?:\(|\s|^)((?:file:\/\/)?\/[^()]*?):(\d+)(?::\d+)?\)?$/;

const BARE_PLACE = /^(?:file:\/\/)?\/\S*:\d+$/;
const AFTER_PLACE = /:\d+\)?([ ,{}\]]*)$/;

/** A stack without the platform's own frames, for errors that are our fault. @param {string} stack */
export function withoutPlatform(stack) {
  return stack.replace(/^\s+at .*\bnode:.*\n?/gm, "").trimEnd();
}

function mayHoldMachinery(text) {
  return MACHINERY.some((part) => text.includes(part));
}

function isMachinery(line) {
  return FRAME.test(line) && mayHoldMachinery(line);
}

/** A stack, or any text with stacks in it, without the lines of the emulator's and the platform's own frames. @param {string} text */
export function withoutMachinery(text) {
  if (!mayHoldMachinery(text)) return text;
  const kept = [];
  for (const line of text.split("\n")) {
    if (!isMachinery(line)) kept.push(line);
    // Where an inspected error is part of a larger text, that goes on behind its last frame: ` {`, `,`.
    else if (kept.length > 0) kept[kept.length - 1] += AFTER_PLACE.exec(line)?.[1] ?? "";
  }
  return kept.join("\n");
}

/**
 * `file:line` of the innermost frame of the project: not ours, not the platform's, not in node_modules.
 * @param {string} stack as `Error.stack` has it
 * @returns {string|null}
 */
export function userPlace(stack) {
  return place(stack, (file) => !file.includes("/node_modules/"));
}

/** `file:line` of the innermost frame of the project or one of its libraries. @param {string} stack @returns {string|null} */
export function anyPlace(stack) {
  return place(stack, () => true);
}

function place(stack, wanted) {
  for (const line of stack.split("\n")) {
    // The first line of a syntax error's stack is its place.
    if (!FRAME.test(line) && !BARE_PLACE.test(line)) continue;
    const found = PLACE.exec(line.trimEnd());
    if (found === null) continue;
    const [, file, number] = found;
    if (!file.startsWith(OURS_URL) && !file.startsWith(OURS_PATH) && wanted(file)) return `${pathOf(file)}:${number}`;
  }
  return null;
}

function pathOf(file) {
  return file.startsWith("file:") ? fileURLToPath(file.replace(/[?#].*$/, "")) : file;
}
