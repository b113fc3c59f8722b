// Drives one browser for the tests: a line of JSON asks for one thing, a line of JSON answers it.
import { createInterface } from "node:readline";
import puppeteer from "puppeteer-core";

const [name, executablePath] = process.argv.slice(2);
const browser = { chromium: "chrome", firefox: "firefox" }[name];
const CHROME = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
// Whatever a page asks for over the network ends at a closed port of this machine.
const FIREFOX = { "network.proxy.type": 1, "network.proxy.http": "127.0.0.1", "network.proxy.http_port": 9 };
const REFUSED = `globalThis.refused = [];
addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective + " " + event.blockedURI));`;
const PATIENCE = 120_000;

const started = {};
let context, page, said;

const launch = (dark) => puppeteer.launch({
  browser, executablePath, headless: true, timeout: PATIENCE,
  args: browser === "chrome" ? [...CHROME, `--blink-settings=preferredColorScheme=${dark ? 0 : 1}`] : [],
  extraPrefsFirefox: { ...FIREFOX, "layout.css.prefers-color-scheme.content-override": dark ? 0 : 1 },
});

const answers = {
  // A page of its own, with no memory of others; `said` holds what it writes, asks for and runs into.
  async open({ url, width, dark }) {
    await context?.close();
    context = await (started[dark] ??= await launch(dark)).createBrowserContext();
    page = await context.newPage();
    said = [];
    page.on("console", (message) => said.push(`wrote ${message.text()}`));
    page.on("pageerror", (error) => said.push(`threw ${error.message}`));
    page.on("request", (request) => {
      if (request.url() !== url && !request.url().startsWith("data:")) said.push(`asked for ${request.url()}`);
    });
    page.on("dialog", (dialog) => { said.push(`dialog ${dialog.message()}`); dialog.dismiss(); });
    page.on("popup", (other) => said.push(`opened ${other.url()}`));
    await page.setViewport({ width, height: 800 });
    await page.evaluateOnNewDocument(REFUSED);
    await page.goto(url, { timeout: PATIENCE });
  },
  ask: ({ expression }) => page.evaluate(expression),
  click: ({ selector }) => page.click(selector),
  press: ({ key }) => page.keyboard.press(key),
  write: async ({ selector, text }) => {
    await page.click(selector, { count: 3 });
    await (text ? page.keyboard.type(text) : page.keyboard.press("Backspace"));
  },
  reload: () => page.reload(),
  said: async () => [...said, ...(await page.evaluate("refused")).map((what) => `refused ${what}`)],
};

for await (const line of createInterface({ input: process.stdin })) {
  const { what, ...how } = JSON.parse(line);
  let answer;
  try {
    answer = { found: (await answers[what](how)) ?? null };
  } catch (error) {
    answer = { failed: String(error) };
  }
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
for (const one of Object.values(started)) await one.close();
