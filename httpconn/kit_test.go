package httpconn_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket/httpconn"
	"github.com/lariat-go/websocket/internal/leakcheck"
)

func TestMain(m *testing.M) { leakcheck.Main(m) }

// open returns a connection that is closed at the end.
func open(t testing.TB, o *httpconn.Options) *httpconn.Conn {
	t.Helper()
	c, err := httpconn.New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// http1 returns a connection of HTTP/1.1 with a request under way, GET when
// there is none, whose bytes have left.
func http1(t testing.TB, r *httpconn.Request) *httpconn.Conn {
	t.Helper()
	c := open(t, &httpconn.Options{Authority: "example.com"})
	if r == nil {
		r = &httpconn.Request{Path: "/"}
	}
	if _, err := c.Request(r); err != nil {
		t.Fatal(err)
	}
	c.Output()
	return c
}

// journal writes down events, with the Data of neighbours joined.
type journal struct {
	lines []string
	data  string // of the last line
}

func (j *journal) add(evs ...httpconn.Event) {
	for _, ev := range evs {
		if ev.Kind == httpconn.Data && len(ev.Data) == 0 {
			panic("Data without data")
		}
		if n := len(j.lines); ev.Kind == httpconn.Data && n > 0 && strings.HasPrefix(j.lines[n-1], fmt.Sprintf("Data %d ", ev.ID)) {
			j.data += string(ev.Data)
			ev.Data = []byte(j.data)
			j.lines = j.lines[:n-1]
		}
		j.data = string(ev.Data)
		j.lines = append(j.lines, line(ev))
	}
}

// line describes an event: its kind, stream, and what else is there.
func line(ev httpconn.Event) string {
	s := ev.Kind.String()
	if ev.ID != 0 {
		s += fmt.Sprint(" ", ev.ID)
	}
	if ev.Status != 0 {
		s += fmt.Sprint(" ", ev.Status)
	}
	s += fields(ev.Header)
	if ev.Data != nil {
		s += fmt.Sprintf(" %q", ev.Data)
	}
	if ev.End {
		s += " end"
	}
	if ev.Err != nil {
		s += ": " + kindOf(ev.Err)
	}
	return s
}

func fields(h http.Header) (s string) {
	for _, name := range slices.Sorted(maps.Keys(h)) {
		s += fmt.Sprintf(" %s=%s", name, strings.Join(h[name], "|"))
	}
	return s
}

// kindOf names an error.
func kindOf(err error) string {
	for _, k := range []struct {
		err  error
		name string
	}{
		{httpconn.ErrUnsolicited, "unsolicited"},
		{httpconn.ErrUnexpectedUpgrade, "unexpected upgrade"},
		{httpconn.ErrNoResponse, "no response"},
		{httpconn.ErrMalformed, "malformed"},
		{httpconn.ErrVersion, "version"},
		{httpconn.ErrFraming, "framing"},
		{httpconn.ErrLimit, "limit"},
		{httpconn.ErrClosed, "closed"},
		{errUnexpectedEOF, "cut"},
		{errHTTPVersion, "cannot upgrade"},
	} {
		if errors.Is(err, k.err) {
			return k.name
		}
	}
	var se *httpconn.HTTP2StreamError
	if errors.As(err, &se) {
		s := se.Code.String()
		if se.Remote {
			s += " remote"
		}
		return s
	}
	var ce *httpconn.HTTP2ConnError
	if errors.As(err, &ce) {
		s := "connection " + ce.Code.String()
		if ce.Remote {
			s += " remote"
		}
		return s
	}
	if err == nil {
		return ""
	}
	return "other: " + err.Error()
}

// feed gives the pieces to c, and tells what came of it: the events, and the
// error.
func feed(t testing.TB, c *httpconn.Conn, pieces ...[]byte) (events []string, err error) {
	t.Helper()
	var j journal
	for _, p := range pieces {
		if err != nil {
			break
		}
		var evs []httpconn.Event
		evs, err = c.Receive(p)
		j.add(evs...)
	}
	return j.lines, err
}

// cuts returns s whole, byte by byte, and split at every byte.
func cuts(s string) map[string][][]byte {
	all := map[string][][]byte{"whole": {[]byte(s)}, "byte by byte": nil}
	for i := range s {
		all["byte by byte"] = append(all["byte by byte"], []byte{s[i]})
		if len(s) <= 4<<10 {
			all[fmt.Sprint("split at ", i)] = [][]byte{[]byte(s[:i]), []byte(s[i:])}
		}
	}
	return all
}
