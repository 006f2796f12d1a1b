package server_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// What the peer's close frames come to.
func TestPeerCloses(t *testing.T) {
	type test struct {
		name   string
		frame  wstest.Frame
		answer websocket.StatusCode
		kind   server.ReasonKind
	}
	closeWith := func(p ...byte) wstest.Frame {
		return wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpClose}, Payload: p}
	}
	tests := []test{
		{"C1 empty", wstest.Close(websocket.StatusNoStatusRcvd, ""), websocket.StatusNoStatusRcvd, server.ReasonRemote},
		{"C3 one byte", closeWith(3), 1002, server.ReasonBadFrame},
		{"C5 reason is no UTF-8", closeWith(3, 232, 0xff), 1007, server.ReasonBadEncoding},
		{"C5 reason with half a rune", closeWith(3, 232, 'a', 0xe2, 0x82), 1007, server.ReasonBadEncoding},
	}
	for _, c := range []websocket.StatusCode{1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999} {
		tests = append(tests, test{"C1 " + c.String(), wstest.Close(c, "why"), c, server.ReasonRemote})
	}
	for _, c := range []websocket.StatusCode{0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535} {
		tests = append(tests, test{"C4 " + c.String(), closeWith(byte(c>>8), byte(c)), 1002, server.ReasonBadFrame})
	}
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				h.t = t
				peer, _ := h.peer("")
				peer.SendFrames(tt.frame)
				peer.ExpectClose(tt.answer)
				peer.ExpectEOF()
				peer.Close() // a session that has failed lingers for it
				r := wait(t, h.over)
				if r.Kind != tt.kind || r.Close == nil || r.Close.Sent == nil || r.Close.Sent.Code != tt.answer {
					t.Errorf("%v, %+v", r, r.Close)
				}
				if tt.kind == server.ReasonRemote && (r.Close.Code != tt.answer || !r.Close.RemoteFirst) {
					t.Errorf("%+v", r.Close)
				}
			})
		}
		h.t = t
	})
}

// C2: what comes behind a close frame is of no interest.
func TestAfterClose(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		peer, _ := h.peer("")
		peer.SendFrames(wstest.Close(4000, "a"), wstest.Close(4001, "b"), wstest.Text("x"), wstest.Ping(nil))
		peer.ExpectClose(4000)
		if r := wait(t, h.over); r.Close.Code != 4000 || h.Stats().MessagesIn != 0 {
			t.Error(r)
		}
	})
}

// C6: both close at the same time; each sees its own code and the other's.
func TestSimultaneousClose(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{init: func(s *server.Session) { s.Close(4001, "mine") }})
		peer, _ := h.peer("")
		peer.SendFrames(wstest.Text("crosses"), wstest.Close(4002, "yours")) // before it has read anything
		if reason := peer.ExpectClose(4001); reason != "mine" {
			t.Error(reason)
		}
		peer.ExpectEOF()
		r := wait(t, h.over)
		c := r.Close
		if r.Kind != server.ReasonStop || c.Code != 4002 || c.Reason != "yours" || c.Sent.Code != 4001 || c.RemoteFirst || c.Cause != nil {
			t.Errorf("%v, %+v", r, c)
		}
		if in := h.Stats().MessagesIn; in != 0 {
			t.Errorf("%d messages were delivered after the close frame", in)
		}
	})
}

// C7: a peer that never answers a close frame is dropped after CloseTimeout,
// also when it goes on sending.
func TestCloseTimeout(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{}
		o.CloseTimeout = 100 * time.Millisecond
		h := serveOne(t, engine, o, funcs{})
		peer, c := h.peer("")
		start := time.Now()
		wait(t, h.begun).Close(4000, "")
		go func() {
			for {
				if _, err := c.Write(wstest.Frame{Header: frame.Header{Fin: true, Opcode: frame.OpText, Masked: true}}.Append(nil)); err != nil {
					return
				}
			}
		}()
		peer.ExpectClose(4000)
		r := wait(t, h.over)
		if r.Kind != server.ReasonStop || !errors.Is(r.Close.Cause, websocket.ErrCloseTimeout) || r.Close.Sent.Code != 4000 {
			t.Errorf("%v, %+v", r, r.Close)
		}
		if d := time.Since(start); d < 100*time.Millisecond {
			t.Errorf("after %v", d)
		}
		until(t, "the connection is gone", func() bool { return h.Stats().Sessions == 0 })
	})
}

// C8: the server closes the transport as soon as both close frames are there,
// whatever the peer does.
func TestServerClosesTransport(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		for _, first := range []string{"server", "client"} {
			peer, _ := h.peer("")
			s := wait(t, h.begun)
			start := time.Now()
			if first == "server" {
				s.Stop()
				peer.ExpectClose(1000)
				peer.SendFrames(wstest.Close(1000, ""))
			} else {
				peer.SendFrames(wstest.Close(1000, ""))
				peer.ExpectClose(1000)
			}
			peer.ExpectEOF()
			if d := time.Since(start); d > time.Second {
				t.Errorf("%s first: after %v", first, d)
			}
			if r := wait(t, h.over); r.Close.Cause != nil {
				t.Errorf("%s first: %v, %+v", first, r, r.Close)
			}
		}
	})
}

// C9: the transport ends without a close frame.
func TestNoCloseFrame(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: echo})
		for _, half := range []bool{false, true} {
			for _, how := range []string{"EOF", "RST"} {
				peer, c := h.peer("")
				peer.SendFrames(wstest.Text("x"))
				peer.Expect(wstest.Text("x"))
				if half {
					peer.SendBytes([]byte{0x81})
				}
				if how == "EOF" {
					peer.Close()
				} else {
					c.reset()
				}
				r := wait(t, h.over)
				if r.Kind != server.ReasonClosed || r.Close.Code != websocket.StatusAbnormalClosure || r.Close.Received != nil || r.Close.Sent != nil {
					t.Errorf("%s: %v, %+v", how, r, r.Close)
				}
				if overHTTP2(engine) { // both are RST_STREAM
					if se, ok := errors.AsType[*websocket.HTTP2StreamError](r.Close); !ok || se.Code != 8 || !se.Remote || r.Err != se {
						t.Errorf("%s: cause %v", how, r.Close.Cause)
					}
				} else if how == "EOF" && !errors.Is(r.Close, io.ErrUnexpectedEOF) || how == "RST" && !errors.Is(r.Close, syscall.ECONNRESET) {
					t.Errorf("%s: cause %v", how, r.Close.Cause)
				}
			}
		}
	})
}

// C10: Close from a hundred goroutines at once, while others send, and from the
// handler: one close frame, and nothing behind it.
func TestCloseFromEverywhere(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{message: func(s *server.Session, m websocket.Message) { s.Close(4100, "handler") }})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		var all sync.WaitGroup
		var mu sync.Mutex
		closed := 0
		for i := range 100 {
			all.Go(func() {
				switch err := s.Close(websocket.StatusCode(4000+i), ""); {
				case err == nil:
					mu.Lock()
					closed++
					mu.Unlock()
				case err != server.ErrOver:
					t.Error(err)
				}
			})
			all.Go(func() {
				for s.Text("x") == nil {
				}
			})
		}
		peer.SendFrames(wstest.Text("x"))
		for peer.Receive().Opcode != frame.OpClose {
		}
		peer.SendFrames(wstest.Close(1000, ""))
		peer.ExpectEOF()
		all.Wait()
		r := wait(t, h.over)
		if r.Kind != server.ReasonStop || closed > 1 || closed == 0 && r.Close.Sent.Code != 4100 {
			t.Errorf("%d calls succeeded, %v", closed, r)
		}
	})
}

// C11: what must not be sent is refused before anything is.
func TestBadCloseIsRefused(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		h := serveOne(t, engine, nil, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		for name, c := range map[string]struct {
			code   websocket.StatusCode
			reason string
		}{
			"1005": {1005, ""}, "999": {999, ""}, "1006": {1006, ""}, "1015": {1015, ""}, "5000": {5000, ""},
			"no code": {0, "why"}, "124 bytes": {1000, strings.Repeat("x", 124)}, "no UTF-8": {1000, "\xff"},
		} {
			if err := s.Close(c.code, c.reason); err == nil || errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
		s.Text("alive")
		peer.Expect(wstest.Text("alive"))
		s.Close(1000, strings.Repeat("x", 123))
		if reason := peer.ExpectClose(1000); len(reason) != 123 {
			t.Error(reason)
		}
	})
}

// C12: what was sent before a close frame leaves before it, whatever is owed;
// a peer that takes nothing is dropped after CloseTimeout.
func TestCloseWithBacklog(t *testing.T) {
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{Backlog: server.Backlog{Hard: 16 << 20}}
		o.CloseTimeout = patience
		h := serveOne(t, engine, o, funcs{})
		peer, _ := h.peer("")
		s := wait(t, h.begun)
		p := bytes.Repeat([]byte("0123456789abcdef"), 4<<10)
		const n = 10 << 20 / (64 << 10)
		for range n {
			if err := s.Binary(p); err != nil {
				t.Fatal(err)
			}
		}
		s.Close(4000, "")
		if s.Backlog() == 0 {
			t.Error("nothing waits")
		}
		for range n {
			peer.Expect(wstest.Binary(p))
		}
		peer.ExpectClose(4000)
		peer.SendFrames(wstest.Close(4000, ""))
		peer.ExpectEOF()
		if r := wait(t, h.over); r.Kind != server.ReasonStop || r.Close.Cause != nil {
			t.Error(r)
		}
	})
	each(t, func(t *testing.T, engine string) {
		o := &server.Options{Backlog: server.Backlog{Hard: 16 << 20}}
		o.CloseTimeout = 100 * time.Millisecond
		h := serveOne(t, engine, o, funcs{})
		h.peer("")
		s := wait(t, h.begun)
		for range 160 {
			s.Binary(make([]byte, 64<<10))
		}
		s.Close(4000, "")
		if r := wait(t, h.over); r.Kind != server.ReasonStop || !errors.Is(r.Close.Cause, websocket.ErrCloseTimeout) || r.Unsent < 64<<10 || r.Unsent > 161*64<<10 {
			t.Errorf("%v, %d bytes unsent", r, r.Unsent)
		}
		until(t, "everything is given back", func() bool { return h.Stats().Sessions == 0 && s.Backlog() == 0 })
	})
}
