package h2conn

import (
	"context"
	"io"
	"net"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// largePiece is how long a piece of a message is that is likely not the last.
const largePiece = 8 << 10

// deliver takes what came: straight into the memory of a Read that waits, or
// into a borrowed buffer, which the stream's window limits. c.mu is held.
func (s *Stream) deliver(p []byte, end bool) {
	if s.dropped {
		if !end {
			s.c.m.Consumed(s.m, len(p))
		}
		p = nil
	}
	if len(s.dst) > s.got && len(s.in) == 0 {
		n := copy(s.dst[s.got:], p)
		s.got, p = s.got+n, p[n:]
	}
	if len(p) > 0 {
		if s.in == nil {
			n := len(p)
			if n >= largePiece || s.bulk {
				n = h2.DefaultStreamWindow // more will follow
			}
			s.in = bufpool.Get(n)[:0]
		}
		if s.off > 0 && cap(s.in)-len(s.in) < len(p) {
			s.in = s.in[:copy(s.in, s.in[s.off:])] // a window has room
			s.off = 0
		}
		s.in = append(bufpool.Grow(s.in, len(p)), p...)
	}
	if s.read.waiting {
		s.c.woken++
		s.read.tell()
	}
	s.notify(Readable)
	if end {
		s.inputEnded()
	}
}

// inputEnded notes END_STREAM. c.mu is held.
func (s *Stream) inputEnded() {
	s.inEnd = true
	s.read.tell()
	s.notify(Readable)
	s.checkOver()
}

// head takes the head of an answer. c.mu is held.
func (s *Stream) head(h *h2.Head, end bool) {
	r := s.more()
	if len(r.heads) == 0 {
		r.heads = r.room[:0]
	}
	r.heads = append(r.heads, head{h, end})
	s.inEnd = s.inEnd || end
	s.read.tell()
	s.checkOver()
}

// AwaitHead returns the next head of the answer, interim ones too, as long as
// ctx lives. With end, there is no body.
func (s *Stream) AwaitHead(ctx context.Context) (h *h2.Head, end bool, err error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	for s.rest == nil || len(s.rest.heads) == 0 {
		switch {
		case ctx.Err() != nil:
			return nil, false, context.Cause(ctx)
		case s.err != nil:
			return nil, false, s.err
		case s.inEnd || s.dropped:
			return nil, false, io.ErrUnexpectedEOF
		case s.read.past(s.c):
			return nil, false, errTimeout
		}
		wake := s.read.prepare()
		s.c.mu.Unlock()
		select {
		case <-wake:
			s.c.mu.Lock()
		case <-ctx.Done():
			s.c.mu.Lock()
			if !s.read.waiting {
				<-wake
			}
			s.read.waiting = false
		}
	}
	first := s.rest.heads[0]
	s.rest.heads[0] = head{} // it is large
	s.rest.heads = s.rest.heads[1:]
	return first.h, first.end, nil
}

// Trailers returns what came behind the body, once Read has returned io.EOF.
func (s *Stream) Trailers() []h2.Field {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if s.rest == nil {
		return nil
	}
	return s.rest.trailers
}

// await waits until there is input, into p if that is not nil. c.mu is held, and
// released while waiting.
func (s *Stream) await(p []byte) error {
	for s.off == len(s.in) && s.got == 0 {
		if err := s.inputOver(); err != nil {
			return err
		}
		if s.read.past(s.c) {
			return errTimeout
		}
		s.c.flush(false) // the peer may need to know that it can go on
		if s.off < len(s.in) || s.inEnd || s.err != nil || s.dropped {
			continue
		}
		s.dst = p
		wake := s.read.prepare()
		s.c.mu.Unlock()
		<-wake
		s.c.mu.Lock()
		s.dst = nil
		if s.dropped && s.in != nil {
			s.dropInput()
		}
	}
	return nil
}

// inputOver returns why nothing more will come, nil if something may. c.mu is
// held.
func (s *Stream) inputOver() error {
	switch {
	case s.dropped:
		return net.ErrClosed
	case s.inEnd:
		return io.EOF
	}
	return s.err
}

// Read reads what came. It returns [io.EOF] when the peer has ended its
// direction.
func (s *Stream) Read(p []byte) (int, error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if len(p) == 0 {
		return 0, nil
	}
	if err := s.await(p); err != nil {
		return 0, err
	}
	n := s.got
	s.got = 0
	if s.off < len(s.in) {
		m := copy(p[n:], s.in[s.off:])
		n += m
		if s.off += m; s.off == len(s.in) {
			s.dropInput()
		}
	}
	s.consumed(n)
	return n, nil
}

// ReadBorrow waits until something has come and returns all of it, in a buffer
// of bufpool.
func (s *Stream) ReadBorrow(uint8) ([]byte, error) {
	s.c.mu.Lock()
	defer s.c.unlock()
	if err := s.await(nil); err != nil {
		return nil, err
	}
	return s.take(), nil
}

// take returns all that came, which there is. c.mu is held.
func (s *Stream) take() []byte {
	b := s.in
	if s.off > 0 {
		b = b[:copy(b, b[s.off:])]
	}
	s.in, s.off, s.bulk = nil, 0, len(b) >= largePiece
	s.consumed(len(b))
	return b
}

// WaitRead blocks until Read would not.
func (s *Stream) WaitRead() error {
	s.c.mu.Lock()
	defer s.c.unlock()
	err := s.await(nil)
	if err == io.EOF {
		return nil // Read tells
	}
	return err
}

// consumed lets the peer send n bytes more. It is told with the next flush, at
// the latest when the reader waits again. c.mu is held.
func (s *Stream) consumed(n int) {
	if s.err == nil && !s.inEnd && n > 0 {
		s.c.m.Consumed(s.m, n)
	}
}

// dropInput gives the buffer back. c.mu is held.
func (s *Stream) dropInput() {
	bufpool.Put(s.in)
	s.in, s.off = nil, 0
}
