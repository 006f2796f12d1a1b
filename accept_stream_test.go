package websocket_test

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
)

// echoShell is a shell of the smallest kind: it reads what has come, echoes the
// messages, and has neither a Conn nor pings nor a closing handshake.
func echoShell(a *websocket.Accepted) error {
	defer a.Stream.Close()
	po := &protocol.Options{Codec: a.Handshake.Codec}
	if po.Codec != nil {
		defer po.Codec.Close()
	}
	recv, send := protocol.NewReceiver(protocol.RoleServer, po), protocol.NewSender(protocol.RoleServer, po)
	defer recv.Close()
	p := a.Early
	buf := make([]byte, 512)
	for {
		n, ev, ok, err := recv.Next(p)
		p = p[n:]
		switch {
		case err != nil:
			return err
		case !ok:
			if n, err = a.Stream.Read(buf); err != nil {
				return err
			}
			p = buf[:n]
		case ev.Kind == protocol.EventData:
			out, err := send.AppendMessage(nil, ev.Opcode, ev.Data)
			if err == nil {
				_, err = a.Stream.Write(out)
			}
			if err != nil {
				return err
			}
		}
	}
}

// newStreamAcceptor is newAcceptor with AcceptStream; serve gets what it
// returned.
func newStreamAcceptor(t *testing.T, o *websocket.AcceptOptions, serve func(*websocket.Accepted)) *acceptor {
	t.Helper()
	a := &acceptor{errs: make(chan error, 100)}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		acc, err := websocket.AcceptStream(w, r, o)
		a.errs <- err
		if (acc == nil) != (err != nil) {
			t.Errorf("AcceptStream returned %v and %v", acc, err)
		}
		if err == nil {
			serve(acc)
		}
	}))
	t.Cleanup(srv.Close)
	a.addr = srv.Listener.Addr().String()
	return a
}

// A shell of another kind gets all it needs, and what came early.
func TestAcceptStream(t *testing.T) {
	o := &websocket.AcceptOptions{ConnOptions: websocket.ConnOptions{
		Subprotocols: []string{"chat"},
		Extensions:   []extension.Extension{deflate.New(nil)},
	}}
	got := make(chan *websocket.Accepted, 1)
	done := make(chan error, 1)
	a := newStreamAcceptor(t, o, func(a *websocket.Accepted) {
		got <- a
		done <- echoShell(a)
	})
	conn := a.dial(t)
	early := string(maskedText("early")) + string(maskedText("half"))[:4]
	resp, _ := conn.do(t, head(getRoot, "Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Extensions: permessage-deflate")+early)
	if resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	acc := <-got
	h := acc.Handshake
	if h.HTTPVersion != 1 || h.Subprotocol != "chat" || len(h.Extensions) != 1 || h.Codec == nil {
		t.Errorf("handshake %+v", h)
	}
	if u, ok := acc.Stream.(interface{ Unwrap() any }); !ok {
		t.Errorf("%T has no Unwrap", acc.Stream)
	} else if nc, ok := u.Unwrap().(*net.TCPConn); !ok || nc.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Errorf("Unwrap: %T", u.Unwrap())
	}
	conn.expectText(t, "early")
	if _, err := io.WriteString(conn, string(maskedText("half"))[4:]); err != nil {
		t.Fatal(err)
	}
	conn.expectText(t, "half")
	conn.expectEcho(t, "hello")
	conn.Close()
	if err := <-done; !errors.Is(err, io.EOF) {
		t.Errorf("the shell ended with %v", err)
	}
}

// Nothing early is nil, so that nobody holds net/http's buffer for it.
func TestAcceptStreamNothingEarly(t *testing.T) {
	got := make(chan []byte, 1)
	a := newStreamAcceptor(t, nil, func(a *websocket.Accepted) {
		got <- a.Early
		_ = echoShell(a)
	})
	conn := a.dial(t)
	conn.do(t, head(getRoot))
	if early := <-got; early != nil {
		t.Errorf("Early is %q and holds %d bytes", early, cap(early))
	}
	conn.expectEcho(t, "hello")
}

// The second half of Accept can be had later, with other options.
func TestAcceptedConn(t *testing.T) {
	ends := make(chan error, 1)
	a := newStreamAcceptor(t, nil, func(a *websocket.Accepted) {
		c := a.Conn(protocol.RoleServer, &websocket.ConnOptions{MaxMessageSize: 5})
		defer c.CloseNow()
		ends <- echo(c)
	})
	conn := a.dial(t)
	if resp, _ := conn.do(t, head(getRoot)+string(maskedText("early"))); resp.StatusCode != 101 {
		t.Fatalf("status %d", resp.StatusCode)
	}
	conn.expectText(t, "early")
	conn.expectEcho(t, "hello")
	conn.sendText(t, "longer")
	if err := <-ends; !errors.Is(err, frame.ErrFrameTooBig) {
		t.Errorf("the connection ended with %v", err)
	}
}

// Over TLS the stream unwraps to the tls.Conn.
func TestAcceptStreamTLS(t *testing.T) {
	got := make(chan any, 1)
	srv := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a, err := websocket.AcceptStream(w, r, nil)
		if err != nil {
			t.Error(err)
			return
		}
		got <- a.Stream.(interface{ Unwrap() any }).Unwrap()
		_ = echoShell(a)
	}))
	defer srv.Close()
	nc, err := dialTLS(t, srv)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	conn := &rawClient{nc, bufio.NewReader(nc)}
	conn.do(t, head(getRoot)+string(maskedText("early")))
	if c, ok := (<-got).(*tls.Conn); !ok {
		t.Errorf("Unwrap: %T", c)
	}
	conn.expectText(t, "early")
	conn.expectEcho(t, "hello")
}

// What is wrong is told as Accept tells it.
func TestAcceptStreamRefuses(t *testing.T) {
	var oe *websocket.OptionError
	if a, err := websocket.AcceptStream(nil, nil, nil); a != nil || !errors.As(err, &oe) {
		t.Errorf("without a writer: %v, %v", a, err)
	}
	a := newStreamAcceptor(t, nil, func(*websocket.Accepted) {})
	conn := a.dial(t)
	if resp, _ := conn.do(t, head(getRoot, "Origin: null")); resp.StatusCode != 403 {
		t.Errorf("status %d", resp.StatusCode)
	}
	var he *websocket.HandshakeError
	if err := a.err(t); !errors.Is(err, handshake.ErrOrigin) || !errors.As(err, &he) {
		t.Errorf("error %v", err)
	}
}
