package deflate

import (
	"sync/atomic"

	"github.com/lariat-go/websocket/extension"
	"github.com/lariat-go/websocket/internal/option"
)

// Name is the extension's registered name (RFC 7692, section 7).
const Name = "permessage-deflate"

// Values that stand for the zero fields of [Options].
const (
	DefaultLevel       = 1
	DefaultThreshold   = 512      // bytes
	DefaultMaxContexts = 64 << 20 // bytes
	DefaultWindowBits  = 15
)

const (
	minWindowBits = 8
	maxWindowBits = 15
	maxLevel      = 9
)

// Options configures the extension. The zero value is ready for use: no
// context takeover, level 1, messages below 512 bytes sent as they are.
//
// Server and client name the sender of the messages, as in RFC 7692, not the
// endpoint that holds the options: ServerContextTakeover is about what servers
// compress and clients decompress, at both ends.
type Options struct {
	// Level is how long the compressor searches, 1 (quick) to 9 (thorough); 0
	// means 1. With context takeover, levels above 1 index the kept text anew
	// for each message.
	Level int

	// Threshold is the size in bytes below which a message is sent as it is.
	// 0 means 512, negative that every message is compressed. A message that
	// is sent in fragments is always compressed.
	Threshold int

	// ServerContextTakeover and ClientContextTakeover let a message refer to
	// the text of the messages before it. It makes messages that resemble each
	// other smaller, and keeps 16 KiB per connection for what is sent and up to 32 KiB for
	// what is received. The
	// peer may turn either off.
	ServerContextTakeover bool
	ClientContextTakeover bool

	// ServerMaxWindowBits and ClientMaxWindowBits are the largest windows to
	// agree on, as the base-2 logarithm of their bytes: 8 to 15, 0 for 15. A
	// client fails the handshake when the server does not heed
	// ServerMaxWindowBits; a server can hold a client to ClientMaxWindowBits
	// only when the client offers to be held.
	ServerMaxWindowBits int
	ClientMaxWindowBits int

	// MaxContexts bounds the bytes that all connections of one extension value
	// keep for context takeover. A connection that would pass it is agreed
	// without takeover. 0 means 64 MiB, negative no bound.
	MaxContexts int64
}

// Validate returns an [*option.Error] for the first field whose value cannot
// be used.
func (o *Options) Validate() error {
	if o == nil {
		return nil
	}
	if o.Level < 0 || o.Level > maxLevel {
		return &option.Error{Field: "Level", Value: o.Level, Want: "1 to 9, or 0 for 1"}
	}
	if !validBits(o.ServerMaxWindowBits) {
		return &option.Error{Field: "ServerMaxWindowBits", Value: o.ServerMaxWindowBits, Want: "8 to 15, or 0 for 15"}
	}
	if !validBits(o.ClientMaxWindowBits) {
		return &option.Error{Field: "ClientMaxWindowBits", Value: o.ClientMaxWindowBits, Want: "8 to 15, or 0 for 15"}
	}
	return nil
}

func validBits(n int) bool { return n == 0 || n >= minWindowBits && n <= maxWindowBits }

// deflater is the extension's configuration, shared by connections.
type deflater struct {
	o    Options // defaults filled in
	err  error   // from Validate
	used atomic.Int64
}

// New returns the extension. o is copied; nil means the zero Options. Options
// that [Options.Validate] refuses make an extension that offers and accepts
// nothing, and whose own Validate method returns the same error.
//
// The value serves any number of connections at the same time.
func New(o *Options) extension.Extension {
	d := new(deflater)
	if o != nil {
		d.o = *o
	}
	d.err = d.o.Validate()
	if d.o.Level == 0 {
		d.o.Level = DefaultLevel
	}
	if d.o.Threshold == 0 {
		d.o.Threshold = DefaultThreshold
	}
	if d.o.ServerMaxWindowBits == 0 {
		d.o.ServerMaxWindowBits = DefaultWindowBits
	}
	if d.o.ClientMaxWindowBits == 0 {
		d.o.ClientMaxWindowBits = DefaultWindowBits
	}
	if d.o.MaxContexts == 0 {
		d.o.MaxContexts = DefaultMaxContexts
	}
	return d
}

// Name returns "permessage-deflate".
func (d *deflater) Name() string { return Name }

// Validate returns the error of [Options.Validate].
func (d *deflater) Validate() error { return d.err }

// reserve takes n bytes out of the budget of contexts; ok is false, and
// nothing taken, when there are fewer left.
func (d *deflater) reserve(n int64) (ok bool) {
	if d.used.Add(n) <= d.o.MaxContexts || d.o.MaxContexts < 0 {
		return true
	}
	d.used.Add(-n)
	return false
}

// contexts returns the bytes that takeover keeps on a connection: what is kept
// of our own messages, and the peer's window.
func contexts(p params, server bool) int64 {
	own, peer, peerBits := p.serverTakeover, p.clientTakeover, p.clientBits
	if !server {
		own, peer, peerBits = p.clientTakeover, p.serverTakeover, p.serverBits
	}
	var n int64
	if own {
		n += windowSize
	}
	if peer {
		n += 1 << peerBits
	}
	return n
}
