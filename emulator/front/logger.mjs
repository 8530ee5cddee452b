/** Vite's logger, as it wants one: everything becomes a line for the gateway's terminal. */

/**
 * @param {import("./control.mjs").Control} control
 * @returns {object} Vite's `Logger`
 */
export function controlLogger(control) {
  const warned = new Set();
  const seen = new WeakSet();
  const logger = {
    hasWarned: false,
    info: (text) => control.log("info", text),
    warn(text) {
      logger.hasWarned = true;
      control.log("warn", text);
    },
    warnOnce(text) {
      if (warned.has(text)) return;
      warned.add(text);
      logger.warn(text);
    },
    error(text, options) {
      logger.hasWarned = true;
      if (options?.error) seen.add(options.error);
      control.log("error", text);
    },
    clearScreen() {},
    hasErrorLogged: (error) => seen.has(error),
  };
  return logger;
}
