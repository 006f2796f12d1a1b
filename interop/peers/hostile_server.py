"""A server of HTTP/2 that keeps to the rules or breaks them, frame by frame.

usage: hostile_server.py

It has a port without TLS for each of its scenarios, and prints {"ports": {NAME:
PORT}}, then {"name", "ok", "detail"} for each connection that has played its part.
What the client makes of it is judged by http2_hostile_test.go. It ends when its
standard input does.
"""

import json
import socket
import sys
import threading
import time

import h2.config
import h2.connection
import h2.events
import h2.settings
import wire
from wire import (
    CANCEL, DATA, ENABLE_CONNECT_PROTOCOL, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR,
    HEADERS, HTTP_1_1_REQUIRED, INITIAL_WINDOW_SIZE, INTERNAL_ERROR, MAX_FRAME_SIZE, NO_ERROR, PING, PREFACE,
    PROTOCOL_ERROR, PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, Gone, Peer, Socket, frame, goaway,
    literal, rst, settings, u32, window,
)

scenarios = {}


def scenario(name, pairs=((ENABLE_CONNECT_PROTOCOL, 1),)):
    """The function gets a connection whose SETTINGS, if any, are sent."""

    def add(f):
        scenarios[name] = (f, pairs)
        return f

    return add


def accept(peer, *more, end=False):
    """Answers the next extended CONNECT, and returns its WebSocket."""
    f = peer.until(HEADERS)
    fields = dict(f[3])
    want = {":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", "sec-websocket-version": "13"}
    odd = {"connection", "upgrade", "sec-websocket-key", "host", "content-length"} & set(fields)
    names = [name for name, _ in f[3]]
    if any(fields.get(k) != v for k, v in want.items()) or odd or not fields.get(":path") or not fields.get(":authority") or f[1] & END_STREAM:
        raise AssertionError(f"the request is {f}")
    if any(name.startswith(":") for name in names[5:]) or any(name != name.lower() for name in names):
        raise AssertionError(f"the fields are {names}")
    peer.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), f[2], peer.encoder.encode([(":status", "200"), *more])))
    return Socket(peer, f[2])


def answer(status, *more, body=b"", end=True):
    def play(peer):
        f = peer.until(HEADERS)
        peer.send(frame(HEADERS, END_HEADERS | (END_STREAM if end and not body else 0), f[2], peer.encoder.encode([(":status", str(status)), *more])))
        if body:
            peer.send(frame(DATA, END_STREAM, f[2], body))
        over(peer)

    return play


def over(peer):
    """Waits until the client has closed the connection."""
    try:
        while True:
            peer.next()
    except Gone:
        pass


def fails_with(peer, code):
    peer.wants_goaway(code)
    peer.wants_end()


def echo(ws):
    """Echoes messages until the closing handshake is done."""
    while True:
        f = ws.next()
        if f.opcode == 8:
            code, reason = f.payload
            ws.send(bytes(ws.frames.close(code, reason)), end=True)
            return
        if f.opcode in (1, 2):
            ws.send(bytes(ws.frames.send_data(f.payload)))


# --- what is in order ---


@scenario("echo")
def _(peer):
    ws = accept(peer)
    echo(ws)
    while not ws.ended:
        ws.data()
    if any(f[0] == RST_STREAM for f in peer.seen):
        raise AssertionError("the stream was reset")


@scenario("echo, later")
def _(peer):
    """Padding, unknown frames and header fields, and single bytes."""
    peer.send(frame(0xAB, 0xFF, 0, b"unknown"), frame(0x0A, 0, 0, u32(0)))
    ws = accept(peer, ("x-unknown", "value"), ("server", "odd"))
    f = ws.next()
    whole = bytes(ws.frames.send_data(f.payload))
    for i in range(len(whole)):
        peer.send(frame(DATA, wire.PADDED, ws.stream, bytes([3]) + whole[i : i + 1] + bytes(3)), frame(0xEF, 0xFF, ws.stream, b"unknown"), frame(DATA, 0, ws.stream))
    echo(ws)


@scenario("h2 and wsproto", pairs=None)
def _(peer):
    """python3-h2 as it is."""
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=False, header_encoding="utf-8"))
    conn.local_settings = h2.settings.Settings(client=False, initial_values={h2.settings.SettingCodes.ENABLE_CONNECT_PROTOCOL: 1})
    conn.initiate_connection()
    peer.send(conn.data_to_send())
    conn.receive_data(PREFACE)
    ws = None
    while True:
        piece = peer.sock.recv(65536)
        if not piece:
            return
        for event in conn.receive_data(piece):
            if isinstance(event, h2.events.RequestReceived):
                if dict(event.headers)[":protocol"] != "websocket":
                    raise AssertionError(f"the request is {event.headers}")
                conn.send_headers(event.stream_id, [(":status", "200")])
                ws = Socket(peer, event.stream_id)
            elif isinstance(event, h2.events.DataReceived):
                conn.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
                ws.frames.receive_bytes(event.data)
                for f in ws.frames.received_frames():
                    if f.opcode == 8:
                        conn.send_data(event.stream_id, bytes(ws.frames.close(*f.payload)), end_stream=True)
                    else:
                        conn.send_data(event.stream_id, bytes(ws.frames.send_data(f.payload)))
            elif isinstance(event, h2.events.StreamReset):
                raise AssertionError(f"the stream was reset with {event.error_code}")
        peer.send(conn.data_to_send())


@scenario("SETTINGS late", pairs=None)
def _(peer):  # H2-C1..3
    """The client waits for the setting before it opens a stream."""
    peer.polite = False
    try:
        f = peer.next(0.3)
        if f[0] == HEADERS:
            raise AssertionError(f"{f} came before SETTINGS")
    except TimeoutError:
        pass
    peer.send(settings([(ENABLE_CONNECT_PROTOCOL, 1)]), frame(SETTINGS, wire.ACK, 0))
    peer.polite = True
    echo(accept(peer))


@scenario("window of a byte", pairs=((ENABLE_CONNECT_PROTOCOL, 1), (INITIAL_WINDOW_SIZE, 1)))
def _(peer):
    """The client sends what fits, and goes on as the window is opened."""
    ws = accept(peer)
    first = ws.data()
    if len(first) != 1:
        raise AssertionError(f"{len(first)} bytes came in a window of 1")
    ws.frames.receive_bytes(first)
    peer.send(window(ws.stream, 5000))
    echo(ws)


@scenario("window taken back")
def _(peer):
    """INITIAL_WINDOW_SIZE may make windows negative."""
    ws = accept(peer)
    ws.send(bytes(ws.frames.send_data("go")))
    peer.polite = False
    while sum(len(f[3]) for f in peer.seen if f[0] == DATA) < 65535:
        ws.data()
    taken = b"".join(payload for _, payload in ws.frames_in)
    peer.send(settings([(INITIAL_WINDOW_SIZE, 100)]), window(0, 1 << 20), window(ws.stream, 65435))
    try:
        f = peer.until(DATA, patience=0.3)
        raise AssertionError(f"{f} came in a window of 0")
    except TimeoutError:
        pass
    peer.polite = True
    ws.frames.receive_bytes(taken)
    peer.send(window(ws.stream, 1 << 20))
    n = 0
    while True:
        f = ws.next()
        n += len(f.payload)
        if f.message_finished:
            break
    ws.send(bytes(ws.frames.send_data(f"{n} bytes")))
    echo(ws)


# --- settings ---


@scenario("no setting", pairs=())
def _(peer):  # H2-C1..3
    over(peer)
    if any(f[0] == HEADERS for f in peer.seen):
        raise AssertionError("a stream was opened")


@scenario("setting 0", pairs=((ENABLE_CONNECT_PROTOCOL, 0),))
def _(peer):
    over(peer)
    if any(f[0] == HEADERS for f in peer.seen):
        raise AssertionError("a stream was opened")


def wrong_setting(name, pair, code):
    @scenario(name, pairs=((ENABLE_CONNECT_PROTOCOL, 1), pair))
    def _(peer):  # H2-C4
        fails_with(peer, code)


wrong_setting("setting 2", (ENABLE_CONNECT_PROTOCOL, 2), PROTOCOL_ERROR)
wrong_setting("MAX_FRAME_SIZE 0", (MAX_FRAME_SIZE, 0), PROTOCOL_ERROR)
wrong_setting("INITIAL_WINDOW_SIZE 2^31", (INITIAL_WINDOW_SIZE, 1 << 31), FLOW_CONTROL_ERROR)
wrong_setting("ENABLE_PUSH 2", (wire.ENABLE_PUSH, 2), PROTOCOL_ERROR)
wrong_setting("ENABLE_PUSH 1", (wire.ENABLE_PUSH, 1), PROTOCOL_ERROR)


@scenario("setting 1 then 0")
def _(peer):
    accept(peer)
    peer.send(settings([(ENABLE_CONNECT_PROTOCOL, 0)]))
    fails_with(peer, PROTOCOL_ERROR)


@scenario("no SETTINGS", pairs=None)
def _(peer):
    peer.send(frame(PING, 0, 0, bytes(8)))
    fails_with(peer, PROTOCOL_ERROR)


@scenario("HTTP/1.1", pairs=None)
def _(peer):
    peer.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
    over(peer)


# --- answers --- H2-C5

scenarios["403"] = (answer(403, ("content-type", "text/plain"), body=b"go away"), ((ENABLE_CONNECT_PROTOCOL, 1),))
scenarios["302"] = (answer(302, ("location", "https://elsewhere.example/")), ((ENABLE_CONNECT_PROTOCOL, 1),))
scenarios["101"] = (answer(101, end=False), ((ENABLE_CONNECT_PROTOCOL, 1),))
scenarios["subprotocol not asked"] = (answer(200, ("sec-websocket-protocol", "other"), end=False), ((ENABLE_CONNECT_PROTOCOL, 1),))
scenarios["extension not asked"] = (answer(200, ("sec-websocket-extensions", "x-other"), end=False), ((ENABLE_CONNECT_PROTOCOL, 1),))


@scenario("103 first")
def _(peer):
    f = peer.until(HEADERS)
    peer.send(
        frame(HEADERS, END_HEADERS, f[2], peer.encoder.encode([(":status", "103"), ("link", "</style.css>")])),
        frame(HEADERS, END_HEADERS, f[2], peer.encoder.encode([(":status", "200")])),
    )
    echo(Socket(peer, f[2]))


@scenario("200 with END_STREAM")
def _(peer):
    accept(peer, end=True)
    over(peer)


@scenario("upper-case name")
def _(peer):
    f = peer.until(HEADERS)
    peer.send(frame(HEADERS, END_HEADERS, f[2], literal([(":status", "200"), ("X-Name", "v")])))
    peer.wants_rst(f[2], PROTOCOL_ERROR)


@scenario("no status")
def _(peer):
    f = peer.until(HEADERS)
    peer.send(frame(HEADERS, END_HEADERS, f[2], literal([("server", "odd")])))
    peer.wants_rst(f[2], PROTOCOL_ERROR)


def reset(name, code):
    @scenario(name)
    def _(peer):
        f = peer.until(HEADERS)
        peer.send(rst(f[2], code))
        over(peer)


reset("RST CANCEL at once", CANCEL)
reset("HTTP_1_1_REQUIRED", HTTP_1_1_REQUIRED)


@scenario("REFUSED_STREAM")
def _(peer):
    """A stream that was refused may be tried again."""
    f = peer.until(HEADERS)
    peer.send(rst(f[2], REFUSED_STREAM))
    echo(accept(peer))


# --- endings ---


@scenario("server closes")
def _(peer):
    ws = accept(peer)
    ws.send(bytes(ws.frames.close(4001, "done here")))
    ws.wants_close(4001)
    ws.send(b"", end=True)
    ws.wants_end_stream()


@scenario("server closes with END_STREAM")
def _(peer):
    ws = accept(peer)
    ws.send(bytes(ws.frames.close(4001, "done here")), end=True)
    ws.wants_close(4001)
    ws.wants_over()


@scenario("close, then RST NO_ERROR")
def _(peer):
    ws = accept(peer)
    f = ws.next()
    ws.send(bytes(ws.frames.close(*f.payload)), end=True)
    peer.send(rst(ws.stream, NO_ERROR))
    over(peer)


@scenario("END_STREAM alone")
def _(peer):
    ws = accept(peer)
    ws.send(bytes(ws.frames.send_data("before")))
    ws.send(b"", end=True)
    ws.wants_over()


@scenario("END_STREAM in a frame")
def _(peer):
    ws = accept(peer)
    ws.send(bytes(ws.frames.send_data("half of it"))[:6], end=True)
    ws.wants_over()


@scenario("RST INTERNAL_ERROR")
def _(peer):
    ws = accept(peer)
    peer.send(rst(ws.stream, INTERNAL_ERROR))
    over(peer)


@scenario("connection lost")
def _(peer):
    accept(peer)
    peer.close()


@scenario("GOAWAY")
def _(peer):
    """GOAWAY ends no stream that it does not name."""
    ws = accept(peer)
    peer.send(goaway(ws.stream, NO_ERROR, b"bye"))
    echo(ws)


@scenario("GOAWAY before the answer")
def _(peer):
    """A stream above the last one may be tried again, on a new connection."""
    peer.until(HEADERS)
    peer.send(goaway(0, NO_ERROR))
    over(peer)


@scenario("GOAWAY with an error")
def _(peer):
    ws = accept(peer)
    peer.send(goaway(ws.stream, ENHANCE_YOUR_CALM, b"calm down"))
    peer.close()


@scenario("masked")
def _(peer):
    ws = accept(peer)
    ws.send(wire.masked(1, b"hi"))
    ws.wants_close(1002)
    ws.wants_over()


# --- frames that end the connection --- H2-C4


def wrong_frame(name, code, make):
    @scenario(name)
    def _(peer):
        ws = accept(peer)
        peer.send(make(ws.stream))
        fails_with(peer, code)


wrong_frame("PUSH_PROMISE", PROTOCOL_ERROR, lambda stream: frame(PUSH_PROMISE, END_HEADERS, stream, u32(2) + literal([(":method", "GET")])))
wrong_frame("HEADERS on an idle stream", PROTOCOL_ERROR, lambda stream: frame(HEADERS, END_HEADERS, stream + 2, literal([(":status", "200")])))
wrong_frame("DATA on stream 0", PROTOCOL_ERROR, lambda stream: frame(DATA, 0, 0, b"hello"))
wrong_frame("window overflow", FLOW_CONTROL_ERROR, lambda stream: window(0, 0x7FFFFFFF))
wrong_frame("a frame of 1 MiB", wire.FRAME_SIZE_ERROR, lambda stream: frame(DATA, 0, stream, bytes(1 << 20))[:20000])
wrong_frame("PING flood", ENHANCE_YOUR_CALM, lambda stream: frame(PING, 0, 0, bytes(8)) * 2500)


# --- the ports ---

lock = threading.Lock()


def show(event):
    with lock:
        print(json.dumps(event), flush=True)


def play(name, sock):
    f, pairs = scenarios[name]
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    peer = Peer(sock, server=True)
    try:
        got = peer.exactly(len(PREFACE), time.monotonic() + wire.PATIENCE)
        if got != PREFACE:
            raise AssertionError(f"the preface is {got}")
        if pairs is not None:
            peer.send(settings(pairs))
        f(peer)
        show({"name": name, "ok": True})
    except Exception as error:
        show({"name": name, "ok": False, "detail": f"{type(error).__name__}: {error}"[:600]})
    finally:
        peer.close()


def listen(name, server):
    while True:
        sock, _ = server.accept()
        threading.Thread(target=play, args=(name, sock), daemon=True).start()


ports = {}
for name in scenarios:
    server = socket.create_server(("127.0.0.1", 0))
    ports[name] = server.getsockname()[1]
    threading.Thread(target=listen, args=(name, server), daemon=True).start()
show({"ports": ports})
sys.stdin.read()
