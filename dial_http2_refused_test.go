package websocket_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
)

// refusedBy dials a server that answers the first request so, and then wants a
// reset of its stream with CANCEL, unless it has ended that.
func refusedBy(t *testing.T, o func(*websocket.DialOptions), answer func(p *h2Peer, stream uint32) (ended bool)) error {
	t.Helper()
	s := servers(t, func(nc net.Conn) {
		p := newH2Peer(t, nc, extended)
		r := p.request()
		if answer(p, r.stream) {
			p.drain()
			return
		}
		p.wantReset(r.stream, http2.ErrCodeCancel)
		p.drain()
	})
	do := s.options()
	if o != nil {
		o(do)
	}
	c, err := websocket.Dial(within(t), "ws://h/", do)
	if err == nil {
		c.CloseNow()
		t.Fatal("no error")
	}
	s.running.Wait()
	return err
}

// H2-C5: what is not 2xx is a refusal, with the beginning of its body.
func TestDialHTTP2Refused(t *testing.T) {
	body := strings.Repeat("no ", 100)
	for _, tt := range []struct {
		name   string
		max    int64
		answer func(p *h2Peer, stream uint32) bool
		body   string
	}{
		{"whole", 0, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "403", "x-a", "b")
			p.data(s, true, body)
			return false // our direction is reset: it had not ended
		}, body},
		{"limited", 10, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "403", "x-a", "b")
			p.data(s, false, body)
			return false
		}, body[:10]},
		{"without a body", 0, func(p *h2Peer, s uint32) bool {
			p.respond(s, true, "403", "x-a", "b")
			return false
		}, ""},
		{"that does not end", 0, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "403", "x-a", "b")
			p.data(s, false, "stay")
			return false
		}, "stay"},
		{"reset", 0, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "403", "x-a", "b")
			p.data(s, false, "st")
			p.reset(s, http2.ErrCodeInternal)
			return true
		}, "st"},
	} {
		bubble(t, "H2-C5 "+tt.name, func(t *testing.T) {
			err := refusedBy(t, func(o *websocket.DialOptions) { o.MaxRefusalBody = tt.max }, tt.answer)
			he, ok := errors.AsType[*websocket.HandshakeError](err)
			if !ok || he.Status != 403 || he.Header.Get("X-A") != "b" || string(he.Body) != tt.body || he.Body == nil || !errors.Is(err, handshake.ErrStatus) {
				t.Errorf("error %#v", err)
			}
		})
	}
	bubble(t, "H2-C5 2xx with a subprotocol not asked for", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "200", "sec-websocket-protocol", "x")
			return false
		})
		if he, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !errors.Is(err, handshake.ErrSubprotocol) || he.Status != 200 || len(he.Body) != 0 {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "H2-C5 2xx and END_STREAM", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.respond(p.request().stream, true, "204")
			p.drain()
		})
		c, err := websocket.Dial(within(t), "ws://h/", s.options())
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Read(within(t))
		if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure || ce.Received != nil {
			t.Errorf("ending %v", err)
		}
	})
}

// A stream or a connection that the server ends instead of an answer.
func TestDialHTTP2Reset(t *testing.T) {
	bubble(t, "stream", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			p.reset(s, http2.ErrCodeInternal)
			return true
		})
		se, ok := errors.AsType[*websocket.HTTP2StreamError](err)
		if !ok || !se.Remote || se.Stream != 1 || se.Code.String() != "INTERNAL_ERROR" {
			t.Errorf("error %v", err)
		}
		startsWith(t, err, "websocket: opening handshake with h:80: HTTP/2 stream 1: INTERNAL_ERROR")
	})
	bubble(t, "connection", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, _ uint32) bool {
			p.must(p.fr.WriteGoAway(1, http2.ErrCodeEnhanceYourCalm, []byte("slow down")))
			p.nc.Close()
			return true
		})
		ce, ok := errors.AsType[*websocket.HTTP2ConnError](err)
		if !ok || !ce.Remote || ce.Code.String() != "ENHANCE_YOUR_CALM" || !strings.Contains(err.Error(), "slow down") {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "lost", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, _ uint32) bool {
			p.nc.Close()
			return true
		})
		if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "H2-C4 PUSH_PROMISE", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			p.must(p.fr.WritePushPromise(http2.PushPromiseParam{StreamID: s, PromiseID: 2, BlockFragment: []byte{0x88}, EndHeaders: true}))
			return true
		})
		if ce, ok := errors.AsType[*websocket.HTTP2ConnError](err); !ok || ce.Remote {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "malformed answer", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			p.respond(s, false, "101")
			p.wantReset(s, http2.ErrCodeProtocol)
			return true
		})
		if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); !ok || se.Remote {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "too large an answer", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			var fields []string
			for i := range 200 {
				fields = append(fields, fmt.Sprint("x-", i), "y")
			}
			p.respond(s, false, "200", fields...)
			return false
		})
		if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !strings.Contains(err.Error(), "100 fields") {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "too many interim answers", func(t *testing.T) {
		err := refusedBy(t, nil, func(p *h2Peer, s uint32) bool {
			for range 9 {
				p.respond(s, false, "103")
			}
			return false
		})
		if _, ok := errors.AsType[*websocket.HandshakeError](err); !ok || !strings.Contains(err.Error(), "more than 8 interim") {
			t.Errorf("error %v", err)
		}
	})
	bubble(t, "no answer", func(t *testing.T) {
		start := time.Now()
		err := refusedBy(t, nil, func(*h2Peer, uint32) bool { return false })
		if took := time.Since(start); took != 10*time.Second || !strings.Contains(err.Error(), "UpgradeTimeout") {
			t.Errorf("took %v, error %v", took, err)
		}
	})
}

// S2.8, H2-C4: interim answers, unknown frames and unknown settings before the
// answer mean nothing.
func TestDialHTTP2Noise(t *testing.T) {
	bubble(t, "H2-C4", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended, http2.Setting{ID: 0x99, Val: 7})
			r := p.request()
			for typ := 0x0a; typ <= 0xff; typ++ {
				p.must(p.fr.WriteRawFrame(http2.FrameType(typ), 0xff, r.stream, []byte("what")))
			}
			p.must(p.fr.WritePing(false, [8]byte{1}))
			p.respond(r.stream, false, "100")
			p.respond(r.stream, false, "103", "link", "</a>")
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		c, err := websocket.Dial(within(t), "ws://h/", s.options())
		mustGreet(t, c, err)
	})
}

// A stream that the server has not looked at is tried again, not for ever.
func TestDialHTTP2Retried(t *testing.T) {
	refuses := func(t *testing.T) func(net.Conn) {
		return func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.reset(p.request().stream, http2.ErrCodeRefusedStream)
			p.drain()
		}
	}
	goesAway := func(t *testing.T) func(net.Conn) {
		return func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			p.request()
			p.must(p.fr.WriteGoAway(0, http2.ErrCodeNo, nil))
			p.drain()
		}
	}
	bubble(t, "REFUSED_STREAM, then GOAWAY", func(t *testing.T) {
		s := servers(t, refuses(t), goesAway(t), greets(t))
		c, err := websocket.Dial(within(t), "ws://h/", s.options())
		mustGreet(t, c, err)
	})
	bubble(t, "always", func(t *testing.T) {
		s := servers(t, refuses(t), refuses(t), refuses(t), refuses(t), refuses(t), refuses(t))
		_, err := websocket.Dial(within(t), "ws://h/", s.options())
		if se, ok := errors.AsType[*websocket.HTTP2StreamError](err); !ok || se.Code.String() != "REFUSED_STREAM" {
			t.Errorf("error %v", err)
		}
		if s.count() != 6 {
			t.Errorf("%d attempts", s.count())
		}
	})
}

// Redirects and cookies are as over HTTP/1.1.
func TestDialHTTP2Redirect(t *testing.T) {
	bubble(t, "redirect", func(t *testing.T) {
		s := servers(t, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			p.respond(r.stream, true, "307", "location", "http://h2.example/b", "set-cookie", "a=1; Domain=h2.example", "set-cookie", "b=2")
			p.drain()
		}, func(nc net.Conn) {
			p := newH2Peer(t, nc, extended)
			r := p.request()
			if r.fields[":authority"] != "h2.example" || r.fields[":path"] != "/b" || r.fields["authorization"] != "" || r.fields["cookie"] != "c=3" {
				t.Errorf("request %v", r.fields)
			}
			p.respond(r.stream, false, "200")
			p.data(r.stream, false, greeting)
			p.drain()
		})
		jar, _ := cookiejar.New(nil)
		o := s.options()
		o.MaxRedirects, o.CookieJar = 1, jar
		o.Header = http.Header{"Authorization": {"Bearer x"}}
		u := mustURL("http://h2.example/")
		jar.SetCookies(u, []*http.Cookie{{Name: "c", Value: "3"}})
		c, err := websocket.Dial(within(t), "ws://h/a", o)
		mustGreet(t, c, err)
		if got := jar.Cookies(mustURL("http://h/")); len(got) != 1 || got[0].Name != "b" {
			t.Errorf("cookies %v", got)
		}
	})
}

// The hooks see the opening handshake, and the frames of the connection.
func TestDialHTTP2Trace(t *testing.T) {
	bubble(t, "S2.8 trace", func(t *testing.T) {
		s := servers(t, greets(t))
		o := s.options()
		var seen []string
		var settings []websocket.HTTP2Setting
		o.Trace = &websocket.Trace{
			Request: func(method, target string, h http.Header) {
				seen = append(seen, fmt.Sprint(method, " ", target, " ", h.Get("Host"), " ", h[":protocol"]))
			},
			Response: func(status int, _ http.Header) { seen = append(seen, fmt.Sprint(status)) },
			HTTP2: func(f websocket.HTTP2Frame) {
				seen = append(seen, fmt.Sprint(f.Type, " ", f.Sent, " ", f.Stream))
				if !f.Sent && f.Type == "SETTINGS" && len(f.Settings) > 0 {
					settings = f.Settings
				}
			},
		}
		c, err := websocket.Dial(within(t), "ws://h/a", o)
		mustGreet(t, c, err)
		s.running.Wait()
		for _, want := range []string{
			"CONNECT /a h [websocket]", "200", "SETTINGS true 0", "SETTINGS false 0", "HEADERS true 1", "HEADERS false 1",
			"DATA false 1", "RST_STREAM true 1", "GOAWAY true 0",
		} {
			if !slices.Contains(seen, want) {
				t.Errorf("%q was not seen, but %q", want, seen)
			}
		}
		if len(settings) != 1 || settings[0] != (websocket.HTTP2Setting{ID: 8, Name: "ENABLE_CONNECT_PROTOCOL", Value: 1}) {
			t.Errorf("settings %v", settings)
		}
	})
}

// A stream that is reset right behind the answer: the connection does not stay.
func TestDialHTTP2ResetAtOnce(t *testing.T) {
	for range 20 {
		bubble(t, "200 and RST_STREAM", func(t *testing.T) {
			s := servers(t, func(nc net.Conn) {
				p := newH2Peer(t, nc, extended)
				r := p.request()
				p.respond(r.stream, false, "200")
				p.reset(r.stream, http2.ErrCodeInternal)
				p.drain()
			})
			c, err := websocket.Dial(within(t), "ws://h/", s.options())
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = c.Read(within(t))
			if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure {
				t.Errorf("ending %v", err)
			}
			s.running.Wait()
		})
	}
}
