package websocket_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// S0.6, S1.4: HTTP requests may go before the upgrade on the same connection.
// S0.17, S1.10: after it there is no HTTP on it any more: a request is a frame
// that breaks the rules. S0.3: anything else than an upgrade is refused.
func TestFeatureHTTPBeforeUpgrade(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/plain" {
			io.WriteString(w, "plain")
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		_ = echo(c)
	}))
	t.Cleanup(srv.Close)
	nc, err := net.Dial("tcp", srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	c := &rawClient{nc, bufio.NewReader(nc)}
	for range 3 {
		resp, body := c.do(t, "GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n")
		if resp.StatusCode != 200 || body != "plain" {
			t.Fatalf("before the upgrade: %d %q", resp.StatusCode, body)
		}
	}
	if resp, _ := c.do(t, head("GET /chat HTTP/1.1")); resp.StatusCode != 101 {
		t.Fatalf("upgrade: %d", resp.StatusCode)
	}
	c.expectEcho(t, "hello")
	io.WriteString(c, "GET /plain HTTP/1.1\r\nHost: example.com\r\n\r\n")
	p := wstest.NewPeer(t, &bufferedConn{nc, c.r}, protocol.RoleClient)
	p.ExpectClose(websocket.StatusProtocolError)
	p.ExpectEOF()
}

// S0.5, S0.7, S1.3, S1.6: one function opens a connection, with one name and
// the same answer: a Conn and no error. S0.9: the same set of options is taken
// at both ends, and is copied. S2.16: extensions are such an option.
func TestFeatureOptions(t *testing.T) {
	for _, o := range []any{websocket.DialOptions{}, websocket.AcceptOptions{}} {
		f, ok := reflect.TypeOf(o).FieldByName("ConnOptions")
		if !ok || !f.Anonymous || f.Type != reflect.TypeFor[websocket.ConnOptions]() {
			t.Errorf("%T does not embed ConnOptions", o)
		}
	}
	common := websocket.ConnOptions{
		Subprotocols:   []string{"chat"},
		Extensions:     []extension.Extension{deflate.New(&deflate.Options{Threshold: -1})},
		MaxMessageSize: 1000,
	}
	results := make(chan string, 1)
	url := wstest.Server(t, func(c *websocket.Conn) {
		_, _, err := c.Read(context.Background())
		results <- c.Subprotocol() + " " + extension.FormatOffers(c.Extensions()) + " " + websocket.CloseStatus(err).String()
	}, &websocket.AcceptOptions{ConnOptions: common})
	o := &websocket.DialOptions{ConnOptions: common}
	c, err := websocket.Dial(within(t), url, o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	*o = websocket.DialOptions{} // it was copied
	if c.Subprotocol() != "chat" || len(c.Extensions()) != 1 || c.Extensions()[0].Name != deflate.Name {
		t.Errorf("agreed: %q, %v", c.Subprotocol(), c.Extensions())
	}
	if err := c.Write(within(t), websocket.MessageText, []byte(letters(1001))); err != nil {
		t.Fatal(err)
	}
	_, _, err = c.Read(within(t))
	if websocket.CloseStatus(err) != websocket.StatusMessageTooBig {
		t.Errorf("ended with %v", err)
	}
	if got := <-results; !strings.HasPrefix(got, "chat permessage-deflate") || !strings.HasSuffix(got, "1006 (abnormal closure)") {
		t.Errorf("the server has %q", got)
	}
}

// S0.19, S1.11, S1.12: a list of text, binary and close leaves in that order,
// in one write, and what follows the close frame is dropped. S0.21, S1.13: then
// the connection is closed and stays so. S1.16, ruling C2: Dial never connects
// again, whoever ended the connection.
func TestFeatureBatchAndClose(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, s, peer := scripted(t, role, nil, nil)
		before := s.Stats().Writes
		err := c.WriteBatch(context.Background(), websocket.Text("Hello!"), websocket.Binary([]byte{1, 2}), websocket.CloseFrame(1000, ""), websocket.Text("late"), websocket.CloseFrame(1001, ""))
		if err != nil {
			t.Fatal(err)
		}
		if n := s.Stats().Writes - before; n != 1 {
			t.Errorf("left in %d writes", n)
		}
		peer.Expect(wstest.Text("Hello!"), wstest.Binary([]byte{1, 2}), wstest.Close(1000, ""))
		peer.SendFrames(wstest.Close(1000, ""))
		peer.CloseWrite()
		ce := closeErrorOf(t, readError(c)())
		if ce.RemoteFirst || ce.Code != 1000 || ce.Cause != nil {
			t.Errorf("ending %+v", ce)
		}
		peer.ExpectEOF()
		checkOver(t, c, true)
	})

	var dials atomic.Int32
	for _, end := range []func(c *websocket.Conn){
		func(c *websocket.Conn) { c.Close(websocket.StatusNormalClosure, "") },
		func(c *websocket.Conn) { c.CloseNow() },
	} {
		url := wstest.Server(t, end, nil)
		before := dials.Load()
		c, err := websocket.Dial(within(t), url, &websocket.DialOptions{NetDial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dials.Add(1)
			return (&net.Dialer{}).DialContext(ctx, network, addr)
		}})
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			closeErrorOf(t, readError(c)())
		}
		if n := dials.Load() - before; n != 1 {
			t.Errorf("connected %d times", n)
		}
	}
}

// S0.22, S1.14: each message is delivered once, in order, with its type, by
// Read and by Messages alike. S2.27, ruling C13: they are pulled: until
// somebody reads, nothing is taken from the peer and no callback is called.
func TestFeaturePull(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		var pings atomic.Int32
		c, s, peer := scripted(t, role, &websocket.ConnOptions{OnPing: func([]byte) { pings.Add(1) }}, nil)
		peer.SendFrames(wstest.Ping(nil), wstest.Text("one"), wstest.Binary([]byte("two")), wstest.Text(""), wstest.Close(1000, ""))
		peer.CloseWrite()
		peer.ExpectNothing(time.Hour)
		if n := s.Stats().Read; pings.Load() != 0 || n != 0 {
			t.Errorf("%d bytes were read and %d pings seen before anybody asked", n, pings.Load())
		}
		mt, p, err := c.Read(context.Background())
		if mt != websocket.MessageText || string(p) != "one" || err != nil || pings.Load() != 1 {
			t.Errorf("Read = %v %q, %v, after %d pings", mt, p, err, pings.Load())
		}
		var got []websocket.Message
		for m, err := range c.Messages(context.Background()) {
			if err != nil {
				t.Error(err)
			}
			got = append(got, m)
		}
		want := []websocket.Message{{Type: websocket.MessageBinary, Data: []byte("two")}, {Type: websocket.MessageText}}
		if len(got) != 2 || got[0].Type != want[0].Type || string(got[0].Data) != "two" || got[1].Type != want[1].Type || len(got[1].Data) != 0 {
			t.Errorf("Messages: %+v", got)
		}
	})
}

// S1.2, ruling C3: Dial speaks HTTP/1.1 unless asked for another version, and so far
// knows no other. S0.4: TLS does not lead to another one (see also
// TestDialHTTP2Server). S2.9: HTTPVersion says which it was. S2.1, S2.31: the
// Conn is the same type from both ends. S2.12: wss goes over TLS.
func TestFeatureHTTPVersion(t *testing.T) {
	versions := make(chan int, 2)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		versions <- c.HTTPVersion()
		c.Close(websocket.StatusNormalClosure, "")
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	tlsConfig := srv.Client().Transport.(*http.Transport).TLSClientConfig
	for _, v := range []websocket.HTTPVersion{0, websocket.HTTP1} {
		c, err := websocket.Dial(within(t), "wss"+strings.TrimPrefix(srv.URL, "https"), &websocket.DialOptions{TLSConfig: tlsConfig, HTTP: v})
		if err != nil {
			t.Fatal(err)
		}
		if n := <-versions; n != 1 || c.HTTPVersion() != 1 {
			t.Errorf("HTTP %d at the server, %d at the client", n, c.HTTPVersion())
		}
		c.CloseNow()
	}
	for _, v := range []websocket.HTTPVersion{websocket.HTTP3, -2, 7} {
		_, err := websocket.Dial(within(t), "ws://127.0.0.1:1/", &websocket.DialOptions{HTTP: v})
		if oe, ok := errors.AsType[*websocket.OptionError](err); !ok || oe.Field != "HTTP" {
			t.Errorf("HTTP %d: %v", v, err)
		}
	}
}

// S2.3, ruling C4: pings are answered whether or not anybody looks at them, and
// whoever wants to see control frames may. S1.15: a Conn pings by itself only
// when KeepAlive says so.
func TestFeatureControlFrames(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "answered and seen", func(t *testing.T) {
			var seen []string
			o := &websocket.ConnOptions{
				OnPing: func(p []byte) { seen = append(seen, "ping "+string(p)) },
				OnPong: func(p []byte) { seen = append(seen, "pong "+string(p)) },
			}
			for _, o := range []*websocket.ConnOptions{nil, o} {
				c, _, peer := scripted(t, role, o, nil)
				read := async(readError(c))
				peer.SendFrames(wstest.Ping([]byte("a")), wstest.Pong([]byte("b")))
				peer.Expect(wstest.Pong([]byte("a")))
				peer.SendFrames(wstest.Text("x"))
				if err := <-read; err != nil {
					t.Error(err)
				}
			}
			if strings.Join(seen, ", ") != "ping a, pong b" {
				t.Errorf("saw %q", seen)
			}
		})
		bubble(t, "keepalive", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			go c.Read(context.Background())
			peer.ExpectNothing(24 * time.Hour)
			d, _, other := scripted(t, role, &websocket.ConnOptions{KeepAlive: websocket.KeepAlive{Interval: 15 * time.Second}}, nil)
			go d.Read(context.Background())
			other.Timeout = time.Minute
			other.Expect(wstest.Ping(nil))
			c.CloseNow()
			d.CloseNow()
			synctest.Wait()
		})
	})
}

// S1.5, ruling C6: a raw header, the option and the server's choice feed one
// negotiation of the subprotocol. S0.10, S0.11: the outcome is the server's
// first, and no common one fails for whoever asked.
func TestFeatureSubprotocol(t *testing.T) {
	url := wstest.Server(t, func(c *websocket.Conn) {
		c.Write(context.Background(), websocket.MessageText, []byte(c.Subprotocol()))
	}, &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{Subprotocols: []string{"v2", "v1"}}})
	raw := func(s string) http.Header { return http.Header{"Sec-Websocket-Protocol": {s}} }
	for _, tc := range []struct {
		name   string
		header http.Header
		option []string
		want   string
		err    error
	}{
		{"option", nil, []string{"v1", "v2"}, "v2", nil},
		{"raw header", raw("v1, v2"), nil, "v2", nil},
		{"one of them", raw("v1"), nil, "v1", nil},
		{"both alike", raw("v1, v2"), []string{"v1", "v2"}, "v2", nil},
		{"none", nil, nil, "", nil},
		{"nothing in common", nil, []string{"v3"}, "", handshake.ErrSubprotocol},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, err := websocket.Dial(within(t), url, &websocket.DialOptions{Header: tc.header, ConnOptions: websocket.ConnOptions{Subprotocols: tc.option}})
			if err != nil || tc.err != nil {
				if he, ok := errors.AsType[*websocket.HandshakeError](err); tc.err == nil || !errors.Is(err, tc.err) || !ok || he.Body == nil {
					t.Fatal(err)
				}
				return
			}
			defer c.CloseNow()
			if _, p, err := c.Read(within(t)); err != nil || string(p) != tc.want || c.Subprotocol() != tc.want {
				t.Errorf("agreed on %q at the client, %q at the server, %v", c.Subprotocol(), p, err)
			}
		})
	}
}

// S0.13, ruling C7: whatever refuses or breaks an opening handshake is one type, with
// the status, the header, a body that is never nil, and the reason. S0.14,
// S0.15, S1.8.
func TestFeatureHandshakeError(t *testing.T) {
	for name, tc := range map[string]struct {
		answer func(r *http.Request) string
		status int
		body   string
		err    error
	}{
		"refused": {func(*http.Request) string { return "HTTP/1.1 403 x\r\nX-Why: you\r\nContent-Length: 4\r\n\r\nwhy?" }, 403, "why?", handshake.ErrStatus},
		"no body": {func(*http.Request) string { return "HTTP/1.1 403 x\r\nX-Why: you\r\nContent-Length: 0\r\n\r\n" }, 403, "", handshake.ErrStatus},
		"wrong accept": {func(r *http.Request) string {
			return strings.Replace(switching(r, "X-Why: you\r\n"), "Accept: ", "Accept: x", 1)
		}, 101, "", handshake.ErrAccept},
		"not asked":     {func(r *http.Request) string { return switching(r, "X-Why: you\r\nSec-WebSocket-Protocol: a\r\n") }, 101, "", handshake.ErrSubprotocol},
		"wrong version": {func(r *http.Request) string { return strings.Replace(switching(r, "X-Why: you\r\n"), "1.1", "1.0", 1) }, 101, "", handshake.ErrHTTPVersion},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := websocket.Dial(within(t), "ws://"+requestServer(t, tc.answer), nil)
			he, ok := errors.AsType[*websocket.HandshakeError](err)
			if !ok || !errors.Is(err, tc.err) || he.Status != tc.status || he.Header.Get("X-Why") != "you" || he.Body == nil || string(he.Body) != tc.body {
				t.Errorf("%v, %+v", err, he)
			}
		})
	}
}

// S3.4, ruling C12: no time-out is infinite by default. Each step of Dial has 10 s (see
// also TestDialTimeouts), a write 15 s in a client and 10 s in a server, and a
// closing handshake 5 s.
func TestFeatureDefaultTimeouts(t *testing.T) {
	for what, d := range map[string]time.Duration{
		"lookup": websocket.DefaultLookupTimeout, "connect": websocket.DefaultConnectTimeout,
		"TLS": websocket.DefaultTLSHandshakeTimeout, "upgrade": websocket.DefaultUpgradeTimeout, "handshake": websocket.DefaultHandshakeTimeout,
	} {
		if d != 10*time.Second {
			t.Errorf("%s: %v", what, d)
		}
	}
	forRoles(t, func(t *testing.T, role protocol.Role) {
		want := 10 * time.Second
		if role == protocol.RoleClient {
			want = 15 * time.Second
		}
		c, _, _ := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 512})
		start := time.Now()
		if err := c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)); !errors.Is(err, websocket.ErrWriteTimeout) || time.Since(start) != want {
			t.Errorf("Write = %v after %v", err, time.Since(start))
		}
		d, _, _ := scripted(t, role, nil, nil)
		start = time.Now()
		if err := d.Close(1000, ""); !errors.Is(err, websocket.ErrCloseTimeout) || time.Since(start) != 5*time.Second {
			t.Errorf("Close = %v after %v", err, time.Since(start))
		}
	})
}
