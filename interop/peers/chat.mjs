// Uses the pages of examples/chat as people with keyboards do, and ends its
// server in all ways meanwhile.
//
// usage: node chat.mjs OPTIONS   as JSON:
//   "browser": path of Chromium    "profile": an empty folder for its profile
//   "chat": path of the program
//
// Prints one JSON object: {"checks": [{"name", "ok", "detail"}]}. The checks
// build on each other.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { launch } from "./chromium.mjs";

const options = JSON.parse(process.argv[2]);
const patience = 15_000;

function equal(got, want, what) {
  if (got !== want) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

function within(promise, what) {
  return Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(reject, patience, new Error(`${what}: nothing in ${patience} ms`)).unref()),
  ]);
}

// --- the server ---

let server, log;

// serve starts the server and returns the address of its page.
async function serve(addr) {
  server = spawn(options.chat, ["-addr", addr, "-drain", "200ms"], { stdio: ["ignore", "pipe", "pipe"] });
  log = [];
  createInterface({ input: server.stderr }).on("line", (line) => log.push(line));
  const [line] = await within(once(createInterface({ input: server.stdout }), "line"), "the server's address");
  return new URL(/http:\S+/.exec(line)[0]);
}

async function end(signal) {
  const ended = once(server, "exit");
  server.kill(signal);
  return (await within(ended, `the end of the server by ${signal}`))[0];
}

// logged waits for a line with all of the words.
async function logged(...words) {
  const from = server;
  for (const until = Date.now() + patience; Date.now() < until;) {
    if (log.some((line) => words.every((word) => line.includes(word)))) return;
    await Promise.race([once(from.stderr, "data"), new Promise((go) => setTimeout(go, 100))]);
  }
  throw new Error(`the server never logs ${words.join(" ")}: ${log.slice(-5).join(" | ")}`);
}

// --- the pages ---

const context = await launch(options);
const requests = [], complaints = [];

async function open(url) {
  const page = await context.newPage();
  page.setDefaultTimeout(patience);
  page.on("request", (request) => requests.push(request.url()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url.href);
  return page;
}

// join types a name into the field that has the focus.
async function join(page, name) {
  await page.waitForFunction(() => document.activeElement?.id === "name");
  await page.keyboard.press("Control+A");
  await page.keyboard.type(name);
  await page.keyboard.press("Enter");
}

async function say(page, text) {
  await page.focus("#text");
  await page.keyboard.type(text);
  await page.keyboard.press("Enter");
}

const connected = (page) => page.locator("#state[data-is=open]").waitFor();
const disconnected = (page) => page.locator("#state:not([data-is=open])").waitFor();
const said = (page, text) => page.locator("#log li:not(.pending) .text", { hasText: text });
const sees = (page, text) => said(page, text).first().waitFor();
const noted = (page, text) => page.locator("#log li.note", { hasText: text }).first().waitFor();
const typing = (page, text) => page.locator("#typing", { hasText: text }).waitFor();

async function people(page, ...names) {
  await page.waitForFunction(
    (want) => [...document.querySelectorAll("#here span")].map((e) => e.textContent).join() === want,
    names.join(),
  );
}

let url, ada, bob;

const checks = {
  async "nothing external"() {
    url = await serve("127.0.0.1:0");
    ada = await open(url);
    bob = await open(new URL("?room=lobby", url));
    equal(requests.filter((r) => !r.startsWith(url.origin) && !r.startsWith("data:")).join(" "), "", "requests elsewhere");
  },
  async "join by keyboard"() {
    await ada.bringToFront();
    await join(ada, "Ada");
    await connected(ada);
    await people(ada, "Ada");
    await bob.bringToFront();
    await join(bob, "Bob");
    await people(ada, "Ada", "Bob");
    await people(bob, "Ada", "Bob");
    await noted(ada, "Bob came");
  },
  async "who is typing"() {
    await ada.bringToFront();
    await ada.waitForFunction(() => document.activeElement?.id === "text");
    await ada.keyboard.type("Hello");
    await typing(bob, "Ada is typing");
    await typing(ada, /^$/);
    await ada.keyboard.press("Enter");
    await sees(bob, "Hello");
    await sees(ada, "Hello");
    await typing(bob, /^$/);
  },
  async "text stays text"() {
    const text = `<img src=x onerror="document.title='owned'"><b>bold</b> κόσμε`;
    await say(bob, text);
    await sees(ada, text);
    equal(await ada.locator("#log img, #log b").count(), 0, "elements that came as text");
  },
  async "lines"() {
    await ada.focus("#text");
    await ada.keyboard.type("one");
    await ada.keyboard.press("Shift+Enter");
    await ada.keyboard.type("two");
    await ada.keyboard.press("Enter");
    await sees(bob, "two");
    equal(await said(bob, "two").innerText(), "one\ntwo", "text");
  },
  async "history and leaving"() {
    const cid = await open(url);
    await join(cid, "Bob"); // a name that is taken
    await people(ada, "Ada", "Bob", "Bob 2");
    await sees(cid, "Hello");
    await cid.focus("#leave");
    await cid.keyboard.press("Enter");
    await noted(ada, "Bob 2 left");
    await join(cid, "A\u200bda");
    await cid.locator("#trouble", { hasText: "can't be seen" }).waitFor();
    await cid.close();
  },
  async "rooms are separate"() {
    const eve = await open(new URL("?room=other", url));
    await join(eve, "Eve");
    await people(eve, "Eve");
    await say(eve, "is anybody here?");
    await sees(eve, "is anybody here?");
    equal(await eve.locator("#log li.said").count(), 1, "messages in the other room");
    await eve.close();
    await logged("leave", "room=other", "name=Eve");
    equal(await said(ada, "is anybody here?").count(), 0, "messages from the other room");
  },
  async "a client is killed"() {
    const socket = `ws://${url.host}/ws?room=lobby&name=Doomed`;
    const script = `import WebSocket from "ws"; new WebSocket(${JSON.stringify(socket)})`;
    const client = spawn(process.execPath, ["--input-type=module", "-e", script], { stdio: "ignore" });
    await people(ada, "Ada", "Bob", "Doomed");
    client.kill("SIGKILL");
    await noted(ada, "Doomed left");
    await logged("leave", "name=Doomed", "closed");
  },
  async "the server is killed"() {
    await end("SIGKILL");
    await disconnected(ada);
    await disconnected(bob);
    await say(ada, "said in the dark");
    await ada.locator("#log li.pending", { hasText: "said in the dark" }).waitFor();
    await serve(url.host);
    await connected(ada);
    await connected(bob);
    await people(ada, "Ada", "Bob");
    await people(bob, "Ada", "Bob");
    await sees(bob, "said in the dark");
    await say(bob, "back again");
    await sees(ada, "back again");
    await say(ada, "me too");
    await sees(bob, "me too");
  },
  async "nothing twice, nothing lost"() {
    for (const page of [ada, bob]) {
      const texts = await page.locator("#log li.said").evaluateAll((items) => items.map((e) => e.querySelector(".text").textContent));
      texts[1] = texts[1].slice(0, 4);
      equal(texts.join("|"), "Hello|<img|one\ntwo|said in the dark|back again|me too", "what the page shows");
    }
  },
  async "the server drains"() {
    const status = await end("SIGTERM");
    equal(status, 0, "exit status");
    await logged("drained", "clean=2", "forced=0");
    await disconnected(ada);
    await disconnected(bob);
    await serve(url.host);
    await ada.bringToFront();
    await connected(ada);
    await connected(bob);
    await say(ada, "after all");
    await sees(bob, "after all");
    await end("SIGTERM");
  },
  async "no complaints"() {
    equal(complaints.join("\n"), "", "errors of the pages");
  },
};

const results = [];
try {
  for (const [name, check] of Object.entries(checks)) {
    try {
      await check();
      results.push({ name, ok: true });
    } catch (error) {
      results.push({ name, ok: false, detail: String(error.message || error) });
      break;
    }
  }
} finally {
  if (process.env.CHAT_PICTURE) await ada?.screenshot({ path: process.env.CHAT_PICTURE });
  server?.kill("SIGKILL");
  await context.close();
}
console.log(JSON.stringify({ checks: results }));
