/** What somebody may have meant. */

/** The name that differs in the fewest letters, null when all differ in more than a third of them. */
export function nearest(wanted, names) {
  const scored = names.map((name) => ({ name, distance: editDistance(wanted.toLowerCase(), name.toLowerCase()) }));
  const best = scored.toSorted((one, other) => one.distance - other.distance)[0];
  return best !== undefined && best.distance <= Math.max(wanted.length, best.name.length) / 3 ? best.name : null;
}

function editDistance(one, other) {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index);
  for (let i = 1; i <= one.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= other.length; j += 1) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (one[i - 1] === other[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[other.length];
}
