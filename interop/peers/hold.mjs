// A client of npm ws that opens sockets and keeps them until it is killed.
//
// usage: node hold.mjs URL COUNT
//
// Prints {"open": COUNT} when all have echoed a message.
import { once } from "node:events";
import { WebSocket } from "ws";

const [url, count] = process.argv.slice(2);
const sockets = await Promise.all(
  Array.from({ length: Number(count) }, async () => {
    const ws = new WebSocket(`${url}?hold`, "echo", { rejectUnauthorized: false });
    await once(ws, "open");
    ws.send("here");
    await once(ws, "message");
    return ws;
  }),
);
console.log(JSON.stringify({ open: sockets.length }));
setInterval(() => {}, 1000);
