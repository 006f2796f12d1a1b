//go:build unix

package stream_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/stream"
)

// tlsPair returns the client's end as a transport, the server's end, and the
// server's socket.
func tlsPair(t *testing.T) (tr stream.Transport, server *tls.Conn, sock *net.TCPConn) {
	t.Helper()
	srv := httptest.NewTLSServer(nil) // for its certificate
	srv.Close()
	a, b := pair(t, "tcp", "127.0.0.1:0")
	client := tls.Client(a, &tls.Config{InsecureSkipVerify: true})
	server = tls.Server(b, srv.TLS)
	errs := make(chan error, 1)
	go func() { errs <- server.Handshake() }()
	if err := client.Handshake(); err != nil {
		t.Fatal(err)
	}
	if err := <-errs; err != nil {
		t.Fatal(err)
	}
	tr = stream.New(client)
	if tr.Unwrap() != client {
		t.Errorf("Unwrap: %T", tr.Unwrap())
	}
	return tr, server, b.(*net.TCPConn)
}

// What crypto/tls has read ahead is not waited for, a wait holds no buffer, and
// deadlines are as they were set.
func TestTLSReadBorrow(t *testing.T) {
	tr, server, _ := tlsPair(t)
	for _, s := range []string{"one", "two"} { // two records, perhaps read at once
		if _, err := io.WriteString(server, s); err != nil {
			t.Fatal(err)
		}
	}
	var got []byte
	for len(got) < 6 {
		p, err := tr.ReadBorrow(10)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, p...)
		bufpool.Put(p)
	}
	if string(got) != "onetwo" {
		t.Errorf("%q", got)
	}

	before := bufpool.Outstanding()
	tr.SetReadDeadline(time.Unix(1, 0))
	if p, err := tr.ReadBorrow(12); p != nil || !stream.IsTimeout(err) {
		t.Errorf("%q, %v", p, err)
	}
	if n := bufpool.Outstanding() - before; n != 0 {
		t.Errorf("%d buffers are held", n)
	}
	tr.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(server, "after"); err != nil {
		t.Fatal(err)
	}
	borrow(t, tr, "after")

	server.Close()
	if p, err := tr.ReadBorrow(12); p != nil || err != io.EOF {
		t.Errorf("at the end: %q, %v", p, err)
	}
}

// A reset is an error of the net package, as without TLS.
func TestTLSReset(t *testing.T) {
	tr, _, sock := tlsPair(t)
	sock.SetLinger(0)
	sock.Close()
	var oe *net.OpError
	if p, err := tr.ReadBorrow(12); p != nil || !errors.As(err, &oe) || !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%q, %v", p, err)
	}
}
