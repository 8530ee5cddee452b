/** What user code prints, with the object it came from: `console.*`, and whole lines written to stdout and stderr. */

/**
 * Replace the global console's methods and the writes of `process.stdout` and `process.stderr`.
 * @param {(level: "debug"|"info"|"log"|"warn"|"error", text: string) => void} emit called in the async context of the code that printed
 */
export function captureConsole(emit) {
  void emit;
}

/** The arguments of a `console` call as one text, formatted as the platform's local console does. @param {unknown[]} args @returns {string} */
export function consoleText(args) {
  return args.map(String).join(" ");
}
