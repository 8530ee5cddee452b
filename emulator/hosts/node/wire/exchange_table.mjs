/**
 * Open exchanges by id. Not a Map: one whose entries come and go as fast as requests grows old tables all the time, and each keeps what it
 * held when it was replaced from being collected, until the next full collection.
 */

/** A power of two, so that ids that follow each other do not meet; those that do go into a Map. */
const SLOTS = 1024;

/** Exchanges of both sides: ids of one are odd, of the other even. */
export class ExchangeTable {
  #slots = new Array(SLOTS).fill(null);
  /** @type {Map<number, {id: number}>} */
  #rest = new Map();
  #size = 0;

  get size() {
    return this.#size;
  }

  /** @param {{id: number}} exchange */
  add(exchange) {
    const slot = slotOf(exchange.id);
    if (this.#slots[slot] === null) this.#slots[slot] = exchange;
    else this.#rest.set(exchange.id, exchange);
    this.#size += 1;
  }

  /** @param {number} id */
  get(id) {
    const found = this.#slots[slotOf(id)];
    return found !== null && found.id === id ? found : this.#rest.get(id);
  }

  /** @param {number} id */
  has(id) {
    return this.get(id) !== undefined;
  }

  /** @param {number} id an unknown one is no error */
  delete(id) {
    const slot = slotOf(id);
    const found = this.#slots[slot];
    if (found !== null && found.id === id) this.#slots[slot] = null;
    else if (!this.#rest.delete(id)) return;
    this.#size -= 1;
  }

  /** All of them, and none is left. @returns {{id: number}[]} */
  takeAll() {
    const all = [...this.#slots.filter((exchange) => exchange !== null), ...this.#rest.values()];
    this.#slots.fill(null);
    this.#rest.clear();
    this.#size = 0;
    return all;
  }
}

function slotOf(id) {
  return id & (SLOTS - 1);
}
