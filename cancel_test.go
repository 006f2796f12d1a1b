package websocket_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/deflate"
	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/protocol"
	"github.com/lariat-go/websocket/wstest"
)

var errPatience = errors.New("no more patience")

// tapped returns a sender and a receiver with agreed options, and the raw ends
// between them: what comes out of one is for the test to put into the other.
func tapped(t *testing.T, receiver protocol.Role, o *wstest.PairOptions) (from, to *websocket.Conn, out, in *wstest.PipeConn) {
	t.Helper()
	big := &wstest.PipeOptions{Buffer: 4 << 20}
	clientEnd, clientTap := wstest.Pipe(big)
	serverEnd, serverTap := wstest.Pipe(big)
	client, server := wstest.PairOver(t, clientEnd, serverEnd, o)
	if receiver == protocol.RoleServer {
		return client, server, clientTap, serverTap
	}
	return server, client, serverTap, clientTap
}

// taken returns what waits in a tap.
func taken(t *testing.T, tap *wstest.PipeConn) []byte {
	t.Helper()
	p := make([]byte, tap.Unread())
	if _, err := io.ReadFull(tap, p); err != nil {
		t.Fatal(err)
	}
	return p
}

// readOne reads one message, or several, in one of the ways there are.
type readOne func(ctx context.Context, c *websocket.Conn) ([]string, error)

var waysToRead = map[string]readOne{
	"Read": func(ctx context.Context, c *websocket.Conn) ([]string, error) {
		_, p, err := c.Read(ctx)
		if err != nil {
			return nil, err
		}
		return []string{string(p)}, nil
	},
	"Append": func(ctx context.Context, c *websocket.Conn) ([]string, error) {
		_, p, err := c.Append(ctx, []byte("before "))
		if s, ok := strings.CutPrefix(string(p), "before "); !ok || err != nil && s != "" {
			return nil, fmt.Errorf("Append returned %.80q with %w", p, err)
		} else if err == nil {
			return []string{s}, nil
		}
		return nil, err
	},
	"ReadBatch": func(ctx context.Context, c *websocket.Conn) (got []string, err error) {
		batch, err := c.ReadBatch(ctx, nil)
		for _, m := range batch {
			got = append(got, string(m.Data))
		}
		return got, err
	},
}

// S2.28, F14: a context that ends in a read, at any byte of the stream, loses
// nothing: the next read goes on.
func TestReadCanceledAtEveryByte(t *testing.T) {
	frames := []wstest.Frame{
		wstest.Text("Hello"),
		wstest.Text(""),
		wstest.Text("Hel").NotFinal(),
		wstest.Ping([]byte("in between")),
		wstest.Continuation([]byte("lo, ")).NotFinal(),
		wstest.Continuation(nil).NotFinal(),
		wstest.Continuation([]byte("wörld")),
		wstest.Binary(bytes.Repeat([]byte("b"), 126)),
		wstest.Pong(nil),
		wstest.Text(strings.Repeat("é", 70)),
	}
	want := []string{"Hello", "", "Hello, wörld", strings.Repeat("b", 126), strings.Repeat("é", 70)}
	for way, read := range waysToRead {
		eachRole(t, func(t *testing.T, role protocol.Role) {
			bubble(t, way, func(t *testing.T) {
				_, to, _, in := tapped(t, role, nil)
				var wire []byte
				for _, f := range frames {
					f.Masked = role == protocol.RoleServer
					wire = f.Append(wire)
				}
				feed(t, read, to, in, wire, 1, want)
			})
			bubble(t, way+", deflate", func(t *testing.T) {
				pmd := websocket.ConnOptions{Extensions: []extension.Extension{deflate.New(&deflate.Options{
					ServerContextTakeover: true, ClientContextTakeover: true, Threshold: -1,
				})}}
				from, to, out, in := tapped(t, role, &wstest.PairOptions{Client: pmd, Server: pmd})
				want := slices.Concat(want, want)
				for _, s := range want {
					if err := from.Write(t.Context(), websocket.MessageText, []byte(s)); err != nil {
						t.Fatal(err)
					}
				}
				feed(t, read, to, in, taken(t, out), 1, want)
			})
			bubble(t, way+", large", func(t *testing.T) {
				from, to, out, in := tapped(t, role, nil)
				large := string(bytes.Repeat([]byte("large"), 60_000))
				want := []string{large, "small", large}
				for _, s := range want {
					if err := from.Write(t.Context(), websocket.MessageText, []byte(s)); err != nil {
						t.Fatal(err)
					}
				}
				w, err := from.Writer(t.Context(), websocket.MessageText)
				if err != nil {
					t.Fatal(err)
				}
				io.WriteString(w, large)
				w.Close()
				feed(t, read, to, in, taken(t, out), 5003, append(want, large))
			})
		})
	}
}

// feed gives wire to c, step bytes at a time, and has a read canceled after
// each.
func feed(t *testing.T, read readOne, c *websocket.Conn, in *wstest.PipeConn, wire []byte, step int, want []string) {
	t.Helper()
	var got []string
	for len(wire) > 0 {
		in.Write(wire[:min(step, len(wire))])
		wire = wire[min(step, len(wire)):]
		// Messages that are complete come, then the read waits.
		for {
			ctx, cancel := context.WithCancelCause(context.Background())
			var some []string
			done := async(func() (err error) { some, err = read(ctx, c); return err })
			synctest.Wait()
			cancel(errPatience)
			err := <-done
			got = append(got, some...)
			if err == nil {
				continue
			}
			if !errors.Is(err, errPatience) || !errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
				t.Fatalf("%d bytes before the end, the read fails with %v", len(wire), err)
			}
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Fatalf("%d messages came, want %d:\n%.200q\n%.200q", len(got), len(want), got, want)
	}
}

// A deadline is an end of a context like any other; one that has passed before
// the read does not even look.
func TestReadDeadline(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		start := time.Now()
		for range 3 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, net.ErrClosed) {
				t.Errorf("Read = %v", err)
			}
			if _, _, err := c.Read(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("Read = %v", err)
			}
			cancel()
		}
		if d := time.Since(start); d != 3*time.Minute {
			t.Errorf("took %v", d)
		}
		// A context that ends when nobody reads under it any more harms nobody.
		ctx, cancel := context.WithCancel(context.Background())
		peer.SendFrames(wstest.Text("one"))
		if _, _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
		read := async(readError(c))
		synctest.Wait()
		cancel()
		synctest.Wait()
		peer.SendFrames(wstest.Text("two"))
		if err := <-read; err != nil {
			t.Errorf("Read under another context = %v", err)
		}
		// The same in the time between two reads.
		ctx, cancel = context.WithCancel(context.Background())
		peer.SendFrames(wstest.Text("three"))
		if _, _, err := c.Read(ctx); err != nil {
			t.Fatal(err)
		}
		cancel()
		peer.SendFrames(wstest.Text("four"))
		if _, _, err := c.Read(context.Background()); err != nil {
			t.Errorf("Read under another context = %v", err)
		}
	})
}

// A reader whose context ends in the middle of a message: the next call goes on
// with the next message, or with the rest.
func TestReaderCanceled(t *testing.T) {
	forCarried(t, func(t *testing.T, role protocol.Role) {
		c, _, peer := scripted(t, role, nil, nil)
		ctx, cancel := context.WithCancel(context.Background())
		peer.SendFrames(wstest.Text("first half, ").NotFinal())
		_, r, err := c.Reader(ctx)
		if err != nil {
			t.Fatal(err)
		}
		all := async(func() error { _, err := io.ReadAll(r); return err })
		synctest.Wait()
		cancel()
		if err := <-all; !errors.Is(err, context.Canceled) || errors.Is(err, net.ErrClosed) {
			t.Errorf("ReadAll = %v", err)
		}
		peer.SendFrames(wstest.Continuation([]byte("second half")), wstest.Text("next"))
		if _, p, err := c.Read(context.Background()); err != nil || string(p) != "next" {
			t.Errorf("Read = %q, %v", p, err)
		}
		// Waiting for a message to begin.
		ctx, cancel = context.WithCancel(context.Background())
		first := async(func() error { _, _, err := c.Reader(ctx); return err })
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("Reader = %v", err)
		}
		peer.SendFrames(wstest.Text("again"))
		if _, p, err := c.Read(context.Background()); err != nil || string(p) != "again" {
			t.Errorf("Read = %q, %v", p, err)
		}
	})
}

// A write that waits, or of which nothing has left, is canceled without harm:
// nothing of it is sent, and with context takeover nothing of it was coded.
func TestQueuedWriteCanceled(t *testing.T) {
	ctxEnded, end := context.WithCancelCause(context.Background())
	end(errPatience)
	harmless := func(t *testing.T, err error) {
		t.Helper()
		if !errors.Is(err, errPatience) || !errors.Is(err, context.Canceled) || errors.Is(err, websocket.ErrHalfWritten) || errors.Is(err, net.ErrClosed) {
			t.Errorf("Write = %v", err)
		}
	}
	for _, coded := range []bool{false, true} {
		eachRole(t, func(t *testing.T, role protocol.Role) {
			bubble(t, fmt.Sprintf("in the queue, deflate %v", coded), func(t *testing.T) {
				o := &wstest.PairOptions{Pipe: wstest.PipeOptions{Buffer: 1 << 10}}
				if coded {
					o.Client.Extensions = []extension.Extension{deflate.New(&deflate.Options{ServerContextTakeover: true, ClientContextTakeover: true, Threshold: -1})}
					o.Server.Extensions = o.Client.Extensions
				}
				client, server := wstest.Pair(t, o)
				from, to := server, client
				if role == protocol.RoleClient {
					from, to = client, server
				}
				random := incompressible(200 << 10)
				ctx := context.Background()
				first := async(func() error { return from.Write(ctx, websocket.MessageBinary, random) })
				synctest.Wait() // on its way, and cannot go on
				second := async(func() error { return from.Write(ctx, websocket.MessageBinary, random[:70<<10]) })
				synctest.Wait() // fills the queue

				harmless(t, from.Write(ctxEnded, websocket.MessageText, []byte("never")))
				waiting, cancel := context.WithCancelCause(ctx)
				third := async(func() error { return from.Write(waiting, websocket.MessageText, []byte("never sent")) })
				batch := async(func() error { return from.WriteBatch(waiting, websocket.Text("never sent")) })
				writer := async(func() error { _, err := from.Writer(waiting, websocket.MessageText); return err })
				ping := async(func() error { _, err := from.Ping(waiting); return err })
				synctest.Wait()
				cancel(errPatience)
				for _, done := range []<-chan error{third, batch, writer, ping} {
					harmless(t, <-done)
				}
				fourth := async(func() error { return from.Write(ctx, websocket.MessageText, []byte("never say never")) })

				for _, want := range []string{string(random), string(random[:70<<10]), "never say never"} {
					if _, p, err := to.Read(ctx); err != nil || string(p) != want {
						t.Fatalf("Read = %.30q, %v; want %.30q", p, err, want)
					}
				}
				for _, done := range []<-chan error{first, second, fourth} {
					if err := <-done; err != nil {
						t.Errorf("Write = %v", err)
					}
				}
			})
		})
	}
	eachRole(t, func(t *testing.T, role protocol.Role) {
		bubble(t, "nothing has left", func(t *testing.T) {
			fills := 14 // with its header 16 bytes
			if role == protocol.RoleClient {
				fills -= 4
			}
			c, _, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: 16})
			full := strings.Repeat("x", fills)
			if err := c.Write(context.Background(), websocket.MessageText, []byte(full)); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancelCause(context.Background())
			write := async(func() error { return c.Write(ctx, websocket.MessageText, []byte("never sent")) })
			synctest.Wait()
			cancel(errPatience)
			harmless(t, <-write)
			peer.Expect(wstest.Text(full))
			if err := c.Write(context.Background(), websocket.MessageText, []byte("and on")); err != nil {
				t.Error(err)
			}
			peer.Expect(wstest.Text("and on"))
		})
	})
}

// A context that ends when part of the frame has left, after whatever byte,
// loses the connection, and the error says so.
func TestHalfWritten(t *testing.T) {
	eachRole(t, func(t *testing.T, role protocol.Role) {
		for _, size := range []int{10, 200, 50 << 10} {
			whole := len(wstest.Binary(make([]byte, size)).Append(nil))
			if role == protocol.RoleClient {
				whole += 4
			}
			for _, left := range []int{1, 2, 3, 5, 7, 9, 11, 100, 199, 16 << 10, 40 << 10, whole - 1} {
				if left >= whole {
					continue
				}
				bubble(t, fmt.Sprintf("%d of %d", left, whole), func(t *testing.T) {
					c, s, peer := scripted(t, role, nil, &wstest.PipeOptions{Buffer: left})
					read := async(readError(c))
					ctx, cancel := context.WithCancelCause(context.Background())
					write := async(func() error { return c.Write(ctx, websocket.MessageBinary, make([]byte, size)) })
					synctest.Wait()
					cancel(errPatience)
					err := <-write
					if !errors.Is(err, websocket.ErrHalfWritten) || !errors.Is(err, context.Canceled) || !errors.Is(err, errPatience) {
						t.Errorf("Write = %v", err)
					}
					if !strings.Contains(err.Error(), "in the middle of a frame") {
						t.Errorf("the error does not say that the frame is half-written: %v", err)
					}
					ce := closeErrorOf(t, <-read)
					if !errors.Is(ce, websocket.ErrHalfWritten) || ce.Code != 1006 || ce.Sent != nil {
						t.Errorf("Read = %+v", ce)
					}
					if n := s.closes.Load(); n != 1 {
						t.Errorf("the transport was closed %d times", n)
					}
					checkOver(t, c, false)
					if b, _ := io.ReadAll(peer.Conn()); len(b) != left {
						t.Errorf("%d bytes left", len(b))
					}
				})
			}
		}
	})
}

// incompressible returns n bytes that DEFLATE cannot make smaller.
func incompressible(n int) []byte {
	p := make([]byte, n)
	x := uint64(88172645463325252)
	for i := range p {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		p[i] = byte(x)
	}
	return p
}

// A context that can end costs no allocation for each call, as long as it is
// the same one.
func TestContextAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for _, role := range []protocol.Role{protocol.RoleServer, protocol.RoleClient} {
		c, _, peer := scripted(t, role, nil, nil)
		f := wstest.Text(strings.Repeat("x", 100))
		f.Masked = role == protocol.RoleServer
		wire := f.Append(nil)
		raw := peer.Conn()
		buf := make([]byte, 0, 1<<10)
		if n := testing.AllocsPerRun(1000, func() {
			raw.Write(wire)
			if _, p, err := c.Append(ctx, buf); err != nil || len(p) != 100 {
				t.Fatal(len(p), err)
			}
		}); n != 0 && !raceEnabled {
			t.Errorf("%v: Append costs %v allocations", role, n)
		}
		if n := testing.AllocsPerRun(1000, func() {
			raw.Write(wire)
			if _, p, err := c.Read(ctx); err != nil || len(p) != 100 {
				t.Fatal(len(p), err)
			}
		}); n != 1 && !raceEnabled {
			t.Errorf("%v: Read costs %v allocations, want the one of the message", role, n)
		}
		p, in := buf[:100], make([]byte, 1<<10)
		if n := testing.AllocsPerRun(1000, func() {
			if err := c.Write(ctx, websocket.MessageBinary, p); err != nil {
				t.Fatal(err)
			}
			raw.Read(in)
		}); n != 0 && !raceEnabled {
			t.Errorf("%v: Write costs %v allocations", role, n)
		}
	}
}
