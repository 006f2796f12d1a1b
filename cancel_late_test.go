package websocket_test

import (
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// The last fragment of a message cannot be canceled without harm: what left of
// the message before would never end.
func TestLastFragmentCanceled(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		const piece = 16 << 10
		header := 4
		if role == protocol.RoleClient {
			header = 8
		}
		// The first fragment fills the transport, so that nothing of the last
		// one can leave.
		c, _, _ := scripted(t, role, nil, &wstest.PipeOptions{Buffer: header + piece})
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		w, err := c.Writer(ctx, websocket.MessageBinary)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(make([]byte, piece+1)); err != nil {
			t.Fatal(err)
		}
		done := async(w.Close)
		synctest.Wait()
		cancel()
		if err := <-done; !errors.Is(err, websocket.ErrWriterAbandoned) && !errors.Is(err, websocket.ErrHalfWritten) {
			t.Errorf("Close of the writer: %v", err)
		}
		if err := c.Write(context.Background(), websocket.MessageText, []byte("x")); err == nil {
			t.Error("a message was sent into the middle of another")
		}
	})
}

// A close frame that did not leave was not sent: the closing handshake cannot
// have begun, and the peer must not be waited for.
func TestCloseFrameCanceled(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 64})
		// Fill the transport to the last byte.
		n := 64 - 2
		if role == protocol.RoleClient {
			n -= 4
		}
		if err := c.Write(context.Background(), websocket.MessageBinary, make([]byte, n)); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := async(func() error {
			return c.WriteBatch(ctx, websocket.Text("hello"), websocket.CloseFrame(websocket.StatusGoingAway, "bye"))
		})
		synctest.Wait()
		cancel()
		err := <-done
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if errors.Is(err, websocket.ErrHalfWritten) {
			checkOver(t, c, false) // that is honest, too
			return
		}
		// Without harm: all goes on as if nothing had been.
		peer.Receive()
		if err := c.Write(context.Background(), websocket.MessageText, []byte("x")); err != nil {
			t.Fatal(err)
		}
		peer.Expect(wstest.Text("x"))
	})
}

// X3: the end of a context that an earlier call used never disturbs a later
// call, however late it is told.
func TestEndedContextDoesNotDisturbLaterCalls(t *testing.T) {
	// The function that a context runs at its end runs when the goroutine that
	// canceled it has to wait: in the middle of the next call.
	bubble(t, "write", func(t *testing.T) {
		c, _, peer := scripted(t, protocol.RoleServer, nil, &wstest.PipeOptions{Buffer: 64})
		two := strings.Repeat("two", 100)
		for range 100 {
			ctx, cancel := context.WithCancel(context.Background())
			if err := c.Write(ctx, websocket.MessageText, []byte("one")); err != nil {
				t.Fatal(err)
			}
			peer.Expect(wstest.Text("one"))
			taken := async(func() error {
				synctest.Wait()
				peer.Expect(wstest.Text(two))
				return nil
			})
			cancel()
			if err := c.Write(context.Background(), websocket.MessageText, []byte(two)); err != nil {
				t.Fatal(err)
			}
			<-taken
		}
	})
	bubble(t, "read", func(t *testing.T) {
		c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
		for range 100 {
			ctx, cancel := context.WithCancel(context.Background())
			peer.SendFrames(wstest.Text("one"))
			if _, _, err := c.Read(ctx); err != nil {
				t.Fatal(err)
			}
			sent := async(func() error {
				synctest.Wait()
				peer.SendFrames(wstest.Text("two"))
				return nil
			})
			cancel()
			if err := readError(c)(); err != nil {
				t.Fatal(err)
			}
			<-sent
		}
	})
}

// A hastyContext ends at the moment somebody asks for its end.
type hastyContext struct {
	context.Context
	cancel context.CancelFunc
}

func (hastyContext) Value(any) any { return nil } // else AfterFunc is not asked for

func (c hastyContext) AfterFunc(f func()) (stop func() bool) {
	c.cancel()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	// Most often f is over, or waits for a lock, by now.
	for range 100 {
		runtime.Gosched()
	}
	return func() bool { return false }
}

// W9: the context of a writer may end while the writer is made.
func TestWriterContextEndsAtOnce(t *testing.T) {
	c, _, peer := scripted(t, protocol.RoleServer, nil, nil)
	for range 100 {
		ctx, cancel := context.WithCancel(context.Background())
		w, err := c.Writer(hastyContext{ctx, cancel}, websocket.MessageText)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			runtime.Gosched()
		}
		if err := w.Close(); err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		} else if err == nil {
			peer.Expect(wstest.Text(""))
		}
	}
	if err := c.Write(context.Background(), websocket.MessageText, []byte("x")); err != nil {
		t.Fatal(err)
	}
	for f := peer.Receive(); string(f.Payload) != "x"; f = peer.Receive() {
		if f.Header.Opcode != frame.OpText {
			t.Fatal(f)
		}
	}
}

// NetConn: a deadline that is moved at the very moment it passes is moved.
func TestNetConnDeadlineMovedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client, server := wstest.Pair(t, nil)
		a := websocket.NetConn(context.Background(), client, websocket.MessageBinary)
		b := websocket.NetConn(context.Background(), server, websocket.MessageBinary)
		for i := range 2000 {
			at := time.Now().Add(time.Second)
			go func() {
				<-time.After(time.Until(at))
			}()
			a.SetReadDeadline(at)
			<-time.After(time.Until(at))
			a.SetReadDeadline(time.Time{})
			synctest.Wait()
			if _, err := b.Write([]byte("x")); err != nil {
				t.Fatal(err)
			}
			if _, err := a.Read(make([]byte, 1)); err != nil {
				t.Fatalf("%d: %v", i, err)
			}
		}
		go client.CloseNow()
		server.CloseNow()
	})
}

// X3: a Ping that is given up harms nothing, wherever in its frame that is.
func TestPingCanceledHarmsNothing(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		for room := range 8 {
			c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 100})
			n := 100 - room - 2
			if role == protocol.RoleClient {
				n -= 4
			}
			if err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, n)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			done := async(func() error { _, err := c.Ping(ctx); return err })
			synctest.Wait()
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) || errors.Is(err, websocket.ErrHalfWritten) {
				t.Errorf("room for %d bytes: %v", room, err)
			}
			peer.Receive()
			if err := c.Write(t.Context(), websocket.MessageText, []byte("x")); err != nil {
				t.Fatalf("room for %d bytes: %v", room, err)
			}
			f := peer.Receive()
			if f.Opcode == frame.OpPing {
				f = peer.Receive()
			}
			if string(f.Payload) != "x" {
				t.Errorf("room for %d bytes: %v", room, f)
			}
			c.CloseNow()
		}
	})
}
