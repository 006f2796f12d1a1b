package httpconn_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"slices"
	"testing"
	"time"

	"github.com/lariat-go/websocket/httpconn"
)

// patience is how long a test waits for what should come at once.
const patience = 20 * time.Second

// pump moves the bytes between a connection under test and a server.
type pump struct {
	t      testing.TB
	c      *httpconn.Conn
	nc     net.Conn
	buf    []byte
	events []httpconn.Event // not yet looked at
	err    error
}

func newPump(t testing.TB, addr string, o *httpconn.Options) *pump {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if o == nil {
		o = &httpconn.Options{}
	}
	if o.Authority == "" {
		o.Authority = addr
	}
	p := &pump{t: t, c: open(t, o), nc: nc, buf: make([]byte, 8<<10)}
	return p
}

// flush sends what is to be sent.
func (p *pump) flush() {
	p.t.Helper()
	if out := p.c.Output(); len(out) > 0 {
		if _, err := p.nc.Write(out); err != nil {
			p.t.Fatal(err)
		}
	}
}

// next returns the next event, whose Data stays as it is.
func (p *pump) next() httpconn.Event {
	p.t.Helper()
	for len(p.events) == 0 {
		if p.err != nil {
			p.t.Fatalf("no more events: %v", p.err)
		}
		p.flush()
		n, err := p.nc.Read(p.buf)
		var evs []httpconn.Event
		switch {
		case n > 0:
			evs, p.err = p.c.Receive(p.buf[:n])
		case errors.Is(err, io.EOF):
			if evs, p.err = p.c.ReceiveEOF(); p.err == nil {
				p.err = io.EOF
			}
		default:
			p.t.Fatal(err)
		}
		for _, ev := range evs {
			ev.Data = bytes.Clone(ev.Data)
			p.events = append(p.events, ev)
			if ev.Kind == httpconn.Data {
				p.c.Consumed(ev.ID, len(ev.Data))
			}
		}
	}
	ev := p.events[0]
	p.events = p.events[1:]
	return ev
}

// until returns the next event of one of the kinds, and drops those before.
func (p *pump) until(kinds ...httpconn.Kind) httpconn.Event {
	p.t.Helper()
	for {
		ev := p.next()
		if slices.Contains(kinds, ev.Kind) {
			return ev
		}
		if ev.Kind == httpconn.Failed {
			p.t.Fatalf("failed while waiting for %v: %v", kinds, ev.Err)
		}
	}
}

// must returns the first value, and fails the test on an error.
func must[T any](v T, err error) func(t testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// response collects a response.
type response struct {
	status  int
	interim []int
	header  map[string][]string
	body    []byte
	trailer map[string][]string
	err     error
}

// response waits until the stream is over.
func (p *pump) response(id httpconn.StreamID) (r response) {
	p.t.Helper()
	for {
		ev := p.next()
		if ev.ID != id {
			continue
		}
		switch ev.Kind {
		case httpconn.Interim:
			r.interim = append(r.interim, ev.Status)
		case httpconn.Status:
			r.status, r.header = ev.Status, ev.Header
		case httpconn.Data:
			r.body = append(r.body, ev.Data...)
		case httpconn.Trailer:
			r.trailer = ev.Header
		case httpconn.Done:
			return r
		case httpconn.Failed:
			r.err = ev.Err
			return r
		}
	}
}
