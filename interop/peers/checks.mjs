// The checks that a WebSocket of the web's API goes through, against an echo
// server that obeys the commands of server.mjs.

// inPage runs where WebSocket is defined: in a browser, which is given its text
// and its argument and nothing else of this file, or here. Each check connects to
// SOCKET?NAME; names are those to run instead of all, skip those to leave out;
// count is how many sockets are open at once.
export async function inPage({ socket, deflate, names, skip = [], count = 100 }) {
  let current;

  function open() {
    const ws = new WebSocket(`${socket}?${encodeURIComponent(current)}`, ["other", "echo"]);
    ws.binaryType = "arraybuffer";
    const queue = [];
    let wake = () => {};
    ws.onmessage = (event) => {
      queue.push(event.data);
      wake();
    };
    ws.ended = new Promise((resolve) => {
      ws.onclose = (event) => {
        resolve(event);
        queue.push(null);
        wake();
      };
    });
    ws.next = async () => {
      while (queue.length === 0) await new Promise((resolve) => (wake = resolve));
      const message = queue.shift();
      if (message === null) throw new Error("closed");
      return message;
    };
    return new Promise((resolve, reject) => {
      ws.onopen = () => resolve(ws);
      ws.onerror = () => reject(new Error("not opened"));
    });
  }

  function equal(got, want, what) {
    if (got !== want) throw new Error(`${what}: got ${String(got).slice(0, 80)}, want ${String(want).slice(0, 80)}`);
  }

  async function closed(ws, code, reason, clean = true) {
    const event = await ws.ended;
    equal(event.code, code, "code");
    if (reason !== undefined) equal(event.reason, reason, "reason"); // a server need not echo ours
    equal(event.wasClean, clean, "clean");
  }

  function bytes(n) {
    const b = new Uint8Array(n);
    for (let i = 0; i < n; i++) b[i] = ((i * i) >> 3) & 0x3f;
    return b;
  }

  async function echoBytes(ws, b) {
    ws.send(b);
    const got = new Uint8Array(await ws.next());
    equal(got.length, b.length, "length");
    equal(got.every((x, i) => x === b[i]), true, "same bytes");
  }

  const checks = {
    async handshake() {
      const ws = await open();
      equal(ws.protocol, "echo", "subprotocol");
      equal(ws.extensions.startsWith("permessage-deflate"), deflate, "compression");
      ws.close(1000);
      await closed(ws, 1000, "");
    },
    async text() {
      const ws = await open();
      for (const text of ["Hello", "", "κόσμε 🌍", "x".repeat(126), "é".repeat(40_000)]) {
        ws.send(text);
        equal(await ws.next(), text, "text");
      }
      ws.close(1000, "bye");
      await closed(ws, 1000);
    },
    async binary() {
      const ws = await open();
      for (const n of [0, 1, 125, 126, 65_535, 65_536]) await echoBytes(ws, bytes(n));
      ws.close(4000, "bye");
      await closed(ws, 4000);
    },
    async "1 MiB"() {
      const ws = await open();
      await echoBytes(ws, bytes(1 << 20));
      ws.send("m".repeat(1 << 20));
      equal(await ws.next(), "m".repeat(1 << 20), "text");
      ws.close();
      await closed(ws, 1005, "");
    },
    async "many at once"() {
      const ws = await open();
      for (let i = 0; i < 500; i++) ws.send(`message ${i} `.repeat(20));
      for (let i = 0; i < 500; i++) equal(await ws.next(), `message ${i} `.repeat(20), "message");
      ws.close(1000);
      await closed(ws, 1000, "");
    },
    async fragments() {
      const ws = await open();
      ws.send("fragments");
      equal(await ws.next(), "fragmented", "message");
      ws.close(1000);
      await closed(ws, 1000, "");
    },
    async ping() {
      const ws = await open();
      ws.send("ping there-and-back");
      equal(await ws.next(), "pong there-and-back", "answer");
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
      const codes = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999];
      await Promise.all(codes.map(async (code) => {
        const ws = await open();
        ws.send(`close ${code} because of ${code}`);
        await closed(ws, code, `because of ${code}`);
      }));
    },
    async "codes sent"() {
      await Promise.all([1000, 3000, 3999, 4000, 4999].map(async (code) => {
        const ws = await open();
        ws.close(code, `because of ${code}`);
        await closed(ws, code);
      }));
    },
    async "many sockets"() {
      const sockets = await Promise.all(Array.from({ length: count }, () => open()));
      for (const [i, ws] of sockets.entries()) ws.send(`socket ${i}`);
      for (const [i, ws] of sockets.entries()) equal(await ws.next(), `socket ${i}`, "text");
      for (const ws of sockets) ws.close(1000);
      for (const ws of sockets) await closed(ws, 1000, "");
    },
    async "bad UTF-8 received"() {
      const ws = await open();
      ws.onerror = () => {};
      ws.send("bad-utf8");
      const event = await ws.ended;
      equal(event.wasClean, false, "clean");
      equal(event.code, 1006, "code");
    },
    async "same Origin"() {
      const ws = await open();
      ws.send("from a page");
      equal(await ws.next(), "from a page", "text");
      ws.close(1000);
      await closed(ws, 1000, "");
    },
    async "wrong Origin"() {
      try {
        await open();
      } catch {
        return;
      }
      throw new Error("it was accepted");
    },
  };

  const results = [];
  for (const name of names ?? Object.keys(checks).filter((name) => name !== "wrong Origin" && !skip.includes(name))) {
    current = name;
    const late = new Promise((_, reject) => setTimeout(() => reject(new Error("no answer within 15 s")), 15_000));
    try {
      await Promise.race([checks[name](), late]);
      results.push({ name, ok: true });
    } catch (error) {
      results.push({ name, ok: false, detail: String(error.message || error) });
    }
  }
  return results;
}
