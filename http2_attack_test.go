package websocket_test

import (
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/internal/h2peer"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// much is more than a stream's window, and than its buffers.
const much = 1 << 20

// startExtended starts a server of echoes that takes extended CONNECT, with the
// given options, and returns a connection to it. On the path /much it has much to
// say at first.
func startExtended(t *testing.T, o *h2.Options) *h2peer.Conn {
	t.Helper()
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		if r.URL.Path == "/much" {
			c.Write(r.Context(), websocket.MessageBinary, make([]byte, much))
		}
		echo(c)
	}))
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv.Config, o); err != nil {
		t.Fatal(err)
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return h2peer.Dial(t, srv.Listener.Addr().String(), nil, nil)
}

// edited returns fields with another value for a name, or without it for "".
func edited(fields []string, name, value string) (l []string) {
	for i := 0; i < len(fields); i += 2 {
		switch {
		case fields[i] != name:
			l = append(l, fields[i], fields[i+1])
		case value != "":
			l = append(l, name, value)
		}
	}
	return l
}

// H2-S1, H2-S2, H2-S3: the opening handshakes that a server answers, refuses with
// a status, or resets, each on one connection that lives on.
func TestHTTP2OpeningHandshakes(t *testing.T) {
	good := []string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/chat",
		":authority", "example.com", "sec-websocket-version", "13",
	}
	and := func(more ...string) []string { return append(good[:len(good):len(good)], more...) }
	first := func(more ...string) []string { return append(more, good...) }
	c := startExtended(t, &h2.Options{MaxOwnResets: 100})
	off := startExtended(t, &h2.Options{NoExtendedConnect: true})
	for _, tc := range []struct {
		name   string
		c      *h2peer.Conn
		fields []string
		status string // "": RST_STREAM with PROTOCOL_ERROR
		tells  string // the version that would be right
	}{
		{"H2-S1 1 while the setting is off", off, good, "", ""},
		{"H2-S1 3 upper case", c, edited(good, ":protocol", "WEBSOCKET"), "200", ""},
		{"H2-S1 4 two :protocol", c, first(":protocol", "websocket"), "", ""},
		{"H2-S1 5 unknown :protocol", c, edited(good, ":protocol", "mqtt"), "501", ""},
		{"H2-S1 6 two words", c, edited(good, ":protocol", "websocket mqtt"), "", ""},
		{"H2-S1 7 CR LF", c, edited(good, ":protocol", "websocket\r\n"), "", ""},
		{"H2-S1 8 NUL", c, edited(good, ":protocol", "websocket\x00"), "", ""},
		{"H2-S1 9 no :scheme", c, edited(good, ":scheme", ""), "", ""},
		{"H2-S1 10 no :path", c, edited(good, ":path", ""), "", ""},
		{"H2-S1 11 no :authority", c, edited(good, ":authority", ""), "", ""},
		{"H2-S1 12 no :protocol", c, edited(good, ":protocol", ""), "", ""},
		{"H2-S1 13 connection", c, and("connection", "Upgrade"), "", ""},
		{"H2-S1 14 upgrade", c, and("upgrade", "websocket"), "", ""},
		{"H2-S2 no version", c, edited(good, "sec-websocket-version", ""), "400", "13"},
		{"H2-S2 version 8", c, edited(good, "sec-websocket-version", "8"), "400", "13"},
		{"H2-S2 wrong Origin", c, and("origin", "http://elsewhere.example"), "403", ""},
		{"H2-S2 own Origin", c, and("origin", "http://example.com"), "200", ""},
		{"H2-S2 a key", c, and("sec-websocket-key", rawKey), "200", ""},
		{"H2-S2 :scheme ftp", c, edited(good, ":scheme", "ftp"), "400", ""},
		{"H2-S2 content-length", c, and("content-length", "5"), "400", ""},
		{"H2-S3 another Host", c, and("host", "example.org"), "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := tc.c.Request(false, tc.fields...)
			if tc.status == "" {
				if code := s.ResetWith(); code != http2.ErrCodeProtocol || s.Field(":status") != "" {
					t.Errorf("reset with %v, want PROTOCOL_ERROR", code)
				}
			} else if got := s.Field(":status"); got != tc.status {
				t.Errorf("status %s, want %s", got, tc.status)
			}
			if version := s.Field("sec-websocket-version"); version != tc.tells {
				t.Errorf("sec-websocket-version %q, want %q", version, tc.tells)
			}
			s.Close()
			tc.c.Sync()
		})
	}
}

// H2-S1 15, S2.8: the example of RFC 8441, section 5.1, byte by byte: a masked
// frame comes back unmasked, and the close frame that answers has END_STREAM.
func TestHTTP2Example(t *testing.T) {
	s := startExtended(t, nil).Open("/chat", "sec-websocket-protocol", "chat, superchat")
	for _, x := range [][2]string{
		{"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58", "\x81\x05Hello"},
		{"\x88\x82\x37\xfa\x21\x3d\x34\x12", "\x88\x02\x03\xe8"},
	} {
		if _, err := io.WriteString(s, x[0]); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(x[1]))
		if _, err := io.ReadFull(s, got); err != nil || string(got) != x[1] {
			t.Errorf("%x, %v; want %x", got, err, x[1])
		}
	}
	if n := s.EndedWith(); n != 4 {
		t.Errorf("END_STREAM came with %d bytes, want the close frame's", n)
	}
	s.CloseWrite()
}

// S2.30: a stream may end with trailers as well as with DATA. What they say is
// ignored: they are the end of what the peer sends, and no message.
func TestHTTP2Trailers(t *testing.T) {
	overStream(t, nil, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
		trailers := func(s *h2peer.Stream) {
			s.Conn().Send(func(fr *http2.Framer) error {
				return fr.WriteHeaders(http2.HeadersFrameParam{
					StreamID: s.ID(), BlockFragment: []byte("\x00\x05x-sum\x03abc"), EndHeaders: true, EndStream: true,
				})
			})
		}
		c, p, s := open()
		p.SendBytes(wire(p, wstest.Text("last")))
		trailers(s)
		if _, m, err := c.Read(within(t)); err != nil || string(m) != "last" {
			t.Errorf("%q, %v", m, err)
		}
		_, _, err := c.Read(within(t))
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("%v, %+v", err, ce)
		}
		checkOver(t, c, false)

		c, p, s = open()
		read := async(readError(c))
		p.SendBytes(wire(p, wstest.Close(1000, "")))
		trailers(s)
		p.ExpectClose(1000)
		p.ExpectEOF()
		if ce := closeErrorOf(t, <-read); ce.Code != 1000 || ce.Cause != nil {
			t.Errorf("%+v", ce)
		}
		checkOver(t, c, true)
		s.Conn().Sync()
		if err := s.Err(); err != nil {
			t.Errorf("the stream was reset: %v", err)
		}
	})
}

// What somebody is told who dials by HTTP/2 where it is not spoken: what that may
// be, and "websocket: " once.
func TestHTTP2NotSpoken(t *testing.T) {
	hangsUp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer hangsUp.Close()
	go func() {
		for {
			nc, err := hangsUp.Accept()
			if err != nil {
				return
			}
			nc.Close()
		}
	}()
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	defer secure.Close()
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	for name, tc := range map[string]struct{ addr, want string }{
		"hangs up": {hangsUp.Addr().String(), "may not speak HTTP/2 there"},
		"TLS":      {secure.Listener.Addr().String(), "may not speak HTTP/2 there"},
		"HTTP/1.1": {plain.Listener.Addr().String(), "speaks HTTP/1 and not HTTP/2"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, pool := range []*websocket.Pool{nil, {}} {
				_, err := websocket.Dial(within(t), "ws://"+tc.addr, &websocket.DialOptions{HTTP: websocket.HTTP2, Pool: pool})
				if err == nil || !strings.Contains(err.Error(), tc.want) || strings.LastIndex(err.Error(), "websocket: ") != 0 {
					t.Errorf("%v, want %q in it", err, tc.want)
				}
				if pool != nil {
					pool.Close()
				}
			}
		})
	}
}

// H2-S11: a connection takes 100 WebSockets, and of each of them that it is read or
// not is nothing to the others. The 101st is refused, and taken when one has ended.
func TestHTTP2HundredSockets(t *testing.T) {
	c := startExtended(t, nil)
	stalled := c.Open("/much")
	var open []*h2peer.Stream
	for range 99 {
		open = append(open, c.Open("/"))
	}
	request := func() *h2peer.Stream {
		return c.Request(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
			":authority", "example.com", "sec-websocket-version", "13")
	}
	if code := request().ResetWith(); code != http2.ErrCodeRefusedStream {
		t.Errorf("the 101st was reset with %v", code)
	}
	for range 3 {
		for _, s := range open {
			p := wstest.NewPeer(t, s, protocol.RoleClient)
			p.SendFrames(wstest.Text("hello"))
			p.Expect(wstest.Text("hello"))
		}
	}
	p := wstest.NewPeer(t, open[0], protocol.RoleClient)
	p.SendFrames(wstest.Close(1000, ""))
	p.ExpectClose(1000)
	open[0].CloseWrite()
	for ctx := within(t); request().Field(":status") != "200"; c.Sync() {
		if ctx.Err() != nil { // until then its handler may not have returned
			t.Fatal("after one has ended, the next is refused")
		}
	}
	if n, err := io.ReadFull(stalled, make([]byte, much)); err != nil {
		t.Errorf("the one that was not read: %d bytes, %v", n, err)
	}
}
