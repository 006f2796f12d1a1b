package server_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/h2peer"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// overStreams runs a test over the engines of HTTP/2.
func overStreams(t *testing.T, test func(t *testing.T, engine string)) {
	for _, e := range engines {
		if overHTTP2(e) {
			t.Run(e, func(t *testing.T) {
				t.Parallel()
				test(t, e)
			})
		}
	}
}

// session opens a session by hand.
func (o *one) session() (*server.Session, *wstest.Peer, *stream) {
	o.t.Helper()
	p, c := o.peer("")
	return wait(o.t, o.begun), p, c.Conn.(*stream)
}

// closeSize is the size of a close frame of a server's that has a code.
const closeSize = 4

// H2-S10, cowboy's list: the close frame that answers ends the direction it goes
// in; the first one does not, since a browser would reset the stream; nothing is
// reset.
func TestCloseFrameEndsStream(t *testing.T) {
	overStreams(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		for _, first := range []string{"server", "client"} {
			for _, separate := range []bool{false, true} {
				s, p, c := h.session()
				end := func() {
					b := clientFrames(wstest.Close(1000, ""))
					if separate {
						p.SendBytes(b)
						p.CloseWrite()
					} else if err := c.WriteEnd(b); err != nil {
						t.Error(err)
					}
				}
				if first == "server" {
					s.Text("last")
					s.Stop()
					p.Expect(wstest.Text("last"))
				} else {
					end()
				}
				p.ExpectClose(1000)
				want, size := server.ReasonRemote, closeSize
				if first == "server" {
					want, size = server.ReasonStop, 0
					end()
				}
				p.ExpectEOF()
				if n := c.EndedWith(); n != size {
					t.Errorf("%s first: END_STREAM came with %d bytes", first, n)
				}
				if r := wait(t, h.over); r.Kind != want || r.Close.Code != 1000 || r.Close.Cause != nil || r.Err != nil {
					t.Errorf("%s first: %v, %+v", first, r, r.Close)
				}
				c.conn.Sync()
				if err := c.Err(); err != nil {
					t.Errorf("%s first: the stream was reset: %v", first, err)
				}
			}
		}
	})
}

// The stream ends as well when the close frame has to wait for the window, and
// with the one that fails a session. Pings that come behind ours are not answered:
// nothing can follow.
func TestLateCloseFrameEndsStream(t *testing.T) {
	overStreams(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		s, p, _ := h.session()
		const n = 20
		for range n {
			if err := s.Binary(make([]byte, 16<<10)); err != nil {
				t.Fatal(err)
			}
		}
		s.Stop()
		p.SendFrames(wstest.Ping([]byte("too late")))
		for range n {
			if f := p.Receive(); f.Opcode != frame.OpBinary {
				t.Fatal(f)
			}
		}
		p.ExpectClose(1000)
		p.SendFrames(wstest.Close(1000, ""))
		p.ExpectEOF()
		if r := wait(t, h.over); r.Kind != server.ReasonStop || r.Close.Cause != nil {
			t.Errorf("%v, %+v", r, r.Close)
		}

		_, p, c := h.session()
		p.SendBytes([]byte{0xF0, 0x80})
		p.ExpectClose(1002)
		p.ExpectEOF()
		if n := c.EndedWith(); n != closeSize {
			t.Errorf("END_STREAM came with %d bytes", n)
		}
		if r := wait(t, h.over); r.Kind != server.ReasonBadFrame {
			t.Errorf("%v, %+v", r, r.Close)
		}
	})
}

// H2-S10, HD4: how a stream or its connection ends, and the reason.
func TestStreamEndings(t *testing.T) {
	for _, tc := range []struct {
		name string
		end  func(c *stream)
		kind server.ReasonKind
		code int // of a RST_STREAM, -1: none
		read int // messages before
	}{
		{"H2-S10 END_STREAM", func(c *stream) { c.CloseWrite() }, server.ReasonClosed, -1, 0},
		{"H2-S10 END_STREAM in the middle of a frame", func(c *stream) { c.WriteEnd(textFrame("abc")[:7]) }, server.ReasonClosed, -1, 0},
		{"H2-S10 a message with END_STREAM", func(c *stream) { c.WriteEnd(textFrame("abc")) }, server.ReasonClosed, -1, 1},
		{"H2-S10 RST_STREAM CANCEL", func(c *stream) { c.Reset(http2.ErrCodeCancel) }, server.ReasonClosed, 8, 0},
		{"RST_STREAM NO_ERROR", func(c *stream) { c.Reset(http2.ErrCodeNo) }, server.ReasonClosed, 0, 0},
		{"RST_STREAM INTERNAL_ERROR", func(c *stream) { c.Reset(http2.ErrCodeInternal) }, server.ReasonError, 2, 0},
		{"a message and RST_STREAM", func(c *stream) {
			c.Write(textFrame("abc"))
			c.Reset(http2.ErrCodeCancel)
		}, server.ReasonClosed, 8, 1},
		{"H2-S10 connection closed", func(c *stream) { c.cut() }, server.ReasonClosed, -1, 0},
		{"GOAWAY and connection closed", func(c *stream) {
			c.conn.Send(func(fr *http2.Framer) error { return fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
			c.cut()
		}, server.ReasonClosed, -1, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overStreams(t, func(t *testing.T, engine string) {
				got := make(chan string, 10)
				h := serveOne(t, engine, nil, funcs{message: func(_ *server.Session, m websocket.Message) { got <- string(m.Data) }})
				_, _, c := h.session()
				tc.end(c)
				r := wait(t, h.over)
				if r.Kind != tc.kind || r.Close.Code != websocket.StatusAbnormalClosure || r.Close.Received != nil || r.Close.Sent != nil {
					t.Errorf("%v, %+v", r, r.Close)
				}
				se, ok := errors.AsType[*websocket.HTTP2StreamError](r.Err)
				if ok != (tc.code >= 0) || ok && (int(se.Code) != tc.code || !se.Remote) {
					t.Errorf("%v", r.Err)
				}
				if len(got) != tc.read {
					t.Errorf("%d messages, want %d", len(got), tc.read)
				}
				until(t, "it is gone", func() bool { return h.Stats().Sessions == 0 })
			})
		})
	}
	t.Run("connection reset", func(t *testing.T) {
		h := serveOne(t, "h2c", nil, funcs{})
		_, _, c := h.session()
		c.conn.NetConn().(*net.TCPConn).SetLinger(0)
		c.cut()
		if r := wait(t, h.over); r.Kind != server.ReasonClosed || !errors.Is(r.Close, syscall.ECONNRESET) {
			t.Errorf("%v, %+v", r, r.Close)
		}
	})
}

// H2-S8: sessions that are given up are reset with CANCEL, also while their
// window is closed, and others on the same connection do not notice.
func TestGivenUpStreams(t *testing.T) {
	for name, tc := range map[string]struct {
		options server.Options
		end     func(h *one, s *server.Session)
		kind    server.ReasonKind
		err     error
	}{
		"H2-S8 window never opened": {
			with(func(o *server.Options) { o.WriteTimeout = 100 * time.Millisecond }),
			func(_ *one, s *server.Session) {
				for range 20 { // more than a window
					if err := s.Binary(make([]byte, 16<<10)); err != nil {
						break
					}
				}
			},
			server.ReasonError, websocket.ErrWriteTimeout,
		},
		"C7 close frame never answered": {
			with(func(o *server.Options) { o.CloseTimeout = 50 * time.Millisecond }),
			func(_ *one, s *server.Session) { s.Stop() },
			server.ReasonStop, nil,
		},
	} {
		t.Run(name, func(t *testing.T) {
			overStreams(t, func(t *testing.T, engine string) {
				h := serveOne(t, engine, &tc.options, funcs{message: echo})
				s, _, c := h.session()
				sibling := c.conn.Open("/")
				wait(t, h.begun)
				tc.end(h, s)
				if r := wait(t, h.over); r.Kind != tc.kind || tc.err != nil && !errors.Is(r.Err, tc.err) {
					t.Errorf("%v, %+v", r, r.Close)
				}
				if code := c.ResetWith(); code != http2.ErrCodeCancel {
					t.Errorf("reset with %v", code)
				}
				alive(t, h, sibling)
			})
		})
	}
	t.Run("Shutdown", func(t *testing.T) {
		overStreams(t, func(t *testing.T, engine string) {
			h := serveOne(t, engine, nil, funcs{})
			_, p, c := h.session()
			ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
			defer cancel()
			if report, err := h.Shutdown(ctx, nil); err == nil || report.Forced != 1 {
				t.Errorf("%+v, %v", report, err)
			}
			p.ExpectClose(1001)
			if code := c.ResetWith(); code != http2.ErrCodeCancel {
				t.Errorf("reset with %v", code)
			}
			c.conn.Sync()
		})
	})
}

// S2.8: sessions over net/http's own HTTP/2, in a process in which it takes extended
// CONNECT. There the handler of net/http waits for the session, and when it
// returns, both directions end.
func TestNetHTTP(t *testing.T) {
	if engines[0] == netHTTP {
		return // this is that process
	}
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.timeout=100s", "-test.run=^Test("+
		"PeerCloses|NoCloseFrame|CloseFromEverywhere|CloseTimeout|StreamEndings|Detach.*|Terminate|RequestFilter|UpgradeDecides|"+
		"FramesBehindHandshake|BothWriteFirst|SetActiveWithinRead|ShutdownAnswersFirst|ShutdownOfAFlood|Relieved|Echo|PeerTakesNothing|KeepAlive|BlockedWrites|ConcurrentSenders|Group|Order|DeflateNegotiation)$")
	cmd.Env = append(os.Environ(), "GODEBUG="+xconnect)
	if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "PASS") {
		t.Errorf("%v:\n%s", err, out)
	}
}

// alive checks that a session echoes, and closes it.
func alive(t *testing.T, h *one, s *h2peer.Stream) {
	t.Helper()
	p := wstest.NewPeer(t, s, protocol.RoleClient)
	p.SendFrames(wstest.Text("alive"))
	p.Expect(wstest.Text("alive"))
	p.SendFrames(wstest.Close(1000, ""))
	p.ExpectClose(1000)
	if r := wait(t, h.over); r.Kind != server.ReasonRemote {
		t.Errorf("%v", r)
	}
}

// H2-S12: sessions outlive GOAWAY, and when http.Server shuts down, they are closed
// with 1001 as its connections have to end. Streams that come after our GOAWAY are
// not served.
func TestGoAway(t *testing.T) {
	overStreams(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		_, p, c := h.session()
		for range 2 {
			c.conn.Send(func(fr *http2.Framer) error { return fr.WriteGoAway(0, http2.ErrCodeNo, nil) })
			p.SendFrames(wstest.Text("still here"))
			p.Expect(wstest.Text("still here"))
		}
		drained := make(chan error, 1)
		go func() { drained <- h.http.Config.Shutdown(h.context()) }()
		if g := c.conn.GoAway(2); g.Code != http2.ErrCodeNo || g.Last != c.ID() {
			t.Errorf("%+v", g)
		}
		late := c.conn.Request(false, ":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", "/",
			":authority", "x", "sec-websocket-version", "13")
		p.ExpectClose(1001)
		p.SendFrames(wstest.Close(1001, ""))
		p.CloseWrite()
		if r := wait(t, h.over); r.Kind != server.ReasonShutdown || r.Close.Cause != nil {
			t.Errorf("%v, %+v", r, r.Close)
		}
		if err := wait(t, drained); err != nil {
			t.Errorf("Shutdown = %v", err)
		}
		c.conn.Ended()
		if late.Err() == nil || len(h.begun) > 0 {
			t.Error("a stream was served after GOAWAY")
		}
	})
}
