//go:build linux

package poll_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"io"
	"net"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/poll"
)

// versions are those of TLS that crypto/tls speaks by default.
var versions = map[string]uint16{"TLS 1.2": tls.VersionTLS12, "TLS 1.3": tls.VersionTLS13}

// handshake returns both ends of a TLS connection over server and client.
func handshake(t testing.TB, version uint16, server, client net.Conn, tickets bool) (s, c *tls.Conn) {
	t.Helper()
	h := httptest.NewUnstartedServer(nil)
	h.StartTLS()
	defer h.Close()
	s = tls.Server(server, &tls.Config{Certificates: h.TLS.Certificates, MaxVersion: version, SessionTicketsDisabled: !tickets})
	c = tls.Client(client, &tls.Config{InsecureSkipVerify: true, MaxVersion: version})
	done := make(chan error)
	go func() { done <- s.Handshake() }()
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if v := s.ConnectionState().Version; v != version {
		t.Fatalf("version %x, want %x", v, version)
	}
	return s, c
}

// wire is the transport of a client that keeps what is written.
type wire struct {
	net.Conn
	keep    bool
	written bytes.Buffer
}

func (w *wire) Write(b []byte) (int, error) {
	if w.keep {
		return w.written.Write(b)
	}
	return w.Conn.Write(b)
}

// take returns what was written.
func (w *wire) take() []byte {
	defer w.written.Reset()
	return bytes.Clone(w.written.Bytes())
}

// adopted is a TLS connection whose server is on a Conn, and whose client's
// records a test carries over itself.
type adopted struct {
	s      *source
	inner  *poll.Conn
	server *tls.Conn
	client *tls.Conn
	wire   *wire
	peer   *net.UnixConn // what is written here, the server reads at once
}

func adopt(t *testing.T, version uint16) *adopted {
	t.Helper()
	a := &adopted{s: &source{ready: func(*poll.Worker, poll.Events) {}}}
	serverTCP, clientTCP := tcpPair(t)
	a.wire = &wire{Conn: clientTCP}
	a.server, a.client = handshake(t, version, serverTCP, a.wire, false)
	a.wire.keep = true
	fd, peer := pair(t)
	a.peer = peer
	a.s.add(t, newPoller(t, 1), fd)
	a.inner = poll.NewConn(&a.s.d, serverTCP.LocalAddr(), serverTCP.RemoteAddr())
	if !poll.AdoptTLS(a.server, a.inner) {
		t.Fatal("this crypto/tls can't be adopted: see AdoptTLS")
	}
	return a
}

// read reads from the server until there is nothing.
func (a *adopted) read(t *testing.T, size int) (all []byte) {
	t.Helper()
	buf := make([]byte, size)
	for {
		n, err := a.server.Read(buf)
		all = append(all, buf[:n]...)
		if err == poll.ErrAgain {
			return all
		}
		if err != nil {
			t.Fatalf("after %q: %v", all, err)
		}
	}
}

// HB8: crypto/tls goes on after ErrAgain, wherever in a record it comes.
func TestHB8RecordsSplitAnywhere(t *testing.T) {
	const first, second = "the first record", "and another"
	for name, version := range versions {
		for _, told := range []bool{false, true} {
			a := adopt(t, version)
			deliver := func(b []byte) {
				a.peer.Write(b)
				if told {
					a.inner.Event(poll.Readable)
				}
			}
			records := func() []byte {
				for _, m := range []string{first, second} {
					if _, err := a.client.Write([]byte(m)); err != nil {
						t.Fatal(err)
					}
				}
				return a.wire.take()
			}
			if got := a.read(t, 100); len(got) != 0 {
				t.Fatalf("%s: %q from nothing", name, got)
			}
			splits := 0
			for at := 0; ; at++ {
				b := records()
				if at > len(b) {
					for i := range b { // and once more, one byte at a time
						deliver(b[i : i+1])
						if got := a.read(t, 100); i == len(b)-1 && string(got) != second {
							t.Errorf("%s: %q at the last byte, want %q", name, got, second)
						}
					}
					break
				}
				splits++
				deliver(b[:at])
				got := a.read(t, 100)
				deliver(b[at:])
				got = append(got, a.read(t, 100)...)
				if string(got) != first+second {
					t.Fatalf("%s split at %d: %q", name, at, got)
				}
			}
			if splits < 2*(5+16) {
				t.Errorf("%s: %d splits are too few for two records", name, splits)
			}
			// The other direction has not suffered.
			if _, err := a.server.Write([]byte("answer")); err != nil {
				t.Fatal(err)
			}
			a.wire.Conn = a.peer
			buf := make([]byte, 6)
			if _, err := io.ReadFull(a.client, buf); err != nil || string(buf) != "answer" {
				t.Errorf("%s: %q, %v", name, buf, err)
			}
		}
	}
}

// HB8: plaintext that the tls.Conn holds, of which the kernel knows nothing, is
// found by reading until ErrAgain.
func TestHB8BufferedPlaintext(t *testing.T) {
	for name, version := range versions {
		a := adopt(t, version)
		want := bytes.Repeat([]byte("0123456789"), 100)
		if _, err := a.client.Write(want); err != nil {
			t.Fatal(err)
		}
		if _, err := a.client.Write(want); err != nil {
			t.Fatal(err)
		}
		a.peer.Write(a.wire.take())
		got := make([]byte, 1000)
		if n, err := a.server.Read(got[:1]); n != 1 || err != nil {
			t.Fatalf("%s: %d, %v", name, n, err)
		}
		got = append(got[:1], a.read(t, 7)...)
		if !bytes.Equal(got, append(bytes.Clone(want), want...)) {
			t.Errorf("%s: %d bytes are not what was sent", name, len(got))
		}
		if _, err := a.s.d.Read(make([]byte, 1)); err != poll.ErrAgain {
			t.Errorf("%s: %v in the kernel, want ErrAgain", name, err)
		}
	}
}

// tlsEcho sends back what comes, and stops reading while its peer does not read.
type tlsEcho struct {
	mu    sync.Mutex
	d     poll.Desc
	c     *tls.Conn
	inner *poll.Conn
	done  chan error
	most  int // that was pending
}

func (e *tlsEcho) Overdue() {}

func (e *tlsEcho) Ready(w *poll.Worker, ev poll.Events) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.inner.Event(ev)
	if e.inner.Flush() != nil {
		return
	}
	for e.inner.Pending() == 0 {
		n, err := e.c.Read(w.Buffer())
		if n > 0 {
			e.c.Write(w.Buffer()[:n])
			e.most = max(e.most, e.inner.Pending())
		}
		if err == poll.ErrAgain {
			return
		}
		if err != nil {
			if e.d.Close() == nil {
				e.done <- err
			}
			return
		}
	}
}

// A TLS connection that was accepted by package net is served by the poller.
func TestTLSEcho(t *testing.T) {
	for name, version := range versions {
		t.Run(name, func(t *testing.T) {
			p := newPoller(t, 1)
			serverTCP, clientTCP := tcpPair(t)
			server, client := handshake(t, version, serverTCP, clientTCP, true)
			fd, err := poll.Take(serverTCP)
			if err != nil {
				t.Fatal(err)
			}
			e := &tlsEcho{c: server, done: make(chan error, 1)}
			e.inner = poll.NewConn(&e.d, serverTCP.LocalAddr(), serverTCP.RemoteAddr())
			if !poll.AdoptTLS(server, e.inner) {
				t.Fatal("not adopted")
			}
			if server.RemoteAddr() != serverTCP.RemoteAddr() || server.LocalAddr() != serverTCP.LocalAddr() {
				t.Error("the addresses are others")
			}
			if err := server.SetDeadline(time.Now()); err != nil {
				t.Error(err)
			}
			if err := p.Add(&e.d, fd, e); err != nil {
				t.Fatal(err)
			}
			buf := make([]byte, 100)
			for range 300 {
				client.Write(buf)
				if _, err := io.ReadFull(client, buf); err != nil {
					t.Fatal(err)
				}
			}
			want := make([]byte, 16<<20)
			rand.Read(want)
			sent := make(chan error, 1)
			stuck := make(chan struct{})
			go func() {
				client.Write(want[:1<<20])
				close(stuck)
				_, err := client.Write(want[1<<20:])
				sent <- err
			}()
			receive(t, stuck, "the first part to be sent")
			// Nobody reads until the server has something that nobody takes.
			eventually(t, "something is pending", func() bool { return e.inner.Pending() > 0 })
			got := make([]byte, len(want))
			if _, err := io.ReadFull(client, got); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("what came is not what was sent (%v)", err)
			}
			if err := receive(t, sent, "the rest to be sent"); err != nil {
				t.Error(err)
			}
			client.Close()
			if err := receive(t, e.done, "the end"); err != io.EOF {
				t.Errorf("%v, want io.EOF", err)
			}
			if e.most > 64<<10 {
				t.Errorf("%d bytes were pending at most, for a buffer of 16 KiB", e.most)
			}
		})
	}
}

func TestAdoptTLSRefuses(t *testing.T) {
	inner := poll.NewConn(new(poll.Desc), nil, nil)
	a, _ := tcpPair(t)
	c := tls.Server(a, &tls.Config{})
	if poll.AdoptTLS(c, inner) {
		t.Error("adopted before the handshake")
	}
	if c.NetConn() != net.Conn(a) {
		t.Error("a refusal has changed the connection")
	}
	if poll.AdoptTLS(nil, inner) || poll.AdoptTLS(c, nil) {
		t.Error("adopted nil")
	}
}

// What the kernel does not take leaves later, and in order.
func TestConnPending(t *testing.T) {
	p := newPoller(t, 1)
	fd, peer := pair(t)
	writable := make(chan poll.Events, 1000)
	s := &source{ready: func(_ *poll.Worker, ev poll.Events) { writable <- ev }}
	s.add(t, p, fd)
	c := poll.NewConn(&s.d, nil, nil)
	var want []byte
	write := func() {
		b := bytes.Repeat([]byte{byte(len(want) / 5000)}, 5000)
		want = append(want, b...)
		if n, err := c.Write(b); n != len(b) || err != nil {
			t.Fatalf("%d, %v", n, err)
		}
	}
	for c.Pending() == 0 {
		write()
	}
	got := make([]byte, 0, 1<<20)
	for i := 0; len(got) < len(want); i++ {
		b := make([]byte, 3000)
		n, err := peer.Read(b)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, b[:n]...)
		if i < 20 {
			write() // there is room by now, but others are first
		} else if len(want)-len(got) == c.Pending() && c.Pending() > 0 {
			receive(t, writable, "Writable")
			if err := c.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !bytes.Equal(got, want) || c.Pending() != 0 {
		t.Errorf("%d bytes in another order, and %d pending", len(got), c.Pending())
	}
	for c.Pending() == 0 {
		write()
	}
	if err := c.Close(); err != nil || c.Pending() != 0 {
		t.Errorf("%v, with %d pending after Close", err, c.Pending())
	}
}
