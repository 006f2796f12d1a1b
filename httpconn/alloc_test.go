package httpconn_test

import (
	"bytes"
	"net/http"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
)

// page is a response of 1 KiB, as net/http writes one.
var page = []byte("HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nDate: Sat, 21 Nov 2026 09:00:00 GMT\r\n" +
	"Content-Length: 1024\r\n\r\n" + string(bytes.Repeat([]byte("x"), 1024)))

func get(t testing.TB, c *httpconn.Conn, r *httpconn.Request, buf []byte) []byte {
	if _, err := c.Request(r); err != nil {
		t.Fatal(err)
	}
	buf = c.AppendOutput(buf[:0])
	evs, err := c.Receive(page)
	if err != nil || len(evs) != 3 || evs[2].Kind != httpconn.Done || len(evs[1].Data) != 1024 {
		t.Fatalf("%v, %v", evs, err)
	}
	return buf
}

func TestAllocations(t *testing.T) {
	c := open(t, &httpconn.Options{Authority: "example.com"})
	r := &httpconn.Request{Path: "/", Header: http.Header{"User-Agent": {"x"}, "Accept-Encoding": {"gzip"}}}
	var buf []byte
	buf = get(t, c, r, buf)
	// The head of the response: its text, the map in two pieces, the values, and
	// what holds them.
	if n := testing.AllocsPerRun(100, func() { buf = get(t, c, r, buf) }); n > 5 {
		t.Errorf("%v allocations for a GET of 1 KiB", n)
	}
}

// A body in many small chunks makes many events, whose memory is not kept.
func TestEventsAreNotKept(t *testing.T) {
	c := http1(t, nil)
	if _, err := c.Receive([]byte("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{1, 1000, 1, 1} {
		evs, err := c.Receive(bytes.Repeat([]byte("1\r\nx\r\n"), n))
		if len(evs) != n || err != nil || cap(evs) > max(2*n, 64) {
			t.Errorf("%d events in room for %d, %v", len(evs), cap(evs), err)
		}
	}
}

func BenchmarkGet(b *testing.B) {
	c := open(b, &httpconn.Options{Authority: "example.com"})
	r := &httpconn.Request{Path: "/", Header: http.Header{"User-Agent": {"x"}, "Accept-Encoding": {"gzip"}}}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = get(b, c, r, buf)
	}
}
