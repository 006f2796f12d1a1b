package websocket_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/protocol"
)

// On a transport that can't tell what has arrived, Flush waits until everything
// is written that was before: by whoever writes, and what waits behind that.
func TestFlushUntilWritten(t *testing.T) {
	ctx := context.Background()
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, &websocket.ConnOptions{WriteTimeout: -1}, nil)
		if err := c.Flush(ctx); err != nil {
			t.Fatalf("with nothing written: %v", err)
		}
		const large = 1 << 20
		first := async(func() error { return c.Write(ctx, websocket.MessageBinary, make([]byte, large)) })
		synctest.Wait()
		if err := c.Write(ctx, websocket.MessageText, []byte("behind")); err != nil {
			t.Fatal(err)
		}
		tired := errors.New("tired")
		short, stop := context.WithTimeoutCause(ctx, time.Second, tired)
		defer stop()
		if err := c.Flush(short); !errors.Is(err, tired) || !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("while the peer takes nothing: %v", err)
		}
		flushed := async(func() error { return c.Flush(ctx) })
		synctest.Wait()
		select {
		case err := <-flushed:
			t.Fatalf("Flush returned too early: %v", err)
		default:
		}
		if f := peer.Receive(); len(f.Payload) != large {
			t.Fatalf("%d bytes came, want %d", len(f.Payload), large)
		}
		if f := peer.Receive(); string(f.Payload) != "behind" {
			t.Fatalf("%.20q came", f.Payload)
		}
		if err := <-flushed; err != nil {
			t.Errorf("Flush: %v", err)
		}
		if err := <-first; err != nil {
			t.Errorf("Write: %v", err)
		}
	})
}

func TestFlushAfterTheEnd(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, _ := scripted(t, role, &websocket.ConnOptions{WriteTimeout: -1}, nil)
		var none context.Context
		if err := c.Flush(none); !errors.As(err, new(*websocket.OptionError)) {
			t.Errorf("without a context: %v", err)
		}
		written := async(func() error {
			return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20))
		})
		synctest.Wait()
		flushed := async(func() error { return c.Flush(context.Background()) })
		synctest.Wait()
		c.CloseNow()
		closeErrorOf(t, <-flushed)
		<-written
		closeErrorOf(t, c.Flush(context.Background()))
	})
}
