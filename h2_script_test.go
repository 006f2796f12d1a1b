package websocket_test

import (
	"bytes"
	"context"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/wstest"
)

// h2Peer is the server's end of an HTTP/2 connection, frame by frame. It reads
// with the Framer of x/net, which is not the code under test.
type h2Peer struct {
	t     testing.TB
	nc    net.Conn
	fr    *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder
}

// newH2Peer takes the client's preface and its SETTINGS, and sends those given.
func newH2Peer(t testing.TB, nc net.Conn, settings ...http2.Setting) *h2Peer {
	p := silentH2Peer(t, nc)
	p.settings(settings...)
	return p
}

// silentH2Peer takes the client's preface, and says nothing.
func silentH2Peer(t testing.TB, nc net.Conn) *h2Peer {
	p := &h2Peer{t: t, nc: nc, fr: http2.NewFramer(nc, nc), dec: hpack.NewDecoder(4096, nil)}
	p.enc = hpack.NewEncoder(&p.block)
	preface := make([]byte, len(http2.ClientPreface))
	if _, err := io.ReadFull(nc, preface); err != nil || string(preface) != http2.ClientPreface {
		t.Errorf("preface %q, %v", preface, err)
	}
	return p
}

// extended is the setting that allows extended CONNECT.
var extended = http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1}

func (p *h2Peer) settings(settings ...http2.Setting) {
	p.must(p.fr.WriteSettings(settings...))
}

func (p *h2Peer) must(err error) {
	if err != nil {
		p.t.Errorf("peer: %v", err)
	}
}

// frame returns the next frame that is neither WINDOW_UPDATE, PING nor SETTINGS,
// nil at the end. PING and SETTINGS are answered.
func (p *h2Peer) frame() http2.Frame {
	for {
		f, err := p.fr.ReadFrame()
		if err != nil {
			return nil
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				p.fr.WriteSettingsAck()
			}
		case *http2.PingFrame:
			if !f.IsAck() {
				p.fr.WritePing(true, f.Data)
			}
		case *http2.WindowUpdateFrame:
		default:
			return f
		}
	}
}

// h2Request is a request as it came.
type h2Request struct {
	stream uint32
	end    bool
	fields map[string]string // several of a name with line breaks between them
	names  []string
}

// request waits for a request, nil at the end. Everything before it is dropped.
func (p *h2Peer) request() *h2Request {
	for {
		switch f := p.frame().(type) {
		case nil:
			return nil
		case *http2.HeadersFrame:
			r := &h2Request{stream: f.StreamID, end: f.StreamEnded(), fields: make(map[string]string)}
			fields, err := p.dec.DecodeFull(f.HeaderBlockFragment())
			p.must(err)
			for _, f := range fields {
				if old, ok := r.fields[f.Name]; ok {
					f.Value = old + "\n" + f.Value
				}
				r.fields[f.Name] = f.Value
				r.names = append(r.names, f.Name)
			}
			return r
		}
	}
}

// respond sends a head; fields are names and values in turn.
func (p *h2Peer) respond(stream uint32, end bool, status string, fields ...string) {
	p.block.Reset()
	p.enc.WriteField(hpack.HeaderField{Name: ":status", Value: status})
	for i := 0; i < len(fields); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	p.headers(stream, end)
}

// trailers sends trailers.
func (p *h2Peer) trailers(stream uint32, fields ...string) {
	p.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		p.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	p.headers(stream, true)
}

func (p *h2Peer) headers(stream uint32, end bool) {
	p.must(p.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: p.block.Bytes(), EndStream: end, EndHeaders: true}))
}

func (p *h2Peer) data(stream uint32, end bool, data string) {
	p.must(p.fr.WriteData(stream, end, []byte(data)))
}

func (p *h2Peer) reset(stream uint32, code http2.ErrCode) {
	p.must(p.fr.WriteRSTStream(stream, code))
}

// wantReset waits for a RST_STREAM, which a GOAWAY may overtake.
func (p *h2Peer) wantReset(stream uint32, code http2.ErrCode) {
	p.t.Helper()
	f := p.frame()
	if _, ok := f.(*http2.GoAwayFrame); ok {
		f = p.frame()
	}
	if r, ok := f.(*http2.RSTStreamFrame); !ok || r.StreamID != stream || r.ErrCode != code {
		p.t.Errorf("frame %v, want RST_STREAM %v of stream %d", f, code, stream)
	}
}

// drain reads until the end.
func (p *h2Peer) drain() {
	for p.frame() != nil {
	}
}

// h2Servers are scripted servers, one for each connection that is made, in
// memory.
type h2Servers struct {
	t       *testing.T
	scripts []func(nc net.Conn)
	mu      sync.Mutex
	dialed  int
	running sync.WaitGroup
}

// servers runs scripts against the connections of a test, in their order. One
// more is an error.
func servers(t *testing.T, scripts ...func(nc net.Conn)) *h2Servers {
	s := &h2Servers{t: t, scripts: scripts}
	t.Cleanup(s.running.Wait)
	return s
}

// dial is a NetDial.
func (s *h2Servers) dial(context.Context, string, string) (net.Conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.dialed == len(s.scripts) {
		s.t.Errorf("connection %d is made, want %d", s.dialed+1, len(s.scripts))
		return nil, io.ErrClosedPipe
	}
	script := s.scripts[s.dialed]
	s.dialed++
	ours, theirs := wstest.Pipe(nil)
	s.running.Go(func() {
		defer theirs.Close()
		script(theirs)
	})
	return ours, nil
}

// count returns how many connections were made.
func (s *h2Servers) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.dialed
}

// options are those of a Dial to s over HTTP/2.
func (s *h2Servers) options() *websocket.DialOptions {
	return &websocket.DialOptions{HTTP: websocket.HTTP2, NetDial: s.dial, Proxy: proxyURL("")}
}

// startsWith checks an error's text.
func startsWith(t *testing.T, err error, text string) {
	t.Helper()
	if err == nil || !strings.HasPrefix(err.Error(), text) {
		t.Errorf("error %v, want one that begins with %q", err, text)
	}
}

func mustURL(s string) *url.URL {
	u, err := url.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}
