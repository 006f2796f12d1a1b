package h2

import (
	"cmp"
	"math"
	"net/http"
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/h2conn"
	"github.com/lariat-go/websocket/internal/option"
)

// Options are the settings of a server's connections. A nil pointer and the
// zero value of each field mean the documented default; negative numbers and
// durations mean none where a field says so. A value that cannot be used is
// refused with an OptionError of package websocket.
//
// Where a default names a field of [http.HTTP2Config], it is that of the
// server's HTTP2.
type Options struct {
	// MaxStreams is how many requests and WebSockets one connection may carry
	// at once, running handlers included: the next is refused with
	// REFUSED_STREAM (RFC 9113, section 5.1.2). It answers rapid resets
	// (CVE-2023-44487). Default: MaxConcurrentStreams, else 100.
	MaxStreams int

	// StreamWindow is how many bytes a client may send on one stream ahead of
	// what was read, ConnWindow on all of them ahead of what was received (RFC
	// 9113, section 5.2). StreamWindow is 1 KiB to 2^31-1, ConnWindow 65,535 to
	// 2^31-1. Default: MaxReceiveBufferPerStream, else 64 KiB, and
	// MaxReceiveBufferPerConnection, else 1 MiB.
	StreamWindow, ConnWindow int

	// MaxFrameSize is the largest payload of a frame that is taken, 16 KiB to
	// 16 MiB - 1 (RFC 9113, section 4.2). Default: MaxReadFrameSize, else 16 KiB.
	MaxFrameSize int

	// MaxHeaderBytes limits the header of a request: names, values, and 32 bytes
	// for each field (RFC 9113, section 6.5.2). A larger one is answered 431; one
	// that is four times as large ends the connection. It answers CONTINUATION
	// floods (CVE-2023-45288). Default: the server's MaxHeaderBytes, else 32 KiB.
	MaxHeaderBytes int

	// MaxFields limits the fields of a request's header, with all pieces of a
	// cookie as one. A request with more is answered 431. Default 100; negative
	// means no limit.
	MaxFields int

	// NoExtendedConnect says that the server opens no WebSockets over HTTP/2:
	// it does not announce extended CONNECT, and browsers use HTTP/1.1 for them
	// (RFC 8441, section 3).
	NoExtendedConnect bool

	// WriteTimeout is how long a client may take nothing of what is sent before
	// the connection is given up. Default: WriteByteTimeout, else 10 s; negative
	// means never.
	WriteTimeout time.Duration

	// HandshakeTimeout is for the beginning of a connection: the client's
	// preface and SETTINGS, and its acknowledgement of ours. Default: the
	// server's ReadHeaderTimeout, or its ReadTimeout, else 5 s; negative means
	// never.
	HandshakeTimeout time.Duration

	// After PingInterval without a byte from the client a PING is sent, and the
	// connection is given up when nothing comes for PingTimeout more. Default:
	// SendPingTimeout, else no pings, and the PingTimeout of HTTP2, else 15 s.
	PingInterval, PingTimeout time.Duration

	// What a client may do in ten seconds before its connection is ended with
	// ENHANCE_YOUR_CALM. Negative means no limit.

	// MaxNonProgress is how many frames may come that carry nothing: PING,
	// SETTINGS, PRIORITY, empty DATA, small WINDOW_UPDATEs, unknown ones
	// (CVE-2019-9512, 9515 and 9518). Default 1,000.
	MaxNonProgress int
	// MaxResets is how many streams the client may reset. Default 500.
	MaxResets int
	// MaxOwnResets is how many streams may have to be reset because of what the
	// client sent on them (CVE-2025-8671). Default 10.
	MaxOwnResets int

	// MaxControls is how many control frames may wait to be sent to a client
	// that does not read (CVE-2019-9512). Default 1,000.
	MaxControls int

	// Trace, if not nil, is told of every frame in both directions. It is
	// called by the goroutine that does the work, with the connection's lock
	// held: it must be quick, must not use the connection or its streams, and
	// must not keep what it is given.
	Trace func(Frame)
}

// Frame is what Trace is told of a frame.
type Frame = h2.FrameInfo

// check returns an error for a value that can't be used.
func (o *Options) check() error {
	const most = math.MaxInt32
	for _, c := range []struct {
		field            string
		value, low, high int
		want             string
	}{
		{"MaxStreams", o.MaxStreams, 1, most, "1 to 2^31-1, or 0 for the default"},
		{"StreamWindow", o.StreamWindow, 1 << 10, most, "1,024 to 2^31-1 bytes, or 0 for the default"},
		{"ConnWindow", o.ConnWindow, 1<<16 - 1, most, "65,535 to 2^31-1 bytes, or 0 for the default"},
		{"MaxFrameSize", o.MaxFrameSize, 1 << 14, 1<<24 - 1, "16,384 to 16,777,215 bytes, or 0 for the default"},
		{"MaxHeaderBytes", o.MaxHeaderBytes, 1 << 10, most / 4, "1,024 bytes or more, or 0 for the default"},
		{"MaxFields", o.MaxFields, math.MinInt, most, "how many, 0 for the default, or negative for no limit"},
		{"MaxControls", o.MaxControls, 1, most, "how many, or 0 for the default"},
	} {
		if c.value != 0 && (c.value < c.low || c.value > c.high) {
			return &option.Error{Field: c.field, Value: c.value, Want: c.want}
		}
	}
	return nil
}

// within returns v if it is from low to high, and 0 if not: that is how
// net/http treats its HTTP2Config.
func within(v, low, high int) int {
	if v < low || v > high {
		return 0
	}
	return v
}

// conn returns the settings of a connection of srv.
func (o *Options) conn(srv *http.Server) h2conn.Options {
	theirs := srv.HTTP2
	if theirs == nil {
		theirs = &http.HTTP2Config{}
	}
	const most = math.MaxInt32
	headerBytes := srv.MaxHeaderBytes
	if headerBytes < 0 || headerBytes > most/4 {
		headerBytes = 0
	}
	return h2conn.Options{
		Config: h2.Config{
			Role:            h2.RoleServer,
			ExtendedConnect: !o.NoExtendedConnect,
			MaxStreams:      uint32(cmp.Or(o.MaxStreams, within(theirs.MaxConcurrentStreams, 1, most))),
			StreamWindow:    uint32(cmp.Or(o.StreamWindow, within(theirs.MaxReceiveBufferPerStream, 1, 4<<20))),
			ConnWindow:      uint32(cmp.Or(o.ConnWindow, within(theirs.MaxReceiveBufferPerConnection, 1<<16-1, 4<<20))),
			MaxFrameSize:    uint32(cmp.Or(o.MaxFrameSize, within(theirs.MaxReadFrameSize, 1<<14, 1<<24-1))),
			MaxHeaderBytes:  uint32(cmp.Or(o.MaxHeaderBytes, headerBytes)),
			MaxFields:       o.MaxFields,
			NonProgress:     o.MaxNonProgress,
			Resets:          o.MaxResets,
			OwnResets:       o.MaxOwnResets,
			MaxControls:     o.MaxControls,
			OnFrame:         o.Trace,
		},
		WriteTimeout:     cmp.Or(o.WriteTimeout, max(theirs.WriteByteTimeout, 0)),
		HandshakeTimeout: cmp.Or(o.HandshakeTimeout, max(srv.ReadHeaderTimeout, 0), max(srv.ReadTimeout, 0)),
		IdleTimeout:      max(cmp.Or(srv.IdleTimeout, srv.ReadTimeout), 0),
		PingInterval:     max(cmp.Or(o.PingInterval, theirs.SendPingTimeout), 0),
		PingTimeout:      cmp.Or(o.PingTimeout, max(theirs.PingTimeout, 0)),
	}
}
