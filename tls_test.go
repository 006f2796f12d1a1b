package websocket_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/protocol"
)

// shortReads is a TCP connection of which each Read returns n bytes at the
// most, while the kernel has more: so records come in pieces.
type shortReads struct {
	*net.TCPConn
	n int
}

func (c *shortReads) Read(p []byte) (int, error) {
	if c.n > 0 && len(p) > c.n {
		p = p[:c.n]
	}
	return c.TCPConn.Read(p)
}

// holding is a connection that can hold back what is written.
type holding struct {
	*net.TCPConn
	hold bool
	held []byte
}

func (c *holding) Write(p []byte) (int, error) {
	if c.hold {
		c.held = append(c.held, p...)
		return len(p), nil
	}
	return c.TCPConn.Write(p)
}

// tlsEnds are the two ends of a connection over loopback TLS, with all that is
// below them.
type tlsEnds struct {
	c, s   *websocket.Conn
	cc     *holding
	sc     *shortReads
	server *tls.Conn
}

// tlsPair returns them after the TLS handshake; n is for shortReads.
func tlsPair(t testing.TB, n int, version uint16, client, server *websocket.ConnOptions) *tlsEnds {
	t.Helper()
	sconf, cconf := certificate(t)
	cconf.ServerName = "example.com"
	sconf.MinVersion, sconf.MaxVersion = version, version
	cc, sc := loopback(t)
	e := &tlsEnds{cc: &holding{TCPConn: cc}, sc: &shortReads{TCPConn: sc}}
	ctls := tls.Client(e.cc, cconf)
	e.server = tls.Server(e.sc, sconf)
	shaken := async(ctls.Handshake)
	if err := errors.Join(e.server.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	e.sc.n = n
	e.c = websocket.NewConn(ctls, protocol.RoleClient, nil, client)
	e.s = websocket.NewConn(e.server, protocol.RoleServer, nil, server)
	t.Cleanup(func() { e.c.CloseNow(); e.s.CloseNow() })
	return e
}

// loopback returns the two ends of a TCP connection.
func loopback(t testing.TB) (client, server *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return c.(*net.TCPConn), s.(*net.TCPConn)
}

// socketPair returns the two ends of a connection over loopback TCP, as they
// are or with TLS over them, and the sockets.
func socketPair(t testing.TB, secure bool) (client, server net.Conn, csock, ssock *net.TCPConn) {
	t.Helper()
	csock, ssock = loopback(t)
	if !secure {
		return csock, ssock, csock, ssock
	}
	sconf, cconf := certificate(t)
	cconf.ServerName = "example.com"
	ctls, stls := tls.Client(csock, cconf), tls.Server(ssock, sconf)
	shaken := async(ctls.Handshake)
	if err := errors.Join(stls.Handshake(), <-shaken); err != nil {
		t.Fatal(err)
	}
	return ctls, stls, csock, ssock
}

// eachTLS runs a test for both versions of TLS.
func eachTLS(t *testing.T, f func(t *testing.T, version uint16)) {
	t.Helper()
	for _, v := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(v), func(t *testing.T) { f(t, v) })
	}
}

// awaitWaiting returns when a read of c waits for the peer.
func awaitWaiting(c *websocket.Conn) {
	for !websocket.Waiting(c) {
		runtime.Gosched()
	}
}

// HB8: messages of all sizes, over records that come whole, in pieces and many
// at once. What crypto/tls has read ahead is never waited for.
func TestTLSEcho(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		for _, n := range []int{0, 1, 2, 5, 6, 100, 4096, 16<<10 + 5} {
			sizes := []int{0, 1, 125, 126, 4095, 4096, 16 << 10, 20_000, 65_536, 200_000, 1 << 20}
			if n > 0 && n < 100 {
				sizes = sizes[:6]
			}
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				e := tlsPair(t, n, version, nil, nil)
				done := async(func() error { return echo(e.s) })
				for _, size := range sizes {
					want := incompressible(size)
					if err := e.c.Write(within(t), websocket.MessageBinary, want); err != nil {
						t.Fatal(err)
					}
					if _, got, err := e.c.Read(within(t)); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("%d bytes: %d bytes, %v", size, len(got), err)
					}
				}
				// Many records in one segment, which a single Read takes up.
				e.cc.hold = true
				for i := range 50 {
					if err := e.c.Write(within(t), websocket.MessageText, fmt.Append(nil, i)); err != nil {
						t.Fatal(err)
					}
				}
				e.cc.hold = false
				if _, err := e.cc.TCPConn.Write(e.cc.held); err != nil {
					t.Fatal(err)
				}
				for i := range 50 {
					if _, got, err := e.c.Read(within(t)); err != nil || string(got) != fmt.Sprint(i) {
						t.Fatalf("message %d: %q, %v", i, got, err)
					}
				}
				if err := e.c.Close(websocket.StatusGoingAway, ""); err != nil {
					t.Error(err)
				}
				if err := <-done; websocket.CloseStatus(err) != websocket.StatusGoingAway {
					t.Error(err)
				}
			})
		}
	})
}

// HB8, F14: the stream of records cut at any byte, with a pause there, and the
// reader's context ending in the pause.
func TestTLSCutAtEveryByte(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		e := tlsPair(t, 0, version, nil, nil)
		want := []string{"one", strings.Repeat("two", 1500), "three"}
		cut := 0
		for step := 1; ; cut += step {
			e.cc.hold, e.cc.held = true, nil
			for _, m := range want {
				if err := e.c.Write(within(t), websocket.MessageText, []byte(m)); err != nil {
					t.Fatal(err)
				}
			}
			if cut > len(e.cc.held) {
				break
			}
			step = 1
			if cut > 60 && cut < len(e.cc.held)-120 {
				step = 97
			}
			if _, err := e.cc.TCPConn.Write(e.cc.held[:cut]); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(within(t))
			got := 0
			paused := make(chan error)
			go func() {
				for {
					_, p, err := e.s.Read(ctx)
					if err != nil {
						paused <- err
						return
					}
					if string(p) != want[got] {
						t.Errorf("cut %d: message %d is %.10q", cut, got, p)
					}
					got++
				}
			}()
			awaitWaiting(e.s)
			cancel()
			if err := <-paused; !errors.Is(err, context.Canceled) {
				t.Fatal(cut, err)
			}
			if _, err := e.cc.TCPConn.Write(e.cc.held[cut:]); err != nil {
				t.Fatal(err)
			}
			for ; got < len(want); got++ {
				if _, p, err := e.s.Read(within(t)); err != nil || string(p) != want[got] {
					t.Fatalf("cut %d: message %d is %.10q, %v", cut, got, p, err)
				}
			}
		}
	})
}

// A connection over TLS that waits holds no buffer, also after messages that
// came in pieces, and none is lost to its end.
func TestTLSIdleHoldsNoBuffer(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		before := bufpool.Outstanding()
		e := tlsPair(t, 1000, version, nil, nil)
		done := async(func() error { return echo(e.s) })
		echoed := make(chan struct{}, 1)
		read := async(func() error {
			for {
				if _, _, err := e.c.Read(context.Background()); err != nil {
					return err
				}
				echoed <- struct{}{}
			}
		})
		for _, size := range []int{10, 5000, 100_000} {
			if err := e.c.Write(within(t), websocket.MessageBinary, make([]byte, size)); err != nil {
				t.Fatal(err)
			}
			<-echoed
			awaitWaiting(e.s)
			awaitWaiting(e.c)
			held := bufpool.Outstanding() - before
			for end := time.Now().Add(2 * time.Second); held != 0 && time.Now().Before(end); held = bufpool.Outstanding() - before {
				runtime.Gosched() // it may still be on its way to the socket
			}
			if held != 0 {
				t.Errorf("after %d bytes: %d buffers are held", size, held)
			}
		}
		e.s.CloseNow()
		<-done
		<-read
	})
}

// The endings over TLS: the closing handshake of either side, a close_notify
// without a close frame (C9), a TCP connection that just ends or is reset (C9).
func TestTLSEndings(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		for _, client := range []bool{true, false} {
			t.Run(fmt.Sprintf("handshake by the client %v", client), func(t *testing.T) {
				e := tlsPair(t, 0, version, nil, nil)
				a, b := e.c, e.s
				if !client {
					a, b = b, a
				}
				read := async(readError(b))
				start := time.Now()
				if err := a.Close(websocket.StatusGoingAway, "bye"); err != nil {
					t.Error(err)
				}
				if ce := closeErrorOf(t, <-read); ce.Code != websocket.StatusGoingAway || ce.Cause != nil || !ce.RemoteFirst {
					t.Errorf("%+v", ce)
				}
				checkOver(t, b, true)
				if d := time.Since(start); d > 900*time.Millisecond {
					t.Errorf("took %v", d)
				}
			})
		}
		for _, tc := range []struct {
			name  string
			end   func(e *tlsEnds)
			cause string
		}{
			{"close_notify", func(e *tlsEnds) { e.server.CloseWrite() }, "unexpected EOF"},
			{"FIN", func(e *tlsEnds) { e.sc.CloseWrite() }, "unexpected EOF"},
			{"RST", func(e *tlsEnds) { e.sc.SetLinger(0); e.sc.TCPConn.Close() }, "connection reset by peer"},
			{"half a record", func(e *tlsEnds) { e.sc.TCPConn.Write([]byte{23, 3, 3, 0, 100, 1, 2}); e.sc.CloseWrite() }, "unexpected EOF"},
			{"not TLS", func(e *tlsEnds) { io.WriteString(e.sc.TCPConn, "HTTP/1.1 400 Bad Request\r\n\r\n") }, "tls:"},
		} {
			t.Run(tc.name, func(t *testing.T) {
				e := tlsPair(t, 0, version, nil, nil)
				if err := e.s.Write(within(t), websocket.MessageText, []byte("last")); err != nil {
					t.Fatal(err)
				}
				tc.end(e)
				for range 2 {
					_, p, err := e.c.Read(within(t))
					if err == nil {
						if string(p) != "last" {
							t.Errorf("%q", p)
						}
						continue
					}
					if ce := closeErrorOf(t, err); ce.Code != websocket.StatusAbnormalClosure || !strings.Contains(err.Error(), tc.cause) {
						t.Errorf("%+v", ce)
					}
				}
			})
		}
	})
}

// A write over TLS that its context ended has broken the connection, also when
// no byte of it is known to have left, and the error says so.
func TestTLSWriteCanceled(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		e := tlsPair(t, 0, version, nil, nil)
		p := incompressible(10 << 10)
		for {
			ctx, cancel := context.WithTimeout(within(t), 200*time.Millisecond)
			err := e.s.Write(ctx, websocket.MessageBinary, p)
			cancel()
			if err == nil {
				continue
			}
			if !errors.Is(err, websocket.ErrHalfWritten) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the write that was canceled: %v", err)
			}
			err = e.s.Write(within(t), websocket.MessageBinary, p)
			if errors.Is(err, websocket.ErrWriteTimeout) || !errors.Is(err, websocket.ErrHalfWritten) {
				t.Errorf("the next write: %v", err)
			}
			return
		}
	})
}

// X2: a connection over TLS whose peer takes nothing is dropped at once, with
// a write under way and without.
func TestTLSHardClose(t *testing.T) {
	eachTLS(t, func(t *testing.T, version uint16) {
		for _, writing := range []bool{true, false} {
			e := tlsPair(t, 0, version, nil, &websocket.ConnOptions{CloseTimeout: 300 * time.Millisecond})
			p := make([]byte, 64<<10)
			written := make(chan error, 1)
			var once sync.Once
			full := make(chan struct{})
			go func() {
				for {
					tm := time.AfterFunc(200*time.Millisecond, func() { once.Do(func() { close(full) }) })
					err := e.s.Write(context.Background(), websocket.MessageBinary, p)
					tm.Stop()
					if err != nil {
						written <- err
						return
					}
				}
			}()
			<-full
			read := async(readError(e.s))
			start := time.Now()
			if writing {
				e.s.CloseNow()
			} else if err := e.s.Close(websocket.StatusNormalClosure, ""); !errors.Is(err, websocket.ErrCloseTimeout) {
				t.Error(err)
			}
			<-written
			<-read
			if d := time.Since(start); d > 2*time.Second {
				t.Errorf("took %v", d)
			}
		}
	})
}
