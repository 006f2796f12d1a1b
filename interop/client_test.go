package interop_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
)

// peer is a server of others' that our client talks to.
type peer struct {
	*process
	url     string
	setting setting
	dialing func(*websocket.DialOptions) // may be nil
	traits  traits
}

// traits are what servers differ in.
type traits struct {
	closesTersely bool // its answer to a close frame has no reason
	sendsWhole    bool // it never sends a message in fragments
}

// answers returns the close frame with which the peer answers one of ours.
func (p *peer) answers(code, reason string) string {
	if p.traits.closesTersely {
		return code
	}
	return code + " " + reason
}

// event is a line that a peer's server prints.
type event struct {
	Port int
	Open *struct{ Path, Origin, Protocol, Extensions string }

	Close *struct {
		Path   string
		Code   int
		Reason string
	}
}

// wantClose waits for the peer to say how a connection ended there.
func (p *peer) wantClose(t *testing.T, code int, reason string) {
	t.Helper()
	var e event
	p.next(&e)
	if e.Close == nil || e.Close.Path != "/"+name(t) || e.Close.Code != code || e.Close.Reason != reason {
		t.Errorf("the server saw %+v, want %d %q of /%s", e.Close, code, reason, name(t))
	}
}

// name is the last part of a test's name.
func name(t *testing.T) string { return t.Name()[strings.LastIndexByte(t.Name(), '/')+1:] }

// conn is a connection to a peer that counts frames.
type conn struct {
	*websocket.Conn
	ctx            context.Context
	sent, received int // frames
	coded, uncoded int // first frames of messages received, with RSV1 and without
	codedSent      int
}

// dial connects to the peer, on a path of the test's name.
func (p *peer) dial(t *testing.T, more func(*websocket.DialOptions)) *conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	c := &conn{ctx: ctx}
	o := &websocket.DialOptions{}
	o.Subprotocols = []string{"other", "echo"}
	o.Extensions = p.setting.extensions()
	o.Trace = &websocket.Trace{Frame: c.trace}
	for _, f := range []func(*websocket.DialOptions){p.dialing, more} {
		if f != nil {
			f(o)
		}
	}
	var err error
	if c.Conn, err = websocket.Dial(ctx, p.url+name(t), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.CloseNow() })
	var e event
	p.next(&e)
	if e.Open == nil || e.Open.Path != "/"+name(t) || e.Open.Protocol != "echo" || c.Subprotocol() != "echo" {
		t.Fatalf("the server saw %+v, we speak %q", e.Open, c.Subprotocol())
	}
	if agreed := len(c.Extensions()) == 1; agreed != (p.setting.ours != nil) {
		t.Fatalf("agreed on %v", c.Extensions())
	}
	return c
}

func (c *conn) trace(sent bool, h frame.Header) {
	data := h.Opcode == frame.OpText || h.Opcode == frame.OpBinary
	switch {
	case sent:
		c.sent++
		if h.RSV&frame.RSV1 != 0 {
			c.codedSent++
		}
	default:
		c.received++
		if data && h.RSV&frame.RSV1 != 0 {
			c.coded++
		} else if data {
			c.uncoded++
		}
	}
}

func (c *conn) write(t *testing.T, typ websocket.MessageType, p []byte) {
	t.Helper()
	if err := c.Write(c.ctx, typ, p); err != nil {
		t.Fatal(err)
	}
}

func (c *conn) want(t *testing.T, typ websocket.MessageType, want []byte) {
	t.Helper()
	got, p, err := c.Read(c.ctx)
	if err != nil || got != typ || !bytes.Equal(p, want) {
		t.Fatalf("read %v, %d bytes, %v; want %v, %d bytes", got, len(p), err, typ, len(want))
	}
}

// wantEnd reads until the end, which must be a whole closing handshake.
func (c *conn) wantEnd(t *testing.T, received, sent string, remoteFirst bool) {
	t.Helper()
	_, _, err := c.Read(c.ctx)
	end, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		t.Fatalf("the end is %v", err)
	}
	if describe(end.Received) != received || describe(end.Sent) != sent || end.RemoteFirst != remoteFirst || end.Cause != nil {
		t.Errorf("received %q, sent %q, remote first %v, cause %v; want %q, %q, %v",
			describe(end.Received), describe(end.Sent), end.RemoteFirst, end.Cause, received, sent, remoteFirst)
	}
}

func (c *conn) close(t *testing.T, code websocket.StatusCode, reason string) {
	t.Helper()
	if err := c.Close(code, reason); err != nil {
		t.Errorf("Close(%d, %q): %v", code, reason, err)
	}
}

// octets are compressible, and have repetitions further apart than the small
// windows.
func octets(n int) []byte {
	p := make([]byte, n)
	x := uint32(1)
	for i := range p {
		x = x*1103515245 + 12345
		p[i] = byte(x>>16) & 0x3f
		if i >= 5000 && i%5000 < 2500 {
			p[i] = p[i-5000]
		}
	}
	return p
}

// testClient runs our client's checks against a server of others'.
func testClient(t *testing.T, server *process, s setting) {
	t.Helper()
	testClientBy(t, server, s, "ws", nil, traits{})
}

// testClientBy is testClient with a scheme, options and traits of the server.
func testClientBy(t *testing.T, server *process, s setting, scheme string, dialing func(*websocket.DialOptions), has traits) {
	t.Helper()
	var e event
	server.next(&e)
	if e.Port == 0 {
		t.Fatalf("no port: %+v", e)
	}
	p := &peer{server, fmt.Sprintf("%s://127.0.0.1:%d/", scheme, e.Port), s, dialing, has}
	t.Run("text", p.testText)
	t.Run("binary", p.testBinary)
	t.Run("mebibyte", p.testMebibyte)
	t.Run("many", p.testMany)
	t.Run("fragments", p.testFragments)
	t.Run("ping", p.testPing)
	t.Run("closes", p.testCloses)
	t.Run("terminates", p.testTerminates)
	t.Run("bad-utf8", p.testBadUTF8)
	t.Run("origin", p.testOrigin)
}

func (p *peer) testText(t *testing.T) {
	c := p.dial(t, nil)
	for _, text := range []string{"Hello", "", "κόσμε 🌍", strings.Repeat("x", 125), strings.Repeat("x", 126), strings.Repeat("é", 40_000)} {
		c.write(t, websocket.MessageText, []byte(text))
		c.want(t, websocket.MessageText, []byte(text))
	}
	c.close(t, websocket.StatusNormalClosure, "bye")
	c.wantEnd(t, p.answers("1000", "bye"), "1000 bye", false)
	p.wantClose(t, 1000, "bye")
	if on := p.setting.ours != nil; (c.codedSent > 0) != on || (c.coded > 0) != on {
		t.Errorf("compressed: %d messages sent, %d received", c.codedSent, c.coded)
	}
}

func (p *peer) testBinary(t *testing.T) {
	c := p.dial(t, nil)
	for _, n := range []int{0, 1, 125, 126, 65_535, 65_536} {
		c.write(t, websocket.MessageBinary, octets(n))
		c.want(t, websocket.MessageBinary, octets(n))
	}
	c.close(t, 4000, "bye")
	c.wantEnd(t, p.answers("4000", "bye"), "4000 bye", false)
	p.wantClose(t, 4000, "bye")
}

func (p *peer) testMebibyte(t *testing.T) {
	c := p.dial(t, nil)
	// The peer may send before it has read all, so both directions run.
	done := make(chan error, 1)
	go func() { done <- c.Write(c.ctx, websocket.MessageBinary, octets(1<<20)) }()
	c.want(t, websocket.MessageBinary, octets(1<<20))
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	text := bytes.Repeat([]byte("m"), 1<<20)
	c.write(t, websocket.MessageText, text)
	c.want(t, websocket.MessageText, text)
	c.close(t, 0, "")
	c.wantEnd(t, "1005", "1005", false)
	p.wantClose(t, 1005, "")
}

func (p *peer) testMany(t *testing.T) {
	c := p.dial(t, nil)
	text := func(i int) string { return strings.Repeat(fmt.Sprintf("message %d ", i), 20) }
	var batch []websocket.Outgoing
	for i := range 500 {
		batch = append(batch, websocket.Text(text(i)))
	}
	done := make(chan error, 1)
	go func() { done <- c.WriteBatch(c.ctx, batch...) }()
	for i := range 500 {
		c.want(t, websocket.MessageText, []byte(text(i)))
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.close(t, websocket.StatusNormalClosure, "")
	p.wantClose(t, 1000, "")
}

func (p *peer) testFragments(t *testing.T) {
	c := p.dial(t, nil)
	w, err := c.Writer(c.ctx, websocket.MessageText)
	if err != nil {
		t.Fatal(err)
	}
	piece := strings.Repeat("piece by piece ", 3000)
	for range 5 {
		if _, err := w.Write([]byte(piece)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if c.sent < 2 {
		t.Errorf("sent in %d frames", c.sent)
	}
	c.want(t, websocket.MessageText, []byte(strings.Repeat(piece, 5)))
	before := c.received
	c.write(t, websocket.MessageText, []byte("fragments"))
	c.want(t, websocket.MessageText, []byte("fragmented"))
	if n := c.received - before; n < 3 && !p.traits.sendsWhole {
		t.Errorf("received in %d frames", n)
	}
	c.close(t, websocket.StatusNormalClosure, "")
	p.wantClose(t, 1000, "")
}

func (p *peer) testPing(t *testing.T) {
	pings := make(chan string, 1)
	c := p.dial(t, func(o *websocket.DialOptions) {
		o.OnPing = func(payload []byte) { pings <- string(payload) }
	})
	c.write(t, websocket.MessageText, []byte("ping there-and-back"))
	c.want(t, websocket.MessageText, []byte("pong there-and-back"))
	if got := <-pings; got != "there-and-back" {
		t.Errorf("ping %q", got)
	}
	done := make(chan error, 1)
	go func() {
		_, err := c.Ping(c.ctx)
		if err == nil {
			err = c.Close(websocket.StatusNormalClosure, "")
		}
		done <- err
	}()
	c.wantEnd(t, "1000", "1000", false) // reads the pong on its way
	if err := <-done; err != nil {
		t.Error(err)
	}
	p.wantClose(t, 1000, "")
}

func (p *peer) testCloses(t *testing.T) {
	for _, tt := range []struct {
		code   int
		reason string
	}{{1000, ""}, {1001, "going"}, {1011, "inner"}, {3000, "κόσμε"}, {4999, "last"}} {
		c := p.dial(t, nil)
		command := strings.TrimSpace(fmt.Sprintf("close %d %s", tt.code, tt.reason))
		c.write(t, websocket.MessageText, []byte(command))
		said := strings.TrimSpace(fmt.Sprint(tt.code, " ", tt.reason))
		_, _, err := c.Read(c.ctx)
		end, ok := errors.AsType[*websocket.CloseError](err)
		if !ok || describe(end.Received) != said || end.Sent == nil || int(end.Sent.Code) != tt.code || !end.RemoteFirst || end.Cause != nil {
			t.Fatalf("the end is %v", err)
		}
		p.wantClose(t, tt.code, end.Sent.Reason)
	}
}

func (p *peer) testTerminates(t *testing.T) {
	c := p.dial(t, nil)
	c.write(t, websocket.MessageText, []byte("terminate"))
	_, _, err := c.Read(c.ctx)
	if websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Fatalf("the end is %v", err)
	}
	p.wantClose(t, 1006, "")
}

func (p *peer) testBadUTF8(t *testing.T) {
	c := p.dial(t, nil)
	if err := c.Write(c.ctx, websocket.MessageText, []byte("a\xffb")); !errors.Is(err, frame.ErrInvalidUTF8) {
		t.Errorf("writing bad UTF-8: %v", err)
	}
	c.write(t, websocket.MessageText, []byte("bad-utf8"))
	_, _, err := c.Read(c.ctx)
	if !errors.Is(err, frame.ErrInvalidUTF8) {
		t.Fatalf("the end is %v", err)
	}
	var e event
	p.next(&e)
	if e.Close == nil || e.Close.Code != 1007 {
		t.Errorf("the server saw %+v, want 1007", e.Close)
	}
}

func (p *peer) testOrigin(t *testing.T) {
	c := p.dial(t, func(o *websocket.DialOptions) { o.Header = http.Header{"Origin": {"http://good.example"}} })
	c.close(t, websocket.StatusNormalClosure, "")
	p.wantClose(t, 1000, "")

	o := &websocket.DialOptions{}
	if p.dialing != nil {
		p.dialing(o)
	}
	o.Header = http.Header{"Origin": {"http://bad.example"}}
	_, err := websocket.Dial(c.ctx, p.url, o)
	refusal, ok := errors.AsType[*websocket.HandshakeError](err)
	if !ok || refusal.Status != http.StatusForbidden {
		t.Errorf("wrong Origin: %v", err)
	}
}
