"""A client of python-websockets that runs a list of checks; see client.mjs.

usage: client.py URL [OPTIONS]   as JSON:
  "deflate": options of ClientPerMessageDeflateFactory; absent, no compression
  "skip": names of checks to leave out
  "insecure": whether any certificate will do
"""

import asyncio
import json
import logging
import ssl
import sys
from urllib.parse import quote

import websockets
from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory
from websockets.frames import Opcode

logging.getLogger("websockets").setLevel(logging.CRITICAL)

url = sys.argv[1]
options = json.loads(sys.argv[2]) if len(sys.argv) > 2 else {}
deflate = options.get("deflate")
current = ""  # name of the check that runs


def connect(**more):
    arguments = {"subprotocols": ["echo"], "compression": None, "open_timeout": 10, **more}
    if deflate is not None:
        arguments["extensions"] = [ClientPerMessageDeflateFactory(**deflate)]
    if options.get("insecure"):
        arguments["ssl"] = ssl._create_unverified_context()
    return websockets.connect(f"{url}?{quote(current)}", **arguments)


def equal(got, want, what):
    if got != want:
        raise AssertionError(f"{what}: got {got!r:.80}, want {want!r:.80}")


async def echo(ws, message):
    await ws.send(message)
    equal(await ws.recv(), message, "message")


async def ended(ws, code, reason=None):
    await ws.wait_closed()
    equal(ws.close_code, code, "code")
    if reason is not None:  # a server need not echo ours
        equal(ws.close_reason, reason, "reason")


def octets(n):
    return bytes((i * i >> 3) & 0x3F for i in range(n))


async def handshake():
    async with connect() as ws:
        equal(ws.subprotocol, "echo", "subprotocol")
        agreed = ws.response_headers.get("Sec-WebSocket-Extensions", "")
        equal("permessage-deflate" in agreed, deflate is not None, "compression")
    await ended(ws, 1000, "")


async def text():
    async with connect() as ws:
        for message in ["Hello", "", "κόσμε 🌍", "x" * 125, "x" * 126, "é" * 40_000]:
            await echo(ws, message)
        await ws.close(1000, "bye")
    await ended(ws, 1000)


async def binary():
    async with connect() as ws:
        for n in [0, 1, 125, 126, 65_535, 65_536]:
            await echo(ws, octets(n))
        await ws.close(4000, "bye")
    await ended(ws, 4000)


async def mebibyte():
    async with connect() as ws:
        await echo(ws, octets(1 << 20))
        await echo(ws, "m" * (1 << 20))


async def many():
    async with connect() as ws:
        for i in range(500):
            await ws.send(f"message {i} " * 20)
        for i in range(500):
            equal(await ws.recv(), f"message {i} " * 20, "message")


async def fragments():
    async with connect() as ws:
        await ws.send(["frag", "", "mented"])
        equal(await ws.recv(), "fragmented", "message")
        await ws.send("fragments")
        equal(await ws.recv(), "fragmented", "message")


async def ping():
    async with connect() as ws:
        await (await ws.ping("payload"))
        await ws.send("ping there-and-back")
        equal(await ws.recv(), "pong there-and-back", "answer")


async def server_closes():
    for code, reason in [(1000, ""), (1001, "going"), (1011, "inner"), (3000, "κόσμε"), (4999, "last")]:
        async with connect() as ws:
            await ws.send(f"close {code} {reason}".strip())
            await ended(ws, code, reason)


async def bad_utf8_sent():
    async with connect() as ws:
        await ws.write_frame(True, Opcode.TEXT, b"a\xffb")
        await ended(ws, 1007)


async def bad_utf8_received():
    async with connect() as ws:
        await ws.send("bad-utf8")
        await ws.wait_closed()
        # close_code is what was received, and nothing is after a failure.
        equal(ws.close_sent.code, 1007, "code sent")


async def wrong_origin():
    try:
        async with connect(origin="http://elsewhere.example"):
            raise AssertionError("it was accepted")
    except websockets.InvalidStatusCode as error:
        equal(error.status_code, 403, "status")


async def same_origin():
    scheme = "https" if url.startswith("wss:") else "http"
    async with connect(origin=f"{scheme}://{url.split('/')[2]}") as ws:
        await echo(ws, "from a page")


checks = {
    "handshake": handshake,
    "text": text,
    "binary": binary,
    "1 MiB": mebibyte,
    "many at once": many,
    "fragments": fragments,
    "ping": ping,
    "server closes": server_closes,
    "bad UTF-8 sent": bad_utf8_sent,
    "bad UTF-8 received": bad_utf8_received,
    "wrong Origin": wrong_origin,
    "same Origin": same_origin,
}


async def main():
    global current
    results = []
    for name, check in checks.items():
        if name in options.get("skip", []):
            continue
        current = name
        try:
            await asyncio.wait_for(check(), 15)
            results.append({"name": name, "ok": True})
        except asyncio.TimeoutError:
            results.append({"name": name, "ok": False, "detail": "no answer within 15 s"})
        except Exception as error:
            results.append({"name": name, "ok": False, "detail": str(error) or repr(error)})
    print(json.dumps({"checks": results}))


asyncio.run(main())
