package main

import (
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
)

// The page says over which version of HTTP it came. S2.8
func TestPageVersion(t *testing.T) {
	for _, c := range []struct {
		name   string
		secure bool
		serve  websocket.HTTPVersion
		client func(*http.Protocols)
		want   string // empty: no answer
	}{
		{"plain, HTTP/1.1", false, 0, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"plain, HTTP/2 with prior knowledge", false, 0, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, "HTTP/2"},
		{"TLS, HTTP/1.1", true, 0, func(p *http.Protocols) { p.SetHTTP1(true) }, "HTTP/1.1"},
		{"TLS, both", true, 0, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "HTTP/2"},
		{"TLS, both, the server one", true, websocket.HTTP1, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "HTTP/1.1"},
		{"TLS, both, the server two", true, websocket.HTTP2, func(p *http.Protocols) { p.SetHTTP1(true); p.SetHTTP2(true) }, "HTTP/2"},
		{"plain, one against two", false, websocket.HTTP2, func(p *http.Protocols) { p.SetHTTP1(true) }, ""},
		{"plain, two against one", false, websocket.HTTP1, func(p *http.Protocols) { p.SetUnencryptedHTTP2(true) }, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBackend(t.Context(), websocket.AcceptOptions{}, slog.New(slog.DiscardHandler))
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			at, err := b.start(l, &serveFlags{tls: c.secure, http: httpFlag(c.serve)})
			if err != nil {
				t.Fatal(err)
			}
			defer b.stop(demoTimeout)
			tr := &http.Transport{Protocols: new(http.Protocols), TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
			defer tr.CloseIdleConnections()
			c.client(tr.Protocols)
			resp, err := (&http.Client{Transport: tr}).Get(at.page)
			if c.want == "" {
				if err == nil && resp.StatusCode == http.StatusOK {
					t.Error("it was answered")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if want := `<b id="pagehttp">` + c.want + `</b>`; !strings.Contains(string(text), want) || versionName(resp.ProtoMajor) != c.want {
				t.Errorf("the page came over %s and has no %s", resp.Proto, want)
			}
			if resp.ContentLength > 0 && resp.ContentLength != int64(len(text)) {
				t.Errorf("%d of %d bytes", len(text), resp.ContentLength)
			}
			if !slices.Contains(at.http, c.want) {
				t.Errorf("the server says that it speaks %q", at.http)
			}
		})
	}
}

// Frames of HTTP/2 as -v shows them.
func TestHTTP2Line(t *testing.T) {
	for want, f := range map[string]websocket.HTTP2Frame{
		"SETTINGS      ACK":                                    {Type: "SETTINGS", Flags: 1},
		"SETTINGS      MAX_FRAME_SIZE=20000":                   {Type: "SETTINGS", Length: 6, Settings: []websocket.HTTP2Setting{{Name: "MAX_FRAME_SIZE", Value: 20000}}},
		"HEADERS       stream 3 END_STREAM END_HEADERS 1 byte": {Type: "HEADERS", Flags: 5, Stream: 3, Length: 1},
		"HEADERS       stream 3 PADDED PRIORITY 9 bytes":       {Type: "HEADERS", Flags: 0x28, Stream: 3, Length: 9},
		"CONTINUATION  stream 3 END_HEADERS 9 bytes":           {Type: "CONTINUATION", Flags: 0xff, Stream: 3, Length: 9},
		"DATA          stream 1 16,384 bytes":                  {Type: "DATA", Stream: 1, Length: 16384},
		"DATA          stream 1 END_STREAM PADDED 0 bytes":     {Type: "DATA", Flags: 9, Stream: 1},
		"RST_STREAM    stream 1 CANCEL":                        {Type: "RST_STREAM", Stream: 1, Length: 4, Code: "CANCEL"},
		"GOAWAY        ENHANCE_YOUR_CALM last stream 7":        {Type: "GOAWAY", Length: 8, Code: "ENHANCE_YOUR_CALM", Value: 7},
		"WINDOW_UPDATE +983041":                                {Type: "WINDOW_UPDATE", Length: 4, Value: 983041},
		"WINDOW_UPDATE stream 5 +1":                            {Type: "WINDOW_UPDATE", Stream: 5, Length: 4, Value: 1},
		"PING          ACK":                                    {Type: "PING", Flags: 1, Length: 8},
		"frame type 0xbe stream 1 3 bytes":                     {Type: "frame type 0xbe", Flags: 0xff, Stream: 1, Length: 3},
	} {
		if got := http2Line(f); got != want {
			t.Errorf("%+v\n gives %q\n want  %q", f, got, want)
		}
	}
}

// GOAWAY and RST_STREAM as events.
func TestHTTP2Event(t *testing.T) {
	var out strings.Builder
	p := &printer{json: true, out: &out}
	p.traceHTTP2(websocket.HTTP2Frame{Type: "GOAWAY", Length: 8, Code: "NO_ERROR"})
	p.traceHTTP2(websocket.HTTP2Frame{Sent: true, Type: "RST_STREAM", Stream: 3, Length: 4, Code: "CANCEL"})
	for _, want := range []string{
		`"direction":"in","type":"GOAWAY","stream":0,"size":8,"code":"NO_ERROR","last_stream":0`,
		`"direction":"out","type":"RST_STREAM","stream":3,"size":4,"code":"CANCEL"}`,
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("there is no %s in %s", want, out.String())
		}
	}
	for line := range strings.Lines(out.String()) {
		if _, err := checkEvent([]byte(line)); err != nil {
			t.Error(err)
		}
	}
}

// What to try when the server may speak another version of HTTP.
func TestVersionHints(t *testing.T) {
	noAnswer := &websocket.HandshakeError{Err: io.ErrUnexpectedEOF}
	for _, c := range []struct {
		wanted websocket.HTTPVersion
		err    error
		want   string
	}{
		{websocket.HTTP1, noAnswer, "--http 2"},
		{websocket.HTTPAuto, noAnswer, "--http 2"},
		{websocket.HTTP2, noAnswer, "--http 1"},
		{websocket.HTTP1, &websocket.HandshakeError{Status: 503, Err: io.ErrUnexpectedEOF}, ""},
		{websocket.HTTP1, &websocket.HandshakeError{Err: errors.New("bad header")}, ""},
		{websocket.HTTP2, io.ErrUnexpectedEOF, ""},
	} {
		if got := versionHint(c.wanted, c.err); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%v, %v: %q, want %q", c.wanted, c.err, got, c.want)
		}
	}
	alert := errors.New("remote error: tls: no application protocol")
	if f := versionFailure(alert.Error(), alert); f == nil || f.code != exitTLS || !strings.Contains(f.hint, "--http 2") {
		t.Errorf("%+v", f)
	}
}
