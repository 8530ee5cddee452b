/** Why an object is not dropped: everything unfinished, each with the line of the user's that began it (S-99). */

/**
 * @typedef {object} Reason
 * @property {string} what wire/README.md, `awake`
 * @property {string} text
 * @property {string | null} where `file:line`, seen from the project's folder
 * @property {number} since_ms since 1970
 */

/** Kinds of ours, in the words of the protocol. */
const WORDS = { section: "task", sync: "task", stream: "body" };

/**
 * What keeps an object and its facets from being dropped; empty when nothing does.
 * @param {import("./objects.mjs").ObjectHandle} handle
 * @param {import("./begun.mjs").Lines} lines
 * @returns {Reason[]}
 */
export function reasons(handle, lines) {
  const { instance } = handle;
  if (instance === null) return [];
  const { clock } = handle.world;
  const found = [];
  for (const { what, text, begun, sinceMs } of instance.holds()) {
    found.push({ what: WORDS[what] ?? what, text, where: begun === null ? null : begun.place(lines), since_ms: Math.round(sinceMs) });
  }
  const originMs = clock.nowMs() - clock.steadyMs();
  for (const { label, beganMs } of instance.eventsInFlight) {
    const [text, atMs] = beganMs === null ? [`${label}, which has to wait`, clock.steadyMs()] : [label, beganMs];
    found.push({ what: "event", text, where: null, since_ms: Math.round(originMs + atMs) });
  }
  for (const [key, facet] of handle.facets) {
    for (const reason of reasons(facet, lines)) found.push({ ...reason, text: `facet ${key}: ${reason.text}` });
  }
  return found;
}

/** One reason in words: what `evict` answers as `why`. @param {Reason} reason */
export function asText({ what, text, where }) {
  return where === null ? `${what}: ${text}` : `${what}: ${text} (${where})`;
}
