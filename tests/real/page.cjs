// What tests/real/page runs: two pages of the chat in one browser, and the service that they come from.
"use strict";

const { spawn } = require("node:child_process");
const { once } = require("node:events");
const readline = require("node:readline");

const [here, executablePath, service] = process.argv.slice(2);
const { chromium } = require(`${here}/node_modules/playwright-core`);

/// How long anything may take.
const PATIENCE = 30000;

/// Starts the service, with its page at this port, and gives it with the page's URL.
async function start(port) {
  const process = spawn(service, ["--listen", "127.0.0.1:0", "--web", `127.0.0.1:${port}`, "--log", "warn"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  for await (const line of readline.createInterface({ input: process.stdout })) {
    const url = /^Or with a browser: (\S+)$/.exec(line);
    if (url) return { process, url: url[1] };
  }
  throw new Error("the service has not said where its page is");
}

/// Has it end, which it must in good order.
async function end({ process }) {
  const ended = once(process, "exit");
  process.kill("SIGTERM");
  const [code] = await ended;
  if (code !== 0) throw new Error(`the service has ended with ${code}`);
}

/// Somebody's page, used by what it tells those who cannot see it: labels, roles and names.
class Person {
  static async enter(browser, url, name, wrong) {
    const page = await (await browser.newContext()).newPage();
    page.setDefaultTimeout(PATIENCE);
    page.on("pageerror", (error) => wrong.push(`${name}: ${error}`));
    await page.goto(url);
    const person = new Person(page, name);
    await person.is("Connected.");
    await page.getByLabel("Name").fill(name);
    await page.getByLabel("Room").fill("lobby");
    await page.getByRole("button", { name: "Enter" }).click();
    await person.isIn();
    return person;
  }

  constructor(page, name) {
    this.page = page;
    this.name = name;
  }

  is(status) {
    return this.page.getByRole("status").filter({ hasText: status }).waitFor();
  }

  isIn() {
    return this.is(`Connected as ${this.name} in lobby.`);
  }

  async say(text) {
    await this.page.getByLabel("Message").fill(text);
    await this.page.getByLabel("Message").press("Enter");
  }

  hears(line) {
    return this.page.getByRole("log").getByText(line, { exact: true }).waitFor();
  }
}

async function main() {
  let running = await start(0);
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const wrong = [];
    const ann = await Person.enter(browser, running.url, "ann", wrong);
    const bob = await Person.enter(browser, running.url, "bob", wrong);
    await ann.hears("* bob has joined");
    await ann.say("hello bob");
    await bob.hears("<ann> hello bob");
    await bob.say("<b>hello</b> ann");
    await ann.hears("<bob> <b>hello</b> ann");
    if (await ann.page.locator("#log b").count()) throw new Error("what is said has become markup");

    const port = new URL(running.url).port;
    // The pages say so until they have tried again in vain, which is soon.
    const told = [ann, bob].map((person) => person.is("The server has shut down."));
    await Promise.all([end(running), ...told]);
    running = await start(port);
    await Promise.all([ann.isIn(), bob.isIn()]);
    await ann.say("here again");
    await bob.hears("<ann> here again");
    await bob.page.screenshot({ path: `${here}/chat.png` });
    if (wrong.length) throw new Error(wrong.join("\n"));
    console.log(`ok: two pages talked, before a restart and after it; ${here}/chat.png is what one looks like`);
  } finally {
    await browser.close();
    running.process.kill("SIGKILL");
  }
}

main().catch((error) => {
  console.error(`FAILED: ${error.stack}`);
  process.exitCode = 1;
});
