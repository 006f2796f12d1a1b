package roundtrip

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/lariat-go/websocket/internal/bufpool"
	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2http"
)

// sendSize is how much of a request's body is read at once: a DATA frame.
const sendSize = 16 << 10

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
	left := h2http.BodyLength(x.req)
	if !h2http.HasBody(x.req) {
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
				return fmt.Errorf("%w: its body is longer than its ContentLength, %d", h2http.ErrRequest, x.req.ContentLength)
			}
			if left == 0 && err == nil {
				if err = atEnd(x.req.Body); err == nil {
					err = io.EOF
				}
			}
		}
		switch {
		case err == io.EOF && left > 0:
			return fmt.Errorf("%w: its body is %d bytes shorter than its ContentLength, %d", h2http.ErrRequest, left, x.req.ContentLength)
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

// atEnd checks that a body that gave as much as was announced has no more.
func atEnd(body io.Reader) error {
	var one [1]byte
	n, err := body.Read(one[:])
	for n == 0 && err == nil {
		n, err = body.Read(one[:])
	}
	switch {
	case n > 0:
		return fmt.Errorf("%w: its body is longer than its ContentLength", h2http.ErrRequest)
	case err == io.EOF:
		return nil
	}
	return err
}

// sendEnd sends the last of the body, and the end of it.
func (x *exchange) sendEnd(p []byte) error {
	set, err := checkTrailer(x.req.Trailer)
	if err != nil {
		return fmt.Errorf("%w: %w", h2http.ErrRequest, err)
	}
	if !set { // none, or announced and not set
		x.s.WriteEnd(p)
		return nil
	}
	if len(p) > 0 {
		if _, err := x.s.Write(p); err != nil {
			return nil
		}
	}
	x.s.WriteTrailers(x.req.Trailer)
	return nil
}

// checkTrailer reports whether there is anything in h, and checks that it can be
// sent.
func checkTrailer(h http.Header) (set bool, err error) {
	for name, values := range h {
		if !h1.ValidName(name) {
			return false, fmt.Errorf("%w: name %.64q", h2http.ErrField, name)
		}
		for _, v := range values {
			if set = true; !h1.ValidValue(strings.Trim(v, " \t")) {
				return false, fmt.Errorf("%w: %s has the value %.64q", h2http.ErrField, name, v)
			}
		}
	}
	return set, nil
}
