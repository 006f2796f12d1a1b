package websocket_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// countedStream counts how often the transport is closed.
type countedStream struct {
	*wstest.PipeConn
	closes atomic.Int32
}

func (s *countedStream) Close() error {
	s.closes.Add(1)
	return s.PipeConn.Close()
}

// scripted is wstest.Scripted with the options of the one end, and with the
// transport of the Conn. In tests that are named so it is over a stream of HTTP/2.
func scripted(t testing.TB, role protocol.Role, o *websocket.ConnOptions, po *wstest.PipeOptions) (*websocket.Conn, *countedStream, *wstest.Peer) {
	t.Helper()
	if strings.Contains(t.Name(), onStream) {
		return scriptedStream(t, role, o)
	}
	a, b := wstest.Pipe(po)
	s := &countedStream{PipeConn: a}
	c := websocket.NewConn(s, role, nil, o)
	t.Cleanup(func() { c.CloseNow() })
	return c, s, wstest.NewPeer(t, b, other(role))
}

func other(r protocol.Role) protocol.Role {
	if r == protocol.RoleServer {
		return protocol.RoleClient
	}
	return protocol.RoleServer
}

// forRoles runs a test in a bubble for a server and for a client.
func forRoles(t *testing.T, f func(t *testing.T, role protocol.Role)) {
	t.Helper()
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		t.Run(role.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, role) })
		})
	}
}

// forCarried is forRoles over a stream of HTTP/2 as well.
func forCarried(t *testing.T, f func(t *testing.T, role protocol.Role)) {
	t.Helper()
	forRoles(t, f)
	t.Run(onStream, func(t *testing.T) { forRoles(t, f) })
}

// eachCarried is eachRole over a stream of HTTP/2 as well.
func eachCarried(t *testing.T, f func(t *testing.T, role protocol.Role)) {
	t.Helper()
	eachRole(t, f)
	t.Run(onStream, func(t *testing.T) { eachRole(t, f) })
}

// eachRole runs tests for a server and for a client.
func eachRole(t *testing.T, f func(t *testing.T, role protocol.Role)) {
	t.Helper()
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		t.Run(role.String(), func(t *testing.T) { f(t, role) })
	}
}

// bubble runs a test in a bubble.
func bubble(t *testing.T, name string, f func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, f) })
}

// async runs f and returns where its error comes.
func async(f func() error) <-chan error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return done
}

func readError(c *websocket.Conn) func() error {
	return func() error {
		_, _, err := c.Read(context.Background())
		return err
	}
}

// closeErrorOf checks that err is an ending and returns it.
func closeErrorOf(t *testing.T, err error) *websocket.CloseError {
	t.Helper()
	ce, ok := errors.AsType[*websocket.CloseError](err)
	if !ok {
		t.Fatalf("%v (%T) is not a *CloseError", err, err)
	}
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v does not match net.ErrClosed", err)
	}
	if !strings.HasPrefix(err.Error(), "websocket: ") {
		t.Errorf("the text of %q does not begin with the package", err)
	}
	return ce
}

func sameClose(c *protocol.Close, code websocket.StatusCode, reason string) bool {
	return c != nil && c.Code == code && c.Reason == reason
}

// checkOver checks that a connection that has ended says so, whatever is asked
// of it, and that every answer is the same ending.
func checkOver(t *testing.T, c *websocket.Conn, completed bool) {
	t.Helper()
	first := readError(c)()
	closeErrorOf(t, first)
	ctx := context.Background()
	_, errAppend := errOf2(c.Append(ctx, nil))
	_, errBatch := c.ReadBatch(ctx, nil)
	_, _, errReader := c.Reader(ctx)
	for what, err := range map[string]error{"Read": readError(c)(), "Append": errAppend, "ReadBatch": errBatch, "Reader": errReader} {
		if got := closeErrorOf(t, err); got.Error() != first.Error() {
			t.Errorf("%s after the end: %v, Read: %v", what, err, first)
		}
	}
	_, errWriter := c.Writer(ctx, websocket.MessageText)
	_, errPing := c.Ping(ctx)
	for what, err := range map[string]error{
		"Write":      c.Write(ctx, websocket.MessageText, []byte("x")),
		"WriteBatch": c.WriteBatch(ctx, websocket.Text("x")),
		"Writer":     errWriter,
		"Ping":       errPing,
	} {
		if !errors.Is(err, net.ErrClosed) {
			t.Errorf("%s after the end: %v", what, err)
		}
	}
	switch err := c.Close(websocket.StatusNormalClosure, ""); {
	case completed && err != nil:
		t.Errorf("Close after a closing handshake: %v", err)
	case !completed:
		closeErrorOf(t, err)
	}
	if err := c.CloseNow(); err != nil {
		t.Errorf("CloseNow after the end: %v", err)
	}
}

func errOf2(_ websocket.MessageType, p []byte, err error) ([]byte, error) { return p, err }
