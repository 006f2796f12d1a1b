package websocket_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// W6: the messages of a batch stay as they are until their reader reads again,
// also while a Close of another goroutine reads for the peer's answer.
func TestBatchStaysWhileCloseReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
		ctx := context.Background()
		text := strings.Repeat("a", 500)
		peer.SendFrames(wstest.Text(text), wstest.Text(text))
		batch, err := c.ReadBatch(ctx, nil)
		if err != nil || len(batch) != 2 {
			t.Fatal(len(batch), err)
		}
		closed := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
		synctest.Wait() // Close reads
		other := make([][]byte, 8)
		for i := range other { // somebody else borrows
			other[i] = bufpool.Get(4096)
			for j := range other[i] {
				other[i][j] = 'x'
			}
		}
		for _, m := range batch {
			if string(m.Data) != text {
				t.Fatalf("a message of the batch is %.10q... now", m.Data)
			}
		}
		peer.SendFrames(wstest.Text("more"), wstest.Close(websocket.StatusNormalClosure, ""))
		if err := <-closed; err != nil {
			t.Error(err)
		}
		for _, m := range batch {
			if string(m.Data) != text {
				t.Fatalf("a message of the batch is %.10q... after the end", m.Data)
			}
		}
		for _, b := range other {
			bufpool.Put(b)
		}
	})
}

// A read method called while somebody else ends the connection races with
// nothing. It is the race detector that judges.
func TestBatchAgainstCloseNow(t *testing.T) {
	for range 500 {
		c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
		ctx := context.Background()
		peer.SendFrames(wstest.Text("one"))
		if _, err := c.ReadBatch(ctx, nil); err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		wg.Go(func() { c.CloseNow() })
		wg.Go(func() { c.ReadBatch(ctx, nil) })
		wg.Wait()
		peer.Close()
	}
}

// F12: a connection that waits for the rest of a large message holds what it
// has of it, and no read buffer beside it.
func TestLargeMessageHoldsNoReadBuffer(t *testing.T) {
	for _, how := range []string{"Read", "Reader"} {
		bubble(t, how, func(t *testing.T) {
			before := bufpool.Outstanding()
			c, _, peer := scripted(t, protocol.RoleClient, nil, nil)
			peer.SendHex("82 7f 0000 0000 000f 0000 41") // 983,040 bytes, one of them there
			go func() {
				if how == "Read" {
					c.Read(context.Background())
					return
				}
				_, r, err := c.Reader(context.Background())
				for err == nil {
					_, err = r.Read(make([]byte, 64<<10))
				}
			}()
			synctest.Wait()
			if n := bufpool.Outstanding() - before; n != 0 {
				t.Errorf("%d buffers are held", n)
			}
			c.CloseNow()
			synctest.Wait()
		})
	}
}

// A timedOutStream fails as TCP does when the peer does not answer any more.
type timedOutStream struct{ *wstest.PipeConn }

var errTimedOut = &net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", syscall.ETIMEDOUT)}

func (timedOutStream) Read([]byte) (int, error)  { return 0, errTimedOut }
func (timedOutStream) Write([]byte) (int, error) { return 0, errTimedOut }
func (timedOutStream) WaitRead() error           { return nil }
func (timedOutStream) Writev() error             { return nil } // not the method that counts

// C9: ETIMEDOUT says that the transport is broken. It is a Timeout like that of
// a deadline, and must not be taken for one.
func TestTransportTimedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, what := range []string{"read", "write"} {
			a, b := wstest.Pipe(nil)
			c := websocket.NewConn(timedOutStream{a}, protocol.RoleClient, nil, nil)
			var err error
			if what == "write" {
				err = c.Write(context.Background(), websocket.MessageText, []byte("x"))
				if errors.Is(err, websocket.ErrWriteTimeout) {
					t.Errorf("%v: no time has passed", err)
				}
			} else {
				err = readError(c)()
			}
			if !errors.Is(err, syscall.ETIMEDOUT) {
				t.Errorf("%s: %v", what, err)
			}
			c.CloseNow()
			b.Close()
		}
	})
}

// An emptyReads returns nothing, and no error, many times.
type emptyReads struct {
	*wstest.PipeConn
	left int
	most *int
}

func (s *emptyReads) Read(p []byte) (int, error) {
	*s.most = max(*s.most, len(p))
	if s.left--; s.left >= 0 {
		return 0, nil
	}
	return s.PipeConn.Read(p)
}
func (s *emptyReads) WaitRead() error { return nil }

// A Read of the stream that returns nothing is no reason for larger buffers.
func TestEmptyReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(nil)
		most := 0
		c := websocket.NewConn(&emptyReads{a, 100, &most}, protocol.RoleClient, nil, nil)
		peer := wstest.NewPeer(t, b, protocol.RoleServer)
		peer.SendFrames(wstest.Text("x"))
		if _, p, err := c.Read(context.Background()); string(p) != "x" || err != nil {
			t.Errorf("%q, %v", p, err)
		}
		if most > 4096 {
			t.Errorf("buffer of %d bytes", most)
		}
		c.CloseNow()
	})
}

// No call panics: a nil context is refused.
func TestNilContext(t *testing.T) {
	var none context.Context
	c, _, _ := scripted(t, protocol.RoleServer, nil, nil)
	p, err := websocket.NewPrepared(websocket.MessageText, []byte("x"))
	if err != nil {
		t.Fatal(err)
	}
	for name, call := range map[string]func() error{
		"Read":          func() error { _, _, err := c.Read(none); return err },
		"Append":        func() error { _, _, err := c.Append(none, nil); return err },
		"ReadBatch":     func() error { _, err := c.ReadBatch(none, nil); return err },
		"Reader":        func() error { _, _, err := c.Reader(none); return err },
		"Write":         func() error { return c.Write(none, websocket.MessageText, nil) },
		"WriteBatch":    func() error { return c.WriteBatch(none, websocket.Text("x")) },
		"WritePrepared": func() error { return c.WritePrepared(none, p) },
		"Writer":        func() error { _, err := c.Writer(none, websocket.MessageText); return err },
		"Ping":          func() error { _, err := c.Ping(none); return err },
		"Messages": func() (err error) {
			for _, err = range c.Messages(none) {
				return err
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			err := call()
			if oe, ok := errors.AsType[*websocket.OptionError](err); !ok || oe.Field != "ctx" {
				t.Errorf("%v", err)
			}
		})
	}
	start := time.Now()
	ctx := c.CloseRead(none)
	c.CloseNow()
	<-ctx.Done()
	websocket.NetConn(none, c, websocket.MessageText).Close()
	if d := time.Since(start); d > 4*time.Second {
		t.Errorf("the end took %v", d)
	}
}

// Items and messages that nobody made are refused, and nothing is sent.
func TestZeroValues(t *testing.T) {
	c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
	ctx := context.Background()
	for name, err := range map[string]error{
		"Outgoing":     c.WriteBatch(ctx, websocket.Text("x"), websocket.Outgoing{}),
		"Prepared":     c.WritePrepared(ctx, &websocket.Prepared{}),
		"nil Prepared": c.WritePrepared(ctx, nil),
		"type 0":       c.Write(ctx, 0, []byte("x")),
		"a ping":       c.Write(ctx, 9, []byte("x")),
		"large":        c.Write(ctx, 0, make([]byte, 100<<10)),
	} {
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if err := c.Write(ctx, websocket.MessageText, []byte("sent")); err != nil {
		t.Fatal(err)
	}
	peer.Expect(wstest.Text("sent"))
}

// C9: a TCP connection that ends or is reset behind a message, which is read
// before the end is told.
func TestTCPEndings(t *testing.T) {
	for name, tc := range map[string]struct {
		end   func(*net.TCPConn)
		cause error
	}{
		"FIN":   {func(c *net.TCPConn) { c.CloseWrite() }, io.ErrUnexpectedEOF},
		"close": {func(c *net.TCPConn) { c.Close() }, io.ErrUnexpectedEOF},
		"RST":   {func(c *net.TCPConn) { c.SetLinger(0); c.Close() }, syscall.ECONNRESET},
	} {
		t.Run(name, func(t *testing.T) {
			near, far := loopback(t)
			defer far.Close()
			c := websocket.NewConn(near, protocol.RoleClient, nil, nil)
			defer c.CloseNow()
			far.Write(append(wstest.Text("last").Append(nil), 0x81)) // and the beginning of another
			if _, p, err := c.Read(within(t)); err != nil || string(p) != "last" {
				t.Fatalf("%q, %v", p, err)
			}
			tc.end(far)
			_, _, err := c.Read(within(t))
			if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure || !errors.Is(err, tc.cause) {
				t.Errorf("%+v", ce)
			}
		})
	}
}

// stuckStream is a transport that does not get over a deadline.
type stuckStream struct{ *wstest.PipeConn }

func (stuckStream) WaitRead() error          { return os.ErrDeadlineExceeded }
func (stuckStream) Read([]byte) (int, error) { return 0, os.ErrDeadlineExceeded }

// A transport that reports deadlines nobody set ends the connection, not the
// processor.
func TestTransportStuckInADeadline(t *testing.T) {
	a, _ := wstest.Pipe(nil)
	c := websocket.NewConn(stuckStream{a}, protocol.RoleServer, nil, nil)
	_, _, err := c.Read(t.Context())
	var ce *websocket.CloseError
	if !errors.As(err, &ce) || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
}
