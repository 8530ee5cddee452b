/** A binary heap: the first of its members by a given order is at hand. */

/** @template T */
export class Heap {
  /** @type {T[]} */
  #members = [];
  #isBefore;

  /** @param {(one: T, other: T) => boolean} isBefore a strict order */
  constructor(isBefore) {
    this.#isBefore = isBefore;
  }

  get size() {
    return this.#members.length;
  }

  /** @returns {T | null} */
  get first() {
    return this.#members[0] ?? null;
  }

  /** @param {T} member */
  push(member) {
    const members = this.#members;
    let at = members.length;
    members.push(member);
    while (at > 0) {
      const above = (at - 1) >> 1;
      if (!this.#isBefore(member, members[above])) break;
      members[at] = members[above];
      at = above;
    }
    members[at] = member;
  }

  /** Take the first away. @returns {T | null} */
  pop() {
    const members = this.#members;
    if (members.length === 0) return null;
    const first = members[0];
    const last = members.pop();
    if (members.length > 0) this.#sink(last);
    return first;
  }

  /** Drop all others. @param {(member: T) => boolean} wanted */
  keep(wanted) {
    const kept = this.#members.filter(wanted);
    this.#members = [];
    for (const member of kept) this.push(member);
  }

  #sink(member) {
    const members = this.#members;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      if (below >= members.length) break;
      if (below + 1 < members.length && this.#isBefore(members[below + 1], members[below])) below += 1;
      if (!this.#isBefore(members[below], member)) break;
      members[at] = members[below];
      at = below;
    }
    members[at] = member;
  }
}
