package roundtrip

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/lariat-go/websocket/internal/h2http"
)

// exchange is one request and its response on a stream. One goroutine sends the
// request's body, another one reads the response.
type exchange struct {
	req   *http.Request
	ctx   context.Context
	s     Stream
	hooks hooks
	stop  func() bool // no more cancelling by the context; nil: it never ends
	head  Head        // of the response, the last one that came
	res   http.Response
	body  body // of the response

	proceed   chan bool // whether the body is to be sent, after Expect: 100-continue; nil: it is
	answered  bool      // proceed has its answer; owned by await
	closeOnce sync.Once // of the request's body

	mu    sync.Mutex
	err   error // why this end gave up, the first reason
	read  bool  // the request's body was begun
	sent  bool  // nothing more is sent
	ended bool  // nothing more is to be done
}

func newExchange(req *http.Request, s Stream) *exchange {
	x := &exchange{req: req, ctx: req.Context(), s: s, hooks: newHooks(req.Context())}
	x.body.x = x
	if h2http.HasBody(req) && strings.EqualFold(req.Header.Get("Expect"), "100-continue") {
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
		x.s.Abort()
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
	keep := !x.read && h2http.Refused(err)
	sent := x.sent
	x.mu.Unlock()
	x.answer(false)
	if !sent || err != nil {
		x.s.Abort()
	}
	if !sent && !keep {
		x.closeBody()
	}
	x.s.Close()
}

// await waits for the final head of the response.
func (x *exchange) await() error {
	h := &x.head
	for interim := 0; ; interim++ {
		if err := x.s.AwaitHead(x.ctx, h); err != nil {
			return x.why(err)
		}
		x.hooks.firstByte()
		switch {
		case h.TooLarge:
			return fmt.Errorf("%w: its header is longer than is taken, 32 KiB or 100 fields by default", ErrResponse)
		case h.Status >= 200:
			x.answer(h.Status < 300)
			return nil
		case interim == h2http.MaxInterim:
			return fmt.Errorf("%w: more than %d interim ones, the last one %d", ErrResponse, h2http.MaxInterim, h.Status)
		}
		if h.Status == http.StatusContinue {
			x.answer(true)
		}
		if err := x.hooks.interim(h); err != nil {
			return err
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

// respond makes the response of its head.
func (x *exchange) respond() {
	h, res := &x.head, &x.res
	*res = http.Response{
		Status: status(h.Status), StatusCode: h.Status, Proto: proto(h.Major, h.Minor), ProtoMajor: h.Major, ProtoMinor: h.Minor,
		Header: h.Header, Body: &x.body, ContentLength: h.ContentLength, Close: h.Close, Request: x.req, TLS: x.s.Carrier().TLS,
	}
	if h.Chunked {
		res.TransferEncoding = []string{"chunked"}
	}
	if announced := res.Header["Trailer"]; announced != nil {
		res.Trailer = make(http.Header)
		for name := range strings.SplitSeq(strings.Join(announced, ","), ",") {
			if name = strings.TrimSpace(name); h2http.ValidTrailer(name) {
				res.Trailer[http.CanonicalHeaderKey(name)] = nil
			}
		}
		delete(res.Header, "Trailer")
	}
	if h.End {
		if x.req.Method != http.MethodHead {
			res.ContentLength = 0 // also where a 304 says how long the content would be
		}
		x.body.end(io.EOF)
		res.Body = http.NoBody
	}
}

// status returns a status with its text.
func status(code int) string {
	if code == http.StatusOK {
		return "200 OK"
	}
	return strconv.Itoa(code) + " " + http.StatusText(code)
}

func proto(major, minor int) string {
	switch {
	case major == 2 && minor == 0:
		return "HTTP/2.0"
	case major == 1 && minor == 1:
		return "HTTP/1.1"
	}
	return "HTTP/" + strconv.Itoa(major) + "." + strconv.Itoa(minor)
}
