package server_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/server"
	"github.com/lariat-go/websocket/wstest"
)

// peerConn is a connection of which some bytes were read ahead.
type peerConn struct {
	net.Conn
	r *bufio.Reader
}

func (c *peerConn) Read(p []byte) (int, error) { return c.r.Read(p) }

func (c *peerConn) CloseWrite() error {
	return c.Conn.(interface{ CloseWrite() error }).CloseWrite()
}

// tcp returns the TCP connection below.
func (c *peerConn) tcp() *net.TCPConn {
	if t, ok := c.Conn.(*tls.Conn); ok {
		return t.NetConn().(*net.TCPConn)
	}
	return c.Conn.(*net.TCPConn)
}

// reset ends the connection by RST.
func (c *peerConn) reset() {
	if s, ok := c.Conn.(*stream); ok {
		s.reset()
		return
	}
	c.tcp().SetLinger(0)
	c.tcp().Close()
}

// narrow opens a connection to the server, whose window stays small.
func (h *host) narrow() *peerConn {
	h.t.Helper()
	if h.pool != nil {
		c := h.stream()
		return &peerConn{c, bufio.NewReader(c)}
	}
	c, err := net.Dial("tcp", h.http.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { c.Close() })
	if err := c.(*net.TCPConn).SetReadBuffer(128 << 10); err != nil {
		h.t.Fatal(err)
	}
	if strings.HasPrefix(h.http.URL, "https") {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	return &peerConn{c, bufio.NewReader(c)}
}

// request sends an opening handshake with further header lines, each ended by
// CRLF, and what follows it, in one write; it returns the answer.
func (c *peerConn) request(t testing.TB, lines, behind string) *http.Response {
	t.Helper()
	_, err := fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n%s\r\n%s", lines, behind)
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadDeadline(time.Now().Add(patience))
	res, err := http.ReadResponse(c.r, &http.Request{Method: "GET"})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const version13 = "Sec-WebSocket-Version: 13\r\n"

// peer opens a connection and plays the client by hand. lines are added to the
// opening handshake.
func (h *host) peer(lines string) (*wstest.Peer, *peerConn) {
	h.t.Helper()
	c := h.narrow()
	if res := c.request(h.t, version13+lines, ""); res.StatusCode != http.StatusSwitchingProtocols {
		h.t.Fatal(res.Status)
	}
	return h.peerOn(c), c
}

// peerOn plays the client on a connection whose handshake is done.
func (h *host) peerOn(c *peerConn) *wstest.Peer {
	p := wstest.NewPeer(h.t, c, protocol.RoleClient)
	p.Timeout = patience
	return p
}

// until waits until something is so.
func until(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); !is(); <-tick.C {
		if time.Now().After(end) {
			t.Fatal("never: " + what)
		}
	}
}

// one is a server for one session, which tells of its beginning and its end.
type one struct {
	*host
	begun chan *server.Session
	over  chan server.Reason
}

// serveOne starts a server with the callbacks of f, of which init and terminate
// may be nil.
func serveOne(t testing.TB, engine string, o *server.Options, f funcs) *one {
	t.Helper()
	v := &one{begun: make(chan *server.Session, 1024), over: make(chan server.Reason, 1024)}
	init, terminate := f.init, f.terminate
	f.init = func(s *server.Session) {
		if init != nil {
			init(s)
		}
		v.begun <- s
	}
	f.terminate = func(s *server.Session, r server.Reason) {
		if terminate != nil {
			terminate(s, r)
		}
		v.over <- r
	}
	v.host = serve(t, engine, o, func() server.Handler { return &f })
	return v
}

// cleanUp ends all sessions, by force.
func (h *host) cleanUp() {
	h.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	h.Shutdown(ctx, nil)
	until(h.t, "all sessions are gone", func() bool { return h.Stats().Sessions == 0 })
}
