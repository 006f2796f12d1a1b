package httpconn_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/protocol"
)

// serve starts net/http's server, which speaks HTTP/1.1 and, with prior
// knowledge, HTTP/2: its own, or that of package h2, which has WebSockets.
func serve(t testing.TB, handler http.HandlerFunc, ours bool) (addr string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(handler)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if ours {
		if err := h2.ConfigureServer(srv.Config, nil); err != nil {
			t.Fatal(err)
		}
	}
	srv.Start()
	t.Cleanup(srv.Close)
	return srv.Listener.Addr().String()
}

// demo answers what the tests ask for.
func demo(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/echo":
		w.Header().Set("X-Length", fmt.Sprint(r.ContentLength))
		w.Header().Set("Trailer", "X-Sum")
		http.NewResponseController(w).EnableFullDuplex()
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Sum", fmt.Sprint(n)+strings.Join(r.Trailer["X-Mine"], ""))
	case "/early":
		w.Header().Set("Link", "</x>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.WriteString(w, "early")
	case "/ws":
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(context.Background()) {
			if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
				return
			}
		}
	default:
		io.WriteString(w, "hello "+r.Method)
	}
}

// servers runs a test against each server there is, or each with WebSockets.
func servers(t *testing.T, sockets bool, f func(t *testing.T, p *pump, major int)) {
	for _, tt := range []struct {
		name  string
		major int
		ours  bool
	}{
		{"HTTP1", 1, false},
		{"HTTP2", 2, true},
		{"HTTP2 of net/http", 2, false},
	} {
		if sockets && tt.major == 2 && !tt.ours {
			continue
		}
		t.Run(tt.name, func(t *testing.T) {
			f(t, newPump(t, serve(t, demo, tt.ours), &httpconn.Options{Major: tt.major}), tt.major)
		})
	}
}

// S2.29: requests and responses, one after another.
func TestRequests(t *testing.T) {
	servers(t, false, func(t *testing.T, p *pump, _ int) {
		for i := range 3 {
			id := must(p.c.Request(&httpconn.Request{Path: "/"}))(t)
			if r := p.response(id); r.status != 200 || string(r.body) != "hello GET" || r.err != nil {
				t.Fatalf("%d: %+v", i, r)
			}
		}
		id := must(p.c.Request(&httpconn.Request{Path: "/early"}))(t)
		if r := p.response(id); fmt.Sprint(r.interim) != "[103]" || string(r.body) != "early" {
			t.Fatalf("%+v", r)
		}
		id = must(p.c.Request(&httpconn.Request{Path: "/", Method: "HEAD"}))(t)
		if r := p.response(id); r.status != 200 || len(r.body) != 0 {
			t.Fatalf("%+v", r)
		}
	})
}

// S2.30: bodies in both directions at once, with trailers.
func TestBodies(t *testing.T) {
	servers(t, false, func(t *testing.T, p *pump, _ int) {
		big := bytes.Repeat([]byte("0123456789"), 100_000)
		for _, length := range []int64{int64(len(big)), -1} {
			id := must(p.c.Request(&httpconn.Request{Path: "/echo", Method: "POST", Body: length, Header: http.Header{"Trailer": {"X-Mine"}}}))(t)
			rest := big
			var got []byte
			var trailer http.Header
			for over := false; !over; {
				if len(rest) > 0 {
					n := must(p.c.Body(id, rest))(t)
					if rest = rest[n:]; len(rest) == 0 && length < 0 {
						if err := p.c.End(id, http.Header{"X-Mine": {"!"}}); err != nil {
							t.Fatal(err)
						}
					}
				}
				switch ev := p.next(); ev.Kind {
				case httpconn.Data:
					got = append(got, ev.Data...)
				case httpconn.Status:
					if want := fmt.Sprint(length); ev.Header.Get("X-Length") != want {
						t.Errorf("length %q, want %s", ev.Header.Get("X-Length"), want)
					}
				case httpconn.Trailer:
					trailer = ev.Header
				case httpconn.Failed:
					t.Fatal(ev.Err)
				case httpconn.Done:
					over = true
				}
			}
			if !bytes.Equal(got, big) {
				t.Errorf("%d bytes came back", len(got))
			}
			if s := trailer.Get("X-Sum"); length < 0 && s != "1000000!" {
				t.Errorf("trailer %q", s)
			}
		}
	})
}

// S2.11: several requests at once over HTTP/2, and none disturbs another.
func TestManyRequests(t *testing.T) {
	servers(t, false, func(t *testing.T, p *pump, major int) {
		if major == 1 {
			return
		}
		bodies := map[httpconn.StreamID][]byte{}
		for i := range 50 {
			id := must(p.c.Request(&httpconn.Request{Path: "/echo", Method: "POST", Body: 3000}))(t)
			if n := must(p.c.Body(id, bytes.Repeat([]byte{byte(i)}, 1000)))(t); n != 1000 {
				t.Fatalf("took %d", n)
			}
			bodies[id] = nil
			if i%7 == 0 {
				if err := p.c.Cancel(id); err != nil {
					t.Fatal(err)
				}
				delete(bodies, id)
			}
		}
		sent := map[httpconn.StreamID]int{}
		send := func() {
			for id := range bodies {
				if left := 2000 - sent[id]; left > 0 {
					sent[id] += must(p.c.Body(id, bytes.Repeat([]byte{byte(id / 2)}, left)))(t)
				}
			}
		}
		for send(); p.c.OpenRequests() > 0 || len(p.events) > 0; {
			switch ev := p.next(); ev.Kind {
			case httpconn.Data:
				bodies[ev.ID] = append(bodies[ev.ID], ev.Data...)
			case httpconn.Status:
				if ev.Status != http.StatusOK {
					t.Errorf("%d: status %d, %v", ev.ID, ev.Status, ev.Header)
				}
			case httpconn.Writable:
				send()
			case httpconn.Failed:
				t.Fatal(ev.Err)
			}
		}
		for id, got := range bodies {
			if want := bytes.Repeat([]byte{byte(id / 2)}, 3000); !bytes.Equal(got, want) {
				t.Errorf("%d: %d bytes came back", id, len(got))
			}
		}
	})
}

// S2.2, S2.4 to S2.7, S2.12, S0.17: a request, then an upgrade, then messages
// both ways, then the closing handshake, on one connection.
func TestUpgrade(t *testing.T) {
	servers(t, true, func(t *testing.T, p *pump, major int) {
		if r := p.response(must(p.c.Request(&httpconn.Request{Path: "/"}))(t)); string(r.body) != "hello GET" {
			t.Fatalf("%+v", r)
		}
		for !p.c.Ready() {
			p.next()
		}
		hs := shake(t, "ws://"+p.nc.RemoteAddr().String()+"/ws", nil)
		id := must(p.c.Upgrade(hs.Request(major)))(t)
		p.until(httpconn.Upgraded)
		ep, res, err := p.c.Accepted(id, hs, nil)
		if err != nil || res.HTTPVersion != major {
			t.Fatal(res, err)
		}
		defer ep.Release()
		// send passes on what the endpoint says, as the windows let it.
		send := func() {
			for out := ep.Output(); len(out) > 0; {
				n := must(p.c.Body(id, out))(t)
				if out = out[n:]; len(out) > 0 {
					p.until(httpconn.Writable)
				}
			}
		}
		for _, size := range []int{5, 0, 300_000} {
			want := bytes.Repeat([]byte("x"), size)
			if err := ep.Send(frame.OpBinary, want); err != nil {
				t.Fatal(err)
			}
			send()
			for got := false; !got; {
				evs, err := ep.Receive(p.until(httpconn.Data).Data)
				if err != nil {
					t.Fatal(err)
				}
				for _, ev := range evs {
					got = true
					if !bytes.Equal(ev.Data, want) {
						t.Fatalf("%d bytes came back, want %d", len(ev.Data), size)
					}
				}
			}
		}
		_, err = p.c.Request(&httpconn.Request{Path: "/"})
		if major == 1 && err != httpconn.ErrUpgraded || major == 2 && err != nil {
			t.Errorf("S0.17: a request beside the WebSocket: %v", err)
		}
		if err := ep.Close(frame.StatusNormalClosure, "bye"); err != nil {
			t.Fatal(err)
		}
		send()
		for ep.State() != protocol.StateClosed {
			switch ev := p.next(); {
			case ev.Kind == httpconn.Data && ev.ID == id:
				if _, err := ep.Receive(ev.Data); err != nil {
					t.Fatal(err)
				}
			case ev.Kind == httpconn.Done && ev.ID == id:
				ep.ReceiveEOF()
			}
		}
		if ce, ok := errors.AsType[*protocol.CloseError](ep.Err()); !ok || ce.Code != frame.StatusNormalClosure {
			t.Errorf("the ending: %v", ep.Err())
		}
	})
}
