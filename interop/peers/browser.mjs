// Runs the list of checks.mjs in Chromium.
//
// usage: node browser.mjs OPTIONS   as JSON:
//   "browser": path of Chromium       "profile": an empty folder for its profile
//   "page": URL of the page to run on "elsewhere": a page of another origin
//   "socket": URL of the server       "deflate": whether compression must be agreed on
//   "status": what servers answer to a handshake: 101, or 200 over HTTP/2
//   "count": how many sockets are open at once
//   "protocol": by which the page must come, as the browser calls it
//
// Prints one JSON object: {"checks": [{"name", "ok", "detail"}]}.
import { inPage } from "./checks.mjs";
import { launch } from "./chromium.mjs";

const options = JSON.parse(process.argv[2]);

const context = await launch(options);
try {
  const page = await context.newPage();
  const tools = await context.newCDPSession(page);
  const statuses = [];
  const protocols = [];
  tools.on("Network.webSocketHandshakeResponseReceived", ({ response }) => statuses.push(response.status));
  tools.on("Network.responseReceived", ({ type, response }) => {
    if (type === "Document") protocols.push(response.protocol);
  });
  await tools.send("Network.enable");

  await page.goto(options.page);
  const { socket, deflate, count } = options;
  const results = await page.evaluate(inPage, { socket, deflate, count });
  const strange = statuses.filter((status) => status !== options.status);
  results.push({
    name: `handshakes answered ${options.status}`,
    ok: statuses.length >= 50 && strange.length === 0,
    detail: `${statuses.length} answers, among them ${strange.slice(0, 10)}`,
  });
  await page.goto(options.elsewhere);
  results.push(...(await page.evaluate(inPage, { socket, deflate, names: ["wrong Origin"] })));
  results.push({
    name: `pages by ${options.protocol}`,
    ok: protocols.length === 2 && protocols.every((protocol) => protocol === options.protocol),
    detail: `they came by ${protocols}`,
  });
  console.log(JSON.stringify({ checks: results }));
} finally {
  await context.close();
}
