package websocket_test

import (
	"context"
	"errors"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// C9: a write fails because the peer has gone, and its close frame is read only
// afterwards. There is no way to answer it; it is the ending all the same.
func TestCloseFrameReadAfterFailedWrite(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		peer.SendFrames(wstest.Text("last words"), wstest.Close(websocket.StatusGoingAway, "bye"))
		peer.Close()
		ctx := context.Background()
		err := c.Write(ctx, websocket.MessageText, []byte("too late"))
		if err == nil {
			synctest.Wait()
			err = c.Write(ctx, websocket.MessageText, []byte("too late"))
		}
		if !errors.Is(err, syscall.EPIPE) {
			t.Fatalf("Write: %v", err)
		}
		if _, p, err := c.Read(ctx); string(p) != "last words" || err != nil {
			t.Fatalf("%q, %v", p, err)
		}
		ce := closeErrorOf(t, readError(c)())
		if ce.Code != websocket.StatusGoingAway || ce.Reason != "bye" || ce.Sent != nil || !errors.Is(ce, syscall.EPIPE) {
			t.Errorf("%v: %+v", ce, ce)
		}
		checkOver(t, c, false)
	})
}

// C10: while one Close reads for the peer's answer, the others wait. Were one
// of them to spin, the time of the bubble would stand still.
func TestManyClosesWaitQuietly(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		start := time.Now()
		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() {
				if err := c.Close(websocket.StatusNormalClosure, ""); !errors.Is(err, websocket.ErrCloseTimeout) {
					t.Errorf("Close: %v", err)
				}
			})
		}
		peer.ExpectClose(websocket.StatusNormalClosure)
		wg.Wait()
		if d := time.Since(start); d != websocket.DefaultCloseTimeout {
			t.Errorf("closed after %v", d)
		}
	})
}

// A stuckHalfClose never comes back from CloseWrite, as TLS does not for a
// while when the peer takes nothing.
type stuckHalfClose struct {
	*wstest.PipeConn
	begun, end chan struct{}
}

func (s *stuckHalfClose) CloseWrite() error {
	close(s.begun)
	<-s.end
	return nil
}

func (s *stuckHalfClose) Close() error {
	close(s.end)
	return s.PipeConn.Close()
}

// X2: ending the sending direction may take its time, and keeps nobody else
// from the connection meanwhile.
func TestSlowCloseWriteHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := wstest.Pipe(nil)
		s := &stuckHalfClose{PipeConn: a, begun: make(chan struct{}), end: make(chan struct{})}
		c := websocket.NewConn(s, protocol.RoleServer, nil, nil)
		peer := wstest.NewPeer(t, b, protocol.RoleClient)
		peer.SendHex("8101 41") // not masked
		done := async(readError(c))
		<-s.begun
		start := time.Now()
		dropped := async(c.CloseNow)
		select {
		case <-dropped:
		case <-time.After(time.Minute):
			t.Error("CloseNow waits for CloseWrite")
			close(s.end)
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("CloseNow took %v", d)
		}
		<-done
		peer.Close()
	})
}

// W9, C10: a message writer that is open when the closing handshake begins
// cannot end its message any more, but does not spoil the handshake.
func TestOpenWriterDoesNotSpoilClose(t *testing.T) {
	big := make([]byte, 20<<10) // more than a fragment
	for _, how := range []string{"write", "close", "context"} {
		t.Run(how, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				w, err := c.Writer(ctx, websocket.MessageBinary)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.Write(big); err != nil {
					t.Fatal(err)
				}
				closed := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
				peer.Receive() // the fragment
				peer.ExpectClose(websocket.StatusNormalClosure)
				synctest.Wait()
				switch how {
				case "write":
					_, err = w.Write(big)
				case "close":
					err = w.Close()
				case "context":
					cancel()
					synctest.Wait()
					err = w.Close()
				}
				if err == nil || how != "context" && !errors.Is(err, net.ErrClosed) {
					t.Errorf("the writer: %v", err)
				}
				peer.SendFrames(wstest.Close(websocket.StatusNormalClosure, ""))
				if err := <-closed; err != nil {
					t.Errorf("Close: %v", err)
				}
			})
		})
	}
}

// C10: calls of Close that come while a reader finishes a message never read
// beside the reader's next call. The race detector judges, and the order of
// what comes.
func TestClosesBesideReader(t *testing.T) {
	for range 20 {
		c, _, peer := scripted(t, protocol.RoleServer, &websocket.ConnOptions{CloseTimeout: 50 * time.Millisecond}, nil)
		var wg sync.WaitGroup
		wg.Go(func() {
			var frames []byte
			for range 1000 {
				f := wstest.Text("message")
				f.Masked = true
				frames = f.Append(frames)
			}
			for {
				if _, err := peer.Conn().Write(frames); err != nil {
					return
				}
			}
		})
		wg.Go(func() {
			for {
				_, p, err := c.Read(context.Background())
				if err != nil {
					if ce := closeErrorOf(t, err); !errors.Is(ce, websocket.ErrCloseTimeout) {
						t.Error(err)
					}
					return
				}
				if string(p) != "message" {
					t.Errorf("%q", p)
				}
			}
		})
		for range 50 {
			wg.Go(func() { c.Close(websocket.StatusNormalClosure, "") })
			runtime.Gosched()
		}
		wg.Wait()
	}
}
