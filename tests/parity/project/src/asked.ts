/** What a scenario asks for stands in the query of the connection's URL. */
export const asked = (request: Request) => new URL(request.url).searchParams;

/** A door that a scenario opens. Who comes later walks through. */
export class Gate {
  #open!: () => void;
  readonly opened = new Promise<void>((resolve) => {
    this.#open = resolve;
  });

  open() {
    this.#open();
  }
}

/** What a scenario hands out, and what scripts of answers wait for: with them no scenario needs a clock. */
export class Permits {
  #free = 0;
  #waiting: (() => void)[] = [];

  /** How many wait for a permit now. */
  get waiting() {
    return this.#waiting.length;
  }

  release(count: number) {
    for (; count > 0; count--) {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#free++;
    }
  }

  async take() {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }
}
