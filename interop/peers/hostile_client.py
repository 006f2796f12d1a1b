"""A client of HTTP/2 that keeps to the rules or breaks them, frame by frame.

usage: hostile_client.py OPTIONS   as JSON:
  "port": of a server on 127.0.0.1    "tls": whether it speaks TLS
  "only": names of checks to run instead of all

The server is the one of server_test.go: it echoes and obeys commands. Each check
opens its sockets on the path /?NAME. Prints one JSON object:
{"checks": [{"name", "ok", "detail"}]}.
"""

import json
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import h2.config
import h2.connection
import h2.events
import wire
from wire import (
    CANCEL, CONTINUATION, DATA, END_HEADERS, END_STREAM, ENHANCE_YOUR_CALM, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, GOAWAY,
    HEADERS, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS, NO_ERROR, PADDED, PING, PREFACE, PRIORITY, PROTOCOL_ERROR,
    PUSH_PROMISE, REFUSED_STREAM, RST_STREAM, SETTINGS, SETTINGS_TIMEOUT, STREAM_CLOSED, ENABLE_CONNECT_PROTOCOL,
    Gone, Peer, Socket, close_payload, frame, goaway, literal, masked, rst, settings, u32, window,
)

options = json.loads(sys.argv[1])
checks = {}


def check(name):
    def add(f):
        checks[name] = f
        return f

    return add


class Client:
    """Connections of one check."""

    def __init__(self, name):
        self.name = name
        self.peers = []

    def connect(self, **more):
        peer = Peer.connect(options["port"], options.get("tls", False), **more)
        self.peers.append(peer)
        return peer

    def fields(self, without=(), **replaced):
        """The header of an extended CONNECT."""
        scheme = "https" if options.get("tls") else "http"
        host = f"127.0.0.1:{options['port']}"
        all = {
            ":method": "CONNECT",
            ":protocol": "websocket",
            ":scheme": scheme,
            ":path": "/?" + quote(self.name),
            ":authority": host,
            "sec-websocket-version": "13",
            "sec-websocket-protocol": "echo",
            "origin": f"{scheme}://{host}",
        }
        for name in without:
            del all[name]
        return [*{**all, **replaced}.items()]

    def get(self):
        return self.fields(without=(":protocol", "sec-websocket-version", "sec-websocket-protocol", "origin"), **{":method": "GET", ":path": "/page"})

    def open(self, peer, stream=1, **replaced):
        peer.request(stream, self.fields(**replaced))
        status = peer.status(stream)
        if status != 200:
            raise AssertionError(f"the handshake was answered {status}")
        return Socket(peer, stream)

    def still(self, peer, stream):
        """The connection must take another socket."""
        ws = self.open(peer, stream)
        ws.echo("still here")
        ws.send(masked(8, close_payload(1000)), end=True)
        ws.wants_close(1000)


def refused(status, **replaced):
    def run(client, without=()):
        peer = client.connect()
        peer.request(1, client.fields(without, **replaced))
        got = peer.status(1)
        if got != status:
            raise AssertionError(f"answered {got}, want {status}")
        client.still(peer, 3)

    return run


def malformed(fields):
    """The stream must be reset with PROTOCOL_ERROR, and the connection live on."""

    def run(client):
        peer = client.connect()
        peer.send(frame(HEADERS, END_HEADERS, 1, literal(fields(client))))
        peer.wants_rst(1, PROTOCOL_ERROR)
        client.still(peer, 3)

    return run


# --- what is in order ---


@check("setting")
def _(client):
    """SETTINGS come first, with ENABLE_CONNECT_PROTOCOL."""
    peer = client.connect()
    peer.wants_ping()
    if peer.settings.get(ENABLE_CONNECT_PROTOCOL) != 1:
        raise AssertionError(f"the settings are {peer.settings}")


@check("echo")
def _(client):
    ws = client.open(client.connect())
    for text in ["Hello", "", "κόσμε 🌍", "x" * 126, "é" * 20_000]:
        ws.echo(text)
    ws.send(masked(8, close_payload(1000, "bye")), end=True)
    ws.wants_close(1000)
    ws.wants_end_stream()


@check("close with END_STREAM")  # H2-S10
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    ws.send(masked(8, close_payload(4000)), end=True)
    ws.wants_close(4000)
    ws.wants_end_stream()
    if len(ws.frames_in) != 1:
        raise AssertionError(f"the answer came in {ws.frames_in}, not in one DATA frame with END_STREAM")
    peer.wants_ping()
    if any(f[0] == RST_STREAM for f in peer.seen):
        raise AssertionError("the stream was reset")
    client.still(peer, 3)


@check("close without END_STREAM")
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    ws.send(masked(8, close_payload(4000)))
    ws.wants_close(4000)
    ws.wants_end_stream()
    client.still(peer, 3)


@check("server closes")  # H2-S10
def _(client):
    ws = client.open(client.connect())
    ws.send(ws.text("close 4001 done here"))
    ws.wants_close(4001, "done here")
    ws.send(masked(8, close_payload(4001, "done here")), end=True)
    ws.wants_end_stream()


@check("one DATA frame for a message")
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    for n in [1, 125, 126, 4096, 16384 - 8]:
        before = len(ws.frames_in)
        ws.echo("m" * n)
        if len(ws.frames_in) != before + 1:
            raise AssertionError(f"{n} bytes came in {len(ws.frames_in) - before} DATA frames")


@check("frames split")
def _(client):
    ws = client.open(client.connect())
    whole = ws.text("split at each byte")
    ws.peer.send(*(frame(DATA, 0, 1, whole[i : i + 1]) for i in range(len(whole))))
    ws.wants_text("split at each byte")
    whole = ws.text("padded")
    ws.peer.send(frame(DATA, PADDED, 1, bytes([9]) + whole + bytes(9)))
    ws.wants_text("padded")


@check("two in a frame")
def _(client):
    ws = client.open(client.connect())
    ws.send(ws.text("one") + ws.text("two") + masked(8, close_payload(1000)), end=True)
    ws.wants_text("one")
    ws.wants_text("two")
    ws.wants_close(1000)
    ws.wants_end_stream()


@check("h2 and wsproto")
def _(client):
    """python3-h2 as it is."""
    peer = client.connect(preface=False)
    conn = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True, header_encoding="utf-8"))
    conn.initiate_connection()
    conn.send_headers(1, client.fields())
    ws = Socket(peer, 1)
    got, status = [], None
    conn.send_data(1, ws.text("Hello"))
    conn.send_data(1, masked(8, close_payload(1000, "bye")), end_stream=True)
    peer.send(conn.data_to_send())
    ended = False
    while not ended:
        piece = peer.sock.recv(65536)
        if not piece:
            raise Gone()
        for event in conn.receive_data(piece):
            if isinstance(event, h2.events.ResponseReceived):
                status = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                ws.frames.receive_bytes(event.data)
                got += [(f.opcode, f.payload) for f in ws.frames.received_frames()]
            elif isinstance(event, h2.events.StreamEnded):
                ended = True
        peer.send(conn.data_to_send())
    if status != "200" or [(opcode, payload if opcode == 1 else payload[0]) for opcode, payload in got] != [(1, "Hello"), (8, 1000)]:
        raise AssertionError(f"{status}, {got}")


@check("early data")
def _(client):
    """What is sent before the answer came is not lost."""
    peer = client.connect()
    peer.request(1, client.fields())
    ws = Socket(peer, 1)
    ws.send(ws.text("at once"))
    if peer.status(1) != 200:
        raise AssertionError("not opened")
    ws.wants_text("at once")


@check("client's setting")
def _(client):
    """A client that sends ENABLE_CONNECT_PROTOCOL is not wrong."""
    peer = client.connect(pairs=[(ENABLE_CONNECT_PROTOCOL, 1)])
    client.still(peer, 1)


@check("key")  # H2-S2
def _(client):
    """Sec-WebSocket-Key is not needed, and accepted where there is one."""
    peer = client.connect()
    peer.request(1, client.fields(**{"sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ=="}))
    f = peer.until(HEADERS, RST_STREAM, stream=1)
    answer = dict(f[3])
    if answer.get(":status") != "200" or answer.get("sec-websocket-accept") != "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=":
        raise AssertionError(f"answered {f}")
    peer.request(3, client.fields())
    f = peer.until(HEADERS, RST_STREAM, stream=3)
    if "sec-websocket-accept" in dict(f[3]):
        raise AssertionError(f"without a key answered {f}")


# --- the opening handshake ---

# H2-S1
checks["upper case"] = refused(200, **{":protocol": "WEBSOCKET"})
checks["two protocols"] = malformed(lambda c: [*c.fields()[:2], (":protocol", "websocket"), *c.fields()[2:]])
checks["unknown protocol"] = refused(501, **{":protocol": "mqtt"})
checks["two words"] = malformed(lambda c: c.fields(**{":protocol": "websocket mqtt"}))
checks["protocol CRLF"] = malformed(lambda c: c.fields(**{":protocol": "websocket\r\n"}))
checks["protocol NUL"] = malformed(lambda c: c.fields(**{":protocol": "websocket\0"}))
checks["no scheme"] = malformed(lambda c: c.fields(without=[":scheme"]))
checks["no path"] = malformed(lambda c: c.fields(without=[":path"]))
checks["no authority"] = malformed(lambda c: c.fields(without=[":authority"]))
checks["no protocol"] = malformed(lambda c: c.fields(without=[":protocol"]))
checks["connection header"] = malformed(lambda c: [*c.fields(), ("connection", "upgrade")])
checks["upgrade header"] = malformed(lambda c: [*c.fields(), ("upgrade", "websocket")])
checks["GET with protocol"] = malformed(lambda c: c.fields(**{":method": "GET"}))


# H2-S2
@check("no version")
def _(client):
    peer = client.connect()
    for stream, fields in [(1, client.fields(without=["sec-websocket-version"])), (3, client.fields(**{"sec-websocket-version": "8"}))]:
        peer.request(stream, fields)
        answer = dict(peer.until(HEADERS, RST_STREAM, stream=stream)[3])
        if answer.get(":status") != "400" or answer.get("sec-websocket-version") != "13":
            raise AssertionError(f"answered {answer}")
    client.still(peer, 5)


checks["wrong Origin"] = refused(403, origin="http://elsewhere.example")
checks["scheme ftp"] = refused(400, **{":scheme": "ftp"})
checks["content-length"] = refused(400, **{"content-length": "5"})

# H2-S3
checks["host differs"] = malformed(lambda c: [*c.fields(), ("host", "elsewhere.example")])

# H2-S4
checks["upper-case name"] = malformed(lambda c: [*c.fields(), ("X-Name", "v")])
checks["empty name"] = malformed(lambda c: [*c.fields(), ("", "v")])
checks["CR in a value"] = malformed(lambda c: [*c.fields(), ("x-name", "a\rb")])
checks["LF in a value"] = malformed(lambda c: [*c.fields(), ("x-name", "a\nb")])
checks["NUL in a value"] = malformed(lambda c: [*c.fields(), ("x-name", "a\0b")])
checks["NUL in a name"] = malformed(lambda c: [*c.fields(), ("x-n\0me", "v")])
checks["pseudo-header last"] = malformed(lambda c: [*c.fields()[1:], c.fields()[0]])
checks["101 fields"] = refused(431, **{f"x-{i}": "v" for i in range(101)})
checks["33 KiB of fields"] = refused(431, **{f"x-{i}": "v" * 1000 for i in range(33)})


# --- endings --- H2-S10; what the server makes of them is in hostile_test.go


@check("END_STREAM alone")
def _(client):
    ws = client.open(client.connect())
    ws.echo("before")
    ws.send(b"", end=True)
    ws.wants_over()
    client.still(ws.peer, 3)


@check("END_STREAM with text")
def _(client):
    ws = client.open(client.connect())
    ws.send(ws.text("the last"), end=True)
    ws.wants_text("the last")
    ws.wants_over()
    client.still(ws.peer, 3)


@check("END_STREAM in a frame")
def _(client):
    ws = client.open(client.connect())
    ws.send(masked(1, b"half of", length=100), end=True)
    ws.wants_over()
    client.still(ws.peer, 3)


@check("RST CANCEL")
def _(client):
    peer = client.connect()
    ws, sibling = client.open(peer, 1), client.open(peer, 3, **{":path": "/?sibling"})
    ws.echo("before")
    peer.send(rst(1, CANCEL))
    sibling.echo("untouched")
    sibling.send(masked(8, close_payload(1000)), end=True)
    sibling.wants_close(1000)


@check("RST in a frame")
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    ws.send(masked(1, b"half of", length=100))
    peer.send(rst(1, CANCEL))
    client.still(peer, 3)


@check("connection lost")
def _(client):
    peer = client.connect()
    for stream in (1, 3, 5):
        client.open(peer, stream).echo("before")
    peer.close()


@check("GOAWAY")  # H2-S12
def _(client):
    """A client's GOAWAY ends no socket, nor does a second one."""
    peer = client.connect()
    ws = client.open(peer)
    peer.send(goaway(0, NO_ERROR))
    ws.echo("after the first")
    peer.send(goaway(0, NO_ERROR))
    ws.echo("after the second")
    ws.send(masked(8, close_payload(1000)), end=True)
    ws.wants_close(1000)
    ws.wants_end_stream()


@check("unmasked")
def _(client):
    """A violation of WebSocket ends the stream with its close code, no other."""
    peer = client.connect()
    ws = client.open(peer)
    ws.send(b"\x81\x02hi")
    ws.wants_close(1002)
    ws.wants_over()
    client.still(peer, 3)


# --- streams and windows ---


@check("101 sockets")  # H2-S11
def _(client):
    peer = client.connect()
    peer.wants_ping()
    limit = peer.settings[MAX_CONCURRENT_STREAMS]
    if limit != 100:
        raise AssertionError(f"MAX_CONCURRENT_STREAMS is {limit}")
    for i in range(limit + 1):
        peer.request(1 + 2 * i, client.fields())
    refused = 1 + 2 * limit
    answers = [peer.until(HEADERS, RST_STREAM) for _ in range(limit + 1)]
    for type, _, stream, payload in answers:
        if stream == refused and (type != RST_STREAM or payload != u32(REFUSED_STREAM)):
            raise AssertionError(f"stream {stream} was answered {payload}")
        if stream != refused and (type != HEADERS or dict(payload)[":status"] != "200"):
            raise AssertionError(f"stream {stream} was answered {payload}")
    Socket(peer, refused - 2).echo("the last one works")
    peer.send(rst(1, CANCEL))
    peer.wants_ping()
    for again in range(2, 20, 2):  # its place is free once the handler has returned
        peer.request(refused + again, client.fields())
        if peer.status(refused + again) == 200:
            return
        time.sleep(0.05)
    raise AssertionError("the place of a stream that was reset stays taken")


@check("stalled stream")  # H2-S11
def _(client):
    """A stream whose window is shut holds up no other."""
    peer = client.connect(pairs=[(INITIAL_WINDOW_SIZE, 1000)])
    stalled, other = client.open(peer, 1), client.open(peer, 3)
    peer.send(window(3, 1 << 20), window(0, 1 << 20))
    stalled.send(stalled.text("s" * 5000))
    for i in range(100):
        other.echo(f"message {i} " * 50)
    peer.send(window(1, 1 << 20))
    stalled.wants_text("s" * 5000)


@check("window never opened")  # H2-S8
def _(client):
    """The write timeout resets the stream, and nothing else."""
    peer = client.connect(pairs=[(INITIAL_WINDOW_SIZE, 0)])
    ws = client.open(peer)
    ws.send(ws.text("never answered"))
    peer.wants_rst(1, CANCEL)
    other = client.open(peer, 3)
    peer.send(window(3, 1 << 16))
    other.echo("untouched")


@check("dribbled window")  # H2-S8
def _(client):
    """A window opened byte by byte does not make the server send byte by byte."""
    peer = client.connect(pairs=[(INITIAL_WINDOW_SIZE, 0)])
    peer.polite = False
    peer.send(frame(SETTINGS, wire.ACK, 0))
    ws = client.open(peer)
    ws.send(ws.text("d" * 4096))
    began = time.monotonic()
    for _ in range(200):
        peer.send(window(1, 1))
        time.sleep(0.002)
    peer.wants_ping()
    took = time.monotonic() - began
    frames = sum(1 for f in peer.seen if f[0] == DATA)
    if frames > took / 0.05 + 2:
        raise AssertionError(f"{frames} DATA frames in {took:.2f} s")
    peer.send(window(1, 1 << 20))
    got = sum(len(f[3]) for f in peer.seen if f[0] == DATA)
    while got < 4096 + 4:
        got += len(ws.data())


@check("windows refilled")
def _(client):
    """The server opens its windows again as it reads: 4 MiB go through."""
    peer = client.connect()
    ws = client.open(peer)
    peer.wants_ping()
    first = {0: 65535, 1: peer.settings.get(INITIAL_WINDOW_SIZE, 65535)}
    piece = masked(2, b"p" * 16000)
    sent = received = 0
    while received < 4 << 20:
        while sent < 4 << 20 and all(n + peer.windows.get(stream, 0) - sent >= len(piece) for stream, n in first.items()):
            ws.send(piece)
            sent += len(piece)
        received += len(ws.data())


def connection_error(*codes):
    def add(f):
        def run(client):
            peer = client.connect()
            f(client, peer)
            peer.wants_goaway(*codes)
            peer.wants_end()

        checks[f.__doc__] = run
        return f

    return add


def stream_error(*codes):
    def add(f):
        def run(client):
            peer = client.connect()
            ws = client.open(peer)
            f(client, peer)
            try:
                while True:
                    ws.data()
            except ConnectionResetError as error:
                if error.args[0] not in codes:
                    raise AssertionError(f"RST_STREAM {error}, want {codes}") from None
            client.still(peer, 3)

        checks[f.__doc__] = run
        return f

    return add


# H2-S9


@stream_error(FLOW_CONTROL_ERROR)
def _(client, peer):
    "stream window overflow"
    peer.send(window(1, 0x7FFFFFFF))


@stream_error(PROTOCOL_ERROR)
def _(client, peer):
    "stream window 0"
    peer.send(window(1, 0))


@connection_error(FLOW_CONTROL_ERROR)
def _(client, peer):
    "connection window overflow"
    peer.send(window(0, 0x7FFFFFFF))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "connection window 0"
    peer.send(window(0, 0))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "padding longer than the frame"
    client.open(peer)
    peer.send(frame(DATA, PADDED, 1, bytes([20]) + bytes(10)))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "DATA on an idle stream"
    peer.send(frame(DATA, 0, 9, b"hello"))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "DATA on stream 0"
    peer.send(frame(DATA, 0, 0, b"hello"))


@check("DATA after END_STREAM")
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    ws.send(masked(8, close_payload(1000)), end=True)
    ws.send(b"more")
    f = peer.until(RST_STREAM, GOAWAY)
    code = f[3][:4] if f[0] == RST_STREAM else f[3][4:8]
    if int.from_bytes(code, "big") != STREAM_CLOSED:
        raise AssertionError(f"got {f}")


@connection_error(FRAME_SIZE_ERROR)
def _(client, peer):
    "a frame of 16,385 bytes"
    client.open(peer)
    peer.send(frame(DATA, 0, 1, bytes(16385)))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "PUSH_PROMISE"
    client.open(peer)
    peer.send(frame(PUSH_PROMISE, END_HEADERS, 1, u32(2) + literal(client.get())))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "an even stream"
    peer.request(2, client.fields())


@connection_error(PROTOCOL_ERROR, STREAM_CLOSED)
def _(client, peer):
    "a lower stream"
    client.open(peer, 5)
    peer.request(3, client.fields())


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "a frame inside a header block"
    block = literal(client.fields())
    peer.send(frame(HEADERS, 0, 1, block[:20]), frame(PING, 0, 0, bytes(8)), frame(CONTINUATION, END_HEADERS, 1, block[20:]))


@connection_error(wire.COMPRESSION_ERROR)
def _(client, peer):
    "an index beyond HPACK's table"
    peer.send(frame(HEADERS, END_HEADERS, 1, b"\xff\xff\xff\x01"))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "ENABLE_PUSH 2"
    peer.send(settings([(wire.ENABLE_PUSH, 2)]))


@connection_error(FLOW_CONTROL_ERROR)
def _(client, peer):
    "INITIAL_WINDOW_SIZE 2^31"
    peer.send(settings([(INITIAL_WINDOW_SIZE, 1 << 31)]))


@connection_error(PROTOCOL_ERROR)
def _(client, peer):
    "MAX_FRAME_SIZE 0"
    peer.send(settings([(wire.MAX_FRAME_SIZE, 0)]))


@check("unknown frames")
def _(client):
    peer = client.connect()
    ws = client.open(peer)
    for type in range(0x0A, 0x100, 5):
        peer.send(frame(type, 0xFF, 1, b"whatever"), frame(type, 0, 0, b""))
    ws.echo("after them")


# --- floods --- H2-S5 to H2-S7; the time to the answer is the server's own affair


def flood(*pieces, times, opened=False, code=ENHANCE_YOUR_CALM):
    def run(client):
        peer = client.connect()
        peer.polite = False
        peer.send(frame(SETTINGS, wire.ACK, 0))
        if opened:
            client.open(peer)
        sent, batch = 0, b"".join(pieces)
        # The server may have closed while this still sends; what it said before is
        # read all the same.
        try:
            while sent < times:
                peer.send(batch * 50)
                sent += 50 * len(pieces)
                peer.sock.settimeout(0.0005)
                try:
                    piece = peer.sock.recv(65536)
                    peer.buf += piece
                    if not piece:
                        break
                except (TimeoutError, wire.socket.timeout, wire.ssl.SSLError):
                    pass
                except OSError:
                    break
        except Gone:
            pass
        peer.wants_goaway(code)

    return run


checks["PING flood"] = flood(frame(PING, 0, 0, bytes(8)), times=20_000)
checks["SETTINGS flood"] = flood(settings(), times=20_000)
checks["PRIORITY flood"] = flood(frame(PRIORITY, 0, 1, u32(0) + b"\x10"), times=20_000)
checks["empty DATA flood"] = flood(frame(DATA, 0, 1), times=20_000, opened=True)
checks["unknown frame flood"] = flood(frame(0xEE, 0, 0, b"x"), times=20_000)
checks["small WINDOW_UPDATE flood"] = flood(window(1, 1), times=20_000, opened=True)


@check("rapid reset")  # H2-S6
def _(client):
    peer = client.connect()
    peer.wants_ping()
    try:
        for i in range(2000):
            peer.request(1 + 2 * i, client.get(), END_STREAM)
            peer.send(rst(1 + 2 * i, CANCEL))
    except Gone:
        pass
    peer.wants_goaway(ENHANCE_YOUR_CALM)


@check("malformed requests")  # H2-S6
def _(client):
    """Streams the server has to reset because of what the client sent."""
    peer = client.connect()
    peer.wants_ping()
    block = literal([*client.fields(), ("X-Upper", "v")])
    try:
        for i in range(50):
            peer.send(frame(HEADERS, END_HEADERS, 1 + 2 * i, block))
    except Gone:
        pass
    peer.wants_goaway(ENHANCE_YOUR_CALM)


@check("made-you-reset")  # H2-S6
def _(client):
    peer = client.connect()
    peer.wants_ping()
    try:
        for i in range(50):
            peer.request(1 + 2 * i, client.fields())
            peer.send(window(1 + 2 * i, 0))
    except Gone:
        pass
    peer.wants_goaway(ENHANCE_YOUR_CALM)


@connection_error(ENHANCE_YOUR_CALM)
def _(client, peer):
    "endless CONTINUATION"
    peer.wants_ping()
    try:
        peer.send(frame(HEADERS, 0, 1, literal(client.fields())))
        for i in range(100):
            peer.send(frame(CONTINUATION, 0, 1, literal([(f"x-{i}", "v" * 1000)])))
    except Gone:
        pass


@connection_error(ENHANCE_YOUR_CALM)
def _(client, peer):
    "empty CONTINUATION"
    peer.send(frame(HEADERS, 0, 1, literal(client.fields())), frame(CONTINUATION, 0, 1))


@connection_error(ENHANCE_YOUR_CALM)
def _(client, peer):
    "HPACK bomb"
    # One entry of 4,000 bytes in the table, and 10,000 references to it.
    big = b"\x40" + literal([("x-big", "v" * 4000)])[1:]
    block = literal(client.fields()) + big + b"\xbe" * 10_000
    peer.send(frame(HEADERS, END_HEADERS, 1, block))


@connection_error(ENHANCE_YOUR_CALM)
def _(client, peer):
    "10,000 cookies"
    peer.send(frame(HEADERS, END_HEADERS, 1, literal(client.fields()) + b"\x40" + literal([("cookie", "a=b")])[1:] + b"\xbe" * 9_999))


@check("SETTINGS never acknowledged")  # H2-S8
def _(client):
    peer = client.connect()
    peer.polite = False
    began = time.monotonic()
    peer.wants_goaway(SETTINGS_TIMEOUT)
    peer.wants_end()
    if not 3 < time.monotonic() - began < 9:
        raise AssertionError(f"after {time.monotonic() - began:.1f} s")


@check("half a preface")  # H2-S8
def _(client):
    peer = client.connect(preface=False)
    peer.send(PREFACE[:12])
    began = time.monotonic()
    peer.wants_end()
    if time.monotonic() - began > 9:
        raise AssertionError(f"after {time.monotonic() - began:.1f} s")


@check("not a preface")
def _(client):
    peer = client.connect(preface=False)
    peer.send(b"GET / HTTP/2.0\r\n\r\n" + bytes(100))
    peer.buf = b""
    peer.first = False
    try:
        while peer.sock.recv(65536):
            pass
    except OSError:
        pass


# --- the list ---


def run(name):
    client = Client(name)
    try:
        checks[name](client)
        return {"name": name, "ok": True}
    except Exception as error:
        return {"name": name, "ok": False, "detail": f"{type(error).__name__}: {error}"[:600]}
    finally:
        for peer in client.peers:
            peer.close()


names = options.get("only") or list(checks)
with ThreadPoolExecutor(6) as pool:
    print(json.dumps({"checks": list(pool.map(run, names))}))
