package httpconn_test

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lariat-go/websocket/httpconn"
)

// peer is a server of HTTP/2 that sends exact frames: x/net's Framer writes and
// reads them.
type peer struct {
	t   testing.TB
	c   *httpconn.Conn
	in  bytes.Buffer // to be given to c
	fr  *http2.Framer
	enc *hpack.Encoder
	buf bytes.Buffer
	dec *hpack.Decoder
}

// newPeer returns a server that has not sent anything yet.
func newPeer(t testing.TB, o httpconn.Options) *peer {
	t.Helper()
	if o.Authority == "" {
		o.Authority = "example.com"
	}
	o.Major = 2
	p := &peer{t: t, c: open(t, &o)}
	p.fr = http2.NewFramer(&p.in, nil)
	p.fr.AllowIllegalWrites = true
	p.enc = hpack.NewEncoder(&p.buf)
	p.dec = hpack.NewDecoder(4096, nil)
	return p
}

// http2Conn returns a server whose SETTINGS came, with extended CONNECT and what
// else is given.
func http2Conn(t testing.TB, o httpconn.Options, settings ...http2.Setting) *peer {
	t.Helper()
	p := newPeer(t, o)
	out := p.c.Output()
	if !strings.HasPrefix(string(out), http2.ClientPreface) {
		t.Fatalf("a client begins with %q", out)
	}
	p.fr.WriteSettings(append([]http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 1}}, settings...)...)
	p.fr.WriteSettingsAck()
	p.want("Ready")
	p.c.Output()
	return p
}

// take returns what the frames written so far are, and forgets them.
func (p *peer) take() string {
	defer p.in.Reset()
	return p.in.String()
}

// want gives the frames written so far to the client and checks what it tells.
func (p *peer) want(events ...string) {
	p.t.Helper()
	got, err := feed(p.t, p.c, []byte(p.take()))
	if !slices.Equal(got, events) || err != nil {
		p.t.Fatalf("events %q, %v; want %q", got, err, events)
	}
}

// head writes HEADERS.
func (p *peer) head(id httpconn.StreamID, end bool, kv ...string) {
	p.buf.Reset()
	for i := 0; i < len(kv); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: kv[i], Value: kv[i+1]})
	}
	p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(id), BlockFragment: p.buf.Bytes(), EndHeaders: true, EndStream: end})
}

func (p *peer) status(id httpconn.StreamID, end bool, status int, kv ...string) {
	p.head(id, end, append([]string{":status", fmt.Sprint(status)}, kv...)...)
}

func (p *peer) data(id httpconn.StreamID, end bool, s string) {
	p.fr.WriteData(uint32(id), end, []byte(s))
}

func (p *peer) reset(id httpconn.StreamID, code http2.ErrCode) { p.fr.WriteRSTStream(uint32(id), code) }

// sent returns what the client has to send, frame by frame.
func (p *peer) sent() (frames []string) {
	p.t.Helper()
	out := bytes.TrimPrefix(p.c.Output(), []byte(http2.ClientPreface))
	fr := http2.NewFramer(nil, bytes.NewReader(out))
	fr.ReadMetaHeaders = p.dec
	for n := 0; n < len(out); {
		f, err := fr.ReadFrame()
		if err != nil {
			p.t.Fatalf("an illegal frame: %v", err)
		}
		h := f.Header()
		n += 9 + int(h.Length)
		s := fmt.Sprintf("%v %d", h.Type, h.StreamID)
		switch f := f.(type) {
		case *http2.MetaHeadersFrame:
			for _, hf := range f.Fields {
				s += fmt.Sprintf(" %s=%s", hf.Name, hf.Value)
			}
			if f.StreamEnded() {
				s += " end"
			}
		case *http2.DataFrame:
			if h.Length > 100 {
				s += fmt.Sprintf(" (%d bytes)", h.Length)
			} else {
				s += fmt.Sprintf(" %q", f.Data())
			}
			if f.StreamEnded() {
				s += " end"
			}
		case *http2.RSTStreamFrame:
			s += " " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			s += " " + f.ErrCode.String()
		case *http2.WindowUpdateFrame:
			s += fmt.Sprint(" ", f.Increment)
		case *http2.PingFrame:
			s += fmt.Sprintf(" %q %v", f.Data, f.IsAck())
		}
		frames = append(frames, s)
	}
	return frames
}

// wantSent checks what the client has to send.
func (p *peer) wantSent(frames ...string) {
	p.t.Helper()
	if got := p.sent(); !slices.Equal(got, frames) {
		p.t.Fatalf("sent %q\nwant %q", got, frames)
	}
}

// request makes a request whose bytes leave.
func (p *peer) request(r httpconn.Request) httpconn.StreamID {
	p.t.Helper()
	if r.Path == "" {
		r.Path = "/"
	}
	id := must(p.c.Request(&r))(p.t)
	p.sent()
	return id
}
