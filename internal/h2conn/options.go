package h2conn

import (
	"time"

	"github.com/lariat-go/websocket/internal/h2"
	"github.com/lariat-go/websocket/internal/poll"
)

// The defaults of [Options].
const (
	DefaultWriteTimeout     = 10 * time.Second
	DefaultHandshakeTimeout = 5 * time.Second
	DefaultPingTimeout      = 15 * time.Second
)

// Options of a connection.
type Options struct {
	h2.Config

	// WriteTimeout is how long the peer may take nothing of what is written
	// before the connection is given up. 0 means 10 s, negative never.
	WriteTimeout time.Duration

	// HandshakeTimeout is for the peer's preface and SETTINGS, and for its
	// acknowledgement of ours. 0 means 5 s, negative never.
	HandshakeTimeout time.Duration

	// IdleTimeout closes a connection that has had no stream for so long. 0
	// means never.
	IdleTimeout time.Duration

	// After PingInterval without a byte from the peer a PING is sent, and the
	// connection is given up when PingTimeout more has passed without one. 0
	// means no pings, and 15 s.
	PingInterval, PingTimeout time.Duration

	// Early is what came from the peer already, such as the preface by which a
	// server has told HTTP/2.
	Early []byte

	// Poller, if not nil, carries the connection if that is TLS over TCP: then no
	// goroutine waits for the peer, but that of Serve.
	Poller *poll.Poller

	// Request is called for every new stream of a server, on the goroutine that
	// reads: it must not wait. With end, the request has no body. The stream is
	// owned by whoever is called, who has to call Release or Detach in the end.
	Request func(s *Stream, h *h2.Head, end bool)

	// Room, if not nil, is called when a stream may be opened (client) that could
	// not be a moment ago, and when none will be any more. It must not wait.
	Room func()

	// Active, if not nil, is told when the first stream begins and when the
	// last one is over, by one goroutine at a time. It must not wait.
	Active func(active bool)
}
