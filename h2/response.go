package h2

import (
	"fmt"
	"io"
	"net/http"
	"runtime"
	"strings"
	"sync"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
)

// Sizes of the buffer of an answer: at first, and then what one DATA frame and
// one TLS record take.
const (
	smallBuffer = 4 << 10
	frameBuffer = 16 << 10
	copyBuffer  = 32 << 10 // of ReadFrom
)

// response is the http.ResponseWriter of a handler. It has a lock, since what it
// borrows must not be used by a handler that has returned.
type response struct {
	x      *exchange
	head   bool // the request is a HEAD
	tunnel bool // it is an extended CONNECT

	interim sync.Mutex // held while an interim head is sent
	begun   bool       // the final head is on its way; guarded by interim

	mu       sync.Mutex
	header   http.Header // the handler's
	out      *head       // between WriteHeader and sending
	buf      []byte      // borrowed
	status   int         // 0 before WriteHeader
	length   int64       // the content's, as declared; -1: not
	wrote    int64       // by the handler
	trailers []string    // declared
	sent     bool        // the head
	ended    bool        // our direction of the stream
	over     bool        // the handler has returned
	taken    bool        // by HijackStream
	err      error       // of sending
}

// Header returns the fields of the answer, and of its trailers.
func (w *response) Header() http.Header {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.header == nil {
		w.header = make(http.Header)
	}
	return w.header
}

// WriteHeader sets the status of the answer; one below 200 is sent at once and
// may be followed by more.
func (w *response) WriteHeader(status int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.over || w.taken:
		w.logf("websocket: WriteHeader after the end of the answer, by %s", caller())
	case w.status != 0:
		w.logf("websocket: superfluous WriteHeader, by %s", caller())
	case status < 100 || status > 999:
		panic(fmt.Sprintf("websocket: invalid status %d; want 100 to 999", status))
	case status == http.StatusSwitchingProtocols:
		w.logf("websocket: status 101 does not exist in HTTP/2, by %s", caller())
	case status < 200:
		w.sendInterim(status)
	default:
		w.begin(status)
	}
}

// begin fixes the status and the fields of the answer.
func (w *response) begin(status int) {
	w.status = status
	w.out = w.x.c.newHead(status, w.header)
	if bodyAllowed(status) {
		w.length = w.out.ContentLength
	} else if status != http.StatusNotModified {
		w.out.ContentLength = -1
	}
	if w.tunnel && status < 300 {
		w.length, w.out.ContentLength = -1, -1 // RFC 9110, section 9.3.6
	}
	if v, ok := w.header["Trailer"]; ok {
		w.declareTrailers(v)
	}
	if extension.HasToken(w.header["Connection"], "close") {
		w.x.c.c.Drain()
	}
}

// sendInterim sends a head with a status below 200 and the fields that are set.
func (w *response) sendInterim(status int) {
	h := w.x.c.newHead(status, w.header)
	h.ContentLength = -1
	w.interim.Lock()
	defer w.interim.Unlock()
	if status == http.StatusContinue {
		w.x.body.wait.Store(false)
	}
	w.x.s.Respond(&h.Head, nil, false)
	h.release()
}

// sendContinue tells the client to send its content, unless the answer has begun
// (RFC 9110, section 10.1.1).
func (w *response) sendContinue() {
	w.interim.Lock()
	defer w.interim.Unlock()
	if w.x.body.wait.Swap(false) && !w.begun {
		w.x.s.Respond(&h2.Head{Status: http.StatusContinue, ContentLength: -1}, nil, false)
	}
}

// Write writes content. It leaves when there is enough for a frame, with Flush,
// or when the handler returns.
func (w *response) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.mayWrite(len(p)); err != nil {
		return 0, err
	}
	room := smallBuffer
	if cap(w.buf) > 0 {
		room = cap(w.buf)
	}
	if len(w.buf)+len(p) <= room {
		w.keep(p)
		return len(p), nil
	}
	if w.complete() {
		return w.pushed(len(p), w.push(p, true))
	}
	// Whole frames leave; the rest may go with the end.
	send := (len(w.buf) + len(p)) &^ (frameBuffer - 1)
	if send > 0 {
		send -= len(w.buf)
		if err := w.push(p[:send], false); err != nil {
			return w.pushed(len(p), err)
		}
	}
	w.keep(p[send:])
	return len(p), nil
}

// WriteString is Write for a string.
func (w *response) WriteString(s string) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.mayWrite(len(s)); err != nil {
		return 0, err
	}
	for all := len(s); ; {
		w.reserve(len(s))
		n := min(cap(w.buf)-len(w.buf), len(s))
		w.buf, s = append(w.buf, s[:n]...), s[n:]
		if s == "" {
			return all, nil
		}
		if err := w.push(nil, false); err != nil {
			return 0, err
		}
	}
}

// ReadFrom writes what r gives, for [io.Copy]: it would allocate what is
// borrowed here.
func (w *response) ReadFrom(r io.Reader) (n int64, err error) {
	size := copyBuffer
	if l, ok := r.(*io.LimitedReader); ok && l.N < int64(size) {
		size = max(int(l.N), 1)
	}
	buf := bufpool.Get(size)
	defer bufpool.Put(buf)
	for {
		m, rerr := r.Read(buf)
		if m > 0 {
			m, err = w.Write(buf[:m])
			n += int64(m)
		}
		switch {
		case err != nil || rerr == io.EOF:
			return n, err
		case rerr != nil:
			return n, rerr
		}
	}
}

// ready returns why nothing can be sent any more, and begins the answer if that
// has not happened. w.mu is held.
func (w *response) ready() error {
	switch {
	case w.over:
		return errReturned
	case w.taken:
		return http.ErrHijacked
	case w.status == 0:
		w.begin(http.StatusOK)
	}
	return nil
}

// mayWrite returns why n bytes can't be written, and counts them if they can.
func (w *response) mayWrite(n int) error {
	if err := w.ready(); err != nil {
		return err
	}
	if !bodyAllowed(w.status) {
		return http.ErrBodyNotAllowed
	}
	if w.length >= 0 && w.wrote+int64(n) > w.length {
		return http.ErrContentLength
	}
	w.wrote += int64(n)
	return w.err
}

// pushed is the result of a Write of n bytes.
func (w *response) pushed(n int, err error) (int, error) {
	if err != nil {
		return 0, err
	}
	return n, nil
}

// complete reports whether the content that was declared is there, and nothing
// comes behind it.
func (w *response) complete() bool {
	return w.wrote == w.length && len(w.trailers) == 0
}

// keep buffers p, for which a frame has room.
func (w *response) keep(p []byte) {
	w.reserve(len(p))
	w.buf = append(w.buf, p...)
}

// reserve makes room in the buffer for n bytes more, as far as a frame goes.
func (w *response) reserve(n int) {
	n += len(w.buf)
	switch {
	case n > smallBuffer && cap(w.buf) < frameBuffer:
		buf := append(bufpool.Get(frameBuffer)[:0], w.buf...)
		bufpool.Put(w.buf)
		w.buf = buf
	case w.buf == nil:
		w.buf = bufpool.Get(smallBuffer)[:0]
	}
}

// push sends what is buffered and then p; the head goes in front if it was not
// sent. With end, nothing follows.
func (w *response) push(p []byte, end bool) error {
	if w.err != nil {
		return w.err
	}
	if !w.sent {
		w.err = w.start(p, end)
	} else if !w.ended {
		w.err = w.send(p, end)
	}
	if w.buf != nil {
		w.buf = w.buf[:0]
	}
	return w.err
}

// start sends the head, what is buffered, and p.
func (w *response) start(p []byte, end bool) error {
	w.sent = true
	w.interim.Lock()
	w.begun = true
	w.interim.Unlock()
	out := w.out
	w.out = nil
	defer out.release()
	if n := min(cap(w.buf)-len(w.buf), len(p)); n > 0 && len(w.buf) > 0 {
		w.buf, p = append(w.buf, p[:n]...), p[n:]
	}
	first, rest := w.buf, p
	if len(first) == 0 {
		first, rest = p, nil
	}
	if out.sniff && len(first) > 0 {
		out.Fields = append(out.Fields, h2.Field{Name: "content-type", Value: http.DetectContentType(first)})
	}
	if out.date {
		out.Fields = append(out.Fields, h2.Field{Name: "date", Value: w.x.c.date.now()})
	}
	if w.head || !bodyAllowed(w.status) {
		w.ended = true
		return w.x.s.Respond(&out.Head, nil, true)
	}
	w.ended = end && len(rest) == 0
	if err := w.x.s.Respond(&out.Head, first, w.ended); err != nil || len(rest) == 0 {
		return err
	}
	w.buf = w.buf[:0]
	return w.send(rest, end)
}

// send sends what is buffered and then p, behind the head.
func (w *response) send(p []byte, end bool) error {
	w.ended = end
	s, n := w.x.s, len(w.buf)
	var err error
	switch {
	case n > 0 && len(p) > 0:
		if end {
			s.EndAfter(n + len(p))
		}
		_, err = s.Writev(w.buf, p)
	case end && n > 0:
		err = s.WriteEnd(w.buf)
	case end:
		err = s.WriteEnd(p)
	case n > 0:
		_, err = s.Write(w.buf)
	case len(p) > 0:
		_, err = s.Write(p)
	}
	return err
}

// Flush sends what was written.
func (w *response) Flush() { w.FlushError() }

// FlushError is Flush, and returns an error when the client is gone.
func (w *response) FlushError() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.ready(); err != nil {
		return err
	}
	if w.sent && len(w.buf) == 0 && w.err == nil {
		return w.x.s.Err()
	}
	return w.push(nil, w.complete() && w.length >= 0)
}

// finish ends the answer of a handler that has returned, and gives back what was
// borrowed. It reports whether the stream was taken over. An answer that can't
// be ended is left for a reset.
func (w *response) finish(returned bool) (taken bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if returned && !w.taken && w.err == nil {
		w.complement()
	}
	bufpool.Put(w.buf)
	w.buf = nil
	if w.out != nil {
		w.out.release()
		w.out = nil
	}
	return w.taken
}

// complement sends what is missing of the answer.
func (w *response) complement() {
	if w.status == 0 {
		w.begin(http.StatusOK)
	}
	if w.ended {
		return
	}
	if !w.head && w.length >= 0 && w.wrote < w.length {
		return // a part must not look like the whole
	}
	if !w.sent && w.length < 0 && bodyAllowed(w.status) && (!w.head || len(w.buf) > 0) && (!w.tunnel || w.status >= 300) {
		w.out.ContentLength = int64(len(w.buf))
	}
	trailers := w.trailerFields()
	if len(trailers) == 0 || w.head {
		w.push(nil, true)
		return
	}
	if !w.sent || len(w.buf) > 0 {
		w.push(nil, false)
	}
	if w.err == nil && !w.ended {
		w.x.s.WriteTrailers(trailers)
	}
}

func (w *response) logf(format string, args ...any) { logf(w.x.c.srv, format, args...) }

// caller returns who called a ResponseWriter.
func caller() string {
	var pcs [16]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for {
		f, more := frames.Next()
		if !more || !strings.HasPrefix(f.Function, "net/http.") {
			return fmt.Sprintf("%s (%s:%d)", f.Function, f.File, f.Line)
		}
	}
}
