// Package stream is the transport under connections: sockets and TLS over them
// in ways of their own, which hold no buffer while nothing has come and need no
// deadline for what the kernel takes at once, and anything else as it is.
package stream

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
)

// Stream is what the root package calls a Stream, with the same methods; what
// is asked of them stands there.
type Stream interface {
	io.ReadWriteCloser
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

// Transport is a Stream with all that a connection asks of it. Like those of a
// Stream, ReadBorrow is called by one goroutine at a time, and so is TryWrite.
type Transport interface {
	Stream

	// ReadBorrow waits until something has come and returns it in a buffer of
	// bufpool, of 1<<sizeBits bytes. While it waits, it holds no buffer if it
	// can be helped.
	ReadBorrow(sizeBits uint8) ([]byte, error)

	// TryWrite writes what of p and tail can be written without waiting. A
	// transport that cannot tell writes nothing.
	TryWrite(p, tail []byte) (int, error)

	// Unwrap returns the Stream whose optional methods count.
	Unwrap() any
}

// New returns the best transport there is for a net.Conn.
func New(c net.Conn) Transport { return platform(c) }

// Wrap makes a transport of any Stream. What is one already stays as it is, and
// what is a net.Conn gets the transport of New.
func Wrap(s Stream) Transport {
	if t, ok := s.(Transport); ok {
		return t
	}
	if c, ok := s.(net.Conn); ok {
		return platform(c)
	}
	return plain{s}
}

// plain is the transport for a Stream about which nothing more is known.
type plain struct{ Stream }

func (s plain) Unwrap() any { return s.Stream }

func (s plain) TryWrite(_, _ []byte) (int, error) { return 0, nil }

func (s plain) ReadBorrow(sizeBits uint8) ([]byte, error) {
	if w, ok := s.Stream.(interface{ WaitRead() error }); ok {
		if err := w.WaitRead(); err != nil {
			return nil, err
		}
	}
	return borrow(s.Stream, sizeBits)
}

// borrow reads once from s into a borrowed buffer.
func borrow(s Stream, sizeBits uint8) ([]byte, error) {
	buf := bufpool.Get(1 << sizeBits)
	n, err := s.Read(buf)
	if n > 0 {
		// An error that came along comes again at the next Read.
		return buf[:n], nil
	}
	bufpool.Put(buf)
	return nil, err
}

// Unsent returns how many bytes were written to t that its peer has not
// acknowledged, 0 where that can't be told. A kernel that has much room says
// only late that there is some again: a peer that takes little is told from one
// that takes nothing by this figure.
func Unsent(t Transport) int {
	if u, ok := t.(interface{ unsent() int }); ok {
		return u.unsent()
	}
	return 0
}

// past is a deadline that has passed.
var past = time.Unix(1, 0)

// IsTimeout reports whether err is that of a deadline. ETIMEDOUT is not: TCP has
// given the peer up.
func IsTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout() && !errors.Is(err, syscall.ETIMEDOUT)
}

// Cancel aborts a stream of HTTP/2 or HTTP/3 with the error code for one that
// nobody wants any more: CANCEL (RFC 9113, section 7), H3_REQUEST_CANCELLED
// (RFC 9114, section 8.1). A connection of HTTP/1.1 stays as it is. The stream is
// still to be closed.
func Cancel(t Transport, version int) {
	if a, ok := t.Unwrap().(interface{ Abort(code uint32) }); ok {
		switch version {
		case 2:
			a.Abort(0x8)
		case 3:
			a.Abort(0x10c)
		}
	}
}

// ContextError returns the error for something whose context has ended, nil when
// it has not. It wraps both the error and the cause of ctx.
func ContextError(ctx context.Context, what string) error {
	err := ctx.Err()
	if err == nil {
		return nil
	}
	if cause := context.Cause(ctx); cause != err {
		return fmt.Errorf("websocket: %s: %w: %w", what, err, cause)
	}
	return fmt.Errorf("websocket: %s: %w", what, err)
}
