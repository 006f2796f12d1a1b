package websocket

import (
	"net"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// transport is what a Conn asks of its Stream. Every Stream becomes one: plain
// sockets and TLS over them in ways of their own, any other by wrapStream.
type transport interface {
	Stream

	// readBorrow waits until something has come and returns it in a buffer of
	// bufpool, of 1<<sizeBits bytes. While it waits, it holds no buffer if it
	// can be helped.
	readBorrow(sizeBits uint8) ([]byte, error)

	// tryWrite writes what of p and tail can be written without waiting. A
	// transport that cannot tell writes nothing.
	tryWrite(p, tail []byte) (int, error)

	// Unwrap returns the Stream whose optional methods count.
	Unwrap() any
}

// newNetStream returns the best transport there is for a net.Conn.
func newNetStream(c net.Conn) Stream { return platformStream(c) }

// wrapStream makes a transport of any Stream.
func wrapStream(s Stream) transport {
	if t, ok := s.(transport); ok {
		return t
	}
	if c, ok := s.(net.Conn); ok {
		if t, ok := platformStream(c).(transport); ok {
			return t
		}
	}
	return plainStream{s}
}

// plainStream is the transport for a Stream about which nothing more is known.
type plainStream struct{ Stream }

func (s plainStream) Unwrap() any { return s.Stream }

func (s plainStream) tryWrite(_, _ []byte) (int, error) { return 0, nil }

func (s plainStream) readBorrow(sizeBits uint8) ([]byte, error) {
	if w, ok := s.Stream.(interface{ WaitRead() error }); ok {
		if err := w.WaitRead(); err != nil {
			return nil, err
		}
	}
	return readBorrow(s.Stream, sizeBits)
}

// readBorrow reads once from s into a borrowed buffer.
func readBorrow(s Stream, sizeBits uint8) ([]byte, error) {
	buf := bufpool.Get(1 << sizeBits)
	n, err := s.Read(buf)
	if n > 0 {
		// An error that came along comes again at the next Read.
		return buf[:n], nil
	}
	bufpool.Put(buf)
	return nil, err
}
