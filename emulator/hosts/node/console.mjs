/** What user code prints: `console.*` with its level, whole lines of stdout as `log` and of stderr as `error`. */
import { Console } from "node:console";
import { Writable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
import { formatWithOptions, inspect } from "node:util";
import { process } from "./originals.mjs";
import { currentOwner } from "./owner.mjs";
import { withoutMachinery } from "./stacks.mjs";

/** @typedef {"debug"|"info"|"log"|"warn"|"error"} Level */
/** @typedef {(level: Level, text: string) => void} Emit called in the async context of the code that printed */

const LEVELS = ["debug", "info", "log", "warn", "error"];
/** Methods whose work Node does well; they end in `log` and `warn` of the console they belong to. */
const BORROWED = ["table", "count", "countReset", "time", "timeLog", "timeEnd", "assert"];
const MAX_LINE = 64 * 1024;
/** UTF-16 units of one call that are shown. */
const MAX_TEXT = 1024 * 1024;

/**
 * Take over the global console, `process.stdout` and `process.stderr`.
 * @param {Emit} emit
 */
export function captureConsole(emit) {
  Object.assign(globalThis.console, consoleMethods(emit));
  for (const [name, level] of [
    ["stdout", "log"],
    ["stderr", "error"],
  ]) {
    Object.defineProperty(process, name, { value: new LineStream(level, emit), configurable: true, enumerable: true });
  }
}

/** The arguments of a `console` call as one text, without frames of ours in the stacks that are in it. @param {unknown[]} args */
export function consoleText(args) {
  if (args.length === 1 && typeof args[0] === "string") return args[0];
  return withoutMachinery(formatWithOptions({ colors: false }, ...args));
}

/** The methods of a console that prints through `emit`. @param {Emit} emit @returns {Record<string, Function>} */
export function consoleMethods(emit) {
  let indent = "";
  const write = (level, text) => emit(level, limited(indent === "" ? text : text.replace(/^/gm, indent)));
  const methods = {};
  for (const level of LEVELS) methods[level] = (...args) => write(level, consoleText(args));
  methods.dirxml = methods.log;
  methods.dir = (value, options) => write("log", withoutMachinery(inspect(value, { customInspect: false, ...options })));
  methods.trace = (...args) => {
    const trace = { name: "Trace", message: consoleText(args) };
    Error.captureStackTrace(trace, methods.trace);
    write("log", withoutMachinery(trace.stack));
  };
  methods.group = methods.groupCollapsed = (...label) => {
    if (label.length > 0) methods.log(...label);
    indent += "  ";
  };
  methods.groupEnd = () => {
    indent = indent.slice(2);
  };
  const borrowed = Object.assign(new Console(new Writable()), methods);
  for (const name of BORROWED) methods[name] = borrowed[name].bind(borrowed);
  return methods;
}

function limited(text) {
  return text.length <= MAX_TEXT ? text : `${text.slice(0, MAX_TEXT)}... (${text.length - MAX_TEXT} more characters)`;
}

/** Stands in for `process.stdout` or `process.stderr`: what is written leaves line by line. */
class LineStream extends Writable {
  #level;
  #emit;
  #rests = new Map();
  #decoder = new StringDecoder("utf8");

  constructor(level, emit) {
    super({ decodeStrings: false });
    this.#level = level;
    this.#emit = emit;
  }

  // Not `_write`: Writable calls that later and elsewhere when it is corked or busy, and then it is nobody's code.
  write(chunk, encoding, callback) {
    const done = typeof encoding === "function" ? encoding : callback;
    this.#take(typeof chunk === "string" ? chunk : this.#decoder.write(chunk));
    if (done !== undefined) process.nextTick(done);
    return true;
  }

  #take(text) {
    // Lines are kept apart per owner: two objects that write in turns must not end up in one line.
    const writer = currentOwner();
    const lines = ((this.#rests.get(writer) ?? "") + text).split("\n");
    const rest = lines.pop();
    this.#rests.delete(writer);
    for (const line of lines) this.#emit(this.#level, withoutMachinery(line));
    if (rest.length > MAX_LINE) this.#emit(this.#level, rest);
    else if (rest !== "") this.#rests.set(writer, rest);
  }

  _final(callback) {
    for (const rest of this.#rests.values()) this.#emit(this.#level, rest);
    this.#rests.clear();
    callback();
  }
}
