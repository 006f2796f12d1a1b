// Uses the page of `lariat serve` as a person with a keyboard does.
//
// usage: node page.mjs OPTIONS   as JSON:
//   "browser": path of Chromium    "profile": an empty folder for its profile
//   "page": URL of the page        "elsewhere": the same page by another name
//   "socket": URL of the server    "pid": process of the server
//   "status": what the server answers to a handshake: 101, or 200 over HTTP/2
//
// Prints one JSON object: {"checks": [{"name", "ok", "detail"}]}. The checks
// build on each other. The last one ends the server.
import { launch } from "./chromium.mjs";

const options = JSON.parse(process.argv[2]);

const context = await launch(options);
const page = await context.newPage();
page.setDefaultTimeout(15_000);

const requests = [];
const complaints = [];
page.on("request", (request) => requests.push(request.url()));
page.on("pageerror", (error) => complaints.push(String(error)));
page.on("console", (message) => {
  if (message.type() === "error") complaints.push(message.text());
});

const statuses = [];
const tools = await context.newCDPSession(page);
tools.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status));
await tools.send("Network.enable");

function equal(got, want, what) {
  if (got !== want) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

const says = (selector, text) => page.locator(selector, { hasText: text }).first().waitFor();
const row = (kind, text) => page.locator(`#log tr.${kind}`, { hasText: text }).last();

// tabTo presses Tab until the element has the focus, as far as a person would.
async function tabTo(id) {
  for (let i = 0; i < 40; i++) {
    if ((await page.evaluate(() => document.activeElement?.id)) === id) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`#${id} can't be reached with Tab`);
}

async function connect() {
  await tabTo("connect");
  await page.keyboard.press("Enter");
  await says("#state", /^Connected$/);
}

const checks = {
  async "nothing external"() {
    await page.goto(options.page);
    const origin = new URL(options.page).origin;
    equal(requests.filter((url) => !url.startsWith(origin)).join(" "), "", "requests elsewhere");
  },
  async "light and dark"() {
    const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    await page.emulateMedia({ colorScheme: "dark" });
    const dark = await background();
    await page.emulateMedia({ colorScheme: "light" });
    equal((await background()) !== dark, true, "backgrounds differ");
  },
  async "connect by keyboard"() {
    await connect();
    await says("#log tr.note", "permessage-deflate");
  },
  async text() {
    await page.keyboard.type("Hello κόσμε"); // the field has the focus
    await page.keyboard.press("Enter");
    await row("out", "Hello κόσμε").waitFor();
    await row("in", "Hello κόσμε").waitFor();
    equal(await row("in", "Hello κόσμε").locator("td.size").innerText(), "16 bytes", "size");
  },
  async binary() {
    await page.keyboard.type("bytes");
    await tabTo("sendbinary");
    await page.keyboard.press("Enter");
    await row("in", "62 79 74 65 73").waitFor();
  },
  async "1 MiB file"() {
    await page.setInputFiles("#file", { name: "mebibyte.bin", mimeType: "application/octet-stream", buffer: Buffer.alloc(1 << 20, 7) });
    await row("out", "mebibyte.bin").waitFor();
    await row("in", "1.0 MB").waitFor();
  },
  async latency() {
    await tabTo("measure");
    await page.keyboard.press("Enter");
    await says("#latency", /^[0-9.]+ ms/);
  },
  async "close code"() {
    await page.fill("#code", "4001");
    await page.fill("#reason", "seen enough");
    await page.press("#reason", "Enter");
    await says("#closecode", "4001");
    await says("#state", "Closed with 4001");
  },
  async ticks() {
    await page.fill("#url", `${options.socket}ticks?every=50ms`);
    await connect();
    await page.locator("#log tr.in").nth(4).waitFor();
    await tabTo("connect");
    await page.keyboard.press("Enter");
    await says("#closecode", "1000");
  },
  async "wrong Origin"() {
    const before = complaints.length;
    await page.goto(options.elsewhere);
    await page.fill("#url", options.socket);
    await tabTo("connect");
    await page.keyboard.press("Enter");
    await says("#state", "Could not connect");
    complaints.length = before; // Chromium logs the refusal
  },
  async "no complaints"() {
    equal(complaints.join("\n"), "", "errors of the page");
  },
  async "server ends"() {
    await page.goto(options.page);
    await connect();
    process.kill(options.pid, "SIGTERM");
    await says("#closecode", "1001");
  },
  async handshakes() {
    const opened = statuses.filter((status) => status < 400);
    equal(opened.join(), [options.status, options.status, options.status].join(), "statuses");
  },
};

const results = [];
for (const [name, check] of Object.entries(checks)) {
  try {
    await check();
    results.push({ name, ok: true });
  } catch (error) {
    results.push({ name, ok: false, detail: String(error.message || error) });
    break;
  }
}
console.log(JSON.stringify({ checks: results }));
await context.close();
