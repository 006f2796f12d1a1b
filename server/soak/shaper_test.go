package soak_test

import (
	"net"
	"sync"
	"time"
)

// shaper is a client's transport that behaves as badly as it is told.
type shaper struct {
	net.Conn              // plain or TLS
	raw      *net.TCPConn // under it

	writing sync.Mutex
	dribble bool // write in pieces, the first bytes one by one

	mu   sync.Mutex
	gate chan struct{} // closed when reads may go on
	gone chan struct{}
	once sync.Once
}

func newShaper(c net.Conn, raw *net.TCPConn, dribble bool) *shaper {
	open := make(chan struct{})
	close(open)
	return &shaper{Conn: c, raw: raw, dribble: dribble, gate: open, gone: make(chan struct{})}
}

// stall stops reading until the function returned is called.
func (s *shaper) stall() (resume func()) {
	gate := make(chan struct{})
	s.mu.Lock()
	s.gate = gate
	s.mu.Unlock()
	return sync.OnceFunc(func() { close(gate) })
}

func (s *shaper) Read(p []byte) (int, error) {
	n, err := s.Conn.Read(p)
	s.mu.Lock()
	gate := s.gate
	s.mu.Unlock()
	select {
	case <-gate:
	case <-s.gone:
	}
	return n, err
}

func (s *shaper) Write(p []byte) (n int, err error) {
	s.writing.Lock()
	defer s.writing.Unlock()
	if !s.dribble {
		return s.Conn.Write(p)
	}
	for n < len(p) && err == nil {
		end := n + 1
		if n >= 40 {
			end = n + max((len(p)-n)/2, 1000)
		}
		var m int
		m, err = s.Conn.Write(p[n:min(end, len(p))])
		n += m
		select {
		case <-time.After(100 * time.Microsecond):
		case <-s.gone:
		}
	}
	return n, err
}

// inject writes what no WebSocket would, between two frames.
func (s *shaper) inject(p []byte) {
	s.writing.Lock()
	defer s.writing.Unlock()
	_ = s.SetWriteDeadline(time.Time{})
	_, _ = s.Conn.Write(p)
}

func (s *shaper) Close() error {
	s.once.Do(func() { close(s.gone) })
	return s.Conn.Close()
}

// reset ends the connection by a RST.
func (s *shaper) reset() {
	_ = s.raw.SetLinger(0)
	_ = s.raw.Close()
	s.once.Do(func() { close(s.gone) })
}
