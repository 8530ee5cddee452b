// Debian's Chromium, driven by playwright-core.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium } from "playwright-core";

const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

// Runs in every page before its own scripts: writes down each text that the last answer ever showed.
const witness = () => {
  window.seen = [];
  new MutationObserver(() => {
    const said = [...document.querySelectorAll(".message.assistant")].at(-1)?.textContent;
    if (said && said !== window.seen.at(-1)) window.seen.push(said);
  }).observe(document, { subtree: true, childList: true, characterData: true });
};

export class Browser {
  #pages = new Map();
  #profile = mkdtempSync(join(tmpdir(), "journey-chromium-"));

  async launch(executablePath) {
    this.context = await chromium.launchPersistentContext(this.#profile, { executablePath, headless: true, args: FLAGS });
    await this.context.addInitScript(witness);
    this.errors = [];
    this.context.on("weberror", (event) => this.errors.push(event.error().stack ?? String(event.error())));
  }

  async open(label, address) {
    const page = await this.context.newPage();
    this.#pages.set(label, page);
    await page.goto(address);
  }

  async reload(label) {
    await this.#pages.get(label).reload();
  }

  async type(label, selector, text) {
    await this.#pages.get(label).fill(selector, text);
  }

  async press(label, selector, key) {
    await this.#pages.get(label).press(selector, key);
  }

  async click(label, selector) {
    await this.#pages.get(label).click(selector);
  }

  // Waits until an expression about the page is true; its value.
  async until(label, expression) {
    const handle = await this.#pages.get(label).waitForFunction(expression, undefined, { polling: 20 });
    return handle.jsonValue();
  }

  async evaluate(label, expression) {
    return this.#pages.get(label).evaluate(expression);
  }

  // The errors of all pages since it was asked last.
  failures() {
    return this.errors.splice(0);
  }

  async shut(label) {
    await this.#pages.get(label).close();
    this.#pages.delete(label);
  }

  async close() {
    await this.context?.close();
    rmSync(this.#profile, { recursive: true, force: true });
  }
}
