// The probe language of ../../README.md in JavaScript: the same programs as project_py/src/program.py runs.

export const notes = new Map(); // place -> what happened; it outlives instances
export const lives = new Map(); // place -> how many instances there have been
export const handlers = new Map(); // place + event -> program

export function note(place, value) {
  if (!notes.has(place)) notes.set(place, []);
  notes.get(place).push(value);
}

/** Evaluate a program, awaiting what it awaits. */
export async function run(program, scope) {
  const steps = evaluate(program, scope);
  let step = steps.next();
  while (!step.done) {
    let value;
    try {
      value = await step.value;
    } catch (error) {
      step = steps.throw(error);
      continue;
    }
    step = steps.next(value);
  }
  return step.value;
}

/** Evaluate a program in one go; awaiting is an error. */
export function runNow(program, scope) {
  const step = evaluate(program, scope).next();
  if (!step.done) throw new TypeError("a synchronous program cannot await");
  return step.value;
}

function* evaluate(program, scope) {
  if (program === null || typeof program !== "object") return program;
  if (!Array.isArray(program)) {
    if ("$" in program) return literal(program);
    const made = {};
    for (const [key, item] of Object.entries(program)) made[key] = yield* evaluate(item, scope);
    return made;
  }
  const [name, ...args] = program;
  if (Object.hasOwn(special, name)) return yield* special[name](scope, ...args);
  const values = [];
  for (const arg of args) values.push(yield* evaluate(arg, scope));
  if (Object.hasOwn(plain, name)) return plain[name](scope, ...values);
  return yield* member(
    scope,
    name,
    values.map((value) => (value instanceof Begun ? value.promise : value)),
  );
}

// `root.path.method` calls and awaits; `!` before it does not await; `@` reads; `=` writes.
function* member(scope, name, values) {
  const marked = "!@=".includes(name[0]);
  const [root, ...parts] = (marked ? name.slice(1) : name).split(".");
  const mode = marked ? name[0] : "";
  let target = scope[root];
  if (mode === "@") {
    for (const part of parts) target = target?.[part];
    return target;
  }
  for (const part of parts.slice(0, -1)) target = target[part];
  const last = parts.at(-1);
  if (mode === "=") {
    target[last] = values[0];
    return undefined;
  }
  const result = last === undefined ? target(...values) : target[last](...values);
  return mode !== "!" && typeof result?.then === "function" ? yield result : result;
}

const child = (scope, parameters, args) => {
  const inner = Object.create(scope);
  for (const [index, parameter] of parameters.entries()) inner[parameter] = args[index];
  return inner;
};

const special = {
  *do(scope, ...programs) {
    let value;
    for (const program of programs) value = yield* evaluate(program, scope);
    return value;
  },
  *let(scope, name, program) {
    scope[name] = yield* evaluate(program, scope);
    return scope[name];
  },
  // biome-ignore lint/correctness/useYield: every form is a generator
  *code(_scope, ...programs) {
    return JSON.stringify(["do", ...programs]);
  },
  *call(scope, target, ...programs) {
    const stub = yield* evaluate(target, scope);
    return sent(JSON.parse(yield stub.run(JSON.stringify(["do", ...programs]))));
  },
  *begin(scope, target, ...programs) {
    const stub = yield* evaluate(target, scope);
    return new Begun(stub.run(JSON.stringify(["do", ...programs])));
  },
  *catch(scope, ...programs) {
    try {
      return sent({ value: data(yield* special.do(scope, ...programs)) });
    } catch (error) {
      return sent({ error: errorData(error) });
    }
  },
  *finally(scope, program, after) {
    try {
      return yield* evaluate(program, scope);
    } finally {
      yield* evaluate(after, scope);
    }
  },
  *repeat(scope, times, ...programs) {
    const values = [];
    for (let index = 0; index < times; index++) {
      scope.index = index;
      values.push(yield* special.do(scope, ...programs));
    }
    return values;
  },
  *if(scope, condition, then, otherwise = null) {
    return yield* evaluate((yield* evaluate(condition, scope)) ? then : otherwise, scope);
  },
  *fn(scope, parameters, ...programs) {
    return (...args) => run(["do", ...programs], child(scope, parameters, args));
  },
  *"fn!"(scope, parameters, ...programs) {
    return (...args) => runNow(["do", ...programs], child(scope, parameters, args));
  },
  // biome-ignore lint/correctness/useYield: every form is a generator
  *spawn(scope, ...programs) {
    return new Begun(run(["do", ...programs], scope));
  },
  *await(scope, program) {
    const promised = yield* evaluate(program, scope);
    return yield promised instanceof Begun ? promised.promise : promised;
  },
  *settled(scope, ...programs) {
    const promises = [];
    for (const program of programs) promises.push(...[yield* evaluate(program, scope)].flat());
    const outcomes = yield Promise.allSettled(promises.map((promised) => (promised instanceof Begun ? promised.promise : promised)));
    return sent(outcomes.map((o) => (o.status === "fulfilled" ? { value: data(parsed(o.value)) } : { error: errorData(o.reason) })));
  },
  *sleep(_scope, ms) {
    yield new Promise((resolve) => setTimeout(resolve, ms));
  },
};

/** A promise that evaluating does not await. */
class Begun {
  constructor(promise) {
    this.promise = promise;
  }
}

const placeOf = (scope, className, name) => `${className}:${scope.env[className].idFromName(name)}`;
const unsent = (value) => (value instanceof Sent ? value.value : value);

const plain = {
  list: (_scope, ...items) => items,
  "=": (_scope, left, right) => JSON.stringify(data(left)) === JSON.stringify(data(right)),
  "+": (_scope, left, right) => (left ?? 0) + right,
  "-": (_scope, left, right) => left - right,
  "<": (_scope, left, right) => left < right,
  str: (_scope, value) => String(value),
  sorted: (_scope, items) => [...items].sort(),
  upper: (_scope, text) => text.toUpperCase(),
  len: (_scope, value) => unsent(value).length ?? value.byteLength,
  index: (_scope, value, index) => unsent(value).at(index),
  text: (_scope, size) => "x".repeat(size),
  bytes: (_scope, size) => new Uint8Array(size),
  now: () => Date.now(),
  dispose: (_scope, stub) => stub[Symbol.dispose](),
  each: (_scope, items, method) => items.map((item) => item[method]()),
  alternate: (_scope, items, first, second) =>
    unsent(items)
      .filter((item) => item === first || item === second)
      .every((item, index) => item === [first, second][index % 2]),
  throw(_scope, message, name = "Error", props = {}) {
    throw Object.assign(new (globalThis[name] ?? Error)(message), name in globalThis ? {} : { name }, props);
  },
  note: (scope, value) => note(scope.place, data(value)),
  notes: (scope, className, name) => sent(notes.get(placeOf(scope, className, name)) ?? []),
  noted: (_scope, place) => sent(notes.get(place) ?? []),
  lives: (scope, className, name) => lives.get(placeOf(scope, className, name)) ?? 0,
  on: (scope, className, name, event, text) => void handlers.set(`${placeOf(scope, className, name)} ${event}`, JSON.parse(text)),
  memory: (scope, name, ...value) => {
    if (value.length === 0) return scope.memory[name] ?? 0;
    scope.memory[name] = value[0];
    return value[0];
  },
  new: (_scope, name, ...args) => new globalThis[name](...args),
  type: (_scope, value) => kind(value),
  response: (_scope, body, status = 200, headers = {}, webSocket = undefined) => new Response(body, { status, headers, webSocket }),
  stream(_scope, place, chunks, size, delayMs) {
    let made = 0;
    return new ReadableStream({
      async pull(controller) {
        if (made === chunks) {
          note(place, "end");
          controller.close();
          return;
        }
        if (delayMs) await new Promise((resolve) => setTimeout(resolve, delayMs));
        notes.set(`${place} pulled`, [++made]);
        controller.enqueue(new Uint8Array(size).fill(120));
      },
      cancel: () => note(place, "cancel"),
    });
  },
};

// -- values as JSON

/** A value that is JSON data already; programs may still read its fields. */
class Sent {
  constructor(value) {
    this.value = value;
    if (value && typeof value === "object" && !Array.isArray(value))
      for (const key of Object.keys(value)) if (key !== "value") this[key] = value[key];
  }
}
const sent = (value) =>
  value && typeof value === "object" && value.$ === undefined ? new Sent(value) : value?.$ ? (literal(value) ?? new Sent(value)) : value;

function parsed(value) {
  if (typeof value !== "string") return value;
  try {
    return new Sent(JSON.parse(value));
  } catch {
    return value;
  }
}

const unhex = (hex) => Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
const hex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

function literal(tagged) {
  switch (tagged.$) {
    case "undefined":
      return undefined;
    case "number":
      return Number(tagged.text);
    case "bigint":
      return BigInt(tagged.text);
    case "Date":
      return new Date(tagged.ms);
    case "ArrayBuffer":
      return unhex(tagged.hex).buffer;
    case "Uint8Array":
      return unhex(tagged.hex);
    case "Map":
      return new Map(tagged.entries);
    case "Set":
      return new Set(tagged.items);
    case "RegExp":
      return new RegExp(tagged.source, tagged.flags);
  }
}

export function kind(value) {
  if (value === null) return "null";
  return typeof value === "object" ? (value.constructor?.name ?? "Object") : typeof value;
}

/** Any value as JSON; what JSON has no form for is tagged with `$`. */
export function data(value) {
  if (value instanceof Sent) return value.value;
  if (value === undefined) return { $: "undefined" };
  if (typeof value === "bigint") return { $: "bigint", text: String(value) };
  if (typeof value === "number" && !Number.isFinite(value)) return { $: "number", text: String(value) };
  if (value === null || typeof value !== "object")
    return typeof value === "function" || typeof value === "symbol" ? { $: typeof value } : value;
  if (value instanceof Error) return { $: "Error", ...errorData(value) };
  switch (kind(value)) {
    case "Array":
      return value.map(data);
    case "Object":
      return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, data(item)]));
    case "Map":
      return { $: "Map", entries: [...value].map(([key, item]) => [data(key), data(item)]) };
    case "Set":
      return { $: "Set", items: [...value].map(data) };
    case "Date":
      return { $: "Date", ms: value.getTime() };
    case "RegExp":
      return { $: "RegExp", source: value.source, flags: value.flags };
    case "ArrayBuffer":
      return { $: "ArrayBuffer", hex: hex(new Uint8Array(value)) };
    case "Uint8Array":
      return { $: "Uint8Array", hex: hex(value) };
    default:
      return { $: kind(value) };
  }
}

/** Name, message and own flags of an error. */
export function errorData(error) {
  if (!(error instanceof Error || error instanceof DOMException)) return { name: kind(error), message: String(error) };
  const own = Object.fromEntries(
    Object.entries(error)
      .filter(([key]) => key !== "stack")
      .map(([key, item]) => [key, data(item)]),
  );
  return { ...own, name: error.name, message: error.message };
}
