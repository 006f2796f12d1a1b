package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/handshake"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// connectRequest is an extended CONNECT as package h2 and net/http hand it over.
func connectRequest(fields ...string) *http.Request {
	r := httptest.NewRequest(http.MethodConnect, "/", nil)
	r.ProtoMajor, r.Proto, r.RequestURI, r.ContentLength = 2, "HTTP/2.0", "/", -1
	r.Header = http.Header{":protocol": {"websocket"}, "Sec-Websocket-Version": {"13"}}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

// givingWriter gives its stream away, as package h2's does.
type givingWriter struct {
	*httptest.ResponseRecorder
	s   websocket.Stream
	err error
}

func (w *givingWriter) HijackStream() (websocket.Stream, error) { return w.s, w.err }

// S2.8: over HTTP/2 the answer is a 200 and the stream is taken over, also
// through middleware.
func TestAcceptHijackStream(t *testing.T) {
	a, b := wstest.Pipe(nil)
	w := &givingWriter{httptest.NewRecorder(), a, nil}
	w.Header().Set("X-Middleware", "1")
	w.Header().Set("Connection", "close")
	w.Header().Set("Content-Encoding", "gzip")
	w.Header().Set("Content-Length", "7")
	var traced []int
	o := &websocket.AcceptOptions{Header: http.Header{"X-Option": {"2"}}, RejectEarlyData: true}
	o.Subprotocols = []string{"chat"}
	o.Trace = &websocket.Trace{Response: func(status int, h http.Header) {
		if h.Get("X-Option") != "2" {
			t.Errorf("Trace: %v", h)
		}
		traced = append(traced, status)
	}}
	c, err := websocket.Accept(unwrapping{unwrapping{w}}, connectRequest("Sec-WebSocket-Protocol", "chat", "Sec-WebSocket-Key", rawKey), o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	h := w.Result().Header
	if w.Code != 200 || h.Get("X-Middleware") != "1" || h.Get("X-Option") != "2" || h.Get("Connection") != "" || h.Get("Content-Length") != "" ||
		h.Get("Content-Encoding") != "" || h.Get("Sec-WebSocket-Protocol") != "chat" || h.Get("Sec-WebSocket-Accept") != acceptFor(rawKey) {
		t.Errorf("status %d, header %v", w.Code, h)
	}
	if len(traced) != 1 || traced[0] != 200 {
		t.Errorf("Trace was told of %v", traced)
	}
	if c.HTTPVersion() != 2 || c.Subprotocol() != "chat" || c.LocalAddr() != a.LocalAddr() || c.RemoteAddr() != a.RemoteAddr() {
		t.Errorf("version %d, subprotocol %q, addresses %v and %v", c.HTTPVersion(), c.Subprotocol(), c.LocalAddr(), c.RemoteAddr())
	}
	go echo(c)
	peer := wstest.NewPeer(t, b, protocol.RoleClient)
	peer.SendFrames(wstest.Text("hello"))
	peer.Expect(wstest.Text("hello"))
}

// A client that is gone before it has its answer is told of as over HTTP/1.1.
func TestAcceptHijackStreamFails(t *testing.T) {
	closed := 0
	o := &websocket.AcceptOptions{}
	o.Extensions = append(o.Extensions, countingExtension{&closed})
	w := &givingWriter{httptest.NewRecorder(), nil, net.ErrClosed}
	_, err := websocket.Accept(w, connectRequest("Sec-WebSocket-Extensions", "x-count"), o)
	var he *websocket.HandshakeError
	if !errors.As(err, &he) || he.Status != 200 || !errors.Is(err, net.ErrClosed) || closed != 1 {
		t.Errorf("%v, and %d codecs were closed", err, closed)
	}
}

// H-S9: a writer that hides the stream, and can't be flushed, gets a refusal out,
// and so does a request over HTTP/2 that is no extended CONNECT.
func TestAcceptHTTP2Refuses(t *testing.T) {
	w := httptest.NewRecorder()
	hides := struct{ http.ResponseWriter }{&givingWriter{w, nil, nil}}
	if _, err := websocket.Accept(unwrapping{hides}, connectRequest(), nil); w.Code != 501 ||
		!errors.Is(err, handshake.ErrNotHijackable) || w.Header().Get("Connection") != "" {
		t.Errorf("status %d, header %q, error %v", w.Code, w.Header(), err)
	}
	errs := make(chan error, 1)
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := websocket.Accept(w, r, nil)
		errs <- err
	}))
	srv.EnableHTTP2 = true
	srv.StartTLS()
	defer srv.Close()
	resp, err := srv.Client().Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if err := <-errs; resp.ProtoMajor != 2 || resp.StatusCode != 501 || !errors.Is(err, handshake.ErrNotHijackable) {
		t.Errorf("%s over %s, error %v", resp.Status, resp.Proto, err)
	}
}

// tunnel is a server's end of an extended CONNECT without a stream that could be
// taken: a body to read, and a writer.
type tunnel struct {
	*httptest.ResponseRecorder
	out io.Writer
}

func (w *tunnel) Write(p []byte) (int, error) { return w.out.Write(p) }
func (w *tunnel) FlushError() error {
	w.ResponseRecorder.Flush()
	return nil
}

// newTunnel returns a connection accepted over body and writer, and the client's
// end. gone ends the request's context.
func newTunnel(t *testing.T) (c *websocket.Conn, peer *wstest.Peer, gone context.CancelFunc) {
	t.Helper()
	a, b := wstest.Pipe(nil)
	w := &tunnel{ResponseRecorder: httptest.NewRecorder(), out: a}
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	r := connectRequest().WithContext(ctx)
	r.Body = a
	c, err := websocket.Accept(unwrapping{w}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	if w.Code != 200 || !w.Flushed {
		t.Errorf("status %d, flushed %v", w.Code, w.Flushed)
	}
	t.Cleanup(func() { c.CloseNow() })
	return c, wstest.NewPeer(t, b, protocol.RoleClient), cancel
}

// Over a server that does not give the stream away, body and writer are it.
func TestAcceptTunnel(t *testing.T) {
	c, peer, _ := newTunnel(t)
	if a := c.RemoteAddr(); c.HTTPVersion() != 2 || a == nil || a.String() != "192.0.2.1:1234" || c.LocalAddr() != nil {
		t.Errorf("version %d, addresses %v and %v", c.HTTPVersion(), c.LocalAddr(), a)
	}
	done := async(func() error { return echo(c) })
	big := make([]byte, 100_000)
	peer.SendFrames(wstest.Text("hello"), wstest.Ping([]byte("p")))
	peer.Expect(wstest.Text("hello"), wstest.Pong([]byte("p")))
	peer.SendFrames(wstest.Binary(big))
	peer.Expect(wstest.Binary(big))
	peer.SendFrames(wstest.Close(1000, "bye"))
	peer.ExpectClose(1000)
	if ce := closeErrorOf(t, <-done); ce.Code != 1000 || ce.Cause != nil {
		t.Errorf("%v", ce)
	}
}

// It ends when the request does: the client is gone, or the handler has returned
// without waiting.
func TestAcceptTunnelGone(t *testing.T) {
	c, _, gone := newTunnel(t)
	read := async(readError(c))
	gone()
	if err := <-read; !errors.Is(err, io.ErrUnexpectedEOF) || websocket.CloseStatus(err) != websocket.StatusAbnormalClosure {
		t.Errorf("%v", err)
	}
	checkOver(t, c, false)
}

// A deadline harms nothing, in either direction.
func TestAcceptTunnelDeadlines(t *testing.T) {
	c, peer, _ := newTunnel(t)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Read = %v", err)
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("too late")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Write = %v", err)
	}
	done := async(func() error { return echo(c) })
	peer.SendFrames(wstest.Text("after"))
	peer.Expect(wstest.Text("after"))
	peer.CloseWrite()
	if ce := closeErrorOf(t, <-done); ce.Code != websocket.StatusAbnormalClosure || !errors.Is(ce, io.ErrUnexpectedEOF) {
		t.Errorf("%v", ce)
	}
}

// What was written before Close is on its way when Close returns, and a peer that
// takes nothing is waited for a moment only.
func TestAcceptTunnelClose(t *testing.T) {
	a, b := wstest.Pipe(&wstest.PipeOptions{Buffer: 1000})
	defer b.Close()
	w := &stuckWriter{tunnel{ResponseRecorder: httptest.NewRecorder(), out: a}, a}
	r := connectRequest()
	r.Body = a
	o := &websocket.AcceptOptions{}
	o.WriteTimeout = 20 * time.Millisecond
	acc, err := websocket.AcceptStream(w, r, o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := acc.Stream.Write(make([]byte, 4000)); err != nil { // waits in the middle
		t.Fatal(err)
	}
	acc.Stream.Close()
	if !w.expired() {
		t.Error("the writer was not stopped")
	}
	if _, err := acc.Stream.Write([]byte("x")); err == nil {
		t.Error("a write after Close succeeded")
	}
}

// stuckWriter has a deadline.
type stuckWriter struct {
	tunnel
	out *wstest.PipeConn
}

func (w *stuckWriter) SetWriteDeadline(t time.Time) error { return w.out.SetWriteDeadline(t) }

func (w *stuckWriter) expired() bool {
	_, err := w.out.Write(make([]byte, 1))
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, net.ErrClosed)
}

// A handler that has returned too early is told so, and net/http's panic goes no
// further.
func TestAcceptTunnelPanics(t *testing.T) {
	a, _ := wstest.Pipe(nil)
	r := connectRequest()
	r.Body = a
	c, err := websocket.Accept(&panicsLater{ResponseRecorder: httptest.NewRecorder()}, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer c.CloseNow()
	for err == nil { // the first is on its way when Write returns
		err = c.Write(t.Context(), websocket.MessageText, []byte("x"))
	}
	if !strings.Contains(err.Error(), "must not return") {
		t.Errorf("Write = %v", err)
	}
}

type panicsLater struct{ *httptest.ResponseRecorder }

func (*panicsLater) Write([]byte) (int, error) { panic("Write called after Handler finished") }
