"""HTTP/2 frame by frame, for peers that do what a library would not let them.

Frames are tuples (type, flags, stream, payload). hpack makes and reads header
blocks; wsproto makes and reads the frames of WebSocket.
"""

import os
import socket
import ssl
import struct
import time

from hpack import Decoder, Encoder
from hpack.hpack import encode_integer
from wsproto.frame_protocol import FrameProtocol

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM, ACK, END_HEADERS, PADDED = 1, 1, 4, 8
NO_ERROR, PROTOCOL_ERROR, INTERNAL_ERROR, FLOW_CONTROL_ERROR, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE_ERROR = range(7)
REFUSED_STREAM, CANCEL, COMPRESSION_ERROR, CONNECT_ERROR, ENHANCE_YOUR_CALM, INADEQUATE_SECURITY, HTTP_1_1_REQUIRED = range(7, 14)
ENABLE_PUSH, MAX_CONCURRENT_STREAMS, INITIAL_WINDOW_SIZE, MAX_FRAME_SIZE, ENABLE_CONNECT_PROTOCOL = 2, 3, 4, 5, 8
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

PATIENCE = 10  # seconds


def u32(n):
    return struct.pack("!I", n)


def frame(type, flags, stream, payload=b""):
    return struct.pack("!I", len(payload))[1:] + bytes((type, flags)) + u32(stream) + payload


def settings(pairs=()):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack("!HI", k, v) for k, v in pairs))


def rst(stream, code):
    return frame(RST_STREAM, 0, stream, u32(code))


def window(stream, n):
    return frame(WINDOW_UPDATE, 0, stream, u32(n))


def goaway(last, code, debug=b""):
    return frame(GOAWAY, 0, 0, u32(last) + u32(code) + debug)


def literal(fields):
    """A header block of literal fields, which may hold any bytes."""
    block = b""
    for name, value in fields:
        name, value = raw(name), raw(value)
        block += b"\x00" + bytes(encode_integer(len(name), 7)) + name + bytes(encode_integer(len(value), 7)) + value
    return block


def raw(s):
    return s if isinstance(s, bytes) else s.encode()


def masked(opcode, payload=b"", fin=True, length=None):
    """A client's frame of up to 65,535 bytes; length is what it declares."""
    n = len(payload) if length is None else length
    head = bytes([opcode | (0x80 if fin else 0)])
    head += bytes([0x80 | n]) if n < 126 else b"\xfe" + struct.pack("!H", n)
    key = os.urandom(4)
    return head + key + bytes(b ^ key[i % 4] for i, b in enumerate(payload))


def close_payload(code, reason=""):
    return struct.pack("!H", code) + reason.encode()


class Gone(Exception):
    """The peer closed the connection."""


class Peer:
    """A connection, on which frames are sent as they are and read one by one.

    PINGs and SETTINGS of the peer are answered, and windows are kept open, unless
    polite is False.
    """

    def __init__(self, sock, server=False):
        self.sock = sock
        self.buf = b""
        self.encoder, self.decoder = Encoder(), Decoder()
        self.server = server
        self.polite = True
        self.settings = {}  # the peer's
        self.windows = {}  # what the peer's WINDOW_UPDATEs add up to, by stream
        self.first = True
        self.block = None  # stream and bytes of a header block that is not whole
        self.seen = []  # frames but the answered ones, in order
        self.kept = []  # those of them that nobody waited for yet

    @classmethod
    def connect(cls, port, tls=False, pairs=(), preface=True):
        sock = socket.create_connection(("127.0.0.1", port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if tls:
            context = ssl._create_unverified_context()
            context.set_alpn_protocols(["h2"])
            sock = context.wrap_socket(sock, server_hostname="example.com")
            if sock.selected_alpn_protocol() != "h2":
                raise AssertionError("the server does not speak h2")
        peer = cls(sock)
        if preface:
            peer.send(PREFACE + settings(pairs))
        return peer

    def send(self, *frames):
        try:
            self.sock.sendall(b"".join(frames))
        except OSError as error:
            raise Gone() from error

    def close(self):
        self.sock.close()

    def exactly(self, n, deadline):
        while len(self.buf) < n:
            self.sock.settimeout(max(deadline - time.monotonic(), 0.001))
            try:
                piece = self.sock.recv(65536)
            except (TimeoutError, socket.timeout):
                raise TimeoutError(f"nothing more came; before that {self.seen[-5:]}") from None
            except OSError:
                raise Gone() from None
            if not piece:
                raise Gone()
            self.buf += piece
        out, self.buf = self.buf[:n], self.buf[n:]
        return out

    def next(self, patience=PATIENCE):
        """The next frame; of HEADERS with all CONTINUATIONs, the payload is the
        list of fields."""
        deadline = time.monotonic() + patience
        while True:
            start = self.exactly(9, deadline)
            type, flags = start[3], start[4]
            stream = struct.unpack("!I", start[5:])[0] & 0x7FFFFFFF
            payload = self.exactly(int.from_bytes(start[:3], "big"), deadline)
            if self.first:
                self.first = False
                if type != SETTINGS or flags & ACK:
                    raise AssertionError(f"the first frame is of type {type}")
            if self.answered(type, flags, stream, payload):
                continue
            if type in (HEADERS, CONTINUATION):
                if type == HEADERS:
                    if flags & PADDED:
                        payload = payload[1 : -payload[0] or None]
                    if flags & 0x20:
                        payload = payload[5:]
                    self.block = (flags, payload)
                else:
                    self.block = (self.block[0] | flags & END_HEADERS, self.block[1] + payload)
                if not self.block[0] & END_HEADERS:
                    continue
                type, flags, payload = HEADERS, *self.block
                payload = self.decoder.decode(payload)
            self.seen.append((type, flags, stream, payload))
            return self.seen[-1]

    def answered(self, type, flags, stream, payload):
        if type == SETTINGS:
            if not flags & ACK:
                for i in range(0, len(payload), 6):
                    k, v = struct.unpack("!HI", payload[i : i + 6])
                    self.settings[k] = v
                if self.polite:
                    self.send(frame(SETTINGS, ACK, 0))
            return True
        if type == PING and not flags & ACK:
            if self.polite:
                self.send(frame(PING, ACK, 0, payload))
            return True
        if type == WINDOW_UPDATE:
            self.windows[stream] = self.windows.get(stream, 0) + int.from_bytes(payload, "big")
            return True
        return False

    def until(self, *types, stream=None, patience=PATIENCE):
        """The next frame of one of the types, on the stream if one is given."""
        deadline = time.monotonic() + patience
        for i, f in enumerate(self.kept):
            if f[0] in types and stream in (None, f[2]):
                return self.kept.pop(i)
        while True:
            f = self.next(max(deadline - time.monotonic(), 0.001))
            if f[0] in types and stream in (None, f[2]):
                return f
            self.kept.append(f)

    def request(self, stream, fields, flags=0):
        """Opens a stream with a header block that hpack makes."""
        block = self.encoder.encode(fields)
        first, rest = block[:16384], block[16384:]
        frames = [frame(HEADERS, flags | (0 if rest else END_HEADERS), stream, first)]
        while rest:
            first, rest = rest[:16384], rest[16384:]
            frames.append(frame(CONTINUATION, 0 if rest else END_HEADERS, stream, first))
        self.send(*frames)

    def status(self, stream):
        f = self.until(HEADERS, RST_STREAM, stream=stream)
        return int(dict(f[3])[":status"]) if f[0] == HEADERS else f

    def wants_rst(self, stream, *codes):
        f = self.until(HEADERS, RST_STREAM, stream=stream)
        if f[0] != RST_STREAM or int.from_bytes(f[3], "big") not in codes:
            raise AssertionError(f"got {f}, want RST_STREAM {codes}")

    def wants_goaway(self, *codes, patience=PATIENCE):
        try:
            f = self.until(GOAWAY, patience=patience)
        except Gone:
            raise AssertionError(f"the connection was closed without GOAWAY; last came {self.seen[-3:]}") from None
        code = int.from_bytes(f[3][4:8], "big")
        if code not in codes:
            raise AssertionError(f"GOAWAY {code} {f[3][8:]}, want {codes}")
        return f

    def wants_end(self, patience=PATIENCE):
        """The connection must be closed."""
        try:
            while True:
                self.next(patience)
        except Gone:
            return

    def wants_ping(self):
        """The connection must still work."""
        self.send(frame(PING, 0, 0, b"are you?"))
        if self.until(PING)[3] != b"are you?":
            raise AssertionError("the PING was answered with something else")


class Socket:
    """A WebSocket on a stream of a Peer."""

    def __init__(self, peer, stream):
        self.peer, self.stream = peer, stream
        self.frames = FrameProtocol(client=not peer.server, extensions=[])
        self.frames_in = []  # DATA payloads with their flags, as they came
        self.ended = False

    def send(self, data, end=False):
        """Sends DATA, whatever the window is."""
        frames = []
        while len(data) > 16384:
            frames.append(frame(DATA, 0, self.stream, data[:16384]))
            data = data[16384:]
        self.peer.send(*frames, frame(DATA, END_STREAM if end else 0, self.stream, data))

    def text(self, text):
        return bytes(self.frames.send_data(text))

    def data(self, patience=PATIENCE):
        f = self.peer.until(DATA, RST_STREAM, stream=self.stream, patience=patience)
        if f[0] == RST_STREAM:
            raise ConnectionResetError(int.from_bytes(f[3], "big"))
        self.frames_in.append((f[1], f[3]))
        self.ended = bool(f[1] & END_STREAM)
        if f[3] and self.peer.polite:
            more = [window(0, len(f[3]))]
            if not self.ended:
                more.append(window(self.stream, len(f[3])))
            self.peer.send(*more)
        return f[3]

    def next(self, patience=PATIENCE):
        """The next frame of WebSocket."""
        while True:
            for f in self.frames.received_frames():
                return f
            if self.ended:
                raise EOFError("END_STREAM")
            self.frames.receive_bytes(self.data(patience))

    def echo(self, text):
        self.send(self.text(text))
        self.wants_text(text)

    def wants_text(self, text):
        got = ""
        while True:
            f = self.next()
            got += f.payload if isinstance(f.payload, str) else repr(f)
            if f.message_finished:
                break
        if got != text:
            raise AssertionError(f"got {got!r:.100}, want {text!r:.100}")

    def wants_close(self, code, reason=None):
        f = self.next()
        if f.opcode != 8 or f.payload[0] != code or reason is not None and f.payload[1] != reason:
            raise AssertionError(f"got {f}, want close {code} {reason}")

    def wants_end_stream(self):
        """The peer must have ended its direction with the last frame, or soon."""
        while not self.ended:
            if self.data():
                raise AssertionError(f"{self.frames_in[-1]} after the close frame")

    def wants_over(self):
        """The peer must end or reset the stream."""
        try:
            while not self.ended:
                self.data()
        except ConnectionResetError:
            pass
