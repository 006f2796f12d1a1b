// Package h2peer is the other end of an HTTP/2 connection in tests, client or
// server: it sends exact frames, and tells what comes frame by frame. It is
// made of x/net's Framer, and shares nothing with what it tests.
package h2peer

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// patience is how long a peer waits for what must happen.
const patience = 10 * time.Second

// Options are the settings of a peer.
type Options struct {
	Server bool // its role

	// Window is the window of each stream. Default 64 KiB.
	Window uint32

	// NoUpdates never gives a stream's window back.
	NoUpdates bool

	// Settings are sent besides those of the fields above.
	Settings []http2.Setting
}

// Conn is one connection.
type Conn struct {
	t  testing.TB
	nc net.Conn
	o  Options

	wmu  sync.Mutex // guards fr's writing, enc and its buffer
	fr   *http2.Framer
	enc  *hpack.Encoder
	head bytes.Buffer

	mu       sync.Mutex
	moved    sync.Cond // told of each change
	streams  map[uint32]*Stream
	accepted []*Stream // not yet returned by Accept
	next     uint32
	owed     uint32 // came on the connection, and the other end was not told that it may send more
	window   int64  // what the other end takes on the connection
	initial  int64  // and on a new stream
	settings map[http2.SettingID]uint32
	goaways  []GoAway
	pongs    int
	err      error // why nothing more comes
	done     chan struct{}
}

// GoAway is a GOAWAY that came.
type GoAway struct {
	Last uint32
	Code http2.ErrCode
	Data string
}

// Dial connects a client to addr: over TLS with cfg, else with prior knowledge.
func Dial(t testing.TB, addr string, cfg *tls.Config, o *Options) *Conn {
	t.Helper()
	var nc net.Conn
	var err error
	if cfg != nil {
		cfg = cfg.Clone()
		cfg.NextProtos = []string{"h2"}
		nc, err = tls.Dial("tcp", addr, cfg)
	} else {
		nc, err = net.Dial("tcp", addr)
	}
	if err != nil {
		t.Fatal(err)
	}
	return New(t, nc, o)
}

// New makes a peer of a connection on which nothing was sent, and waits for the
// other end's SETTINGS. It ends with the test.
func New(t testing.TB, nc net.Conn, o *Options) *Conn {
	t.Helper()
	c := &Conn{
		t: t, nc: nc, fr: http2.NewFramer(nc, nc), streams: make(map[uint32]*Stream), next: 1,
		window: 65535, initial: 65535, settings: make(map[http2.SettingID]uint32), done: make(chan struct{}),
	}
	if o != nil {
		c.o = *o
	}
	if c.o.Window == 0 {
		c.o.Window = 65535
	}
	c.moved.L = &c.mu
	c.enc = hpack.NewEncoder(&c.head)
	c.fr.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	t.Cleanup(func() {
		nc.Close()
		<-c.done
	})
	if c.o.Server {
		preface := make([]byte, len(http2.ClientPreface))
		if _, err := io.ReadFull(nc, preface); err != nil || string(preface) != http2.ClientPreface {
			close(c.done)
			t.Fatalf("the preface is %q, %v", preface, err)
		}
	} else if _, err := io.WriteString(nc, http2.ClientPreface); err != nil {
		close(c.done)
		t.Fatal(err)
	}
	settings := append([]http2.Setting{{ID: http2.SettingInitialWindowSize, Val: c.o.Window}}, c.o.Settings...)
	if c.o.Server {
		settings = append(settings, http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	}
	c.Send(func(fr *http2.Framer) error { return fr.WriteSettings(settings...) })
	c.Send(func(fr *http2.Framer) error { return fr.WriteWindowUpdate(0, 1<<30) })
	go c.serve()
	c.wait("SETTINGS", func() bool { return len(c.settings) > 0 })
	return c
}

// NetConn returns what carries the connection.
func (c *Conn) NetConn() net.Conn { return c.nc }

// Close closes it, without a GOAWAY.
func (c *Conn) Close() error { return c.nc.Close() }

// Send sends frames. An error of the connection is left to whoever reads.
func (c *Conn) Send(f func(fr *http2.Framer) error) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	_ = f(c.fr)
}

// wait waits until ok, which is called with c.mu held.
func (c *Conn) wait(what string, ok func() bool) {
	c.t.Helper()
	late := false
	timer := time.AfterFunc(patience, func() {
		c.mu.Lock()
		late = true
		c.moved.Broadcast()
		c.mu.Unlock()
	})
	defer timer.Stop()
	c.mu.Lock()
	defer c.mu.Unlock()
	for !ok() {
		if late || c.err != nil {
			c.t.Fatalf("HTTP/2: waiting for %s: %v", what, c.err)
		}
		c.moved.Wait()
	}
}

// GoAway waits for a GOAWAY, the nth one.
func (c *Conn) GoAway(n int) GoAway {
	c.t.Helper()
	c.wait("GOAWAY", func() bool { return len(c.goaways) >= n })
	return c.goaways[n-1]
}

// Sync sends a PING and waits for the answer: what was sent before has come.
func (c *Conn) Sync() {
	c.t.Helper()
	c.mu.Lock()
	n := c.pongs + 1
	c.mu.Unlock()
	c.Send(func(fr *http2.Framer) error { return fr.WritePing(false, [8]byte{'s', 'y', 'n', 'c'}) })
	c.wait("PING ACK", func() bool { return c.pongs >= n })
}

// Ended waits until the connection is over and returns why: io.EOF after an
// orderly end.
func (c *Conn) Ended() error {
	c.t.Helper()
	select {
	case <-c.done:
	case <-time.After(patience):
		c.t.Fatal("HTTP/2: the connection does not end")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// headers sends a HEADERS frame with names and values.
func (c *Conn) headers(id uint32, end bool, fields []string) {
	c.wmu.Lock()
	defer c.wmu.Unlock()
	c.head.Reset()
	for i := 0; i+1 < len(fields); i += 2 {
		_ = c.enc.WriteField(hpack.HeaderField{Name: strings.ToLower(fields[i]), Value: fields[i+1]})
	}
	_ = c.fr.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.head.Bytes(), EndHeaders: true, EndStream: end})
}

// Request opens a stream with the fields, pseudo-header fields among them. It
// does not wait for the answer.
func (c *Conn) Request(end bool, fields ...string) *Stream {
	c.mu.Lock()
	s := c.newStream(c.next)
	c.next += 2
	c.mu.Unlock()
	c.headers(s.id, end, fields)
	return s
}

// Open opens a WebSocket by an extended CONNECT and waits for the answer, which
// must be a 200.
func (c *Conn) Open(path string, fields ...string) *Stream {
	c.t.Helper()
	scheme := "http"
	if _, ok := c.nc.(*tls.Conn); ok {
		scheme = "https"
	}
	s := c.Request(false, append([]string{
		":method", "CONNECT", ":protocol", "websocket", ":scheme", scheme, ":path", path,
		":authority", c.nc.RemoteAddr().String(), "sec-websocket-version", "13",
	}, fields...)...)
	if status := s.Field(":status"); status != "200" {
		c.t.Fatalf("HTTP/2: the answer to %s is %s, %v", path, status, s.err)
	}
	return s
}

// Accept waits for a stream that the other end opens.
func (c *Conn) Accept() *Stream {
	c.t.Helper()
	var s *Stream
	c.wait("a request", func() bool {
		if len(c.accepted) == 0 {
			return false
		}
		s, c.accepted = c.accepted[0], c.accepted[1:]
		return true
	})
	return s
}

// Respond sends the head of an answer.
func (s *Stream) Respond(status string, fields ...string) {
	s.c.headers(s.id, false, append([]string{":status", status}, fields...))
}

// serve reads until the connection ends.
func (c *Conn) serve() {
	defer close(c.done)
	for {
		f, err := c.fr.ReadFrame()
		se, ok := errors.AsType[http2.StreamError](err)
		if ok {
			err = fmt.Errorf("the other end sent a malformed frame: %w", se)
		}
		c.mu.Lock()
		if err != nil {
			if n := len(c.goaways); n > 0 {
				err = fmt.Errorf("%w after GOAWAY %v", err, c.goaways[n-1])
			}
			c.err = err
			for _, s := range c.streams {
				s.fail(fmt.Errorf("the connection is gone: %v", err))
			}
			c.moved.Broadcast()
			c.mu.Unlock()
			return
		}
		reply := c.take(f)
		c.moved.Broadcast()
		c.mu.Unlock()
		if reply != nil {
			c.Send(reply)
		}
	}
}

// take takes a frame, and returns what is to be sent for it. c.mu is held.
func (c *Conn) take(f http2.Frame) func(*http2.Framer) error {
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			return nil
		}
		c.settings[0] = 1
		_ = f.ForeachSetting(func(s http2.Setting) error {
			c.settings[s.ID] = s.Val
			if s.ID == http2.SettingInitialWindowSize {
				for _, st := range c.streams {
					st.window += int64(s.Val) - c.initial
				}
				c.initial = int64(s.Val)
			}
			return nil
		})
		return (*http2.Framer).WriteSettingsAck
	case *http2.PingFrame:
		if f.IsAck() {
			c.pongs++
			return nil
		}
		data := f.Data
		return func(fr *http2.Framer) error { return fr.WritePing(true, data) }
	case *http2.GoAwayFrame:
		c.goaways = append(c.goaways, GoAway{f.LastStreamID, f.ErrCode, string(f.DebugData())})
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.window += int64(f.Increment)
		} else if s := c.streams[f.StreamID]; s != nil {
			s.window += int64(f.Increment)
		}
	case *http2.MetaHeadersFrame:
		s := c.streams[f.StreamID]
		if s == nil {
			s = c.newStream(f.StreamID)
			c.accepted = append(c.accepted, s)
		}
		s.fields = append(s.fields, f.Fields...)
		s.answered = true
		s.inEnd = s.inEnd || f.StreamEnded()
	case *http2.DataFrame:
		if s := c.streams[f.StreamID]; s != nil {
			s.in = append(s.in, f.Data()...)
			s.last = len(f.Data())
			s.inEnd = s.inEnd || f.StreamEnded()
		}
		if c.owed += f.Length; c.owed > 1<<20 {
			n := c.owed
			c.owed = 0
			return func(fr *http2.Framer) error { return fr.WriteWindowUpdate(0, n) }
		}
	case *http2.RSTStreamFrame:
		if s := c.streams[f.StreamID]; s != nil {
			s.fail(http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode})
		}
	}
	return nil
}
