package h2_test

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// rawClient is the client's end of a connection, frame by frame, with the Framer
// of x/net, which is not the code under test.
type rawClient struct {
	t     *testing.T
	nc    net.Conn
	fr    *http2.Framer
	block bytes.Buffer
	enc   *hpack.Encoder
	dec   *hpack.Decoder
	first map[http2.SettingID]uint32 // of the server
}

// raw connects to h and exchanges SETTINGS.
func (h *host) raw(t *testing.T, settings ...http2.Setting) *rawClient {
	t.Helper()
	addr := h.http.Listener.Addr().String()
	if h.http.TLS == nil || !strings.HasPrefix(h.url, "https:") {
		nc, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		return newRaw(t, nc, settings...)
	}
	nc, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	return newRaw(t, nc, settings...)
}

func newRaw(t *testing.T, nc net.Conn, settings ...http2.Setting) *rawClient {
	t.Helper()
	c := &rawClient{t: t, nc: nc, fr: http2.NewFramer(nc, nc), dec: hpack.NewDecoder(4096, nil), first: make(map[http2.SettingID]uint32)}
	c.enc = hpack.NewEncoder(&c.block)
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(patience))
	if _, err := nc.Write([]byte(http2.ClientPreface)); err != nil {
		t.Fatal(err)
	}
	c.must(c.fr.WriteSettings(settings...))
	f, err := c.fr.ReadFrame()
	c.must(err)
	s, ok := f.(*http2.SettingsFrame)
	if !ok {
		t.Fatalf("the first frame is %v", f)
	}
	s.ForeachSetting(func(s http2.Setting) error {
		c.first[s.ID] = s.Val
		return nil
	})
	c.must(c.fr.WriteSettingsAck())
	return c
}

func (c *rawClient) must(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatalf("client: %v", err)
	}
}

// headers sends a header block; fields are names and values in turn.
func (c *rawClient) headers(stream uint32, end bool, fields ...string) {
	c.t.Helper()
	c.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		c.enc.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	const most = 16 << 10
	b := c.block.Bytes()
	first := b[:min(len(b), most)]
	b = b[len(first):]
	c.must(c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: stream, BlockFragment: first, EndStream: end, EndHeaders: len(b) == 0}))
	for len(b) > 0 {
		piece := b[:min(len(b), most)]
		b = b[len(piece):]
		c.must(c.fr.WriteContinuation(stream, len(b) == 0, piece))
	}
}

// request sends a request for path, with more fields.
func (c *rawClient) request(stream uint32, end bool, method, path string, fields ...string) {
	c.t.Helper()
	c.headers(stream, end, append([]string{":method", method, ":scheme", "https", ":authority", "server.test", ":path", path}, fields...)...)
}

// connect sends an extended CONNECT.
func (c *rawClient) connect(stream uint32, path string) {
	c.t.Helper()
	c.request(stream, false, "CONNECT", path, ":protocol", "websocket")
}

func (c *rawClient) data(stream uint32, end bool, data string) {
	c.t.Helper()
	c.must(c.fr.WriteData(stream, end, []byte(data)))
}

// next returns the next frame but for SETTINGS, WINDOW_UPDATE and PING, in
// words: "HEADERS 1 end [:status=200 ...]", "DATA 1 hello", "RST_STREAM 1
// CANCEL", "GOAWAY 3 NO_ERROR", or the error of reading.
func (c *rawClient) next() string {
	for {
		f, err := c.fr.ReadFrame()
		if err != nil {
			return "closed"
		}
		end := ""
		switch f := f.(type) {
		case *http2.HeadersFrame:
			if f.StreamEnded() {
				end = " end"
			}
			fields, err := c.dec.DecodeFull(f.HeaderBlockFragment())
			c.must(err)
			return fmt.Sprintf("HEADERS %d%s %v", f.StreamID, end, list(fields))
		case *http2.DataFrame:
			if f.StreamEnded() {
				end = " end"
			}
			return fmt.Sprintf("DATA %d%s %s", f.StreamID, end, f.Data())
		case *http2.RSTStreamFrame:
			return fmt.Sprintf("RST_STREAM %d %v", f.StreamID, f.ErrCode)
		case *http2.GoAwayFrame:
			return fmt.Sprintf("GOAWAY %d %v", f.LastStreamID, f.ErrCode)
		case *http2.PingFrame:
			if !f.IsAck() {
				c.must(c.fr.WritePing(true, f.Data))
			}
		}
	}
}

// list returns fields without those that vary.
func list(fields []hpack.HeaderField) []string {
	var all []string
	for _, f := range fields {
		if f.Name != "date" {
			all = append(all, f.Name+"="+f.Value)
		}
	}
	slices.Sort(all)
	return all
}

// want reads the frames that must come next.
func (c *rawClient) want(frames ...string) {
	c.t.Helper()
	for _, want := range frames {
		if got := c.next(); got != want {
			c.t.Fatalf("frame %.200s\nwant %.200s", got, want)
		}
	}
}
