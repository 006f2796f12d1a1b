package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/internal/h2peer"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// overStream runs a test with both roles of a Conn over a stream of HTTP/2. open
// returns one and the stream at the other end, which p plays.
func overStream(t *testing.T, o *websocket.ConnOptions, f func(t *testing.T, open func() (c *websocket.Conn, p *scripter, s *h2peer.Stream))) {
	t.Helper()
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			t.Parallel()
			conns, over := make(chan *websocket.Conn, 1), make(chan struct{})
			use := func(c *websocket.Conn) {
				conns <- c
				<-over
				c.CloseNow()
			}
			var open func() net.Conn
			if role == protocol.RoleServer {
				ao := &websocket.AcceptOptions{}
				if o != nil {
					ao.ConnOptions = *o
				}
				h := serveOver(t, "h2c", ao, use)
				open = func() net.Conn { return h.raw(t, "") }
			} else {
				d := newDialer(t, "h2c", o)
				open = func() net.Conn { return d.dial(t, "", use) }
			}
			f(t, func() (*websocket.Conn, *scripter, *h2peer.Stream) {
				nc := open()
				p := &scripter{wstest.NewPeer(t, nc, other(role)), role == protocol.RoleServer, false}
				return <-conns, p, nc.(*h2peer.Stream)
			})
			close(over)
		})
	}
}

// H2-S10, cowboy's list: the close frame ends the direction it goes in, whoever
// is first, and nothing is reset.
func TestHTTP2CloseFrameEndsStream(t *testing.T) {
	overStream(t, nil, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
		for _, separate := range []bool{false, true} {
			answer := func(p *scripter, s *h2peer.Stream) {
				b := wire(p, wstest.Close(1000, ""))
				if !separate {
					if err := s.WriteEnd(b); err != nil {
						t.Error(err)
					}
					return
				}
				p.SendBytes(b)
				p.CloseWrite()
			}
			size := func(p *scripter) int { // of a close frame with a code
				if p.masks {
					return 4
				}
				return 8
			}

			c, p, s := open()
			if err := c.WriteBatch(t.Context(), websocket.Text("one"), websocket.Text("two")); err != nil {
				t.Fatal(err)
			}
			done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			p.Expect(wstest.Text("one"), wstest.Text("two"))
			p.ExpectClose(1000)
			answer(p, s)
			p.ExpectEOF()
			if n := s.EndedWith(); n != 0 {
				t.Errorf("END_STREAM came with %d bytes, want it after the answer", n)
			}
			if err := <-done; err != nil {
				t.Errorf("Close = %v", err)
			}

			c, p, s = open()
			read := async(readError(c))
			answer(p, s)
			p.ExpectClose(1000)
			p.ExpectEOF()
			if n := s.EndedWith(); n != size(p) {
				t.Errorf("END_STREAM came with %d bytes, want the close frame's", n)
			}
			if ce := closeErrorOf(t, <-read); ce.Code != 1000 || !ce.RemoteFirst || ce.Cause != nil {
				t.Errorf("%+v", ce)
			}
			checkOver(t, c, true)
			s.Conn().Sync()
			if err := s.Err(); err != nil {
				t.Errorf("the stream was reset: %v", err)
			}
		}
	})
}

// The close frame behind more than the windows hold ends the stream as well, and
// so does the one that fails a connection.
func TestHTTP2CloseFrameBehindMuch(t *testing.T) {
	overStream(t, nil, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
		c, p, _ := open()
		big := make([]byte, 300_000)
		go c.Write(context.Background(), websocket.MessageBinary, big)
		p.SendFrames(wstest.Ping(nil)) // there is a reader, Close
		done := async(func() error { return c.Close(4000, "enough") })
		for {
			f := p.Receive()
			if f.Opcode == frame.OpClose {
				break
			}
		}
		p.SendFrames(wstest.Close(4000, ""))
		p.ExpectEOF()
		p.CloseWrite()
		if err := <-done; err != nil {
			t.Errorf("Close = %v", err)
		}

		c, p, s := open()
		read := async(readError(c))
		p.SendBytes([]byte{0xF0}) // reserved bits
		p.ExpectClose(1002)
		p.ExpectEOF()
		if s.EndedWith() == 0 {
			t.Error("END_STREAM came alone")
		}
		s.Close()
		if ce := closeErrorOf(t, <-read); ce.Sent == nil || ce.Sent.Code != 1002 {
			t.Errorf("%+v", ce)
		}
	})
}

// H2-S10, S2.31: what ends a connection without a close frame, and its cause.
func TestHTTP2Endings(t *testing.T) {
	half := wstest.Text("half a message")
	for _, tc := range []struct {
		name string
		end  func(p *scripter, s *h2peer.Stream)
		read int // messages before the end
		is   error
		code int // of a RST_STREAM, -1: none
	}{
		{name: "H2-S10 END_STREAM", end: func(_ *scripter, s *h2peer.Stream) { s.CloseWrite() }, is: io.ErrUnexpectedEOF, code: -1},
		{name: "H2-S10 END_STREAM in the middle of a frame", end: func(p *scripter, s *h2peer.Stream) {
			b := wire(p, half)
			s.WriteEnd(b[:len(b)-3])
		}, is: io.ErrUnexpectedEOF, code: -1},
		{name: "END_STREAM in a header", end: func(_ *scripter, s *h2peer.Stream) { s.WriteEnd([]byte{0x81}) }, is: io.ErrUnexpectedEOF, code: -1},
		{name: "H2-S10 another frame with END_STREAM", end: func(p *scripter, s *h2peer.Stream) {
			s.WriteEnd(wire(p, wstest.Text("last")))
		}, read: 1, is: io.ErrUnexpectedEOF, code: -1},
		{name: "H2-S10 RST_STREAM CANCEL", end: func(_ *scripter, s *h2peer.Stream) { s.Reset(http2.ErrCodeCancel) }, code: 8},
		{name: "RST_STREAM NO_ERROR", end: func(_ *scripter, s *h2peer.Stream) { s.Reset(http2.ErrCodeNo) }, code: 0},
		{name: "RST_STREAM INTERNAL_ERROR", end: func(_ *scripter, s *h2peer.Stream) { s.Reset(http2.ErrCodeInternal) }, code: 2},
		{name: "a message, and RST_STREAM", end: func(p *scripter, s *h2peer.Stream) {
			p.SendBytes(wire(p, wstest.Text("last")))
			s.Reset(http2.ErrCodeCancel)
		}, read: 1, code: 8},
		{name: "RST_STREAM with a code nobody knows", end: func(_ *scripter, s *h2peer.Stream) { s.Reset(0xbeef) }, code: 0xbeef},
		{name: "H2-S10 connection closed", end: func(_ *scripter, s *h2peer.Stream) { s.Conn().Close() }, is: io.ErrUnexpectedEOF, code: -1},
		{name: "connection reset", end: func(_ *scripter, s *h2peer.Stream) {
			s.Conn().NetConn().(*net.TCPConn).SetLinger(0)
			s.Conn().Close()
		}, is: syscall.ECONNRESET, code: -1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			overStream(t, nil, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
				c, p, s := open()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				tc.end(p, s)
				for range tc.read {
					if _, m, err := c.Read(ctx); err != nil || string(m) != "last" {
						t.Errorf("%q, %v", m, err)
					}
				}
				_, _, err := c.Read(ctx)
				ce := closeErrorOf(t, err)
				if ce.Code != websocket.StatusAbnormalClosure || ce.Received != nil || ce.Sent != nil {
					t.Errorf("%+v", ce)
				}
				if tc.is != nil && !errors.Is(err, tc.is) {
					t.Errorf("%v is not %v", err, tc.is)
				}
				se, ok := errors.AsType[*websocket.HTTP2StreamError](err)
				if ok != (tc.code >= 0) || ok && (int(se.Code) != tc.code || !se.Remote || se.Stream != s.ID()) {
					t.Errorf("%v: %+v", err, se)
				}
				checkOver(t, c, false)
			})
		})
	}
}

// H2-S8, S2.31: what a Conn gives up is reset with CANCEL, also while the peer's
// window is closed, and its siblings do not notice.
func TestHTTP2GivenUp(t *testing.T) {
	o := &websocket.ConnOptions{WriteTimeout: 100 * time.Millisecond, CloseTimeout: 100 * time.Millisecond}
	for name, end := range map[string]func(t *testing.T, c *websocket.Conn){
		"CloseNow": func(_ *testing.T, c *websocket.Conn) { c.CloseNow() },
		"H2-S8 window never opened": func(t *testing.T, c *websocket.Conn) {
			if err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, 1<<20)); !errors.Is(err, websocket.ErrWriteTimeout) {
				t.Errorf("Write = %v", err)
			}
		},
		"write canceled": func(t *testing.T, c *websocket.Conn) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			if err := c.Write(ctx, websocket.MessageBinary, make([]byte, 1<<20)); !errors.Is(err, websocket.ErrHalfWritten) {
				t.Errorf("Write = %v", err)
			}
		},
		"close frame never answered": func(t *testing.T, c *websocket.Conn) {
			if err := c.Close(4000, ""); !errors.Is(err, websocket.ErrCloseTimeout) {
				t.Errorf("Close = %v", err)
			}
		},
		"CloseNow while another writes": func(_ *testing.T, c *websocket.Conn) {
			done := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)) })
			c.CloseNow()
			<-done
		},
	} {
		t.Run(name, func(t *testing.T) {
			overStream(t, o, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
				sibling, q, _ := open()
				c, _, s := open()
				end(t, c)
				if code := s.ResetWith(); code != http2.ErrCodeCancel {
					t.Errorf("reset with %v", code)
				}
				done := async(func() error { return echo(sibling) })
				q.SendFrames(wstest.Text("alive"))
				q.Expect(wstest.Text("alive"))
				finish(q)
				<-done
			})
		})
	}
}

// H2-S12: a GOAWAY, or two, does nothing to the connections there are.
func TestHTTP2GoAway(t *testing.T) {
	overStream(t, nil, func(t *testing.T, open func() (*websocket.Conn, *scripter, *h2peer.Stream)) {
		c, p, s := open()
		done := async(func() error { return echo(c) })
		for range 2 {
			s.Conn().Send(func(fr *http2.Framer) error { return fr.WriteGoAway(s.ID(), http2.ErrCodeNo, nil) })
			s.Conn().Sync()
			p.SendFrames(wstest.Text("still here"))
			p.Expect(wstest.Text("still here"))
		}
		finish(p)
		if ce := closeErrorOf(t, <-done); ce.Code != 1000 || ce.Cause != nil {
			t.Errorf("%+v", ce)
		}
	})
}

// A message costs no allocation over HTTP/2 either, both ends together.
func TestHTTP2EchoAllocatesNothing(t *testing.T) {
	c, s := carriedPair(t, "h2c", nil, nil)
	go echo(s)
	ctx := t.Context()
	msg, buf := make([]byte, 128), make([]byte, 0, 256)
	round := func() {
		if err := c.Write(ctx, websocket.MessageBinary, msg); err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Append(ctx, buf); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 {
		round()
	}
	if n := testing.AllocsPerRun(500, round); n >= 1 && !raceEnabled {
		t.Errorf("%v allocations per round trip", n)
	}
}
