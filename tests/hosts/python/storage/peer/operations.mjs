// The operations of tests/vectors/storage.json on a `ctx`, the real runtime's and ours alike.

// Values as JSON: what JSON has no form for is {"t": type, "v": value}.
export const show = (v) => {
  if (v === undefined) return { t: "undefined" };
  if (v === null) return null;
  if (typeof v === "bigint") return { t: "bigint", v: String(v) };
  if (typeof v === "number" && !Number.isFinite(v)) return { t: "number", v: String(v) };
  if (v instanceof ArrayBuffer) return { t: "ArrayBuffer", v: [...new Uint8Array(v)] };
  if (ArrayBuffer.isView(v)) return { t: v.constructor.name, v: [...v].map(show) };
  if (v instanceof Map) return { t: "Map", v: [...v].map(([k, x]) => [show(k), show(x)]) };
  if (v instanceof Set) return { t: "Set", v: [...v].map(show) };
  if (v instanceof Date) return { t: "Date", v: v.getTime() };
  if (Array.isArray(v)) return v.map(show);
  if (typeof v === "object") return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, show(x)]));
  return v;
};
export const make = (v) => {
  if (Array.isArray(v)) return v.map(make);
  if (v && typeof v === "object") {
    switch (v.t) {
      case "undefined":
        return undefined;
      case "bigint":
        return BigInt(v.v);
      case "number":
        return Number(v.v);
      case "ArrayBuffer":
        return new Uint8Array(v.v).buffer;
      case "Uint8Array":
        return new Uint8Array(v.v);
      case "Date":
        return new Date(v.v);
      case "Map":
        return new Map(v.v.map(make));
      case "Set":
        return new Set(v.v.map(make));
    }
    return Object.fromEntries(Object.entries(v).map(([k, x]) => [k, make(x)]));
  }
  return v;
};

export class Operations {
  constructor(ctx) {
    this.ctx = ctx;
  }
  async all(operations) {
    const results = [];
    for (const operation of operations) results.push(await this.attempt(operation));
    return results;
  }
  async attempt([name, ...raw]) {
    try {
      return { ok: show(await this.run(name, raw.map(make))) };
    } catch (e) {
      return { error: `${e?.name}: ${e?.message}` };
    }
  }
  async run(name, args) {
    const storage = this.ctx.storage;
    switch (name) {
      case "exec":
      case "one":
      case "size":
      case "kv.get":
      case "kv.put":
      case "kv.delete":
      case "kv.list":
      case "txsync":
      case "try":
        return this.runSync(name, args);
      case "tx":
        return await storage.transaction(async (txn) => {
          this.txn = txn;
          const results = [];
          for (const [inner, ...rest] of args[0]) {
            results.push(inner.startsWith("txn.") ? await txn[inner.slice(4)](...rest) : await this.run(inner, rest));
          }
          if (args[1]) throw new Error(args[1]);
          return results;
        });
      case "oldtxn":
        return await this.txn[args[0]](...args.slice(1));
      case "facet": {
        const facet = this.ctx.facets.get(args[0], () => ({ class: this.ctx.exports.Store }));
        const response = await facet.fetch("http://facet/", { method: "POST", body: JSON.stringify(args[1]) });
        return await response.json();
      }
      case "sleep":
        return await new Promise((resolve) => setTimeout(resolve, args[0]));
      default:
        return await storage[name](...args);
    }
  }
  runSync(name, args) {
    const storage = this.ctx.storage;
    switch (name) {
      case "exec": {
        const c = storage.sql.exec(...args);
        return { names: c.columnNames, rows: [...c.raw()] };
      }
      case "one":
        return storage.sql.exec(...args).one();
      case "size":
        return storage.sql.databaseSize;
      case "kv.get":
        return storage.kv.get(...args);
      case "kv.put":
        return storage.kv.put(...args);
      case "kv.delete":
        return storage.kv.delete(...args);
      case "kv.list":
        return [...storage.kv.list(...args)];
      case "setAlarm":
        storage.setAlarm(...args);
        return;
      case "txsync":
        return storage.transactionSync(() => {
          const results = args[0].map(([inner, ...rest]) => this.runSync(inner, rest));
          if (args[1]) throw new Error(args[1]);
          return results;
        });
      case "try":
        try {
          return this.runSync(args[0][0], args[0].slice(1));
        } catch (e) {
          return `${e.name}: ${e.message}`;
        }
    }
  }
}
