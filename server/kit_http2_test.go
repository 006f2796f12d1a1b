package server_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
	"github.com/lariat-go/websocket/internal/h2peer"
)

// overHTTP2 reports whether an engine's sessions are streams of HTTP/2.
func overHTTP2(engine string) bool { return strings.HasPrefix(engine, "h2") }

// netHTTP is the engine over net/http's own HTTP/2, which takes extended CONNECT in
// a process that was started with xconnect in GODEBUG.
const (
	netHTTP  = "h2 of net/http"
	xconnect = "http2xconnect=1"
)

// serveHTTP2 has a server that is not started yet speak HTTP/2 as well.
func (h *host) serveHTTP2(engine string) {
	h.t.Helper()
	h.pool = &websocket.Pool{MaxConns: -1}
	if engine == netHTTP {
		h.http.EnableHTTP2 = true
		return
	}
	srv := h.http.Config
	if engine == "h2c" {
		srv.Protocols = new(http.Protocols)
		srv.Protocols.SetHTTP1(true)
		srv.Protocols.SetUnencryptedHTTP2(true)
	}
	if err := h2.ConfigureServer(srv, nil); err != nil {
		h.t.Fatal(err)
	}
	h.http.TLS = srv.TLSConfig.Clone()
}

// stream is a stream of HTTP/2 in the clothes of a connection of HTTP/1.1: an
// opening handshake written to it becomes an extended CONNECT, a 200 is read from
// it as 101, and so one test body is good for both.
type stream struct {
	*h2peer.Stream
	conn *h2peer.Conn

	mu   sync.Mutex
	head []byte // of the request, as long as it is not complete
	in   []byte // of the answer, not read yet
	read bool   // the answer was read
	up   bool   // the request is an opening handshake
	sent chan struct{}
}

// stream opens a connection to the server for one stream.
func (h *host) stream() *stream {
	h.t.Helper()
	cfg := h.tls
	if !strings.HasPrefix(h.http.URL, "https") {
		cfg = nil
	}
	return &stream{conn: h2peer.Dial(h.t, h.http.Listener.Addr().String(), cfg, nil), sent: make(chan struct{})}
}

func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.Stream != nil {
		return s.Stream.Write(p)
	}
	s.head = append(s.head, p...)
	end := bytes.Index(s.head, []byte("\r\n\r\n"))
	if end < 0 {
		return len(p), nil
	}
	r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(s.head)))
	if err != nil {
		return 0, err
	}
	fields := []string{":method", "GET"}
	if r.Header.Get("Upgrade") != "" {
		fields, s.up = []string{":method", "CONNECT", ":protocol", "websocket"}, true
	}
	fields = append(fields, ":scheme", "http", ":path", r.RequestURI, ":authority", r.Host)
	for name, values := range r.Header {
		if name == "Upgrade" || name == "Connection" {
			continue
		}
		for _, v := range values {
			fields = append(fields, name, v)
		}
	}
	early := s.head[end+4:]
	s.Stream = s.conn.Request(fields[1] == "GET", fields...)
	close(s.sent)
	if len(early) > 0 {
		if _, err := s.Stream.Write(early); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

func (s *stream) Read(p []byte) (int, error) {
	<-s.sent
	if !s.read {
		s.read = true
		s.in = s.answer()
	}
	if len(s.in) > 0 {
		n := copy(p, s.in)
		s.in = s.in[n:]
		return n, nil
	}
	return s.Stream.Read(p)
}

// answer returns the head of the answer in the form of HTTP/1.1.
func (s *stream) answer() []byte {
	status, _ := strconv.Atoi(s.Field(":status"))
	if status == http.StatusOK && s.up {
		status = http.StatusSwitchingProtocols
	}
	if status == 0 {
		return nil // the stream was reset, as Read will tell
	}
	b := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\n", status, http.StatusText(status))
	for _, f := range s.Fields() {
		if !strings.HasPrefix(f[0], ":") {
			b = fmt.Appendf(b, "%s: %s\r\n", f[0], f[1])
		}
	}
	return append(b, "\r\n"...)
}

// reset ends the stream as RST does a connection of TCP, and cut the connection.
func (s *stream) reset() { s.Stream.Reset(http2.ErrCodeCancel) }
func (s *stream) cut()   { s.conn.Close() }
