package h2peer

import (
	"io"
	"net"
	"os"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// Stream is one stream: a [net.Conn] whose Read and Write move DATA.
type Stream struct {
	c  *Conn
	id uint32

	// Everything is guarded by c.mu.
	fields   []hpack.HeaderField
	answered bool // a head came
	in       []byte
	owed     uint32 // was read, and the other end does not know
	last     int    // payload of the DATA frame that came last
	inEnd    bool   // END_STREAM came
	outEnd   bool   // and was sent
	window   int64  // what the other end takes
	err      error  // RST_STREAM, or the end of the connection
	over     bool   // closed here
	read     deadline
	write    deadline
}

// newStream begins a stream. c.mu is held.
func (c *Conn) newStream(id uint32) *Stream {
	s := &Stream{c: c, id: id, window: c.initial}
	c.streams[id] = s
	return s
}

func (s *Stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

// deadline is one of a direction.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

// ID returns the number of the stream.
func (s *Stream) ID() uint32 { return s.id }

// Conn returns the connection.
func (s *Stream) Conn() *Conn { return s.c }

// Field waits for the head of the answer, or of the request, and returns a field
// of it, :status for instance. It is empty when there is none, and when the
// stream has ended without a head.
func (s *Stream) Field(name string) string {
	s.c.t.Helper()
	s.c.wait("the head of an answer", func() bool { return s.answered || s.err != nil })
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for _, f := range s.fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// Fields returns the names and values of the head, and of trailers that came.
func (s *Stream) Fields() (fields [][2]string) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for _, f := range s.fields {
		fields = append(fields, [2]string{f.Name, f.Value})
	}
	return fields
}

// Read returns io.EOF after END_STREAM, and a [http2.StreamError] after
// RST_STREAM, once everything that came before was read.
func (s *Stream) Read(p []byte) (int, error) {
	c := s.c
	c.mu.Lock()
	for len(s.in) == 0 && len(p) > 0 {
		var err error
		switch {
		case s.over:
			err = net.ErrClosed
		case s.inEnd:
			err = io.EOF
		case s.err != nil:
			err = s.err
		case s.read.passed():
			err = os.ErrDeadlineExceeded
		default:
			c.moved.Wait()
			continue
		}
		c.mu.Unlock()
		return 0, err
	}
	n := copy(p, s.in)
	s.in = s.in[n:]
	s.owed += uint32(n)
	owed := uint32(0)
	if s.owed >= c.o.Window/2 && !c.o.NoUpdates && !s.inEnd && s.err == nil {
		owed, s.owed = s.owed, 0
	}
	c.mu.Unlock()
	if owed > 0 {
		c.Send(func(fr *http2.Framer) error { return fr.WriteWindowUpdate(s.id, owed) })
	}
	return n, nil
}

// EndedWith waits for the end of the other end's direction, and returns how many
// bytes the DATA frame had that came last: with END_STREAM on it, if it is not 0.
func (s *Stream) EndedWith() int {
	s.c.t.Helper()
	s.c.wait("END_STREAM", func() bool { return s.inEnd || s.err != nil })
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if !s.inEnd {
		s.c.t.Errorf("HTTP/2: the stream was not ended but reset: %v", s.err)
	}
	return s.last
}

// ResetWith waits for the end of the stream and returns the code of the
// RST_STREAM.
func (s *Stream) ResetWith() http2.ErrCode {
	s.c.t.Helper()
	s.c.wait("RST_STREAM", func() bool { return s.err != nil })
	se, ok := s.err.(http2.StreamError)
	if !ok {
		s.c.t.Errorf("HTTP/2: the stream was not reset: %v", s.err)
	}
	return se.Code
}

// Err returns how the stream was reset, or why its connection ended; nil if that
// has not happened.
func (s *Stream) Err() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	return s.err
}

// Write sends p in DATA frames, as the windows allow.
func (s *Stream) Write(p []byte) (int, error) { return s.send(p, false) }

// WriteEnd sends p, and END_STREAM with the last DATA frame.
func (s *Stream) WriteEnd(p []byte) error {
	_, err := s.send(p, true)
	return err
}

func (s *Stream) send(p []byte, end bool) (n int, err error) {
	c := s.c
	for n < len(p) || end {
		c.mu.Lock()
		room := min(int64(len(p)-n), s.window, c.window, 16384)
		switch {
		case s.over || s.outEnd:
			err = net.ErrClosed
		case s.err != nil:
			err = s.err
		case s.write.passed():
			err = os.ErrDeadlineExceeded
		case room <= 0 && n < len(p):
			c.moved.Wait()
			c.mu.Unlock()
			continue
		}
		if err != nil {
			c.mu.Unlock()
			return n, err
		}
		room = max(room, 0)
		s.window -= room
		c.window -= room
		last := end && n+int(room) == len(p)
		s.outEnd = last
		c.mu.Unlock()
		c.Send(func(fr *http2.Framer) error { return fr.WriteData(s.id, last, p[n:n+int(room)]) })
		n += int(room)
		if last {
			break
		}
	}
	return n, nil
}

// CloseWrite sends END_STREAM, on a DATA frame of its own.
func (s *Stream) CloseWrite() error { return s.WriteEnd(nil) }

// Reset sends RST_STREAM.
func (s *Stream) Reset(code http2.ErrCode) {
	s.c.mu.Lock()
	s.over = true
	s.c.moved.Broadcast()
	s.c.mu.Unlock()
	s.c.Send(func(fr *http2.Framer) error { return fr.WriteRSTStream(s.id, code) })
}

// Close ends the stream: nothing is sent when both directions have ended, and
// END_STREAM when the other end has ended its own, else RST_STREAM with CANCEL.
func (s *Stream) Close() error {
	s.c.mu.Lock()
	if s.inEnd && !s.outEnd && s.err == nil && !s.over {
		s.c.mu.Unlock()
		_ = s.CloseWrite()
		s.c.mu.Lock()
	}
	ended := s.inEnd && s.outEnd || s.err != nil || s.over
	s.over = true
	s.c.moved.Broadcast()
	s.c.mu.Unlock()
	if !ended {
		s.Reset(http2.ErrCodeCancel)
	}
	return nil
}

// LocalAddr returns that of the connection.
func (s *Stream) LocalAddr() net.Addr { return s.c.nc.LocalAddr() }

// RemoteAddr returns that of the connection.
func (s *Stream) RemoteAddr() net.Addr { return s.c.nc.RemoteAddr() }

// SetDeadline sets both deadlines.
func (s *Stream) SetDeadline(t time.Time) error {
	_ = s.SetReadDeadline(t)
	return s.SetWriteDeadline(t)
}

// SetReadDeadline sets when a Read gives up.
func (s *Stream) SetReadDeadline(t time.Time) error { return s.set(&s.read, t) }

// SetWriteDeadline sets when a Write gives up.
func (s *Stream) SetWriteDeadline(t time.Time) error { return s.set(&s.write, t) }

func (s *Stream) set(d *deadline, t time.Time) error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
	}
	if d.at = t; !t.IsZero() {
		d.timer = time.AfterFunc(time.Until(t), func() {
			s.c.mu.Lock()
			s.c.moved.Broadcast()
			s.c.mu.Unlock()
		})
	}
	s.c.moved.Broadcast()
	return nil
}
