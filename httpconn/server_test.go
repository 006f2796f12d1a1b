package httpconn_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/protocol"
)

// serve starts net/http's server, which speaks HTTP/1.1 and, with prior
// knowledge, HTTP/2.
func serve(t testing.TB, h http.HandlerFunc) (addr string) {
	t.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.Protocols = new(http.Protocols)
	srv.Config.Protocols.SetHTTP1(true)
	srv.Config.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv.Config, nil); err != nil {
		t.Fatal(err)
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

func versions(t *testing.T, f func(t *testing.T, p *pump)) {
	for major := 1; major <= 2; major++ {
		t.Run(fmt.Sprint("HTTP", major), func(t *testing.T) { f(t, newPump(t, serve(t, demo), &httpconn.Options{Major: major})) })
	}
}

func TestRequests(t *testing.T) {
	versions(t, func(t *testing.T, p *pump) {
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

func TestBodies(t *testing.T) {
	versions(t, func(t *testing.T, p *pump) {
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

func client(t testing.TB, addr string) *handshake.Client {
	u := &url.URL{Scheme: "ws", Host: addr, Path: "/ws"}
	return must(handshake.NewClient(u, nil))(t)
}

// S2.4 to S2.7: request, upgrade, messages.
func TestUpgrade(t *testing.T) {
	versions(t, func(t *testing.T, p *pump) {
		id := must(p.c.Request(&httpconn.Request{Path: "/"}))(t)
		if r := p.response(id); string(r.body) != "hello GET" {
			t.Fatalf("%+v", r)
		}
		hs := client(t, p.nc.RemoteAddr().String())
		for !p.c.Ready() {
			p.next()
		}
		major := 1
		if strings.HasSuffix(t.Name(), "2") {
			major = 2
		}
		id = must(p.c.Upgrade(hs.Request(major)))(t)
		p.until(httpconn.Upgraded)
		ep, _, err := p.c.Accepted(id, hs, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := ep.Send(frame.OpText, []byte("Hello")); err != nil {
			t.Fatal(err)
		}
		p.c.Body(id, ep.Output())
		ev := p.until(httpconn.Data)
		evs, err := ep.Receive(ev.Data)
		if err != nil || len(evs) != 1 || string(evs[0].Data) != "Hello" {
			t.Fatalf("%v, %v", evs, err)
		}
		ep.Close(1000, "bye")
		p.c.Body(id, ep.Output())
		for ep.State() != protocol.StateClosed {
			switch ev := p.until(httpconn.Data, httpconn.Done); ev.Kind {
			case httpconn.Data:
				if _, err := ep.Receive(ev.Data); err != nil {
					t.Log(err)
				}
			case httpconn.Done:
				ep.ReceiveEOF()
			}
		}
	})
}
