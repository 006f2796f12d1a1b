package interop_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
	"github.com/lariat-go/websocket/reconnect"
)

// A name with an address at which nobody answers, or somebody refuses, and one
// that is alive: all clients are connected within a second. R2
func TestDeadAddress(t *testing.T) {
	t.Parallel()
	if !alone(t) {
		return
	}
	names{
		"same.example":    {"127.0.0.2", "127.0.0.3"},
		"more.example":    {"127.0.0.2", "127.0.0.2", "127.0.0.3"},
		"six.example":     {"2001:db8::1", "127.0.0.3"},
		"four.example":    {"127.0.0.2", "2001:db8::2"},
		"refused.example": {"127.0.0.4", "127.0.0.3"},
		"dead.example":    {"127.0.0.2", "2001:db8::1"},
	}.serve(t)
	for _, dead := range []string{"127.0.0.2", "2001:db8::1"} {
		firewall(t, "-A", "INPUT", "-d", dead, "-p", "tcp", "-j", "DROP")
	}
	port := serveAt(t, "127.0.0.3", "[2001:db8::2]")
	for _, name := range []string{"same.example", "more.example", "six.example", "four.example", "refused.example"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			addr := net.JoinHostPort(name, port)
			for who, connect := range map[string]func(context.Context, string) error{"Dial": byDial, "client": byClient, "reconnect": byReconnect} {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				begin := time.Now()
				if err := connect(ctx, addr); err != nil {
					found, lookup := net.DefaultResolver.LookupHost(t.Context(), name)
					t.Errorf("%s: %v; the name is that of %v, %v", who, err, found, lookup)
				}
				if d := time.Since(begin); d > time.Second {
					t.Errorf("%s took %v", who, d)
				}
				cancel()
			}
		})
	}
	t.Run("dead.example", func(t *testing.T) {
		t.Parallel()
		begin := time.Now()
		_, err := websocket.Dial(t.Context(), "ws://"+net.JoinHostPort("dead.example", port), &websocket.DialOptions{ConnectTimeout: 500 * time.Millisecond})
		failure, ok := errors.AsType[*websocket.DialError](err)
		if !ok || failure.Step != websocket.StepConnect || !failure.Timeout() || time.Since(begin) > time.Second {
			t.Errorf("in %v: %v", time.Since(begin), err)
		}
	})
	t.Run("unknown.example", func(t *testing.T) {
		_, err := websocket.Dial(t.Context(), "ws://"+net.JoinHostPort("unknown.example", port), nil)
		failure, ok := errors.AsType[*websocket.DialError](err)
		notFound, is := errors.AsType[*net.DNSError](err)
		if !ok || failure.Step != websocket.StepLookup || !is || !notFound.IsNotFound {
			t.Errorf("%v", err)
		}
	})
}

// serveAt starts an echo server at several addresses, on one port.
func serveAt(t *testing.T, hosts ...string) (port string) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		for {
			typ, p, err := c.Read(context.Background())
			if err != nil || c.Write(context.Background(), typ, p) != nil {
				return
			}
		}
	}))
	port = strconv.Itoa(freePort(t))
	var more []net.Listener
	for i, host := range hosts {
		l, err := net.Listen("tcp", host+":"+port)
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			_ = s.Listener.Close()
			s.Listener = l
		} else {
			more = append(more, l)
		}
	}
	s.Start()
	for _, l := range more {
		go func() { _ = s.Config.Serve(l) }()
	}
	t.Cleanup(s.Close)
	return port
}

func byDial(ctx context.Context, addr string) error {
	c, err := websocket.Dial(ctx, "ws://"+addr, nil)
	if err != nil {
		return err
	}
	return c.Close(websocket.StatusNormalClosure, "")
}

func byClient(ctx context.Context, addr string) error {
	c, err := client.Open(addr, nil)
	if err != nil {
		return err
	}
	defer c.Close()
	s, err := c.Upgrade(ctx, "/", nil)
	if err != nil {
		return err
	}
	return s.Close(websocket.StatusNormalClosure, "")
}

func byReconnect(ctx context.Context, addr string) error {
	c, err := reconnect.Start(ctx, "ws://"+addr, nil, nil)
	if err != nil {
		return err
	}
	if err := c.AwaitUp(ctx); err != nil {
		return err
	}
	return c.Close(websocket.StatusNormalClosure, "")
}
