// Runs the list of checks.mjs with the WebSocket of undici, over HTTP/2.
//
// usage: node undici.mjs OPTIONS   as JSON:
//   "socket": URL of the server    "deflate": whether compression must be agreed on
//   "skip": names of checks to leave out
//
// Prints one JSON object: {"checks": [{"name", "ok", "detail"}]}.
import { Agent, WebSocket } from "undici";
import { inPage } from "./checks.mjs";

const { socket, deflate, skip } = JSON.parse(process.argv[2]);
// One connection for each origin, with as many streams as there are sockets.
const dispatcher = new Agent({ allowH2: true, connections: 1, pipelining: 100, connect: { rejectUnauthorized: false } });
const { origin } = new URL(socket.replace(/^ws/, "http"));

process.removeAllListeners("warning"); // that this is experimental
globalThis.WebSocket = class extends WebSocket {
  constructor(url, protocols) {
    super(url, { protocols, dispatcher, headers: { origin } });
  }
};
console.log(JSON.stringify({ checks: await inPage({ socket, deflate, skip }) }));
process.exit(0);
