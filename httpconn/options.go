package httpconn

import (
	"math"

	"github.com/lariat-go/websocket/internal/h1"
	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/option"
)

// maxInterim is how many interim responses may come for a request.
const maxInterim = 8

// Options are the settings of a [Conn]. Nil and the zero value mean all
// defaults; where a field says so, a negative number means no limit. They are
// copied.
type Options struct {
	// Major is the version of HTTP: 1, the default, or 2.
	Major int

	// Secure says that there is TLS below the connection: requests have the
	// scheme https, and opening handshakes must be for wss.
	Secure bool

	// Authority is the host, and perhaps port, of requests that name none:
	// "example.com:8080".
	Authority string

	// MaxHeaderBytes and MaxFields limit the head of a response, and its
	// trailers: bytes, by default 32 KiB, and fields, by default 100. Negative:
	// no limit. Over HTTP/1.1 a line of the head has at most 8 KiB, or
	// MaxHeaderBytes where that is set.
	MaxHeaderBytes, MaxFields int

	// Window is how many bytes of a body the server may send ahead of
	// [Conn.Consumed], on each stream. Default 64 KiB; negative: as many as
	// there can be, 2 GiB. Only over HTTP/2.
	Window int

	// Now returns the time in nanoseconds of a steady clock. Only over HTTP/2,
	// where it bounds how many frames that carry nothing (PING, SETTINGS, empty
	// DATA) a server may send: 1,000 in ten seconds, and 10 streams that have to
	// be reset. Without it they are not counted; memory is bounded all the same.
	// It is called by Receive.
	Now func() int64
}

// settings are options that were checked.
type settings struct {
	Options
}

func (o *Options) settings() (*settings, error) {
	s := &settings{}
	if o != nil {
		s.Options = *o
	}
	if s.Major == 0 {
		s.Major = 1
	}
	switch {
	case s.Major != 1 && s.Major != 2:
		return nil, &option.Error{Field: "Major", Value: s.Major, Want: "1 or 2"}
	case s.Authority != "" && !h2.ValidAuthority(s.Authority):
		return nil, &option.Error{Field: "Authority", Value: s.Authority, Want: "a host and perhaps a port"}
	case s.Window > math.MaxInt32:
		return nil, &option.Error{Field: "Window", Value: s.Window, Want: "at most 2147483647 bytes"}
	}
	return s, nil
}

func (s *settings) limits() h1.Limits {
	l := h1.Limits{Head: s.MaxHeaderBytes, Fields: s.MaxFields, Interim: maxInterim}
	if s.MaxHeaderBytes != 0 {
		l.Line = s.MaxHeaderBytes
	}
	return l
}

func (s *settings) config() *h2.Config {
	cfg := &h2.Config{Role: h2.RoleClient, MaxHeaderBytes: h2.HeaderBytes(s.MaxHeaderBytes), MaxFields: s.MaxFields, SendAtOnce: true}
	switch {
	case s.Window < 0:
		cfg.StreamWindow = math.MaxInt32
	default:
		cfg.StreamWindow = uint32(s.Window)
	}
	cfg.ConnWindow = max(cfg.StreamWindow, h2.DefaultConnWindow)
	if s.Now == nil {
		cfg.NonProgress, cfg.OwnResets = -1, -1
	}
	return cfg
}

func (s *settings) scheme() string {
	if s.Secure {
		return "https"
	}
	return "http"
}
