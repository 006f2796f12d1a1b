package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
)

// greets accepts the first request, greets, and reads until the end.
func greets(t *testing.T) func(net.Conn) {
	return func(nc net.Conn) {
		p := newH2Peer(t, nc, extended)
		r := p.request()
		p.respond(r.stream, false, "200")
		p.data(r.stream, false, greeting)
		p.drain()
	}
}

// S2.8, S2.9, S2.13, S2.31, C3, C14: a Dial over HTTP/2 is an extended CONNECT, and its
// Conn is as any other. The connection ends with the socket.
func TestDialHTTP2(t *testing.T) {
	bubble(t, "open, talk, close", func(t *testing.T) {
		over := false
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			for name, want := range map[string]string{
				":method": "CONNECT", ":protocol": "websocket", ":scheme": "http", ":authority": "example.com:81", ":path": "/chat?a=b",
				"sec-websocket-version": "13", "sec-websocket-protocol": "a, b", "x-own": "1",
			} {
				if r.fields[name] != want {
					t.Errorf("%s is %q, want %q", name, r.fields[name], want)
				}
			}
			for _, name := range []string{"sec-websocket-key", "upgrade", "connection", "host", "content-length"} {
				if v, ok := r.fields[name]; ok {
					t.Errorf("%s: %s in an extended CONNECT", name, v)
				}
			}
			if r.end || r.stream != 1 {
				t.Errorf("stream %d, ended %v", r.stream, r.end)
			}
			p.respond(r.stream, false, "200", "sec-websocket-protocol", "b", "x-answer", "2")
			p.data(r.stream, false, greeting)
			f, ok := p.frame().(*http2.DataFrame)
			if !ok || len(f.Data()) != 2+4+2 {
				t.Fatalf("frame %v", f)
			}
			p.data(r.stream, true, "\x88\x02\x03\xe8")
			for f := p.frame(); f != nil; f = p.frame() {
				if g, ok := f.(*http2.GoAwayFrame); ok && g.ErrCode == http2.ErrCodeNo {
					over = true
				}
			}
		})
		o := s.options()
		o.Subprotocols = []string{"a", "b"}
		o.Header = http.Header{"X-Own": {"1"}}
		c, err := websocket.Dial(within(t), "ws://example.com:81/chat?a=b", o)
		if err != nil {
			t.Fatal(err)
		}
		if c.HTTPVersion() != 2 || c.Subprotocol() != "b" || c.Header().Get("X-Answer") != "2" {
			t.Errorf("HTTP/%d, subprotocol %q, header %v", c.HTTPVersion(), c.Subprotocol(), c.Header())
		}
		if c.RemoteAddr() == nil || c.LocalAddr() == nil {
			t.Error("no addresses")
		}
		if _, p, err := c.Read(within(t)); string(p) != "hi" {
			t.Errorf("read %q, %v", p, err)
		}
		if err := c.Write(within(t), websocket.MessageText, []byte("ho")); err != nil {
			t.Error(err)
		}
		_, _, err = c.Read(within(t))
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusNormalClosure || !ce.RemoteFirst {
			t.Errorf("ending %v", err)
		}
		s.running.Wait()
		if !over {
			t.Error("the connection ended without a GOAWAY")
		}
	})
}

// The settings of the server decide. S2.10, H2-C1..3.
func TestDialHTTP2Settings(t *testing.T) {
	for _, tt := range []struct {
		name     string
		settings []http2.Setting
		disabled bool
	}{
		{"S2.10 no setting", nil, true},
		{"H2-C1 ENABLE_CONNECT_PROTOCOL 0", []http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 0}}, true},
		{"H2-C1 ENABLE_CONNECT_PROTOCOL 2", []http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 2}}, false},
		{"H2-C4 MAX_FRAME_SIZE 0", []http2.Setting{extended, {ID: http2.SettingMaxFrameSize, Val: 0}}, false},
		{"H2-C4 INITIAL_WINDOW_SIZE 2^31", []http2.Setting{extended, {ID: http2.SettingInitialWindowSize, Val: 1 << 31}}, false},
		{"H2-C4 ENABLE_PUSH 2", []http2.Setting{extended, {ID: http2.SettingEnablePush, Val: 2}}, false},
	} {
		bubble(t, tt.name, func(t *testing.T) {
			s := servers(t, func(nc net.Conn) {
				newH2Peer(t, nc, tt.settings...).drain()
			})
			_, err := websocket.Dial(within(t), "ws://h/", s.options())
			he, ok := errors.AsType[*websocket.HandshakeError](err)
			if !ok || he.Status != 0 || he.Body == nil {
				t.Fatalf("error %v", err)
			}
			startsWith(t, err, "websocket: opening handshake with h:80: ")
			if errors.Is(err, handshake.ErrExtendedConnectDisabled) != tt.disabled {
				t.Errorf("error %v", err)
			}
			if tt.disabled {
				if !strings.Contains(err.Error(), "HTTPAuto") {
					t.Errorf("%v says not what to do", err)
				}
			} else if ce, ok := errors.AsType[*websocket.HTTP2ConnError](err); !ok || ce.Remote {
				t.Errorf("error %v is no connection error", err)
			}
		})
	}
	bubble(t, "H2-C2 1 then 0", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			p.respond(r.stream, false, "200")
			p.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 0})
			if g, ok := p.frame().(*http2.GoAwayFrame); !ok || g.ErrCode != http2.ErrCodeProtocol {
				t.Errorf("frame %v, want GOAWAY PROTOCOL_ERROR", g)
			}
		})
		c, err := websocket.Dial(within(t), "ws://h/", s.options())
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Read(within(t))
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure {
			t.Errorf("ending %v", err)
		}
	})
	bubble(t, "H2-C3 late", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := silentH2Peer(t, nc)
			time.Sleep(3 * time.Second)
			p.settings(extended)
			r := p.request()
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		start := time.Now()
		c, err := websocket.Dial(t.Context(), "ws://h/", s.options())
		mustGreet(t, c, err)
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "H2-C3 never", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		start := time.Now()
		_, err := websocket.Dial(t.Context(), "ws://h/", s.options())
		if took := time.Since(start); took != 10*time.Second {
			t.Errorf("took %v", took)
		}
		if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !strings.Contains(err.Error(), "UpgradeTimeout") || !strings.Contains(err.Error(), "SETTINGS") {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "H2-C3 not within the context", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) { io.Copy(io.Discard, nc) })
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("enough"))
		defer cancel()
		_, err := websocket.Dial(ctx, "ws://h/", s.options())
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "enough") {
			t.Errorf("error %v", err)
		}
	})
}
