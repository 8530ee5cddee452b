// The real npm clients, driven from Python: one JSON object per line in ({n, op, ...}), one per line out ({n, value} or {n, error}).
import { createInterface } from "node:readline";
import { agentFetch } from "agents/client";
import { Client } from "./client.mjs";
import { Tab } from "./tab.mjs";

const opened = new Map();

const operations = {
  async client({ key, options }) {
    opened.set(key, new Client(options));
  },
  async tab({ key, options }) {
    opened.set(key, new Tab(options));
  },
  async browser({ key, options }) {
    const { Browser } = await import("./browser.mjs"); // the matrix has no playwright
    const browser = new Browser();
    opened.set(key, browser);
    await browser.launch(options.executablePath);
  },
  async use({ key, method, args }) {
    return opened.get(key)[method](...args);
  },
  async gone({ key }) {
    const object = opened.get(key);
    opened.delete(key);
    await object?.close();
  },
  async fetch({ options, init }) {
    const response = await agentFetch(options, init);
    return { status: response.status, body: await response.text() };
  },
};

const answer = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);

// A rejection that nobody handles is a finding of the journey, not a reason to end all of them.
process.on("unhandledRejection", (reason) => console.error("unhandled rejection:", reason));

createInterface({ input: process.stdin })
  .on("line", async (line) => {
    const { n, op, ...rest } = JSON.parse(line);
    try {
      answer({ n, value: (await operations[op](rest)) ?? null });
    } catch (error) {
      answer({ n, error: error?.message ?? String(error) });
    }
  })
  .on("close", () => process.exit(0));
