package httpconn_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"golang.org/x/net/http2"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/bufpool"
)

// pieces cuts p after as many bytes as cut says in turn.
func pieces(p, cut []byte) (all [][]byte) {
	for i := 0; len(p) > 0; i++ {
		n := 1
		if len(cut) > 0 {
			n += int(cut[i%len(cut)])
		}
		n = min(n, len(p))
		all = append(all, p[:n])
		p = p[n:]
	}
	return all
}

// answer is what came of a response.
type answer struct {
	status  int
	header  http.Header
	body    []byte
	trailer http.Header
	done    bool
}

// read makes one request and reads what comes, with the end.
func read(t *testing.T, r *httpconn.Request, in [][]byte) (a answer, log []string, err error) {
	c, nerr := httpconn.New(&httpconn.Options{Authority: "example.com"})
	if nerr != nil {
		t.Fatal(nerr)
	}
	defer c.Close()
	if _, err := c.Request(r); err != nil {
		t.Fatal(err)
	}
	c.Output()
	var j journal
	last := 0
	take := func(evs []httpconn.Event) {
		j.add(evs...)
		for _, ev := range evs {
			switch ev.Kind {
			case httpconn.Status:
				a.status, a.header = ev.Status, ev.Header
			case httpconn.Data:
				a.body = append(a.body, ev.Data...)
			case httpconn.Trailer:
				a.trailer = ev.Header
			case httpconn.Done:
				a.done = true
				last++
			case httpconn.Failed:
				last++
			}
		}
	}
	for _, p := range in {
		var evs []httpconn.Event
		evs, err = c.Receive(p)
		take(evs)
		if err != nil {
			break
		}
	}
	if err == nil {
		var evs []httpconn.Event
		evs, err = c.ReceiveEOF()
		take(evs)
	}
	if last != 1 || c.OpenRequests() != 0 || !c.Finished() {
		t.Fatalf("%d ends of the stream, %d under way: %q, %v", last, c.OpenRequests(), j.lines, err)
	}
	return a, j.lines, err
}

// What is accepted over HTTP/1.1, net/http accepts and understands in the same
// way; and it is the same however it is cut.
func FuzzHTTPConn(f *testing.F) {
	for i, s := range []string{
		ok, string(page), "HTTP/1.1 100 Continue\r\n\r\n" + ok, ok + ok,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x=y\r\nhi\r\n0\r\nX: y\r\n\r\n",
		"HTTP/1.0 200 \r\nContent-Length:00\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\nuntil the end",
		"HTTP/1.1 204 No Content\r\n\r\n", "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
		"HTTP/1.1 200 OK\nX: y\n\n", "HTTP/1.1 200 OK\r\nX : y\r\n z\r\n\r\n",
		"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n\r\n", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
	} {
		f.Add([]byte(s), []byte{byte(i), 2}, i%2 == 1)
	}
	f.Fuzz(func(t *testing.T, in, cut []byte, head bool) {
		r := &httpconn.Request{Method: http.MethodGet, Path: "/"}
		if head {
			r.Method = http.MethodHead
		}
		got, log, err := read(t, r, [][]byte{in})
		_, again, err2 := read(t, r, pieces(in, cut))
		if !slices.Equal(log, again) || kindOf(err) != kindOf(err2) {
			t.Fatalf("%q, %v\nin pieces: %q, %v", log, err, again, err2)
		}
		if !got.done || got.header["Trailer"] != nil {
			return // net/http looks into its names; they mean nothing here
		}

		theirs := bufio.NewReader(bytes.NewReader(in))
		req := &http.Request{Method: r.Method}
		var resp *http.Response
		for resp == nil || resp.StatusCode < 200 {
			if resp, err = http.ReadResponse(theirs, req); err != nil {
				t.Fatalf("net/http refuses %q: %v", in, err)
			}
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil || !bytes.Equal(body, got.body) || resp.StatusCode != got.status {
			t.Fatalf("net/http reads %d, %q, %v", resp.StatusCode, body, err)
		}
		want := resp.Header
		// net/http takes the first of these out, and sets the others.
		got.header.Del("Transfer-Encoding")
		for _, h := range []http.Header{got.header, want} {
			h.Del("Content-Length")
			h.Del("Cache-Control")
		}
		if !reflect.DeepEqual(got.header, want) {
			t.Fatalf("header %v, net/http has %v", got.header, want)
		}
		for name, v := range resp.Trailer {
			if !slices.Equal(got.trailer[name], v) {
				t.Fatalf("trailer %v, net/http has %v", got.trailer, resp.Trailer)
			}
		}
	})
}

// Whatever a server of HTTP/2 sends: no panic, bounded memory, legal frames, one
// end of each stream, and the same however it is cut.
func FuzzHTTPConn2(f *testing.F) {
	seed := func(do func(p *peer)) {
		p := newPeer(f, httpconn.Options{})
		do(p)
		f.Add([]byte(p.take()), []byte{3})
	}
	seed(func(p *peer) {
		p.status(1, false, 103)
		p.status(1, false, 200, "x", "y")
		p.data(1, false, "body")
		p.head(1, true, "sum", "4")
		p.status(3, false, 200)
		p.data(3, false, hello)
		p.data(3, true, "\x88\x00")
		p.status(5, true, 413)
	})
	seed(func(p *peer) {
		p.status(3, false, 403)
		p.data(3, true, "no")
		p.reset(1, http2.ErrCodeRefusedStream)
		p.fr.WriteWindowUpdate(5, 100)
		p.fr.WriteWindowUpdate(0, 100)
		p.fr.WritePing(false, [8]byte{})
		p.fr.WriteGoAway(1, http2.ErrCodeNo, nil)
	})
	seed(func(p *peer) { p.data(99, true, "idle") })
	f.Fuzz(func(t *testing.T, in, cut []byte) {
		if len(in) > 1<<16 {
			return
		}
		whole := drive(t, [][]byte{in}, false)
		if again := drive(t, pieces(in, cut), false); again != whole {
			t.Fatalf("%s\nin pieces: %s", whole, again)
		}
		drive(t, pieces(in, cut), true) // what is done in between depends on the pieces
	})
}

// drive makes a request, an opening handshake and a request with a body, gives
// the client what the server sends, and tells what came of it. With act, the
// client does something about it as it comes.
func drive(t *testing.T, in [][]byte, act bool) string {
	p := http2Conn(t, httpconn.Options{})
	defer p.c.Close()
	open := map[httpconn.StreamID]bool{}
	made := func(id httpconn.StreamID, err error) httpconn.StreamID {
		if err == nil {
			open[id] = true
		}
		return id
	}
	hs := shake(t, "ws://example.com/", nil)
	made(p.c.Request(&httpconn.Request{Path: "/"}))
	made(p.c.Upgrade(hs.Request(2)))
	post := made(p.c.Request(&httpconn.Request{Method: "POST", Path: "/", Body: -1}))
	p.c.Body(post, make([]byte, 100_000))
	borrowed := bufpool.Outstanding()
	var j journal
	var err error
	tell := func(evs []httpconn.Event) {
		j.add(evs...)
		for _, ev := range evs {
			switch ev.Kind {
			case httpconn.Done, httpconn.Failed:
				if !open[ev.ID] {
					t.Fatalf("%s of a stream that was over, or is none", line(ev))
				}
				open[ev.ID] = false
				continue
			}
			if !act {
				continue
			}
			switch ev.Kind {
			case httpconn.Ready:
				made(p.c.Upgrade(hs.Request(2)))
			case httpconn.Upgraded:
				ep, _, err := p.c.Accepted(ev.ID, hs, nil)
				if err != nil {
					open[ev.ID] = false // it was given up
					break
				}
				ep.Ping(nil)
				p.c.Body(ev.ID, ep.Output())
				ep.Release()
			case httpconn.Data:
				p.c.Consumed(ev.ID, len(ev.Data))
			case httpconn.Writable:
				p.c.Body(post, make([]byte, 1000))
			}
		}
	}
	for _, piece := range in {
		var evs []httpconn.Event
		if evs, err = p.c.Receive(piece); err != nil {
			tell(evs)
			break
		}
		tell(evs)
		if n := bufpool.Outstanding() - borrowed; n > 4 {
			t.Fatalf("%d buffers are borrowed", n)
		}
	}
	if err == nil {
		var evs []httpconn.Event
		evs, err = p.c.ReceiveEOF()
		tell(evs)
	}
	if err == nil {
		err = httpconn.ErrClosed
	}
	over(t, p.c, err)
	p.sent() // which are legal
	var se *httpconn.HTTP2StreamError
	if errors.As(err, &se) {
		t.Fatalf("the connection ended with an error of a stream: %v", err)
	}
	for id, still := range open {
		if still {
			t.Fatalf("stream %d has no end: %q", id, j.lines)
		}
	}
	return fmt.Sprintf("%q %s", j.lines, kindOf(err))
}
