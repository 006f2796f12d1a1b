"""An echo server of python-websockets; server.mjs says what it prints and obeys.

usage: server.py [OPTIONS]   options of websockets.serve as JSON, and
  "origin": the one Origin that pages may have
  "deflate": options of ServerPerMessageDeflateFactory; absent, no compression
"""

import asyncio
import json
import logging
import sys

import websockets
from websockets.extensions.permessage_deflate import ServerPerMessageDeflateFactory
from websockets.frames import Opcode

logging.getLogger("websockets").setLevel(logging.CRITICAL)


def show(event):
    print(json.dumps(event), flush=True)


async def pong(ws, payload):
    await (await ws.ping(payload))
    await ws.send("pong " + payload)


async def obey(ws, message):
    command, _, argument = message.partition(" ") if isinstance(message, str) else ("", "", "")
    if command == "close":
        code, _, reason = argument.partition(" ")
        await ws.close(int(code), reason)
    elif command == "fragments":
        await ws.send(["frag", "ment", "ed"])
    elif command == "bad-utf8":
        await ws.write_frame(True, Opcode.TEXT, b"a\xffb")
    elif command == "ping":
        asyncio.ensure_future(pong(ws, argument))
    elif command == "terminate":
        ws.transport.abort()
    else:
        await ws.send(message)


async def serve(ws):
    show(
        {
            "open": {
                "path": ws.path,
                "origin": ws.request_headers.get("Origin", ""),
                "protocol": ws.subprotocol or "",
                "extensions": ws.response_headers.get("Sec-WebSocket-Extensions", ""),
            }
        }
    )
    try:
        async for message in ws:
            await obey(ws, message)
    except websockets.ConnectionClosedError:
        pass
    show({"close": {"path": ws.path, "code": ws.close_code, "reason": ws.close_reason}})


async def main():
    options = json.loads(sys.argv[1]) if len(sys.argv) > 1 else {}
    deflate = options.pop("deflate", None)
    if deflate is not None:
        options["extensions"] = [ServerPerMessageDeflateFactory(**deflate)]
    origin = options.pop("origin", None)
    if origin is not None:
        options["origins"] = [None, origin]
    options.setdefault("compression", None)
    async with websockets.serve(serve, "127.0.0.1", 0, subprotocols=["echo"], **options) as server:
        show({"port": server.sockets[0].getsockname()[1]})
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
