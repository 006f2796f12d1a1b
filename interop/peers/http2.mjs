// Puts a WebSocketServer of npm ws on the HTTP/2 server of Node, which carries
// WebSockets by extended CONNECT (RFC 8441) and knows nothing of their frames.
//
// npm ws upgrades any Duplex by writing an answer of HTTP/1.1 to it. Here that
// Duplex is a stream of HTTP/2 on which the answer is sent as HEADERS.
import { randomBytes } from "node:crypto";
import { constants, createSecureServer, createServer } from "node:http2";
import { Duplex } from "node:stream";

const { NGHTTP2_CANCEL, NGHTTP2_NO_ERROR } = constants;

class Upgraded extends Duplex {
  #stream;
  #head = Buffer.alloc(0); // of the answer, until it is whole

  #without;

  constructor(stream, keyed) {
    super();
    this.#stream = stream;
    this.#without = keyed ? /^(connection|upgrade)$/i : /^(connection|upgrade|sec-websocket-accept)$/i;
    stream.on("data", (chunk) => this.push(chunk) || stream.pause());
    stream.on("end", () => this.push(null));
    stream.on("error", () => {}); // a reset, which its code tells as well
    // The end of a stream that was reset is not the end of what came.
    stream.on("close", () => this.destroy(stream.rstCode === NGHTTP2_NO_ERROR ? null : new Error(`RST_STREAM ${stream.rstCode}`)));
  }

  _read() {
    this.#stream.resume();
  }

  _write(chunk, _, done) {
    if (this.#head === null) {
      this.#stream.write(chunk, done);
      return;
    }
    this.#head = Buffer.concat([this.#head, chunk]);
    const end = this.#head.indexOf("\r\n\r\n");
    if (end < 0) {
      done();
      return;
    }
    const rest = this.#head.subarray(end + 4);
    const [first, ...lines] = this.#head.subarray(0, end).toString().split("\r\n");
    this.#head = null;
    const status = Number(first.split(" ")[1]);
    const headers = { ":status": status === 101 ? 200 : status };
    for (const line of lines) {
      const [, name, value] = /^([^:]+): *(.*)$/.exec(line);
      if (!this.#without.test(name)) headers[name.toLowerCase()] = value;
    }
    this.#stream.respond(headers);
    if (rest.length > 0) this.#stream.write(rest, done);
    else done();
  }

  _final(done) {
    this.#stream.end(done);
  }

  _destroy(error, done) {
    if (!this.#stream.destroyed && !(this.#stream.readableEnded && this.#stream.writableFinished)) this.#stream.close(NGHTTP2_CANCEL);
    done(error);
  }
}

// listen starts an HTTP/2 server with TLS when there are a key and a certificate,
// which speaks HTTP/1.1 as well, else one for prior knowledge. settings are those of
// http2, on top of the one that allows extended CONNECT. Requests that are no
// WebSockets are answered with their method and path, or with their body.
export function listen(server, { key, cert, settings }, listening) {
  const all = { settings: { enableConnectProtocol: true, ...settings } };
  const http = key ? createSecureServer({ key, cert, allowHTTP1: true, ...all }) : createServer(all);
  http.on("upgrade", (request, socket, head) => {
    server.handleUpgrade(request, socket, head, (ws) => server.emit("connection", ws, request));
  });
  // The streams of HTTP/2 are answered below; with a listener for requests each of
  // them comes as a request or a connect as well.
  http.on("connect", () => {});
  http.on("request", (request, response) => {
    if (request.httpVersionMajor > 1) return;
    response.setHeader("content-type", "text/plain");
    if (request.method === "POST") request.pipe(response);
    else response.end(`${request.method} ${request.url}\n`);
  });
  http.on("session", (session) => session.on("error", () => {}));
  http.on("stream", (stream, headers) => {
    stream.on("error", () => {});
    if (headers[":protocol"] !== "websocket") {
      stream.respond({ ":status": 200, "content-type": "text/plain" });
      if (headers[":method"] === "POST") stream.pipe(stream);
      else stream.end(`${headers[":method"]} ${headers[":path"]}\n`);
      return;
    }
    const key = headers["sec-websocket-key"]; // not needed here, but some clients send one and want it accepted
    const request = {
      method: "GET",
      url: headers[":path"],
      headers: {
        ...Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(":"))),
        host: headers[":authority"],
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-key": key ?? randomBytes(16).toString("base64"),
      },
      socket: stream.session.socket,
    };
    server.handleUpgrade(request, new Upgraded(stream, key !== undefined), Buffer.alloc(0), (ws) => server.emit("connection", ws, request));
  });
  http.listen(0, "127.0.0.1", () => listening(http.address().port));
  return http;
}
