package h2_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// pair returns both ends of a connection over TCP.
func pair(t *testing.T) (here, there net.Conn) {
	t.Helper()
	l := listen(t)
	there, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	here, err = l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return here, there
}

// S2.8: a connection at hand, with the contexts and states of a server.
func TestServeConn(t *testing.T) {
	type key string
	var mu sync.Mutex
	var states []string
	idle := make(chan bool, 2)
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			ctx := r.Context()
			fmt.Fprintln(w, r.TLS != nil, r.RemoteAddr != "", ctx.Value(http.ServerContextKey) != nil, ctx.Value(http.LocalAddrContextKey) != nil, ctx.Value(key("base")), ctx.Value(key("conn")))
		}),
		BaseContext: func(l net.Listener) context.Context {
			if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) || l.Close() != nil {
				t.Error(err)
			}
			return context.WithValue(context.Background(), key("base"), l.Addr().String())
		},
		ConnContext: func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, key("conn"), 2) },
		ConnState: func(_ net.Conn, s http.ConnState) {
			mu.Lock()
			defer mu.Unlock()
			states = append(states, s.String())
			if s == http.StateIdle {
				idle <- true
			}
		},
	}
	here, there := pair(t)
	served := make(chan error, 1)
	go func() { served <- h2.ServeConn(here, srv, nil) }()
	c := newRaw(t, there)
	c.request(1, true, "GET", "/")
	c.next()
	c.want("DATA 1 end false true true true " + here.LocalAddr().String() + " 2\n")
	wait(t, idle)
	wait(t, idle)
	there.Close()
	if err := wait(t, served); err != nil {
		t.Error(err)
	}
	if got := strings.Join(states, " "); got != "new active idle active idle closed" {
		t.Errorf("states %s", got)
	}
}

// Over TLS it shakes hands first, if that has not happened, and wants h2.
func TestServeConnTLS(t *testing.T) {
	certs := start(t, setup{transport: "tls"}, echo).http.TLS.Certificates
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "proto ", r.TLS.NegotiatedProtocol)
	})}
	for _, c := range []struct {
		proto string
		ok    bool
	}{{"h2", true}, {"http/1.1", false}, {"", true}} {
		t.Run(c.proto, func(t *testing.T) {
			here, there := pair(t)
			served := make(chan error, 1)
			go func() {
				served <- h2.ServeConn(tls.Server(here, &tls.Config{Certificates: certs, NextProtos: []string{"h2", "http/1.1"}}), srv, nil)
			}()
			conf := &tls.Config{InsecureSkipVerify: true}
			if c.proto != "" {
				conf.NextProtos = []string{c.proto}
			}
			tc := tls.Client(there, conf)
			if err := tc.Handshake(); err != nil {
				t.Fatal(err)
			}
			if c.ok {
				raw := newRaw(t, tc)
				raw.request(1, true, "GET", "/")
				raw.next()
				raw.want("DATA 1 end proto " + c.proto)
				tc.Close()
			}
			if err := wait(t, served); (err == nil) != c.ok {
				t.Error(err)
			}
		})
	}
	t.Run("silence", func(t *testing.T) {
		here, _ := pair(t)
		if err := h2.ServeConn(tls.Server(here, &tls.Config{Certificates: certs}), srv, &h2.Options{HandshakeTimeout: time.Millisecond}); err == nil {
			t.Error("no error")
		}
	})
}

// What ServeConn returns when the connection does not end in order.
func TestServeConnErrors(t *testing.T) {
	var oe *websocket.OptionError
	here, _ := pair(t)
	if err := h2.ServeConn(here, nil, nil); !errors.As(err, &oe) {
		t.Error(err)
	}
	here, _ = pair(t)
	if err := h2.ServeConn(here, new(http.Server), &h2.Options{MaxStreams: -1}); !errors.As(err, &oe) {
		t.Error(err)
	}
	if _, err := here.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Errorf("the connection is open: %v", err)
	}

	here, there := pair(t)
	served := make(chan error, 1)
	go func() { served <- h2.ServeConn(here, new(http.Server), nil) }()
	c := newRaw(t, there)
	c.must(c.fr.WriteWindowUpdate(0, 1<<31-1))
	c.want("GOAWAY 0 FLOW_CONTROL_ERROR", "closed")
	there.Close()
	var ce *h2.ConnError
	if err := wait(t, served); !errors.As(err, &ce) || ce.Code != h2.ErrCodeFlowControl || ce.Remote {
		t.Error(err)
	}
}

// With a server that ConfigureServer has prepared, its options count, and
// Shutdown drains.
func TestServeConnOfAConfiguredServer(t *testing.T) {
	srv := &http.Server{Handler: http.HandlerFunc(echo)}
	if err := h2.ConfigureServer(srv, &h2.Options{MaxStreams: 9}); err != nil {
		t.Fatal(err)
	}
	var clients []*rawClient
	served := make(chan error, 2)
	for o, want := range map[*h2.Options]uint32{nil: 9, {MaxStreams: 5}: 5} {
		here, there := pair(t)
		go func() { served <- h2.ServeConn(here, srv, o) }()
		c := newRaw(t, there)
		if got := c.first[http2.SettingMaxConcurrentStreams]; got != want {
			t.Errorf("%d streams, want %d", got, want)
		}
		clients = append(clients, c)
	}
	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	for _, c := range clients {
		c.want("GOAWAY 2147483647 NO_ERROR", "GOAWAY 0 NO_ERROR", "closed")
		c.nc.Close()
		if err := wait(t, served); err != nil {
			t.Error(err)
		}
	}

	here, there := pair(t) // one that comes late
	go func() { served <- h2.ServeConn(here, srv, nil) }()
	c := newRaw(t, there)
	c.want("GOAWAY 2147483647 NO_ERROR", "GOAWAY 0 NO_ERROR", "closed")
	there.Close()
	if err := wait(t, served); err != nil {
		t.Error(err)
	}
}

// Handlers are found as net/http finds them.
func TestServeConnHandlers(t *testing.T) {
	for _, c := range []struct {
		name         string
		srv          *http.Server
		method, path string
		want         string
	}{
		{name: "asterisk", srv: &http.Server{Handler: http.HandlerFunc(dump)}, method: "OPTIONS", path: "*", want: "HEADERS 1 end [:status=200 content-length=0]"},
		{name: "asterisk to the handler", srv: &http.Server{Handler: http.NotFoundHandler(), DisableGeneralOptionsHandler: true}, method: "OPTIONS", path: "*", want: ":status=404"},
		{name: "default", srv: new(http.Server), method: "GET", path: "/nothing", want: ":status=404"},
	} {
		t.Run(c.name, func(t *testing.T) {
			here, there := pair(t)
			served := make(chan error, 1)
			go func() { served <- h2.ServeConn(here, c.srv, nil) }()
			raw := newRaw(t, there)
			raw.request(1, true, c.method, c.path)
			if got := raw.next(); !strings.Contains(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			there.Close()
			wait(t, served)
		})
	}
}

// Any net.Conn will do.
func TestServeConnPipe(t *testing.T) {
	here, there := net.Pipe()
	served := make(chan error, 1)
	go func() {
		served <- h2.ServeConn(here, &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "hello") })}, nil)
	}()
	c := newRaw(t, there)
	c.request(1, true, "GET", "/")
	c.want("HEADERS 1 [:status=200 content-length=5 content-type=text/plain; charset=utf-8]", "DATA 1 end hello")
	there.Close()
	if err := wait(t, served); err != nil {
		t.Error(err)
	}
}

// Without an ErrorLog, the standard logger is told.
func TestStandardLogger(t *testing.T) {
	var lines logLines
	log.SetOutput(&lines)
	defer log.SetOutput(os.Stderr)
	here, there := pair(t)
	served := make(chan error, 1)
	go func() {
		served <- h2.ServeConn(here, &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("ouch") })}, nil)
	}()
	c := newRaw(t, there)
	c.request(1, true, "GET", "/")
	c.want("RST_STREAM 1 INTERNAL_ERROR")
	there.Close()
	wait(t, served)
	if !strings.Contains(lines.String(), "ouch") {
		t.Errorf("log %q", lines.String())
	}
}
