package h2http

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
)

// sendSize is how much of a request's body is read at once: a DATA frame.
const sendSize = 16 << 10

// exchange is one request and its response on a stream. One goroutine sends the
// request's body, another one reads the response.
type exchange struct {
	req   *http.Request
	ctx   context.Context
	s     *h2conn.Stream
	hooks hooks
	stop  func() bool // no more cancelling by the context; nil: it never ends

	proceed   chan bool // whether the body is to be sent, after Expect: 100-continue; nil: it is
	answered  bool      // proceed has its answer; owned by await
	closeOnce sync.Once // of the request's body

	mu    sync.Mutex
	err   error // why this end gave up, the first reason
	read  bool  // the request's body was begun
	sent  bool  // nothing more is sent
	ended bool  // nothing more is to be done
}

func newExchange(req *http.Request, s *h2conn.Stream) *exchange {
	x := &exchange{req: req, ctx: req.Context(), s: s, hooks: newHooks(req.Context())}
	if hasBody(req) && strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
		x.proceed = make(chan bool, 1)
	}
	if x.ctx.Done() != nil {
		x.stop = context.AfterFunc(x.ctx, func() { x.fail(ended(x.ctx)) })
	}
	return x
}

// begun reports whether anything of the request's body was read; if not, none
// will be.
func (x *exchange) begun() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.ended = true
	return x.read
}

// begin says that the request's body is about to be read, and reports whether
// it still may be.
func (x *exchange) begin() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.read = x.read || !x.ended
	return !x.ended
}

// fail gives up because of err.
func (x *exchange) fail(err error) {
	x.mu.Lock()
	ended := x.ended
	if !ended && x.err == nil {
		x.err = err
	}
	x.mu.Unlock()
	if !ended {
		x.s.Abort(uint32(h2.ErrCodeCancel))
		x.closeBody()
	}
}

// why returns the reason for which this end gave up, err where it has not.
func (x *exchange) why(err error) error {
	x.mu.Lock()
	defer x.mu.Unlock()
	switch {
	case x.err != nil:
		return x.err
	case x.ctx.Err() != nil:
		return ended(x.ctx)
	}
	return err
}

// closeBody closes the request's body, which ends a read of it.
func (x *exchange) closeBody() { x.closeOnce.Do(func() { closeBody(x.req) }) }

// finish ends the exchange, when the response was read or is not wanted. A
// request that is not sent to its end is cut off. The body of a request that
// will be sent again is left as it is.
func (x *exchange) finish(err error) {
	if x.stop != nil {
		x.stop()
	}
	x.mu.Lock()
	x.ended = true
	keep := Refused(err) && !x.read
	sent := x.sent
	x.mu.Unlock()
	if x.proceed != nil && !x.answered {
		x.answered = true
		x.proceed <- false
	}
	if !sent || err != nil {
		x.s.Abort(uint32(h2.ErrCodeCancel))
	}
	if !sent && !keep {
		x.closeBody()
	}
	x.s.Close()
}

// await waits for the final head of the response.
func (x *exchange) await() (h *h2.Head, end bool, err error) {
	for interim := 0; ; interim++ {
		h, end, err = x.s.AwaitHead(x.ctx)
		if err != nil {
			return nil, false, x.why(err)
		}
		x.hooks.firstByte()
		switch {
		case h.TooLarge:
			return nil, false, fmt.Errorf("%w: its header is longer than 32 KiB or has more than 100 fields", ErrResponse)
		case h.Status >= 200:
			x.answer(h.Status < 300)
			return h, end, nil
		case interim == MaxInterim:
			return nil, false, fmt.Errorf("%w: more than %d interim ones, the last one %d", ErrResponse, MaxInterim, h.Status)
		}
		if h.Status == http.StatusContinue {
			x.answer(true)
		}
		if err := x.hooks.interim(h); err != nil {
			return nil, false, err
		}
	}
}

// answer says whether the body is to be sent.
func (x *exchange) answer(yes bool) {
	if x.proceed != nil && !x.answered {
		x.answered = true
		x.proceed <- yes
	}
}

// send sends the request's body, and its trailers.
func (x *exchange) send(timeout time.Duration) {
	if !x.mayProceed(timeout) {
		return
	}
	err := x.sendBody()
	x.hooks.wrote(err)
	x.mu.Lock()
	x.sent = true
	over := x.ended
	x.mu.Unlock()
	if err != nil && !over {
		x.fail(err)
	}
	x.closeBody()
}

// mayProceed waits for the answer to Expect: 100-continue.
func (x *exchange) mayProceed(timeout time.Duration) bool {
	if x.proceed == nil || timeout < 0 {
		return true
	}
	if timeout == 0 {
		timeout = DefaultContinueTimeout
	}
	t := time.NewTimer(timeout)
	defer t.Stop()
	select {
	case yes := <-x.proceed:
		return yes
	case <-t.C:
		return true
	case <-x.ctx.Done():
		return false
	}
}

// sendBody copies the body to the stream. What the peer has to say about it is
// found by who waits for the response, and is no error here.
func (x *exchange) sendBody() error {
	left := bodyLength(x.req)
	if !hasBody(x.req) {
		return x.sendEnd(nil)
	}
	if !x.begin() {
		return nil
	}
	buf := bufpool.Get(sendSize)
	defer bufpool.Put(buf)
	for {
		n, err := x.req.Body.Read(buf)
		if left >= 0 {
			if left -= int64(n); left < 0 {
				return fmt.Errorf("%w: its body is longer than its ContentLength, %d", ErrRequest, x.req.ContentLength)
			}
			if left == 0 && err == nil {
				if err = atEnd(x.req.Body); err == nil {
					err = io.EOF
				}
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return fmt.Errorf("%w: its body is %d bytes shorter than its ContentLength, %d", ErrRequest, left, x.req.ContentLength)
		case err == io.EOF:
			return x.sendEnd(buf[:n])
		case n > 0:
			if _, werr := x.s.Write(buf[:n]); werr != nil {
				return nil
			}
		}
		if err != nil {
			return fmt.Errorf("websocket: reading the body of a request: %w", err)
		}
	}
}

// sendEnd sends the last of the body, and the end of it.
func (x *exchange) sendEnd(p []byte) error {
	if len(x.req.Trailer) == 0 {
		x.s.WriteEnd(p)
		return nil
	}
	fields, err := AppendFields(nil, x.req.Trailer, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRequest, err)
	}
	if len(p) > 0 {
		if _, err := x.s.Write(p); err != nil {
			return nil
		}
	}
	if len(fields) == 0 { // announced, and not set
		x.s.WriteEnd(nil)
		return nil
	}
	x.s.WriteTrailers(fields)
	return nil
}

// response makes a response of its head.
func (x *exchange) response(h *h2.Head, end bool) *http.Response {
	res := &http.Response{
		Status: strconv.Itoa(h.Status) + " " + http.StatusText(h.Status), StatusCode: h.Status,
		Proto: "HTTP/2.0", ProtoMajor: 2, Header: Header(h.Fields), ContentLength: h.ContentLength, Request: x.req,
	}
	if announced := res.Header["Trailer"]; announced != nil {
		res.Trailer = make(http.Header)
		for name := range strings.SplitSeq(strings.Join(announced, ","), ",") {
			if name = strings.TrimSpace(name); ValidTrailer(name) {
				res.Trailer[http.CanonicalHeaderKey(name)] = nil
			}
		}
		delete(res.Header, "Trailer")
	}
	b := &body{x: x, res: res}
	res.Body = b
	if end {
		if x.req.Method != http.MethodHead && h.ContentLength < 0 {
			res.ContentLength = 0
		}
		b.end(io.EOF)
		res.Body = http.NoBody
	}
	return res
}
