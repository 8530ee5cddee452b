/** `console.time` and its relatives on a clock of ours: Node's ask the machine. */

const SECOND_MS = 1000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

/**
 * @param {() => number} nowMs
 * @param {{log: Function, warn: Function}} out
 * @returns {Record<string, Function>} `time`, `timeLog`, `timeEnd`
 */
export function stopwatch(nowMs, out) {
  /** @type {Map<string, number>} */
  const began = new Map();
  const tell = (name, label, data) => {
    const startMs = began.get(label);
    if (startMs === undefined) out.warn(`No such label '${label}' for console.${name}()`);
    else out.log(`${label}: ${spent(nowMs() - startMs)}`, ...data);
  };
  return {
    time(label = "default") {
      if (began.has(`${label}`)) out.warn(`Label '${label}' already exists for console.time()`);
      else began.set(`${label}`, nowMs());
    },
    timeLog(label = "default", ...data) {
      tell("timeLog", `${label}`, data);
    },
    timeEnd(label = "default") {
      tell("timeEnd", `${label}`, []);
      began.delete(`${label}`);
    },
  };
}

/** As Node says it. @param {number} ms */
function spent(ms) {
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  const seconds = (ms % MINUTE_MS) / SECOND_MS;
  if (ms >= HOUR_MS) return `${Math.floor(ms / HOUR_MS)}:${two((ms % HOUR_MS) / MINUTE_MS)}:${two(seconds)} (h:mm:ss)`;
  if (ms >= MINUTE_MS) {
    return `${Math.floor(ms / MINUTE_MS)}:${seconds.toFixed(3).padStart(6, "0")} (m:ss.mmm)`;
  }
  return ms >= SECOND_MS ? `${seconds.toFixed(3)}s` : `${ms}ms`;
}
