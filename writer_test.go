package websocket_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/frame"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

// numbered is a message of size bytes that says where it belongs.
func numbered(writer, seq, size int) []byte {
	p := bytes.Repeat([]byte{byte(writer)}, max(size, 8))
	binary.BigEndian.PutUint32(p, uint32(writer))
	binary.BigEndian.PutUint32(p[4:], uint32(seq))
	return p
}

// checkNumbered checks that p is one whole numbered message and returns what it
// says.
func checkNumbered(t *testing.T, p []byte) (writer, seq int) {
	t.Helper()
	if len(p) < 8 {
		t.Fatalf("a message of %d bytes came", len(p))
	}
	writer, seq = int(binary.BigEndian.Uint32(p)), int(binary.BigEndian.Uint32(p[4:]))
	if !bytes.Equal(p, numbered(writer, seq, len(p))) {
		t.Fatalf("message %d of writer %d, of %d bytes, is damaged", seq, writer, len(p))
	}
	return writer, seq
}

// W1: a peer that takes nothing. While one message is on its way, 64 KiB of
// others are kept, whatever the number of writers; the rest wait, their
// contexts cancel them without harm, and what was taken arrives whole.
func TestSlowReader(t *testing.T) {
	const writers, size = 400, 1 << 10
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 4 << 10})
		big := make([]byte, 1<<20)
		first := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, big) })
		synctest.Wait()
		ctx, cancel := context.WithCancelCause(context.Background())
		cause := errors.New("no more patience")
		var taken [writers]bool
		var canceled atomic.Int32
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				switch err := c.Write(ctx, websocket.MessageBinary, numbered(i, 0, size)); {
				case err == nil:
					taken[i] = true
				case errors.Is(err, context.Canceled) && errors.Is(err, cause) && !errors.Is(err, websocket.ErrHalfWritten):
					canceled.Add(1)
				default:
					t.Errorf("Write = %v", err)
				}
			})
		}
		synctest.Wait()
		cancel(cause)
		wg.Wait()
		n := writers - int(canceled.Load())
		if kept := n * size; kept < 60<<10 || kept > 64<<10+2*size {
			t.Errorf("%d messages were taken, %d bytes", n, kept)
		}
		peer.Expect(wstest.Binary(big))
		if err := <-first; err != nil {
			t.Errorf("the first Write = %v", err)
		}
		for range n {
			f := peer.Receive()
			if i, _ := checkNumbered(t, f.Payload); !taken[i] {
				t.Errorf("message %d came although its Write was canceled", i)
			} else {
				taken[i] = false
			}
		}
		peer.ExpectNothing(time.Minute)
		if err := c.Write(context.Background(), websocket.MessageText, []byte("and on")); err != nil {
			t.Errorf("after the canceled writes: %v", err)
		}
		peer.Expect(wstest.Text("and on"))
	})
}

// W2: a reader of one byte in nine seconds is dropped, because less than 1 KiB
// moves in the write time-out; one of a KiB in five seconds is not.
func TestProgressTimeout(t *testing.T) {
	eachRole(t, func(t *testing.T, role protocol.Role) {
		limit := websocket.DefaultWriteTimeout
		if role == protocol.RoleClient {
			limit = websocket.DefaultDialWriteTimeout
		}
		take := func(peer *wstest.Peer, n int, every time.Duration) <-chan int {
			done := make(chan int, 1)
			go func() {
				total, buf := 0, make([]byte, n)
				for {
					<-time.After(every)
					m, err := peer.Conn().Read(buf)
					if total += m; err != nil {
						done <- total
						return
					}
				}
			}()
			return done
		}
		bubble(t, "too slow", func(t *testing.T) {
			c, s, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 512})
			start := time.Now()
			done := take(peer, 1, 9*time.Second)
			err := c.Write(context.Background(), websocket.MessageBinary, make([]byte, 100<<10))
			if ce := closeErrorOf(t, err); !errors.Is(err, websocket.ErrWriteTimeout) || ce.Code != 1006 {
				t.Errorf("Write = %v", err)
			}
			if d := time.Since(start); d < limit || d > 2*limit {
				t.Errorf("took %v, the limit is %v", d, limit)
			}
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
			checkOver(t, c, false)
			<-done
		})
		bubble(t, "slow", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 512})
			start := time.Now()
			done := take(peer, 512, 2500*time.Millisecond)
			if err := c.Write(context.Background(), websocket.MessageBinary, make([]byte, 100<<10)); err != nil {
				t.Errorf("Write = %v", err)
			}
			if d := time.Since(start); d < 400*time.Second {
				t.Errorf("took only %v", d)
			}
			c.CloseNow()
			if n := <-done; n < 100<<10 {
				t.Errorf("%d bytes came", n)
			}
		})
		bubble(t, "no limit", func(t *testing.T) {
			c, _, peer := scripted(t, role, &websocket.ConnOptions{WriteTimeout: -1}, &wstest.PipeOptions{Buffer: 512})
			write := async(func() error { return c.Write(context.Background(), websocket.MessageText, make([]byte, 1000)) })
			<-time.After(24 * time.Hour)
			peer.Expect(wstest.Text(string(make([]byte, 1000))))
			if err := <-write; err != nil {
				t.Errorf("Write = %v", err)
			}
		})
	})
}

// W3: both sides write and neither reads: the write time-out breaks the tie.
// With a reader on each side there is no tie, however small the buffers.
func TestBothSidesWrite(t *testing.T) {
	o := &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 512}}
	write := func(c *websocket.Conn) <-chan error {
		return async(func() error { return c.Write(context.Background(), websocket.MessageBinary, make([]byte, 1<<20)) })
	}
	bubble(t, "nobody reads", func(t *testing.T) {
		client, server := wstest.Pair(t, o)
		start := time.Now()
		toClient, toServer := write(server), write(client)
		if err := <-toClient; !errors.Is(err, websocket.ErrWriteTimeout) {
			t.Errorf("server: %v", err)
		}
		if err := <-toServer; err == nil {
			t.Error("client: no error")
		}
		if d := time.Since(start); d != websocket.DefaultWriteTimeout {
			t.Errorf("took %v", d)
		}
	})
	bubble(t, "both read", func(t *testing.T) {
		client, server := wstest.Pair(t, o)
		start := time.Now()
		reads := []<-chan error{async(readError(client)), async(readError(server))}
		writes := []<-chan error{write(server), write(client)}
		for i := range 2 {
			if err := <-writes[i]; err != nil {
				t.Errorf("Write = %v", err)
			}
			if err := <-reads[i]; err != nil {
				t.Errorf("Read = %v", err)
			}
		}
		if d := time.Since(start); d != 0 {
			t.Errorf("took %v", d)
		}
	})
}

// W4: congestion, then the time-out: the transport is released, whether or not
// anybody looks at the connection again.
func TestCongestionReleasesTheTransport(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, s, peer := scripted(t, role, &websocket.ConnOptions{WriteTimeout: time.Second}, &wstest.PipeOptions{Buffer: 512})
		for i := range 20 {
			c.Write(context.Background(), websocket.MessageBinary, numbered(i, 0, 16<<10))
		}
		if n := s.closes.Load(); n != 1 {
			t.Errorf("the transport was closed %d times", n)
		}
		if _, err := io.ReadAll(peer.Conn()); err != nil {
			t.Errorf("the peer sees %v, want the end", err)
		}
	})
}

// W5: 64 goroutines write at the same time, in every way there is: nothing
// interleaves, and each one's messages stay in order. S0.19 for the batches.
func TestConcurrentWrite(t *testing.T) {
	const writers, rounds = 64, 12
	sizes := []int{8, 100, 4 << 10, 40 << 10, 70 << 10}
	for _, coded := range []bool{false, true} {
		for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
			t.Run(fmt.Sprintf("%v, deflate %v", role, coded), func(t *testing.T) {
				var o wstest.PairOptions
				if coded {
					o.Client.Extensions = []extension.Extension{deflate.New(nil)}
					o.Server.Extensions = o.Client.Extensions
				}
				client, server := wstest.Pair(t, &o)
				from, to := server, client
				if role == protocol.RoleClient {
					from, to = client, server
				}
				ctx := t.Context()
				var wg sync.WaitGroup
				for i := range writers {
					wg.Go(func() {
						for seq := range rounds {
							p := numbered(i, seq, sizes[(i+seq)%len(sizes)])
							if err := writeSomehow(ctx, from, (i+seq)/2, p); err != nil {
								t.Errorf("writer %d: %v", i, err)
								return
							}
							clear(p) // W6
						}
					})
				}
				var next [writers]int
				for range writers * rounds {
					mt, p, err := to.Read(ctx)
					if err != nil || mt != websocket.MessageBinary {
						t.Fatalf("Read = %v, %v", mt, err)
					}
					i, seq := checkNumbered(t, p)
					if seq != next[i] {
						t.Fatalf("writer %d: message %d came, expected %d", i, seq, next[i])
					}
					next[i]++
				}
				wg.Wait()
			})
		}
	}
}

func writeSomehow(ctx context.Context, c *websocket.Conn, how int, p []byte) error {
	switch how % 5 {
	case 0:
		return c.WriteBatch(ctx, websocket.PingFrame([]byte("between")), websocket.Binary(p))
	case 1:
		m, err := websocket.NewPrepared(websocket.MessageBinary, bytes.Clone(p))
		if err != nil {
			return err
		}
		return c.WritePrepared(ctx, m)
	case 2:
		w, err := c.Writer(ctx, websocket.MessageBinary)
		if err != nil {
			return err
		}
		for part := range bytes.Lines(p) { // few parts, of odd sizes
			if _, err := w.Write(part); err != nil {
				return err
			}
		}
		return w.Close()
	}
	return c.Write(ctx, websocket.MessageBinary, p)
}

// W6: as soon as Write has returned, its caller may use the memory again; the
// peer sees what was there before. And what Read returned stays as it is.
func TestBufferIsFreeAfterWrite(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 1 << 10})
		big := bytes.Repeat([]byte("big"), 100<<10)
		first := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, big) })
		synctest.Wait() // it has the transport, and cannot go on

		small := []byte("the old bytes")
		large := bytes.Repeat([]byte("old"), 20<<10)
		for _, p := range [][]byte{small, large} {
			if err := c.Write(context.Background(), websocket.MessageBinary, p); err != nil {
				t.Fatal(err)
			}
			clear(p)
		}
		peer.Expect(
			wstest.Binary(bytes.Repeat([]byte("big"), 100<<10)),
			wstest.Binary([]byte("the old bytes")),
			wstest.Binary(bytes.Repeat([]byte("old"), 20<<10)),
		)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if !bytes.Equal(big, bytes.Repeat([]byte("big"), 100<<10)) {
			t.Error("Write changed its caller's bytes")
		}

		peer.SendFrames(wstest.Text("one"), wstest.Text("two"))
		_, one, err := c.Read(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := c.Read(t.Context()); err != nil {
			t.Fatal(err)
		}
		if string(one) != "one" {
			t.Errorf("what was read became %q", one)
		}
	})
}

// W8: a write after our close frame, or after the end, is refused and sends
// nothing.
func TestWriteAfterClose(t *testing.T) {
	forRoles(t, func(t *testing.T, role protocol.Role) {
		c, s, peer := scripted(t, role, nil, nil)
		done := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
		peer.ExpectClose(1000)
		sent := s.Stats().Written
		check := func() {
			t.Helper()
			for _, size := range []int{1, 100 << 10} {
				if err := c.Write(t.Context(), websocket.MessageBinary, make([]byte, size)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("Write = %v", err)
				}
			}
			if err := c.WriteBatch(t.Context(), websocket.Text("x"), websocket.PingFrame(nil)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("WriteBatch = %v", err)
			}
			if _, err := c.Writer(t.Context(), websocket.MessageText); !errors.Is(err, net.ErrClosed) {
				t.Errorf("Writer = %v", err)
			}
		}
		check()
		peer.SendFrames(wstest.Close(1000, ""))
		peer.CloseWrite()
		if err := <-done; err != nil {
			t.Error(err)
		}
		check()
		peer.ExpectEOF()
		if n := s.Stats().Written; n != sent {
			t.Errorf("%d bytes were sent after the close frame", n-sent)
		}
	})
}

// W9: a message writer that is abandoned in the middle loses the connection;
// what it sent is never merged with another message. One that has sent nothing
// yet harms nothing.
func TestWriterAbandoned(t *testing.T) {
	eachCarried(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "in the middle", func(t *testing.T) {
			c, s, peer := scripted(t, role, nil, nil)
			ctx, cancel := context.WithCancel(context.Background())
			w, err := c.Writer(ctx, websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			part := strings.Repeat("x", 40<<10)
			if _, err := io.WriteString(w, part); err != nil {
				t.Fatal(err)
			}
			other := async(func() error { return c.Write(context.Background(), websocket.MessageText, []byte("other")) })
			read := async(readError(c))
			synctest.Wait()
			cancel()
			synctest.Wait()
			if _, err := io.WriteString(w, "more"); !errors.Is(err, websocket.ErrWriterAbandoned) || !errors.Is(err, context.Canceled) {
				t.Errorf("Write = %v", err)
			}
			if err := w.Close(); !errors.Is(err, websocket.ErrWriterAbandoned) {
				t.Errorf("Close = %v", err)
			}
			if err := <-other; !errors.Is(err, net.ErrClosed) {
				t.Errorf("another Write = %v", err)
			}
			if ce := closeErrorOf(t, <-read); !errors.Is(ce, websocket.ErrWriterAbandoned) || ce.Code != 1006 {
				t.Errorf("Read = %v", ce)
			}
			synctest.Wait()
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
			f := peer.Receive()
			if f.Opcode != frame.OpText || f.Fin {
				t.Errorf("came %v", f)
			}
			for n := len(f.Payload); n+16<<10 <= len(part); {
				f = peer.Receive()
				if f.Opcode != frame.OpContinuation || f.Fin {
					t.Errorf("came %v", f)
				}
				n += len(f.Payload)
			}
			peer.ExpectEOF()
		})
		bubble(t, "before anything left", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			ctx, cancel := context.WithCancel(context.Background())
			w, err := c.Writer(ctx, websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, "never sent")
			other := async(func() error { return c.Write(context.Background(), websocket.MessageText, []byte("other")) })
			synctest.Wait()
			cancel()
			if err := <-other; err != nil {
				t.Errorf("another Write = %v", err)
			}
			if err := w.Close(); !errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
				t.Errorf("Close = %v", err)
			}
			peer.Expect(wstest.Text("other"))
			peer.ExpectNothing(time.Minute)
		})
		bubble(t, "another waits for the end", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			w, err := c.Writer(t.Context(), websocket.MessageText)
			if err != nil {
				t.Fatal(err)
			}
			io.WriteString(w, strings.Repeat("x", 20<<10))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if _, err := c.Writer(ctx, websocket.MessageText); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("a second Writer = %v", err)
			}
			other := async(func() error { return c.Write(t.Context(), websocket.MessageText, []byte("other")) })
			synctest.Wait()
			io.WriteString(w, "end")
			if err := w.Close(); err != nil {
				t.Error(err)
			}
			if _, err := io.WriteString(w, "x"); !errors.Is(err, websocket.ErrWriterClosed) {
				t.Errorf("Write after Close = %v", err)
			}
			if err := w.Close(); !errors.Is(err, websocket.ErrWriterClosed) {
				t.Errorf("a second Close = %v", err)
			}
			if err := <-other; err != nil {
				t.Errorf("another Write = %v", err)
			}
			var got []byte
			for {
				f := peer.Receive()
				got = append(got, f.Payload...)
				if f.Fin {
					break
				}
			}
			if string(got) != strings.Repeat("x", 20<<10)+"end" {
				t.Errorf("%d bytes came", len(got))
			}
			peer.Expect(wstest.Text("other"))
		})
	})
}

// X1 to X4: sets of calls that dead-lock elsewhere. Each returns in 5 s.
func TestNoDeadlock(t *testing.T) {
	within := func(t *testing.T, start time.Time) {
		t.Helper()
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("took %v", d)
		}
	}
	big := make([]byte, 1<<20)
	eachRole(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "X1 Write and CloseRead", func(t *testing.T) {
			c, _, peer := scripted(t, role, nil, nil)
			start := time.Now()
			write := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, big) })
			ctx := c.CloseRead(context.Background())
			synctest.Wait()
			peer.SendFrames(wstest.Text("not expected")) // and takes nothing
			<-ctx.Done()
			if err := <-write; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %v", err)
			}
			within(t, start)
		})
		bubble(t, "X2 Close in a read callback", func(t *testing.T) {
			var c *websocket.Conn
			done := make(chan error, 1)
			c, _, peer := scripted(t, role, &websocket.ConnOptions{
				OnPong: func([]byte) { done <- c.Close(websocket.StatusNormalClosure, "") },
			}, nil)
			start := time.Now()
			read := async(readError(c))
			peer.SendFrames(wstest.Pong(nil), wstest.Text("more"))
			<-read // what had come with the pong may still be delivered
			<-done
			within(t, start)
			closeErrorOf(t, readError(c)())
			peer.ExpectClose(1000)
		})
		bubble(t, "X3 Close while a Write is canceled", func(t *testing.T) {
			c, _, _ := scripted(t, role, nil, nil)
			start := time.Now()
			ctx, cancel := context.WithCancel(context.Background())
			write := async(func() error { return c.Write(ctx, websocket.MessageBinary, big) })
			synctest.Wait()
			closing := async(func() error { return c.Close(websocket.StatusNormalClosure, "") })
			cancel()
			closeErrorOf(t, <-closing)
			if err := <-write; err == nil {
				t.Error("Write succeeded")
			}
			within(t, start)
		})
		bubble(t, "X4 dead TCP", func(t *testing.T) {
			c, s, _ := scripted(t, role, nil, nil)
			s.Stall()
			start := time.Now()
			write := async(func() error { return c.Write(context.Background(), websocket.MessageBinary, big) })
			read := async(readError(c))
			synctest.Wait()
			closeErrorOf(t, c.Close(websocket.StatusNormalClosure, ""))
			closeErrorOf(t, <-read)
			if err := <-write; !errors.Is(err, net.ErrClosed) {
				t.Errorf("Write = %v", err)
			}
			within(t, start)
			if n := s.closes.Load(); n != 1 {
				t.Errorf("the transport was closed %d times", n)
			}
		})
	})
}
