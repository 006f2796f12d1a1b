// A client of npm ws that runs a list of checks against an echo server.
//
// usage: node client.mjs URL [OPTIONS]   options of WebSocket as JSON, and
//   "deflate": whether compression must have been agreed on
//   "skip": names of checks to leave out
//
// The server echoes, and obeys the commands that server.mjs does. Each check
// connects to URL?NAME. Prints one JSON object:
// {"checks": [{"name", "ok", "detail"}]}.
import { once } from "node:events";
import { WebSocket } from "ws";

const [url, json] = process.argv.slice(2);
const { deflate = false, skip = [], ...options } = JSON.parse(json ?? "{}");

let current; // name of the check that runs
const target = () => `${url}?${encodeURIComponent(current)}`;

// open connects and keeps what comes, so that nothing is missed between waits.
async function open(more = {}) {
  const ws = new WebSocket(target(), "echo", { perMessageDeflate: deflate, handshakeTimeout: 10_000, ...options, ...more });
  const queue = [];
  let wake = () => {};
  ws.on("message", (data, isBinary) => {
    queue.push({ data, isBinary });
    wake();
  });
  ws.ended = new Promise((resolve) => {
    ws.on("close", (code, reason) => {
      resolve({ code, reason: reason.toString() });
      queue.push(null);
      wake();
    });
  });
  ws.next = async () => {
    while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
    const message = queue.shift();
    if (message === null) throw new Error("closed");
    return message;
  };
  await once(ws, "open");
  ws.on("error", () => {});
  return ws;
}

function equal(got, want, what) {
  if (got !== want) throw new Error(`${what}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

async function echo(ws, data, isBinary) {
  ws.send(data, { binary: isBinary });
  const got = await ws.next();
  equal(got.isBinary, isBinary, "binary");
  equal(Buffer.compare(got.data, Buffer.from(data)), 0, "payload");
}

async function closed(ws, code, reason) {
  const got = await ws.ended;
  equal(got.code, code, "code");
  if (reason !== undefined) equal(got.reason, reason, "reason"); // a server need not echo ours
}

// compressible bytes that don't repeat within a small window
function bytes(n) {
  const b = Buffer.alloc(n);
  for (let i = 0, x = 1; i < n; i++) {
    x = (x * 1103515245 + 12345) & 0x7fffffff;
    b[i] = (x >> 16) & 0x3f;
  }
  return b;
}

const checks = {
  async handshake() {
    const ws = await open();
    equal(ws.protocol, "echo", "subprotocol");
    equal(/permessage-deflate/.test(ws.extensions), deflate !== false, "compression");
    ws.close(1000);
    await closed(ws, 1000, "");
  },
  async text() {
    const ws = await open();
    for (const text of ["Hello", "", "κόσμε 🌍", "x".repeat(125), "x".repeat(126), "é".repeat(40_000)]) {
      await echo(ws, text, false);
    }
    ws.close(1000, "bye");
    await closed(ws, 1000);
  },
  async binary() {
    const ws = await open();
    for (const n of [0, 1, 125, 126, 65_535, 65_536]) await echo(ws, bytes(n), true);
    ws.close(4000, "bye");
    await closed(ws, 4000);
  },
  async "1 MiB"() {
    const ws = await open();
    await echo(ws, bytes(1 << 20), true);
    await echo(ws, "m".repeat(1 << 20), false);
    ws.close();
    await closed(ws, 1005, "");
  },
  async "many at once"() {
    const ws = await open();
    for (let i = 0; i < 500; i++) ws.send(`message ${i} `.repeat(20));
    for (let i = 0; i < 500; i++) equal((await ws.next()).data.toString(), `message ${i} `.repeat(20), "message");
    ws.close(1000);
    await closed(ws, 1000, "");
  },
  async fragments() {
    const ws = await open();
    ws.send("frag", { fin: false });
    ws.ping("between");
    ws.send("", { fin: false });
    ws.send("mented", { fin: true });
    equal((await ws.next()).data.toString(), "fragmented", "message");
    ws.send("fragments");
    equal((await ws.next()).data.toString(), "fragmented", "message");
    ws.close(1000);
    await closed(ws, 1000, "");
  },
  async ping() {
    const ws = await open();
    const pong = once(ws, "pong");
    ws.ping("payload");
    equal((await pong)[0].toString(), "payload", "pong");
    ws.send("ping there-and-back");
    equal((await ws.next()).data.toString(), "pong there-and-back", "answer");
    ws.close(1000);
    await closed(ws, 1000, "");
  },
  async "server closes"() {
    for (const [code, reason] of [[1000, ""], [1001, "going"], [1011, "inner"], [3000, "κόσμε"], [4999, "last"]]) {
      const ws = await open();
      ws.send(`close ${code} ${reason}`.trim());
      await closed(ws, code, reason);
    }
  },
  async codes() {
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) {
      const ws = await open();
      ws.send(`close ${code} because of ${code}`);
      await closed(ws, code, `because of ${code}`);
    }
  },
  async "codes sent"() {
    for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1011, 3000, 3999, 4000, 4999]) {
      const ws = await open();
      ws.close(code, `because of ${code}`);
      await closed(ws, code);
    }
  },
  async "many sockets"() {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => open()));
    await Promise.all(
      sockets.map(async (ws, i) => {
        for (let k = 0; k < 5; k++) await echo(ws, `${k} of socket ${i} `.repeat(1 + i), false);
        ws.close(1000);
        await closed(ws, 1000, "");
      }),
    );
  },
  async "bad UTF-8 sent"() {
    const ws = await open();
    ws.send(Buffer.from([0x61, 0xff, 0x62]), { binary: false });
    equal((await ws.ended).code, 1007, "code");
  },
  async "bad UTF-8 received"() {
    const ws = await open();
    const error = once(ws, "error");
    ws.send("bad-utf8");
    equal((await error)[0].code, "WS_ERR_INVALID_UTF8", "error");
    await ws.ended;
  },
  async "wrong Origin"() {
    const ws = new WebSocket(target(), { ...options, origin: "http://elsewhere.example" });
    const status = await new Promise((resolve, reject) => {
      ws.on("unexpected-response", (_, response) => resolve(response.statusCode));
      ws.on("open", () => reject(new Error("it was accepted")));
      ws.on("error", () => {});
    });
    ws.terminate();
    equal(status, 403, "status");
  },
  async "same Origin"() {
    const { host } = new URL(url);
    const scheme = url.startsWith("wss:") ? "https" : "http";
    const ws = await open({ origin: `${scheme}://${host}` });
    await echo(ws, "from a page", false);
    ws.close(1000);
    await closed(ws, 1000, "");
  },
};

const results = [];
for (const [name, check] of Object.entries(checks)) {
  if (skip.includes(name)) continue;
  current = name;
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("no answer within 15 s")), 15_000)));
  try {
    await Promise.race([check(), late]);
    results.push({ name, ok: true });
  } catch (error) {
    results.push({ name, ok: false, detail: String(error.message || error) });
  }
  clearTimeout(timer);
}
console.log(JSON.stringify({ checks: results }));
process.exit(0);
