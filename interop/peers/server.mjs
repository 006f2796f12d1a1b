// An echo server of npm ws.
//
// usage: node server.mjs [OPTIONS]   options of WebSocketServer as JSON, and
//   "origin": the one Origin that pages may have
//   "http2": options of listen in http2.mjs, to serve HTTP/2 instead
//
// Prints one JSON object on each line: {"port"} when it listens, then {"open"}
// and {"close"} for each connection. It ends when its standard input does.
//
// A text message may be a command instead of something to echo:
//   close CODE REASON   close with that
//   fragments           answer "fragmented" in three frames
//   bad-utf8            send a text message that is not UTF-8
//   ping PAYLOAD        ping, and answer "pong PAYLOAD" when the pong is here
//   terminate           cut the connection
import { WebSocketServer } from "ws";
import { listen } from "./http2.mjs";

const print = (event) => console.log(JSON.stringify(event));
const { origin, http2, ...options } = JSON.parse(process.argv[2] ?? "{}");
if (origin !== undefined) {
  options.verifyClient = (info, answer) => answer(!info.origin || info.origin === origin, 403);
}
const server = new WebSocketServer({
  ...(http2 ? { noServer: true } : { host: "127.0.0.1", port: 0 }),
  handleProtocols: (offered) => (offered.has("echo") ? "echo" : false),
  ...options,
});

if (http2) listen(server, http2, (port) => print({ port }));
else server.on("listening", () => print({ port: server.address().port }));
server.on("connection", (ws, request) => {
  print({
    open: {
      path: request.url,
      origin: request.headers.origin ?? "",
      protocol: ws.protocol,
      extensions: ws.extensions,
    },
  });
  ws.on("error", () => {}); // its code is in the close event
  ws.on("close", (code, reason) => print({ close: { path: request.url, code, reason: reason.toString() } }));
  ws.on("pong", (payload) => ws.send(`pong ${payload}`));
  ws.on("message", (data, isBinary) => {
    const [command, argument, ...rest] = isBinary ? [""] : data.toString().split(" ");
    switch (command) {
      case "close":
        ws.close(Number(argument), rest.join(" "));
        break;
      case "fragments":
        ws.send("frag", { fin: false });
        ws.send("ment", { fin: false });
        ws.send("ed", { fin: true });
        break;
      case "bad-utf8":
        ws.send(Buffer.from([0x61, 0xff, 0x62]), { binary: false });
        break;
      case "ping":
        ws.ping(argument);
        break;
      case "terminate":
        ws.terminate();
        break;
      default:
        ws.send(data, { binary: isBinary });
    }
  });
});

process.stdin.resume().on("end", () => process.exit(0));
