package client

import (
	"context"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/roundtrip"
)

const (
	// What is left of a response that nobody wants any more is read on and
	// dropped, as far as that takes no more than this: the connection lives.
	maxDrop1 = 64 << 10
	dropTime = 50 * time.Millisecond
)

// stream1 is a request and its response over HTTP/1.1, while it has the turn;
// what came of the response can be read after that.
type stream1 struct {
	s  *session1
	id httpconn.StreamID

	// Everything is guarded by s.mu.
	wake    sync.Cond // who reads waits for it
	heads   []roundtrip.Head
	first   [1]roundtrip.Head
	in      []byte // borrowed; in[off:] came and was not read
	off     int
	dst     []byte // of a Read that waits
	got     int    // bytes in dst
	left    int64  // of the response's body, -1: not known
	dropped int    // bytes that nobody wanted
	trailer http.Header
	err     error // why nothing more will come, or can be sent
	linger  *time.Timer

	chunked bool // the request's body has no length
	reused  bool // the connection had requests before
	final   bool // the final head came
	inEnd   bool // the response is there
	outEnd  bool // the request is sent, or about to be
	writing bool // outside the lock
	gone    bool // nobody reads
	done    bool // the turn is over
}

// head takes the head of a response. s.mu is held.
func (st *stream1) head(ev *httpconn.Event) {
	h := roundtrip.Head{Major: 1, Minor: 1, Status: ev.Status, Header: ev.Header, End: ev.End, ContentLength: -1}
	st.final = ev.Kind != httpconn.Interim
	if ev.Kind == httpconn.Status {
		if v := ev.Header["Content-Length"]; len(v) > 0 {
			if n, err := strconv.ParseInt(v[0], 10, 64); err == nil {
				h.ContentLength = n
			}
		}
		if _, ok := ev.Header["Transfer-Encoding"]; ok {
			h.Chunked = true
			delete(ev.Header, "Transfer-Encoding")
		}
		h.Close = extension.HasToken(ev.Header["Connection"], "close")
		st.left = h.ContentLength
	}
	if len(st.heads) == 0 {
		st.heads = st.first[:0]
	}
	st.heads = append(st.heads, h)
}

// data takes a piece of the body: straight into the memory of a Read that waits,
// or into a borrowed buffer. s.mu is held.
func (st *stream1) data(p []byte) {
	if st.left >= 0 {
		st.left -= int64(len(p))
	}
	if st.gone {
		if st.dropped += len(p); st.dropped > maxDrop1 {
			st.s.fail(errGivenUp)
		}
		return
	}
	if len(st.dst) > st.got && len(st.in) == 0 {
		n := copy(st.dst[st.got:], p)
		st.got, p = st.got+n, p[n:]
	}
	if len(p) == 0 {
		return
	}
	if st.off > 0 && cap(st.in)-len(st.in) < len(p) {
		st.in = st.in[:copy(st.in, st.in[st.off:])]
		st.off = 0
	}
	st.in = append(bufpool.Grow(st.in, len(p)), p...)
}

// unread returns how much of the response is there and was not read. s.mu is held.
func (st *stream1) unread() int { return len(st.in) - st.off }

// checkOver gives the turn away when both directions are done. s.mu is held.
func (st *stream1) checkOver() {
	if st.done || !st.inEnd || !st.outEnd || st.writing {
		return
	}
	st.done = true
	st.stopLinger()
	s := st.s
	switch {
	case s.lost != nil:
		s.fail(s.lost)
	case !s.h.IsOpen() && !s.last:
		s.fail(errLast)
	}
	s.release()
}

func (st *stream1) stopLinger() {
	if st.linger != nil {
		st.linger.Stop()
	}
}

// AwaitHead waits for the next head of the response. What ends the context aborts
// the stream.
func (st *stream1) AwaitHead(_ context.Context, h *roundtrip.Head) error {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for len(st.heads) == 0 {
		switch {
		case st.gone:
			return net.ErrClosed
		case st.err != nil:
			return st.err
		}
		st.wake.Wait()
	}
	*h = st.heads[0]
	st.heads = slices.Delete(st.heads, 0, 1)
	return nil
}

// Read reads the body.
func (st *stream1) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	for !st.gone && st.off == len(st.in) && st.got == 0 {
		switch {
		case st.inEnd:
			return 0, io.EOF
		case st.err != nil:
			return 0, st.err
		}
		st.dst = p
		st.wake.Wait()
		st.dst = nil
	}
	n := st.got
	st.got = 0
	if st.gone { // with what was there
		return 0, net.ErrClosed
	}
	if m := copy(p[n:], st.in[st.off:]); m > 0 {
		n += m
		if st.off += m; st.off == len(st.in) {
			st.dropInput()
		}
		st.s.room.Signal()
	}
	if st.inEnd && st.off == len(st.in) {
		return n, io.EOF
	}
	return n, nil
}

func (st *stream1) dropInput() {
	bufpool.Put(st.in)
	st.in, st.off = nil, 0
}

// Trailers returns what came behind the body.
func (st *stream1) Trailers() http.Header {
	st.s.mu.Lock()
	defer st.s.mu.Unlock()
	return st.trailer
}

// Write sends a piece of the request's body.
func (st *stream1) Write(p []byte) (int, error) {
	if err := st.send(p, false, nil); err != nil {
		return 0, err
	}
	return len(p), nil
}

// WriteEnd sends the last piece.
func (st *stream1) WriteEnd(p []byte) error { return st.send(p, true, nil) }

// WriteTrailers ends the body with trailers.
func (st *stream1) WriteTrailers(h http.Header) error { return st.send(nil, true, h) }

// send sends a piece of the body, and its end.
func (st *stream1) send(p []byte, end bool, trailer http.Header) error {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case st.err != nil:
		return st.err
	case s.ended:
		return s.err
	case st.outEnd, st.done, st.gone:
		return net.ErrClosed
	}
	if st.inEnd {
		// The response was there first, and the connection ends with it.
		if end {
			st.outEnd = true
			st.checkOver()
		}
		return nil
	}
	if len(p) > 0 {
		if _, err := s.h.Body(st.id, p); err != nil {
			return err
		}
	}
	if end {
		if st.chunked {
			if err := s.h.End(st.id, trailer); err != nil {
				return err
			}
		}
		st.outEnd = true
	}
	return st.flush()
}

// flush writes what is to be sent. s.mu is held, and released meanwhile.
func (st *stream1) flush() error {
	s := st.s
	out := s.h.AppendOutput(s.out[:0])
	st.writing = true
	s.mu.Unlock()
	err := s.write(out)
	s.mu.Lock()
	if s.out = out[:0]; cap(out) > 4<<10 || s.taken {
		s.out = nil
	}
	st.writing = false
	if err != nil && !s.ended && s.lost == nil {
		// An answer may have come before; who reads finds it, or the end.
		s.lost = lost1(err)
		s.t.SetReadDeadline(time.Now().Add(lostTime))
		if err == errSilent {
			s.fail(err)
		}
	}
	st.checkOver()
	return err
}

// Abort gives up what is not sent and what has not come, and with it the
// connection, unless little is left to come.
func (st *stream1) Abort() {
	s := st.s
	s.mu.Lock()
	defer s.mu.Unlock()
	st.leave()
	switch {
	case st.done || s.ended:
	case st.inEnd && !st.outEnd:
		s.fail(errEarly)
	case s.taken:
		s.fail(errGivenUp)
		s.link.Socket.Close()
	case !st.outEnd || !st.final || st.left > maxDrop1:
		s.fail(errGivenUp)
	case st.linger == nil:
		st.linger = time.AfterFunc(dropTime, func() {
			s.mu.Lock()
			if !st.done {
				s.fail(errGivenUp)
			}
			s.mu.Unlock()
		})
	}
}

// leave says that nobody reads any more. s.mu is held.
func (st *stream1) leave() {
	st.gone = true
	st.dropInput()
	st.wake.Broadcast()
	st.s.room.Signal()
}

// Close says that nobody reads any more.
func (st *stream1) Close() error {
	st.s.mu.Lock()
	over := st.inEnd || st.s.ended
	if over {
		st.leave()
	}
	st.s.mu.Unlock()
	if !over {
		st.Abort()
	}
	return nil
}

// Carrier tells of the connection.
func (st *stream1) Carrier() roundtrip.Carrier {
	l := st.s.link
	return roundtrip.Carrier{Conn: l.Conn, Reused: st.reused, TLS: l.TLS()}
}
