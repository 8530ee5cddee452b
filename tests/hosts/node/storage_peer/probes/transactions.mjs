/** `transactionSync` and `transaction`. */

export default {
  transactions: [
    ["sync none", (s) => s.transactionSync()],
    ["sync number", (s) => s.transactionSync(5)],
    ["sync value", (s) => s.transactionSync(() => 5)],
    ["sync arguments", (s) => s.transactionSync((...args) => args.length)],
    [
      "sync error passes",
      (s) => {
        const mine = { my: 1 };
        try {
          s.transactionSync(() => {
            throw mine;
          });
        } catch (e) {
          return e === mine;
        }
      },
    ],
    [
      "sync async",
      async (s) => {
        let caught;
        try {
          await s.transactionSync(async () => {
            s.kv.put("a", 1);
            await null;
            s.kv.put("b", 2);
            throw new Error("mine");
          });
        } catch (e) {
          caught = e.message;
        }
        const left = [...s.kv.list()];
        await s.delete(["a", "b"]);
        return [caught, left];
      },
    ],
    ["sync thenable", async (s) => typeof s.transactionSync(() => Promise.resolve(1)).then],
    ["async none", (s) => s.transaction()],
    ["async number", (s) => s.transaction(5)],
    ["async arguments", (s) => s.transaction(async (...args) => args.length)],
    ["async plain callback", (s) => s.transaction(() => 5)],
    [
      "async plain callback that throws",
      (s) =>
        s.transaction(() => {
          throw new RangeError("mine");
        }),
    ],
    [
      "async error passes",
      async (s) => {
        const mine = { my: 1 };
        try {
          await s.transaction(async () => {
            throw mine;
          });
        } catch (e) {
          return e === mine;
        }
      },
    ],
    ["async options", (s) => s.transaction(async () => 5, { closure: 1 })],
    ["txn is not storage", (s) => s.transaction(async (txn) => [typeof txn.sql, typeof txn.kv, typeof txn.sync, typeof txn.transaction])],
    ["txn arguments", (s) => s.transaction(async (txn) => txn.get())],
    [
      "txn put",
      (s) =>
        s.transaction(async (txn) => [
          await txn.put("x", 1),
          await txn.get("x"),
          await txn.get(["x"]),
          await txn.list({ prefix: "x" }),
          await txn.delete("x"),
        ]),
    ],
    [
      "txn alarm",
      (s) =>
        s.transaction(async (txn) => [
          await txn.setAlarm(4102444800000),
          await txn.getAlarm(),
          await txn.deleteAlarm(),
          await txn.getAlarm(),
        ]),
    ],
    ["txn bad put", (s) => s.transaction(async (txn) => txn.put("x", undefined))],
    ["txn bad alarm", (s) => s.transaction(async (txn) => txn.setAlarm("x"))],
    ["txn deleteAll", (s) => s.transaction(async (txn) => txn.deleteAll())],
    ["rollback", (s) => s.transaction(async (txn) => [await txn.put("r", 1), txn.rollback()])],
    ["rollback twice", (s) => s.transaction(async (txn) => [txn.rollback(), txn.rollback()])],
    [
      "rollback and then storage",
      async (s) => {
        await s.transaction(async (txn) => {
          txn.rollback();
          await s.put("after", 1);
        });
        return s.list();
      },
    ],
    [
      "after rollback",
      (s) =>
        s.transaction(async (txn) => {
          txn.rollback();
          return txn.get("r");
        }),
    ],
    [
      "after rollback with bad arguments",
      (s) =>
        s.transaction(async (txn) => {
          txn.rollback();
          return txn.get();
        }),
    ],
    [
      "after commit",
      async (s) => {
        let kept;
        await s.transaction(async (txn) => {
          kept = txn;
        });
        const say = async (f) => {
          try {
            return await f();
          } catch (e) {
            return `${e.name}: ${e.message}`;
          }
        };
        return [
          await say(() => kept.get("a")),
          await say(() => kept.put("a", 1)),
          await say(() => kept.delete("a")),
          await say(() => kept.list()),
          await say(() => kept.getAlarm()),
          await say(() => kept.setAlarm(5)),
          await say(() => kept.deleteAlarm()),
          await say(() => kept.deleteAll()),
          await say(() => kept.rollback()),
        ];
      },
    ],
    ["sync in async", (s) => s.transaction(async () => s.transactionSync(() => 5))],
    [
      "async in async",
      async (s) => {
        await s.transaction(async () => {
          await s.put("out", 1);
          await s.transaction(async (t) => {
            await t.put("in", 1);
            t.rollback();
          });
        });
        return s.list();
      },
    ],
    ["list in the end", (s) => s.list()],
    [
      "deleteAll in sync",
      async (s) => {
        const p = s.transactionSync(() => s.deleteAll());
        return p;
      },
    ],
  ],
};
